//! What cannot be read.

/// What of a request cannot be read, in one sentence for whoever writes the application. It is answered with 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Malformed(pub(super) &'static str);
