//! Header fields of our own, and how texts are written into them.

use http::{HeaderName, HeaderValue};

/// Fields that only we may send: what a viewer sends under these names is dropped.
pub(crate) const OURS: &str = "streamgate-";

const REFUSAL: HeaderName = HeaderName::from_static("streamgate-refusal");
const REASON: HeaderName = HeaderName::from_static("streamgate-reason");
const DETAIL: HeaderName = HeaderName::from_static("streamgate-detail");

/// A header field.
pub(super) type Field = (HeaderName, HeaderValue);

/// What a refusal is, in short: its id, the last word of its problem's type, and its text.
pub(super) fn brief(refusal: u64, reason: &'static str, detail: &str) -> [Field; 3] {
    [(REFUSAL, field(&format!("{refusal:016x}"))), (REASON, HeaderValue::from_static(reason)), (DETAIL, field(detail))]
}

/// A text as the value of a field; what a field may not hold is replaced.
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
