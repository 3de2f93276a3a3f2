//! Finds the stream of a request, and whether that stream starts, continues or competes for its slot.

use std::borrow::Cow;
use std::sync::Arc;

use super::Admission;
use super::decide::Verdict;
use super::decision::{Decision, PassReason, Permit, Slot, Subject};
use super::in_flight::InFlightGuard;
use super::play_context::PlayContext;
use super::problem::Problem;
use super::request_view::{HeartbeatKind, Ingress, RequestView, is_speculative};
use super::stream_lookup::StreamMatch;
use crate::config::Application;
use crate::identity::{PlaySession, Viewer};
use crate::media::Kind;
use crate::model::{Account, Device, StreamId};
use crate::streams::{Refusal, Signal, Stream};

/// Streams in one account from which on new names that viewers chose are ignored.
const MAX_NAMED: usize = 32;

/// How a request with a token and without a play session relates to the streams of its account.
enum Resolution {
    /// It requests an entry manifest. The token or the request may name the stream.
    Start { named: Option<StreamId> },
    /// It belongs to this stream, which plays `asset` and may be in the table.
    Continue { stream: StreamId, asset: Cow<'static, str>, known: Option<Arc<Stream>> },
    /// Its stream is unknown.
    Unknown,
}

impl Admission {
    /// Decides about a request that carries a play session: the hot path.
    pub(super) async fn decide_with_play_session(
        &self,
        mut play: Arc<PlayContext>,
        heartbeat: HeartbeatKind,
        view: &RequestView<'_>,
        application: &Arc<Application>,
        subject: &mut Subject,
    ) -> Verdict {
        subject.play = Some(play.clone());
        self.check_scope(&play, subject.kind, view)?;
        if heartbeat != HeartbeatKind::Never {
            Self::check_blocks(&play.session, view)?;
        }
        if let Some(split) = self.split_stream(&play, heartbeat, view, application)? {
            subject.shared_play = Some(std::mem::replace(&mut play, split));
            subject.play = Some(play.clone());
            Self::check_blocks(&play.session, view)?;
        }
        let HeartbeatKind::Counts(signal) = heartbeat else {
            return self.check_terminated(&play, heartbeat, view).await;
        };
        let stream = play.stream.as_ref();
        if subject.kind.is_entry() && stream.is_none() && signal == Signal::Presence && play.session.has_not_begun() {
            return self.start_redirected(&play, view, application, subject).await;
        }
        let Some(stream) = stream else { return self.resume(&play, signal, view, application, subject).await };
        if stream.needs_reevaluation(signal) {
            // The heartbeat comes first: with media, the evaluation no longer waits for the manifest.
            let _ = stream.heartbeat(signal, view.now);
            self.reevaluate(&play.session.account, stream, None, application, view).await?;
        }
        if stream.is_contested(signal) {
            let _ = stream.heartbeat(signal, view.now);
            self.resolve_takeover(&play.session.account, stream, application, view).await?;
        }
        if !stream.heartbeat(signal, view.now) {
            return self.resume(&play, signal, view, application, subject).await;
        }
        self.check_download_rate(stream, subject.kind, application, view.now)?;
        Ok(Decision::Admit(Permit {
            slot: Slot::Held,
            annotations: stream.annotations(),
            in_flight: Some(InFlightGuard::new(stream.clone(), signal, &self.clock)),
        }))
    }

    /// Passes a request that is no heartbeat, unless its stream was terminated.
    async fn check_terminated(&self, play: &PlayContext, heartbeat: HeartbeatKind, view: &RequestView<'_>) -> Verdict {
        let plays = |stream: &Arc<Stream>| stream.holds(&view.settings().streams, view.now);
        if heartbeat == HeartbeatKind::Never || play.stream.as_ref().is_some_and(plays) {
            return Ok(Decision::Pass(PassReason::Uncounted));
        }
        match self.table.terminated(&play.session.account, play.session.stream, view.now).await {
            Ok(Some(cause)) => Err(Problem::refused(&Refusal::Terminated(cause))),
            Ok(None) | Err(_) => Ok(Decision::Pass(PassReason::Uncounted)),
        }
    }

    /// Decides about a request with a token and without a play session.
    pub(super) async fn decide_with_token(
        &self,
        viewer: &Viewer,
        heartbeat: HeartbeatKind,
        view: &RequestView<'_>,
        application: &Arc<Application>,
        subject: &mut Subject,
    ) -> Verdict {
        if heartbeat == HeartbeatKind::Never {
            return Ok(Decision::Pass(PassReason::Uncounted));
        }
        // Without a play session, subtitles do not take a slot.
        let heartbeat = match heartbeat {
            HeartbeatKind::Counts(_) if subject.kind == Kind::Subtitle && view.arrival.ingress == Ingress::Proxy => {
                HeartbeatKind::Checked
            }
            heartbeat => heartbeat,
        };
        match self.resolve_stream(viewer, heartbeat, subject.kind, view, application).await {
            Resolution::Start { named } => self.start(viewer, named, heartbeat, view, application, subject).await,
            Resolution::Continue { stream, asset, known } => {
                let session = viewer.play_session(stream, &application.id, &asset, view.now);
                let play = Arc::new(PlayContext::new(None, session, known));
                subject.play = Some(play.clone());
                if let Some(stream) = &play.stream {
                    // A segment does not show another asset.
                    let told = (&viewer.attributes, &*stream.asset);
                    self.update_attributes(&viewer.account, stream, told, application, view).await?;
                }
                self.decide_with_play_session(play, heartbeat, view, application, subject).await
            }
            Resolution::Unknown => {
                let nothing = StreamId([0; 16]);
                Self::check_blocked(&viewer.account.key(), &viewer.device, viewer.token, nothing, view)?;
                Ok(Decision::Pass(PassReason::Uncounted))
            }
        }
    }

