//! Tokens that are to be renewed on the way (CTA-5007 `catr`, RFC 9246 §4).

use http::header::{HeaderName, HeaderValue};

/// A fresh token and how the viewer is handed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewed {
    /// `set-cookie`, or the header that the token names.
    pub name: HeaderName,
    /// Its value.
    pub value: HeaderValue,
}
