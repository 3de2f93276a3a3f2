//! The attributes of one start tag, with the positions of their values.

use std::ops::Range;

/// Walks the attributes in a range of a document. Stops at malformed ones.
pub(super) struct Attributes<'d> {
    document: &'d [u8],
    at: usize,
    end: usize,
}

impl<'d> Attributes<'d> {
    /// The attributes of the tag in `tag`, from `<` to `>`.
    pub(super) fn new(document: &'d [u8], tag: Range<usize>) -> Self {
        let mut attributes = Self { document, at: tag.start, end: tag.end };
        attributes.at = attributes.seek(|byte| byte.is_ascii_whitespace());
        attributes
    }

    /// The next position whose byte satisfies the condition, or the end of the tag.
    fn seek(&self, condition: impl Fn(u8) -> bool) -> usize {
        let rest = self.document.get(self.at..self.end).unwrap_or_default();
        rest.iter().position(|byte| condition(*byte)).map_or(self.end, |at| self.at + at)
    }
}

impl<'d> Iterator for Attributes<'d> {
    /// The name, and the range of the value between its quotes.
    type Item = (&'d [u8], Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        self.at = self.seek(|byte| !byte.is_ascii_whitespace());
        let name = self.at;
        self.at = self.seek(|byte| byte == b'=' || byte.is_ascii_whitespace());
        let name = self.document.get(name..self.at)?;
        self.at = self.seek(|byte| !byte.is_ascii_whitespace());
        if self.document.get(self.at) != Some(&b'=') {
            return None;
        }
        self.at += 1;
        self.at = self.seek(|byte| !byte.is_ascii_whitespace());
        let quote = *self.document.get(self.at).filter(|byte| matches!(byte, b'"' | b'\''))?;
        self.at += 1;
        let value = self.at;
        self.at = self.seek(|byte| byte == quote);
        if self.at >= self.end {
            return None;
        }
        let value = value..self.at;
        self.at += 1;
        Some((name, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(tag: &str) -> Vec<(String, String)> {
        let bytes = tag.as_bytes();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Attributes::new(bytes, 0..bytes.len()).map(|(name, value)| (text(name), text(&bytes[value]))).collect()
    }

    #[test]
    fn both_quotes_and_blanks_around_the_equal_sign_are_read() {
        let pairs = |list: &[(&str, &str)]| -> Vec<_> {
            list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        assert_eq!(list("<S t=\"0\" d='it\"s'\n r = \"a>b\"/>"), pairs(&[("t", "0"), ("d", "it\"s"), ("r", "a>b")]));
        assert_eq!(list("<S/>"), []);
        assert_eq!(list("<S >"), []);
        assert_eq!(list("<S a=\"open>"), []);
        assert_eq!(list("<S a b=\"1\">"), []);
    }
}
