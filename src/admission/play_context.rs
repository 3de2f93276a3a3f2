//! The play session and the stream of a request.

use std::sync::{Arc, OnceLock};

use crate::identity::{KeyRing, PlaySession};
use crate::streams::Stream;

/// A play session whose seal has been checked, and its stream. Cached by the connection, so that the next request with
/// the same prefix need not open it or look up the stream.
pub(crate) struct PlayContext {
    /// The sealed string in the path; `None` if the request carries no play session.
    sealed: Option<Box<str>>,
    pub(crate) session: PlaySession,
    /// `None` if the stream is not in the table, as for requests that never count.
    pub(crate) stream: Option<Arc<Stream>>,
    /// The account's label in the log; computed when first logged.
    label: OnceLock<String>,
}

impl PlayContext {
    /// A play whose requests carry the string `sealed`.
    pub(crate) fn new(sealed: Option<&str>, session: PlaySession, stream: Option<Arc<Stream>>) -> Self {
        // An empty string is no play session: a path may contain `/~s//`.
        let sealed = sealed.filter(|sealed| !sealed.is_empty()).map(Box::from);
        Self { sealed, session, stream, label: OnceLock::new() }
    }

    /// The sealed string that its requests carry, if any.
    pub(crate) fn sealed(&self) -> Option<&str> {
        self.sealed.as_deref()
    }

    /// The account's label in the log.
    pub(crate) fn account_label(&self, keys: &KeyRing) -> &str {
        self.label.get_or_init(|| keys.account_label(&self.session.account.key()))
    }
}

/// The play that a connection caches between requests. It counts as a connection of the stream.
pub(crate) struct CachedPlay(Arc<PlayContext>);

impl CachedPlay {
    /// Caches a play. `None` if nothing proves that the next request comes from the same viewer.
    pub(crate) fn new(play: &Arc<PlayContext>) -> Option<Self> {
        let stream = play.stream.as_ref().filter(|_| play.sealed.is_some())?;
        stream.connected();
        Some(Self(play.clone()))
    }

    /// The cached play.
    pub(crate) fn play(&self) -> &Arc<PlayContext> {
        &self.0
    }
}

impl Drop for CachedPlay {
    fn drop(&mut self) {
        if let Some(stream) = &self.0.stream {
            stream.disconnected();
        }
    }
}
