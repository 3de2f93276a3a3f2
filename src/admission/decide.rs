//! The decision about one request: its route, its viewer, its stream, and whether the policies admit it.

use std::sync::Arc;

use http::Method;

use super::Admission;
use super::decision::{Decided, Decision, PassReason, Subject};
use super::play_context::PlayContext;
use super::problem::Problem;
use super::request_view::{HeartbeatKind, Ingress, RequestView, check_well_formed, host};
use crate::config::{Anonymous, Application, RouteError};
use crate::identity::{Identified, OpenError, PlaySession, TokenError, Viewer, path};
use crate::media::{self, Kind};
use crate::streams::Stream;

/// An admitting or passing decision, or the refusal.
pub(super) type Verdict = Result<Decision, Box<Problem>>;

impl Admission {
    /// Decides about a request before it is sent to the origin.
    pub(crate) async fn decide(&self, view: &RequestView<'_>) -> Decided {
        let mut subject = Subject::default();
        let decision = self.decide_about(view, &mut subject).await.unwrap_or_else(Decision::Refuse);
        Decided { decision, subject }
    }

    /// Decides again about a request whose answer turned out to be `kind`. `before` is the result of the first
    /// decision.
    pub(crate) async fn decide_late(&self, view: &RequestView<'_>, kind: Kind, before: Subject) -> Decided {
        let mut subject = Subject { kind, shared_play: None, ..before };
        let play = before.shared_play.or_else(|| subject.play.clone());
        let decision = self.decide_late_about(view, play, &mut subject).await.unwrap_or_else(Decision::Refuse);
        Decided { decision, subject }
    }

    async fn decide_about(&self, view: &RequestView<'_>, subject: &mut Subject) -> Verdict {
        check_well_formed(view.request, view.settings().limits.header_bytes)?;
        if path::find(view.path).is_some() {
            return Err(Problem::nested_play_session());
        }
        let application = self.route(view, subject)?;
        let (method, kind) = (&view.request.method, subject.kind);
        // Licences are requested by POST.
        let may_be_posted = kind == Kind::Key && method == Method::POST;
        if kind.is_media() && !may_be_posted && ![Method::GET, Method::HEAD, Method::OPTIONS].contains(method) {
            return Err(Problem::method());
        }
        if method == Method::OPTIONS {
            // A preflight carries no token and is never counted. Some origins answer it with the file itself, so the
            // gateway answers it for media.
            return if kind.is_media() {
                Err(Problem::preflight(kind))
            } else {
                Ok(Decision::Pass(PassReason::Uncounted))
            };
        }
        let heartbeat = HeartbeatKind::from_request(kind, view.request);
        if heartbeat == HeartbeatKind::Never && view.sealed.is_none() {
            return Ok(Decision::Pass(PassReason::Uncounted));
        }
        let mut unproven = None;
        if let Some(sealed) = view.sealed {
            match self.open(sealed, &application, view) {
                Ok(play) => return self.decide_with_play_session(play, heartbeat, view, &application, subject).await,
                Err(problem) => unproven = Some(problem),
            }
        }
        match self.identify(view, &application).await {
            Some(Ok(identified)) => self.decide_identified(identified, heartbeat, view, &application, subject).await,
            Some(Err(error)) if kind.is_media() => Err(Problem::token(error)),
            Some(Err(_)) => Ok(Decision::Pass(PassReason::Uncounted)),
            None if application.anonymous == Anonymous::Pass || !kind.is_media() => {
                Ok(Decision::Pass(PassReason::Anonymous))
            }
            None => Err(unproven.unwrap_or_else(Problem::anonymous)),
        }
    }

    async fn decide_late_about(
        &self,
        view: &RequestView<'_>,
        play: Option<Arc<PlayContext>>,
        subject: &mut Subject,
    ) -> Verdict {
        let Some(application) = subject.application.clone() else { return Ok(Decision::Pass(PassReason::Uncounted)) };
        let heartbeat = HeartbeatKind::from_request(subject.kind, view.request);
        if let Some(play) = play {
            return self.decide_with_play_session(play, heartbeat, view, &application, subject).await;
        }
        match self.identify(view, &application).await {
            Some(Ok(identified)) => self.decide_identified(identified, heartbeat, view, &application, subject).await,
            Some(Err(error)) => Err(Problem::token(error)),
            None if application.anonymous == Anonymous::Pass => Ok(Decision::Pass(PassReason::Anonymous)),
            None => Err(Problem::anonymous()),
        }
    }

