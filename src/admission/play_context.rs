//! A play as its requests carry it.

use std::sync::{Arc, OnceLock};

use crate::identity::{KeyRing, PlaySession};
use crate::streams::Stream;

/// A play session whose seal has been checked, and its stream. It stays with the connection, so that the next request with the
/// same prefix needs neither to open it nor to look the stream up.
pub(crate) struct PlayContext {
    /// The string that was sealed, as it stands in the path; `None` where the request carries no play session.
    sealed: Option<Box<str>>,
    pub(crate) session: PlaySession,
    /// `None` where the stream is not in the table, as for requests that never count.
    pub(crate) stream: Option<Arc<Stream>>,
    /// What the log calls the account; made once, when a line is first written.
    label: OnceLock<String>,
}

impl PlayContext {
    /// A play whose requests carry this string.
    pub(crate) fn new(sealed: Option<&str>, session: PlaySession, stream: Option<Arc<Stream>>) -> Self {
        // Nothing is nobody's play session: a path may say `/~s//`.
        let sealed = sealed.filter(|sealed| !sealed.is_empty()).map(Box::from);
        Self { sealed, session, stream, label: OnceLock::new() }
    }

    /// The string that its requests carry, if they do.
    pub(crate) fn sealed(&self) -> Option<&str> {
        self.sealed.as_deref()
    }

    /// The name of the account in logs.
    pub(crate) fn account_label(&self, keys: &KeyRing) -> &str {
        self.label.get_or_init(|| keys.account_label(&self.session.account.key()))
    }
}

/// What a connection keeps between requests. As long as it does, the stream has a connection.
pub(crate) struct CachedPlay(Arc<PlayContext>);

impl CachedPlay {
    /// Keeps a play; `None` where nothing proves that the next request is the same viewer's.
    pub(crate) fn new(play: &Arc<PlayContext>) -> Option<Self> {
        let stream = play.stream.as_ref().filter(|_| play.sealed.is_some())?;
        stream.connected();
        Some(Self(play.clone()))
    }

    /// The play that is kept.
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
