//! The application and the account of a call.

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;

use crate::config::{Application, Settings};
use crate::identity::percent_decoded;
use crate::model::Account;

use super::malformed::Malformed;

/// Maximum bytes of a value in a path.
const MAX_VALUE: usize = 256;

/// The application with that id, if it may declare streams. Others do not exist for the session API.
///
/// The id is the caller's only credential, so it is compared with every known id in constant time.
pub(super) fn application<'s>(settings: &'s Settings, id: &str) -> Option<&'s Arc<Application>> {
    let declaring = settings.applications.values().filter(|application| application.stream_source.declares());
    declaring.fold(None, |found, application| {
        let known = application.id.as_str().as_bytes();
        if verify_slices_are_equal(known, id.as_bytes()).is_ok() { Some(application) } else { found }
    })
}

/// Returns the `nth` segment of a raw path, counted from 1; empty if the path is shorter.
///
/// Split before decoding, so that `%2F` stays part of a value.
pub(super) fn segment(path: &str, nth: usize) -> &str {
    path.split('/').nth(nth).unwrap_or_default()
}

/// The account in two segments of a path.
///
/// # Errors
/// See [`value`].
pub(super) fn account(idp: &str, subject: &str) -> Result<Account, Malformed> {
    Ok(Account::new(value(idp)?, value(subject)?))
}

/// Decodes a segment once. `+` and dots are literal.
///
/// # Errors
/// It is not 1 to 256 bytes of UTF-8 without control characters.
pub(super) fn value(segment: &str) -> Result<Arc<str>, Malformed> {
    // Too long to decode to 256 bytes.
    if segment.len() > 3 * MAX_VALUE {
        return Err(Malformed("a value in the path is longer than 256 bytes"));
    }
    let bytes = percent_decoded(segment.as_bytes());
    let text = std::str::from_utf8(&bytes).map_err(|_| Malformed("a value in the path is not UTF-8"))?;
    if text.is_empty() || text.len() > MAX_VALUE {
        return Err(Malformed("a value in the path must have 1 to 256 bytes"));
    }
    if text.chars().any(char::is_control) {
        return Err(Malformed("a value in the path contains a control character"));
    }
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(segment: &str) -> Option<String> {
        value(segment).ok().map(|value| value.to_string())
    }

    #[test]
    fn a_value_is_decoded_once_and_stays_whole() {
        for (segment, text) in [
            ("H-2041", "H-2041"),
            ("a%2Fb", "a/b"),
            ("a%252Fb", "a%2Fb"),
            ("a+b", "a+b"),
            ("a%2Bb", "a+b"),
            ("a%20b", "a b"),
            ("..", ".."),
            ("%2e%2E", ".."),
            ("%2e%2e%2fadmin", "../admin"),
            ("h%C3%A9", "hé"),
            ("100%", "100%"),
        ] {
            assert_eq!(read(segment).as_deref(), Some(text), "{segment}");
        }
    }

    #[test]
    fn what_is_no_name_of_anybody_is_malformed() {
        let long = "x".repeat(257);
        let escaped = "%78".repeat(257);
        for segment in ["", "%00", "a%0D%0Ab", "%7F", "%C2%85", "%ff", "%C3", &long, &escaped, &"y".repeat(10_000)] {
            assert_eq!(read(segment), None, "{segment}");
        }
        assert_eq!(read(&"%78".repeat(256)), Some("x".repeat(256)));
    }

    #[test]
    fn a_path_is_taken_apart_before_it_is_decoded() {
        let path = "/v2/sessions/i%2F1/a%2Fb/";
        assert_eq!([3, 4, 5, 6].map(|nth| segment(path, nth)), ["i%2F1", "a%2Fb", "", ""]);
    }
}
