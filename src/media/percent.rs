//! Percent-encoding (RFC 3986 §2.1), decoded byte by byte without a buffer.

/// The bytes that a text means. A percent sign without two hexadecimal digits stands for itself.
pub(super) struct PercentDecoded<'t> {
    rest: &'t [u8],
}

impl<'t> PercentDecoded<'t> {
    pub(super) fn new(text: &'t [u8]) -> Self {
        Self { rest: text }
    }
}

impl Iterator for PercentDecoded<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        if let [b'%', high, low, rest @ ..] = self.rest
            && let (Some(high), Some(low)) = (digit(high), digit(low))
        {
            self.rest = rest;
            return Some(high << 4 | low);
        }
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }
}