    async fn decide_identified(
        &self,
        identified: Identified,
        heartbeat: HeartbeatKind,
        view: &RequestView<'_>,
        application: &Arc<Application>,
        subject: &mut Subject,
    ) -> Verdict {
        let Identified { viewer, renewed, reaches_all } = identified;
        (subject.renewed, subject.token_reaches_all) = (renewed, reaches_all);
        let viewer: &Viewer = &viewer;
        self.decide_with_token(viewer, heartbeat, view, application, subject).await
    }

    /// Finds the application, the origin and the kind of a request.
    fn route(&self, view: &RequestView<'_>, subject: &mut Subject) -> Result<Arc<Application>, Box<Problem>> {
        let route = view.settings().routes.resolve(host(view.request), view.path).map_err(|error| match error {
            RouteError::Ambiguous => Problem::ambiguous_path(),
            RouteError::NoRoute => Problem::no_route(),
        })?;
        if view.arrival.ingress == Ingress::Proxy && route.origin.is_none() {
            return Err(Problem::no_route());
        }
        let application = route.application.clone();
        subject.origin.clone_from(&route.origin);
        subject.application = Some(application.clone());
        subject.kind = media::classify(view.path, view.request.uri.query());
        let is_listed = || view.sealed.is_some() && self.listed.lists(application.id.as_str(), view.path);
        if subject.kind.is_uncounted() && is_listed() {
            // A manifest listed it as a segment, whatever its name.
            subject.kind = Kind::Segment;
        }
        Ok(application)
    }

    /// Identifies the viewer by the request's token. Makes external calls only for an unknown key, or for a verdict of
    /// the operator's own service that is not cached.
    async fn identify(
        &self,
        view: &RequestView<'_>,
        application: &Application,
    ) -> Option<Result<Identified, TokenError>> {
        let identity = application.identity.as_ref()?;
        let (facts, wall) = (view.facts(), view.arrival.moment.wall);
        let key_sources = &view.config.key_sources;
        let mut found = identity.identify(&facts, wall)?;
        let again = match &found {
            Err(TokenError::UnknownKey) => key_sources.refresh(application.id.as_str()).await,
            Err(TokenError::NotCached) => match identity.question(&facts) {
                Some(question) => {
                    key_sources.ask(question).await;
                    true
                }
                None => false,
            },
            _ => false,
        };
        if again {
            found = identity.identify(&facts, wall)?;
        }
        if let Err(TokenError::NotCached) = found {
            found = Err(TokenError::Unavailable);
        }
        if let Err(error) = &found {
            self.metrics.token_errors.with_label_values(&[application.id.as_str(), error.label()]).inc();
        }
        Some(found)
    }

    /// The play of a sealed play session: cached by the connection, or opened and looked up.
    fn open(
        &self,
        sealed: &str,
        application: &Application,
        view: &RequestView<'_>,
    ) -> Result<Arc<PlayContext>, Box<Problem>> {
        let settings = view.settings();
        let plays = |stream: &Arc<Stream>| stream.holds(&settings.streams, view.now);
        // An expired play session cannot bring a stream back, but does not end one that holds its slot.
        let current = |session: &PlaySession, stream: Option<&Arc<Stream>>| {
            !settings.keys.has_expired(session, view.arrival.moment.wall) || stream.is_some_and(plays)
        };
        // Nor does the removal of its key from the ring end a cached play.
        if let Some(play) = view.cached.as_ref().filter(|play| play.sealed() == Some(sealed))
            && play.session.application == application.id
            && play.stream.as_ref().is_some_and(plays)
        {
            return Ok(play.clone());
        }
        let refused = |error: OpenError| {
            self.metrics.play_session_errors.with_label_values(&[error.label()]).inc();
            Problem::play_session(error)
        };
        let mut session = settings.keys.open_of_any_age(sealed).map_err(refused)?;
        if session.application != application.id {
            self.metrics.play_session_errors.with_label_values(&["other_application"]).inc();
            return Err(Problem::foreign_play_session());
        }
        let stream = self.table.find(&session.account.key(), session.stream);
        if !current(&session, stream.as_ref()) {
            return Err(refused(OpenError::Expired));
        }
        // The seal contains wall time.
        session.started = view.arrival.moment.past(session.started);
        Ok(Arc::new(PlayContext::new(Some(sealed), session, stream)))
    }
}
