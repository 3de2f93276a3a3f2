//! Percent-decoding (RFC 3986 §2.1), exactly once.

use std::borrow::Cow;

pub use crate::model::percent_decoded;

/// Decodes a text once; `None` if the result is not UTF-8.
pub(super) fn percent_decoded_text(raw: &str) -> Option<Cow<'_, str>> {
    match percent_decoded(raw.as_bytes()) {
        Cow::Borrowed(_) => Some(Cow::Borrowed(raw)),
        Cow::Owned(bytes) => String::from_utf8(bytes).ok().map(Cow::Owned),
    }
}

/// Decodes a form value: percent-encoded, with `+` for a space. `None` if the result is not UTF-8.
pub(super) fn form_decoded(raw: &str) -> Option<Cow<'_, str>> {
    if raw.contains('+') {
        let spaced = raw.replace('+', " ");
        return percent_decoded_text(&spaced).map(|text| Cow::Owned(text.into_owned()));
    }
    percent_decoded_text(raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_value_is_decoded_once_and_a_plus_is_a_space() {
        for (raw, text) in [
            ("plain", "plain"),
            ("a+b%2Bc", "a b+c"),
            ("%2541", "%41"),
            ("100%", "100%"),
            ("%zz%4", "%zz%4"),
            ("%C3%A9", "é"),
            ("", ""),
        ] {
            assert_eq!(form_decoded(raw).as_deref(), Some(text), "{raw}");
        }
        assert_eq!(form_decoded("%ff"), None);
        assert!(matches!(form_decoded("plain"), Some(Cow::Borrowed(_))));
    }
}
