//! The state of one request across the hooks.

use std::any::Any;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;

use super::coding::Decoder;
use super::inspect::Inspection;
use super::manifest::BodyRewriter;
use super::runtime_config::ProxyConfig;
use super::upstream::{Server, ServerGuard, Upstreams};
use crate::admission::{
    Arrival, CachedPlay, ClientInfo, Decided, Decision, Ingress, PassReason, Permit, PlayContext, Problem, RequestView,
    RuntimeConfig, Subject, logged_path, origin_path,
};
use crate::config::Settings;
use crate::identity::StrippedPath;
use crate::media::Kind;
use crate::model::{Millis, Moment};
use crate::telemetry::Outcome;

/// One request: the decision about it, and its exchange with the origin. `Drop` gives back everything that it holds.
pub struct Context {
    pub(super) arrival: Arrival,
    /// When its header had been read, with a precision finer than a millisecond.
    pub(super) begun: Instant,
    /// The configuration in effect when it began.
    pub(super) config: Arc<RuntimeConfig>,
    /// Bytes of the play session's prefix, before the path at the origin.
    pub(super) prefix_length: usize,
    /// The path at the origin, if the path carried a token.
    pub(super) stripped_path: Option<Arc<StrippedPath>>,
    pub(super) subject: Subject,
    pub(super) permit: Option<Permit>,
    pub(super) outcome: Outcome,
    /// The reason word for the log; empty if the outcome says it all.
    pub(super) reason: &'static str,
    /// The play that the connection caches, in a box that is passed from request to request.
    cached_play: Mutex<Option<Box<dyn Any + Send + Sync>>>,
    pub(super) upstreams: Arc<Upstreams>,
    pub(super) server: Option<ServerGuard>,
    /// When the request was sent to the server of the last attempt.
    pub(super) asked: Instant,
    pub(super) tried: Option<Arc<Server>>,
    pub(super) body: BodyRewriter,
    /// The answer is a list of channels and no start.
    pub(super) lists_channels: bool,
    /// True if the answer's body must not be coded.
    pub(super) plain: bool,
    /// Decodes the body.
    pub(super) decoder: Option<Decoder>,
    /// Checks that the first bytes of a harmless answer match its claim.
    pub(super) inspection: Option<Inspection>,
    /// The kind that an earlier attempt's first bytes showed.
    pub(super) belied: Option<Kind>,
    /// A refusal that was decided after the request was sent to the origin.
    pub(super) late: Option<Box<Problem>>,
}

impl Context {
    pub(super) fn new(id: u64, config: &ProxyConfig) -> Self {
        let moment = Moment { now: Millis(0), wall: Millis(0) };
        Self {
            arrival: Arrival { id, ingress: Ingress::Proxy, moment, client: ClientInfo::default() },
            begun: Instant::now(),
            config: config.runtime.clone(),
            prefix_length: 0,
            stripped_path: None,
            subject: Subject::default(),
            permit: None,
            outcome: Outcome::Passed,
            reason: "",
            cached_play: Mutex::new(None),
            upstreams: config.upstreams.clone(),
            server: None,
            asked: Instant::now(),
            tried: None,
            body: BodyRewriter::Untouched,
            lists_channels: false,
            plain: false,
            decoder: None,
            inspection: None,
            belied: None,
            late: None,
        }
    }

    /// The configuration in effect when the request began.
    pub(super) fn settings(&self) -> &Settings {
        &self.config.settings
    }

    /// Records that its header has been read.
    pub(super) fn begin(&mut self, moment: Moment) {
        self.arrival.moment = moment;
        self.begun = Instant::now();
    }

    /// The request for admission. `stripped_path` is this request's, passed separately so that the view does not borrow
    /// `self`.
    pub(super) fn view<'a>(
        &self,
        config: &'a RuntimeConfig,
        request: &'a http::request::Parts,
        stripped_path: Option<&'a StrippedPath>,
    ) -> RequestView<'a> {
        let mut view = RequestView::new(self.arrival, config, request, stripped_path);
        view.cached = view.sealed.and_then(|sealed| self.cached_session(sealed));
        view
    }

    /// Applies a decision.
    ///
    /// # Errors
    /// The request is refused.
    pub(super) fn apply(&mut self, decided: Decided) -> Result<(), Box<Problem>> {
        self.subject = decided.subject;
        match decided.decision {
            Decision::Admit(mut permit) => {
                // The slot that an earlier decision about this request took is still taken.
                if let Some(before) = &self.permit {
                    permit.slot = permit.slot.max(before.slot);
                }
                self.permit = Some(permit);
                Ok(())
            }
            Decision::Pass(reason) => {
                if reason == PassReason::Undecided {
                    self.reason = reason.label();
                }
                Ok(())
            }
            Decision::Refuse(problem) => Err(problem),
        }
    }

    /// Sets the outcome of a refusal, for log and metrics.
    pub(super) fn set_outcome(&mut self, problem: &Problem) {
        (self.outcome, self.reason) = (problem.outcome, problem.reason);
    }

    /// The sealed play session for references in the answer; `None` if they carry none.
    pub(super) fn sealed(&self) -> Option<&str> {
        self.subject.play.as_ref()?.sealed()
    }

    /// The path at the origin: without play session and token.
    pub(super) fn path_of<'a>(&'a self, uri: &'a http::Uri) -> &'a str {
        origin_path(self.stripped_path.as_deref(), self.prefix_length, uri)
    }

    /// The path for the log.
    pub(super) fn logged_path<'a>(&'a self, uri: &'a http::Uri) -> Cow<'a, str> {
        let is_routed = self.subject.application.is_some();
        logged_path(self.settings(), is_routed, self.stripped_path.as_deref(), self.prefix_length, uri)
    }

    /// Takes the play that the previous request of this connection cached.
    pub(super) fn receive_cached(&self, cached: Box<dyn Any + Send + Sync>) {
        *self.cached_play.lock() = Some(cached);
    }

    /// The play of the previous request, if this one has the same prefix.
    fn cached_session(&self, sealed: &str) -> Option<Arc<PlayContext>> {
        let cached = self.cached_play.lock();
        let play = cached.as_ref()?.downcast_ref::<CachedPlay>()?.play();
        (play.sealed() == Some(sealed)).then(|| play.clone())
    }

    /// The play for the next request of this connection. Reuses the box while the play stays the same.
    pub(super) fn cache_play(&self) -> Option<Box<dyn Any + Send + Sync>> {
        let old = self.cached_play.lock().take();
        let play = self.subject.shared_play.as_ref().or(self.subject.play.as_ref());
        let is_same = |kept: &CachedPlay| play.is_some_and(|play| Arc::ptr_eq(kept.play(), play));
        if old.as_ref().is_some_and(|kept| kept.downcast_ref::<CachedPlay>().is_some_and(is_same)) {
            return old;
        }
        match play.and_then(CachedPlay::new) {
            Some(fresh) => Some(Box::new(fresh)),
            None => old,
        }
    }
}
