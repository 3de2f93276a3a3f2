//! Percent-encoding (RFC 3986 §2.1), decoded byte by byte without a buffer.

pub(super) use crate::model::PercentDecoded;
