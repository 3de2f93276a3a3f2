//! The gateway's own header fields and their values.

use http::{HeaderName, HeaderValue};

/// Prefix of fields that only the gateway may set: a viewer's fields with such names are dropped.
pub(crate) const OURS: &str = "streamgate-";

const REFUSAL: HeaderName = HeaderName::from_static("streamgate-refusal");
const REASON: HeaderName = HeaderName::from_static("streamgate-reason");
const DETAIL: HeaderName = HeaderName::from_static("streamgate-detail");

/// A header field.
pub(super) type Field = (HeaderName, HeaderValue);

/// A refusal in short: its id, the last part of its problem type, and its text.
pub(super) fn brief(refusal: u64, reason: &'static str, detail: &str) -> [Field; 3] {
    [(REFUSAL, field(&format!("{refusal:016x}"))), (REASON, HeaderValue::from_static(reason)), (DETAIL, field(detail))]
}

/// Turns a text into a field value. Replaces characters that a field may not contain.
pub(crate) fn field(text: &str) -> HeaderValue {
    let value = |text: &str| HeaderValue::from_str(text).ok();
    let fits = |c: char| c.is_ascii_graphic() || c == ' ';
    let value = if text.chars().all(fits) {
        value(text)
    } else {
        value(&text.chars().map(|c| if fits(c) { c } else { '_' }).collect::<String>())
    };
    value.unwrap_or_else(|| HeaderValue::from_static("unprintable"))
}
