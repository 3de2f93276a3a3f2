//! What one request carries. Everything that must be given back is given back by `Drop`, because a framework may skip its
//! last hook when another one panics.

use std::any::Any;
use std::borrow::Cow;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use parking_lot::Mutex;

use super::request_view::ClientInfo;
use super::runtime_config::RuntimeConfig;
use crate::config::{Application, Origin, Settings};
use crate::identity::{KeyRing, PlaySession, Renewed, StrippedPath, path};
use crate::media::Kind;
use crate::model::{Clock, Millis, Moment};
use crate::policy::Violation;
use crate::streams::{Signal, Stream};
use crate::telemetry::Outcome;

/// A play session whose seal has been checked, and its stream. It stays with the connection, so that the next request
/// with the same prefix needs neither to open it nor to look the stream up.
pub(crate) struct PlayContext {
    /// The string that was sealed, as it stands in the path.
    pub(crate) sealed: Box<str>,
    pub(crate) session: PlaySession,
    /// `None` where the stream is not in the table, as for requests that never count.
    pub(crate) stream: Option<Arc<Stream>>,
    /// What the log calls the account; made once, when a line is first written.
    label: OnceLock<String>,
}

impl PlayContext {
    pub(crate) fn new(sealed: &str, session: PlaySession, stream: Option<Arc<Stream>>) -> Self {
        Self { sealed: sealed.into(), session, stream, label: OnceLock::new() }
    }

    pub(crate) fn account_label(&self, keys: &KeyRing) -> &str {
        self.label.get_or_init(|| keys.account_label(&self.session.key))
    }
}

/// A request of a stream that is being answered. As long as media is being sent the stream is not silent; a playlist that
/// is being waited for is a sign of life when it was asked for and again when it has come, no more: a low-latency player
/// that is paused always waits for one.
pub(crate) struct InFlightGuard {
    stream: Arc<Stream>,
    signal: Signal,
    /// The origin answered with an error: the end of this request is no sign of life.
    spoilt: bool,
    clock: Arc<dyn Clock>,
}

impl InFlightGuard {
    pub(crate) fn new(stream: Arc<Stream>, signal: Signal, clock: &Arc<dyn Clock>) -> Self {
        if signal == Signal::Playback {
            stream.opened();
        }
        Self { stream, signal, spoilt: false, clock: clock.clone() }
    }

    /// Whether what is being sent should stop, because its stream has given way.
    pub(crate) fn is_terminated(&self) -> bool {
        self.signal == Signal::Playback && !self.stream.is_playing() && self.stream.is_terminated(self.clock.now())
    }

    pub(crate) fn spoil(&mut self) {
        self.spoilt = true;
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        match (self.signal, self.spoilt) {
            (Signal::Playback, true) => self.stream.abandoned(),
            (Signal::Playback, false) => self.stream.closed(Signal::Playback, self.clock.now()),
            (Signal::Presence, true) => {}
            (Signal::Presence, false) => {
                // Whether it still holds its slot is the next request's question.
                let _ = self.stream.heartbeat(Signal::Presence, self.clock.now());
            }
        }
    }
}

/// The way in which a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ingress {
    /// Through the gateway, which passes its answer on, and sees the manifests.
    Proxy,
    /// A proxy that answers it itself asks about it.
    ForwardAuth,
}

/// One request.
#[allow(clippy::struct_excessive_bools, reason = "facts about one request that have nothing to do with each other")]
pub struct Context {
    pub(crate) ingress: Ingress,
    pub(crate) request: u64,
    /// What was in force when the request began.
    pub(crate) snapshot: Arc<RuntimeConfig>,
    /// Its configuration.
    pub(crate) settings: Arc<Settings>,
    /// When its header had been read, by one-way time.
    pub(crate) started: Millis,
    /// The same by a clock that is finer than a millisecond, for measuring.
    pub(crate) begun: Instant,
    /// The same by wall time, which tokens, blocks and the age of play sessions are judged by.
    pub(crate) wall: Millis,
    pub(crate) kind: Kind,
    pub(crate) outcome: Outcome,
    /// One word for the log, where there is more to say than the outcome.
    pub(crate) reason: &'static str,
    pub(crate) application: Option<Arc<Application>>,
    pub(crate) origin: Option<Arc<Origin>>,
    /// Who sent the request.
    pub(crate) client: ClientInfo,
    /// Bytes of the path in front of the path at the origin: the play session's prefix.
    pub(crate) prefix_length: usize,
    /// The path at the origin, where it carried a token.
    pub(crate) stripped_path: Option<Arc<StrippedPath>>,
    /// Whether the viewer's token reaches every request of the play by itself.
    pub(crate) token_reaches_all: bool,
    /// A fresh token for the viewer.
    pub(crate) renewed: Option<Renewed>,
    pub(crate) play: Option<Arc<PlayContext>>,
    /// The play that the path carries, where another client of it has been given a stream of its own: that is `play` then.
    pub(crate) root: Option<Arc<PlayContext>>,
    /// The request asks for an entry manifest, to start a stream.
    pub(crate) starts: bool,
    /// This request is a start and took the slot.
    pub(crate) reserved: bool,
    /// This request took the slot and came without a play session: where the origin does not honour it, the slot is given back.
    pub(crate) taken: bool,
    /// Rules of policies that annotate, which the stream exceeds.
    pub(crate) annotations: Option<Arc<Vec<Violation>>>,
    pub(crate) in_flight: Option<InFlightGuard>,
    /// The box in which the connection keeps its play; it goes from request to request.
    cached_play: Mutex<Option<Box<dyn Any + Send + Sync>>>,
}

