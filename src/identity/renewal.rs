//! Renewed tokens (CTA-5007 `catr`, RFC 9246 §4).

use http::header::{HeaderName, HeaderValue};

/// A response header with a new token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewed {
    /// `set-cookie`, or the header in the token.
    pub name: HeaderName,
    /// Its value.
    pub value: HeaderValue,
}