    /// Finds the stream of a request without a play session.
    async fn resolve_stream(
        &self,
        viewer: &Viewer,
        heartbeat: HeartbeatKind,
        kind: Kind,
        view: &RequestView<'_>,
        application: &Application,
    ) -> Resolution {
        let is_entry = kind.is_entry();
        let mut named = self.named_stream(viewer, application);
        let asks = view.arrival.ingress == Ingress::ForwardAuth;
        if named.is_none() && asks && (is_entry || heartbeat != HeartbeatKind::Checked) {
            match self.match_stream(viewer, view.path, kind, application, view.now).await {
                // A HEAD or a key passes whatever the state of the stream.
                StreamMatch::To(..) if heartbeat == HeartbeatKind::Checked => return Resolution::Unknown,
                StreamMatch::To(stream, known) => {
                    return Resolution::Continue { stream, asset: Cow::Borrowed(UNKNOWN_ASSET), known };
                }
                StreamMatch::Again(stream) => named = Some(stream),
                StreamMatch::Nothing => {}
            }
        }
        if is_entry {
            return Resolution::Start { named };
        }
        if heartbeat == HeartbeatKind::Checked && named.is_none() {
            // The stream of an initialization segment or a key is unknown.
            return Resolution::Unknown;
        }
        // Either the token names the stream, or a manifest could not be rewritten. In the latter case, requests have
        // only the device in common, and belong to what it plays.
        let playing = || self.table.find_of_device(&viewer.account.key(), &application.id, &viewer.device);
        let known = named.and_then(|named| self.table.find(&viewer.account.key(), named));
        // A name that viewers choose takes effect at an entry manifest. Elsewhere, a new one does not replace what the
        // device plays.
        if let Some(stream) = named
            && (known.is_some() || !viewers_choose_names(application) || playing().is_none())
        {
            return Resolution::Continue { stream, asset: Cow::Owned(view.path.to_owned()), known };
        }
        let playing = playing();
        let stream = playing.as_ref().map_or_else(|| device_stream_id(viewer, application), |stream| stream.id);
        let known = playing.or_else(|| self.table.find(&viewer.account.key(), stream));
        Resolution::Continue { stream, asset: Cow::Borrowed(UNKNOWN_ASSET), known }
    }

    /// The stream that the token or the request names, if any. Names that viewers can choose must not fill the table:
    /// with `MAX_NAMED` streams in the account, new ones are ignored.
    fn named_stream(&self, viewer: &Viewer, application: &Application) -> Option<StreamId> {
        let named = viewer.session?;
        let full = || {
            self.table.find(&viewer.account.key(), named).is_none()
                && self.table.streams_of(&viewer.account.key()) >= MAX_NAMED
        };
        (!viewers_choose_names(application) || !full()).then_some(named)
    }

    /// Decides about a start: a request for an entry manifest with a token.
    async fn start(
        &self,
        viewer: &Viewer,
        named: Option<StreamId>,
        heartbeat: HeartbeatKind,
        view: &RequestView<'_>,
        application: &Arc<Application>,
        subject: &mut Subject,
    ) -> Verdict {
        let mint = application.identity.as_ref().is_none_or(|identity| identity.mapping().stream.mint);
        let named = named.or_else(|| (!mint).then(|| asset_stream_id(viewer, application, view.path)));
        let stream = named.unwrap_or_else(|| StreamId(self.entropy.bytes()));
        let session = viewer.play_session(stream, &application.id, view.path, view.now);
        let known = named.and_then(|named| self.table.find(&viewer.account.key(), named));
        let play = Arc::new(PlayContext::new(None, session, known));
        subject.play = Some(play.clone());
        Self::check_blocks(&play.session, view)?;
        if let Some(split) = self.split_stream(&play, heartbeat, view, application)? {
            return self.decide_with_play_session(split, heartbeat, view, application, subject).await;
        }
        // If the stream is named and the token reaches every request by itself, no play session is needed.
        // Otherwise a play session carries the name.
        let is_carried =
            view.arrival.ingress == Ingress::ForwardAuth || named.is_some() && (subject.token_reaches_all || !mint);
        if heartbeat == HeartbeatKind::Checked || is_speculative(view.request) {
            return self.consider(&play.session, viewer, is_carried, view, application, subject).await;
        }
        self.admit_start(&play.session, viewer, is_carried, view, application, subject).await
    }
}

/// The asset of a stream of which only segments were requested.
const UNKNOWN_ASSET: &str = "unknown";

/// True if viewers can choose the names of streams.
fn viewers_choose_names(application: &Application) -> bool {
    application.identity.as_ref().is_some_and(|identity| !identity.mapping().stream.is_of_token_alone())
}

/// The stream of an account's device and an asset, if it has no name and no play session is minted.
fn asset_stream_id(viewer: &Viewer, application: &Application, asset: &str) -> StreamId {
    let device = device(viewer);
    let parts = format!("{:?}\0{device}\0{}", viewer.account.key(), PlaySession::asset_name(asset));
    StreamId(Account::new(application.id.as_str(), parts).key().0)
}

/// The only stream of a device whose requests have a token and no play session.
fn device_stream_id(viewer: &Viewer, application: &Application) -> StreamId {
    let device = device(viewer);
    StreamId(Account::new(application.id.as_str(), format!("{:?}\0{device}", viewer.account.key())).key().0)
}

fn device(viewer: &Viewer) -> Cow<'_, str> {
    match &viewer.device {
        Device::Named(name) => Cow::Borrowed(&**name),
        Device::Hint(hint) => Cow::Owned(format!("{hint:x}")),
    }
}
