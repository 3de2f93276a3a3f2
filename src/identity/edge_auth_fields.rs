//! Fields joined by one character, the signature last: how Akamai and Google write tokens
//! (`exp=1793586400~acl=/vod/*~hmac=…`).

use serde_json::{Map, Value};

use crate::model::Millis;

use super::claims::Times;
use super::error::TokenError;
use super::format::MAX_TOKEN;
use super::percent::{form_decoded, percent_decoded};

/// A name that stands before the fields in tokens that an edge server has issued: `hdntl=exp=…`.
const EDGE_ISSUED: &str = "hdntl=";

/// Which fields a kind of token has. Any other is refused: one that is signed for somebody else (`url=`, `salt=`) must not
/// be passed over.
pub(super) struct Grammar {
    /// The fields that may stand in front of the signature. Those of one slot exclude each other; each stands once at most.
    pub(super) slots: &'static [&'static [&'static str]],
    /// Whether they stand in the order of the slots.
    pub(super) ordered: bool,
    /// What the signature may be called.
    pub(super) signatures: &'static [&'static str],
}

/// A token taken apart. Nothing is verified.
pub(super) struct Fields<'a> {
    /// What stands in front of the signature, as it was received.
    pub(super) signed: &'a str,
    /// Each field of that, in order; the value is absent where there is no `=`.
    pub(super) list: Vec<(&'static str, Option<&'a str>)>,
    /// The signature's name and text.
    pub(super) signature: (&'static str, &'a str),
}

/// Where the signature begins: its field, its value, and the field's name.
struct Found {
    field: usize,
    value: usize,
    name: &'static str,
}

impl Grammar {
    /// Goes from field to field up to the signature; `None` where something else comes first.
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

    /// The field that `rest` begins with. Looks no further than its name.
    fn field(&self, rest: &str, separator: char) -> Option<(usize, &'static str)> {
        let begins = |name: &&&str| {
            rest.strip_prefix(**name).is_some_and(|rest| rest.starts_with('=') || rest.starts_with(separator))
        };
        self.slots.iter().enumerate().find_map(|(slot, names)| Some((slot, *names.iter().find(begins)?)))
    }

    /// Takes a token apart whose fields are joined by `separator`.
    pub(super) fn read<'a>(&self, text: &'a str, separator: char) -> Result<Fields<'a>, TokenError> {
        let text = text.strip_prefix(EDGE_ISSUED).unwrap_or(text);
        let mut list = Vec::new();
        let found = self.walk(text, separator, |name, value| list.push((name, value))).ok_or(TokenError::Malformed)?;
        let signature = text.get(found.value..).filter(|rest| !rest.contains(separator));
        // A token that is nothing but a signature says nothing.
        let signed = found.field.checked_sub(separator.len_utf8()).and_then(|end| text.get(..end));
        let (signature, signed) = signature.zip(signed).ok_or(TokenError::Malformed)?;
        Ok(Fields { signed, list, signature: (found.name, signature) })
    }

    /// How many bytes of `rest` are a token: up to the first `end` behind its signature, since fields may hold that character
    /// too; up to the first `end` of all where `rest` begins with no such token. Looks at [`MAX_TOKEN`] bytes for the
    /// signature.
    pub(super) fn extent(&self, rest: &str, end: char) -> usize {
        let head = rest.get(..rest.floor_char_boundary(MAX_TOKEN)).unwrap_or_default();
        let skip = if head.starts_with(EDGE_ISSUED) { EDGE_ISSUED.len() } else { 0 };
        let found = head.get(skip..).and_then(|head| self.walk(head, '~', |_, _| ()));
        let from = found.map_or(0, |found| skip + found.value);
        rest.get(from..).and_then(|rest| rest.find(end)).map_or(rest.len(), |length| from + length)
    }
}

impl<'a> Fields<'a> {
    /// The field's value, where the field is there and has one.
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

/// Adds a free text that the issuer may have escaped: as it stands, and un-escaped once under `NAME_unescaped`. That one is
/// absent where it is no UTF-8.
pub(super) fn insert_free(members: &mut Map<String, Value>, name: &str, value: &str) {
    members.insert(name.to_owned(), value.into());
    if let Some(plain) = form_decoded(value) {
        members.insert(format!("{name}_unescaped"), plain.into());
    }
}

/// Checks the token as it was received and, where that proves nothing, once percent-decoded: some clients escape `*`, `/`,
/// `!`, `=` or `~`. Both ways, the signature decides.
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
    // What can be read tells more than what cannot.
    match (first, text(&percent_decoded(token))) {
        (Err(Malformed), second) | (_, second @ Ok(_)) => second,
        (first, Err(_)) => first,
    }
}

/// Bytes written in hexadecimal, in either case.
pub(super) fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| if let [high, low] = pair { Some(digit(*high)? << 4 | digit(*low)?) } else { None }).collect()
}

/// A MAC in lower-case hexadecimal, so that a token has one spelling only.
///
/// # Errors
/// `Malformed`; `AlgorithmRefused` where half a byte is over: such a MAC is that of no algorithm.
pub(super) fn mac_from_hex(text: &str) -> Result<Vec<u8>, TokenError> {
    let lower = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if text.is_empty() || !text.bytes().all(lower) {
        return Err(TokenError::Malformed);
    }
    from_hex(text).ok_or(TokenError::AlgorithmRefused)
}

#[cfg(test)]
mod tests;
