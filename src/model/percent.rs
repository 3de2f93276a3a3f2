//! Percent-decoding (RFC 3986 §2.1), exactly once.

use std::borrow::Cow;

/// The first decoded byte of `text`, and its length in the text: 3 for an escape, else 1. A percent sign without two
/// hexadecimal digits is literal.
pub fn first_byte(text: &[u8]) -> Option<(u8, usize)> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    if let [b'%', high, low, ..] = text
        && let (Some(high), Some(low)) = (digit(high), digit(low))
    {
        return Some((high << 4 | low, 3));
    }
    text.first().map(|byte| (*byte, 1))
}

/// Decodes a text once. A percent sign without two hexadecimal digits is literal.
pub fn percent_decoded(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'%', text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut decoded = Vec::with_capacity(text.len());
    decoded.extend(PercentDecoded::new(text));
    Cow::Owned(decoded)
}

/// Decodes byte by byte, without a buffer.
#[derive(Clone, Debug)]
pub struct PercentDecoded<'t> {
    rest: &'t [u8],
}

impl<'t> PercentDecoded<'t> {
    /// The decoded bytes of `text`.
    pub fn new(text: &'t [u8]) -> Self {
        Self { rest: text }
    }
}

impl Iterator for PercentDecoded<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let (byte, length) = first_byte(self.rest)?;
        self.rest = self.rest.get(length..).unwrap_or_default();
        Some(byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone_once_and_what_is_none_stays() {
        for (text, decoded) in [
            ("plain", "plain"),
            ("%41%2f%2F", "A//"),
            ("%2541", "%41"),
            ("%25%34%31", "%41"),
            ("100%", "100%"),
            ("%zz%4", "%zz%4"),
            ("%%41", "%A"),
            ("", ""),
        ] {
            assert_eq!(percent_decoded(text.as_bytes()), decoded.as_bytes(), "{text}");
            assert!(PercentDecoded::new(text.as_bytes()).eq(decoded.bytes()), "{text}");
        }
        assert!(matches!(percent_decoded(b"plain"), Cow::Borrowed(_)));
    }
}