/// What the connection keeps between requests. As long as it does, the stream has a connection.
pub(crate) struct CachedPlay(Arc<PlayContext>);

impl CachedPlay {
    fn new(play: Arc<PlayContext>) -> Self {
        if let Some(stream) = &play.stream {
            stream.connected();
        }
        Self(play)
    }
}

impl Drop for CachedPlay {
    fn drop(&mut self) {
        if let Some(stream) = &self.0.stream {
            stream.disconnected();
        }
    }
}

impl Context {
    pub(crate) fn new(request: u64, snapshot: Arc<RuntimeConfig>) -> Self {
        Self {
            ingress: Ingress::Proxy,
            request,
            settings: snapshot.settings.clone(),
            snapshot,
            started: Millis(0),
            begun: Instant::now(),
            wall: Millis(0),
            kind: Kind::Unknown,
            outcome: Outcome::Passed,
            reason: "",
            application: None,
            origin: None,
            client: ClientInfo::default(),
            prefix_length: 0,
            stripped_path: None,
            token_reaches_all: false,
            renewed: None,
            root: None,
            play: None,
            starts: false,
            reserved: false,
            taken: false,
            annotations: None,
            in_flight: None,
            cached_play: Mutex::new(None),
        }
    }

    /// When its header had been read, by both times.
    pub(crate) fn moment(&self) -> Moment {
        Moment { now: self.started, wall: self.wall }
    }

    /// Notes that its header has been read.
    pub(crate) fn begin(&mut self, moment: Moment) {
        (self.started, self.wall) = (moment.now, moment.wall);
        self.begun = Instant::now();
    }

    /// The path at the origin: without play session and token.
    pub(crate) fn path_of<'a>(&'a self, uri: &'a http::Uri) -> &'a str {
        match &self.stripped_path {
            Some(bare) => &bare.path,
            None => uri.path().get(self.prefix_length..).filter(|path| !path.is_empty()).unwrap_or("/"),
        }
    }

    /// The path for the log, without what a nested prefix has sealed. Where no application was found, nobody has taken the
    /// tokens out of it that any would know.
    pub(crate) fn logged_path<'a>(&'a self, uri: &'a http::Uri) -> Cow<'a, str> {
        let path = self.path_of(uri);
        let mut knowing = self.settings.path_tokens.iter().filter(|_| self.application.is_none());
        let bare = knowing.find_map(|application| application.identity.as_ref()?.take_from_path(path, true));
        match bare {
            Some(bare) => Cow::Owned(path::without_sealed(&bare.path).into_owned()),
            None => path::without_sealed(path),
        }
    }

    /// Takes over what the previous request of this connection left.
    pub(crate) fn receive_cached(&self, carried: Box<dyn Any + Send + Sync>) {
        *self.cached_play.lock() = Some(carried);
    }

    /// The play of the previous request, if this one's prefix is the same.
    pub(crate) fn cached_session(&self, sealed: &str) -> Option<Arc<PlayContext>> {
        let carried = self.cached_play.lock();
        let CachedPlay(play) = carried.as_ref()?.downcast_ref::<CachedPlay>()?;
        // A path may say `/~s//`: nothing is nobody's play session.
        (!sealed.is_empty() && *play.sealed == *sealed).then(|| play.clone())
    }

    /// What the next request of this connection gets. The box is reused as long as the play stays the same.
    pub(crate) fn cache_play(&self) -> Option<Box<dyn Any + Send + Sync>> {
        let old = self.cached_play.lock().take();
        let play = self.root.as_ref().or(self.play.as_ref());
        // Without a play session nothing proves that the next request is the same viewer's.
        let Some(play) = play.filter(|play| play.stream.is_some() && !play.sealed.is_empty()) else { return old };
        match old {
            Some(kept) if kept.downcast_ref::<CachedPlay>().is_some_and(|CachedPlay(old)| Arc::ptr_eq(old, play)) => {
                Some(kept)
            }
            _ => Some(Box::new(CachedPlay::new(play.clone()))),
        }
    }
}
