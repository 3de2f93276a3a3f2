//! Fields joined by one character, the signature last: the token syntax of Akamai and Google
//! (`exp=1793586400~acl=/vod/*~hmac=…`).

use serde_json::{Map, Value};

use crate::model::Millis;

use super::claims::Times;
use super::error::TokenError;
use super::format::MAX_TOKEN;
use super::percent::{form_decoded, percent_decoded};

/// Prefix of tokens that an edge server has issued: `hdntl=exp=…`.
const EDGE_ISSUED: &str = "hdntl=";

/// Fields of a kind of token. Any other is refused: signed fields for another verifier (`url=`, `salt=`) must not be
/// ignored.
pub(super) struct Grammar {
    /// Fields allowed before the signature. Those of one slot exclude each other; each appears at most once.
    pub(super) slots: &'static [&'static [&'static str]],
    /// The fields must be in the order of the slots.
    pub(super) ordered: bool,
    /// Names of the signature.
    pub(super) signatures: &'static [&'static str],
}

/// A parsed, unverified token.
pub(super) struct Fields<'a> {
    /// The text before the signature, as received.
    pub(super) signed: &'a str,
    /// Its fields, in order; the value is absent if there is no `=`.
    pub(super) list: Vec<(&'static str, Option<&'a str>)>,
    /// The signature's name and text.
    pub(super) signature: (&'static str, &'a str),
}

/// Position of the signature: its field, its value, and the field's name.
struct Found {
    field: usize,
    value: usize,
    name: &'static str,
}

impl Grammar {
    /// Walks the fields up to the signature; `None` at anything unexpected.
    fn walk<'a>(
        &self,
        text: &'a str,
        separator: char,
        mut each: impl FnMut(&'static str, Option<&'a str>),
    ) -> Option<Found> {
        let (mut at, mut seen) = (0, 0_u32);
        loop {
            let rest = text.get(at..)?;
            let named = |name: &&&str| rest.strip_prefix(**name).is_some_and(|rest| rest.starts_with('='));
            if let Some(name) = self.signatures.iter().find(named) {
                return Some(Found { field: at, value: at + name.len() + 1, name });
            }
            let (slot, name) = self.field(rest, separator)?;
            let here = 1 << slot;
            if seen & here != 0 || (self.ordered && seen >= here) {
                return None;
            }
            seen |= here;
            let end = rest.find(separator)?;
            each(name, rest.get(name.len() + 1..end));
            at += end + separator.len_utf8();
        }
    }

    /// The field at the start of `rest`, by its name.
    fn field(&self, rest: &str, separator: char) -> Option<(usize, &'static str)> {
        let begins = |name: &&&str| {
            rest.strip_prefix(**name).is_some_and(|rest| rest.starts_with('=') || rest.starts_with(separator))
        };
        self.slots.iter().enumerate().find_map(|(slot, names)| Some((slot, *names.iter().find(begins)?)))
    }

    /// Parses a token whose fields are joined by `separator`.
    pub(super) fn read<'a>(&self, text: &'a str, separator: char) -> Result<Fields<'a>, TokenError> {
        let text = text.strip_prefix(EDGE_ISSUED).unwrap_or(text);
        let mut list = Vec::new();
        let found = self.walk(text, separator, |name, value| list.push((name, value))).ok_or(TokenError::Malformed)?;
        let signature = text.get(found.value..).filter(|rest| !rest.contains(separator));
        // A token with only a signature is invalid.
        let signed = found.field.checked_sub(separator.len_utf8()).and_then(|end| text.get(..end));
        let (signature, signed) = signature.zip(signed).ok_or(TokenError::Malformed)?;
        Ok(Fields { signed, list, signature: (found.name, signature) })
    }

    /// Length of the token at the start of `rest`: up to the first `end` after its signature, as fields may contain
    /// that character; up to the first `end` if there is no such token. Searches [`MAX_TOKEN`] bytes for the signature.
    pub(super) fn extent(&self, rest: &str, end: char) -> usize {
        let head = rest.get(..rest.floor_char_boundary(MAX_TOKEN)).unwrap_or_default();
        let skip = if head.starts_with(EDGE_ISSUED) { EDGE_ISSUED.len() } else { 0 };
        let found = head.get(skip..).and_then(|head| self.walk(head, '~', |_, _| ()));
        let from = found.map_or(0, |found| skip + found.value);
        rest.get(from..).and_then(|rest| rest.find(end)).map_or(rest.len(), |length| from + length)
    }
}

impl<'a> Fields<'a> {
    /// The field's value, if present.
    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        self.list.iter().find(|(field, _)| *field == name).and_then(|(_, value)| *value)
    }

    /// The times, in seconds since 1970.
    pub(super) fn times(&self, expires: &str, not_before: &str) -> Result<Times, TokenError> {
        let time = |name: &str| self.get(name).map(seconds).transpose();
        Ok(Times { expires: time(expires)?, not_before: time(not_before)? })
    }
}

fn seconds(digits: &str) -> Result<Millis, TokenError> {
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit()); // `parse` would take a sign
    let seconds: u64 = digits.parse().ok().filter(|_| plain).ok_or(TokenError::Malformed)?;
    Ok(Millis(seconds.saturating_mul(1000)))
}

/// Adds a free text that the issuer may have escaped: as received, and unescaped once as `NAME_unescaped`, if that is
/// UTF-8.
pub(super) fn insert_free(members: &mut Map<String, Value>, name: &str, value: &str) {
    members.insert(name.to_owned(), value.into());
    if let Some(plain) = form_decoded(value) {
        members.insert(format!("{name}_unescaped"), plain.into());
    }
}

/// Checks the token as received and, if that fails, percent-decoded: some clients escape `*`, `/`, `!`, `=` or `~`. The
/// signature decides in both cases.
pub(super) fn as_received_or_decoded<T>(
    token: &[u8],
    check: impl Fn(&str) -> Result<T, TokenError>,
) -> Result<T, TokenError> {
    use TokenError::{AlgorithmRefused, BadSignature, Malformed, UnknownKey};
    let text = |bytes: &[u8]| std::str::from_utf8(bytes).map_err(|_| Malformed).and_then(&check);
    let first = text(token);
    if !matches!(first, Err(Malformed | AlgorithmRefused | UnknownKey | BadSignature)) || !token.contains(&b'%') {
        return first;
    }
    // The error of a readable form is more useful.
    match (first, text(&percent_decoded(token))) {
        (Err(Malformed), second) | (_, second @ Ok(_)) => second,
        (first, Err(_)) => first,
    }
}

/// Decodes hexadecimal, in either case.
pub(super) fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| if let [high, low] = pair { Some(digit(*high)? << 4 | digit(*low)?) } else { None }).collect()
}

/// A MAC in lower-case hexadecimal, so that a token has one spelling only.
///
/// # Errors
/// `Malformed`; `AlgorithmRefused` for an odd number of digits, which no algorithm has.
pub(super) fn mac_from_hex(text: &str) -> Result<Vec<u8>, TokenError> {
    let lower = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if text.is_empty() || !text.bytes().all(lower) {
        return Err(TokenError::Malformed);
    }
    from_hex(text).ok_or(TokenError::AlgorithmRefused)
}

#[cfg(test)]
mod tests;
