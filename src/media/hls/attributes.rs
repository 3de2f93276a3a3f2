//! The attribute list of a tag (RFC 8216 §4.2). Accepts blanks around names, which are common and which players accept.

use memchr::{memchr, memchr2};

/// One attribute of a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attribute<'l> {
    pub(super) name: &'l [u8],
    /// Without the quotes.
    pub(super) value: &'l [u8],
    /// Position of the value in the line.
    pub(super) at: usize,
    pub(super) quoted: bool,
}

/// Iterates over the attributes of a line. Stops at an unclosed quote.
pub(super) struct Attributes<'l> {
    line: &'l [u8],
    at: usize,
}

impl<'l> Attributes<'l> {
    /// The attributes of `line` from byte `at`, which follows the tag's colon.
    pub(super) fn new(line: &'l [u8], at: usize) -> Self {
        Self { line, at }
    }

    fn rest(&self) -> &'l [u8] {
        self.line.get(self.at..).unwrap_or_default()
    }

    /// Moves past the next comma.
    fn skip_comma(&mut self) {
        self.at = memchr(b',', self.rest()).map_or(self.line.len(), |comma| self.at + comma + 1);
    }
}

impl<'l> Iterator for Attributes<'l> {
    type Item = Attribute<'l>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let rest = self.rest();
            let stop = memchr2(b'=', b',', rest)?;
            let (name, after) = rest.split_at_checked(stop)?;
            if after.first() == Some(&b',') {
                // A word without a value.
                self.at += stop + 1;
                continue;
            }
            let name = name.trim_ascii();
            let blanks = after.get(1..)?.iter().take_while(|byte| **byte == b' ').count();
            let start = self.at + stop + 1 + blanks;
            let text = self.line.get(start..)?;
            if text.first() == Some(&b'"') {
                let value = text.get(1..)?;
                let value = value.get(..memchr(b'"', value)?)?;
                self.at = start + value.len() + 2;
                self.skip_comma();
                return Some(Attribute { name, value, at: start + 1, quoted: true });
            }
            let value = memchr(b',', text).and_then(|comma| text.get(..comma)).unwrap_or(text);
            self.at = start;
            self.skip_comma();
            return Some(Attribute { name, value: value.trim_ascii_end(), at: start, quoted: false });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(line: &[u8]) -> Vec<(&[u8], &[u8], bool)> {
        Attributes::new(line, 0).map(|it| (it.name, it.value, it.quoted)).collect()
    }

    #[test]
    fn commas_and_equal_signs_inside_quotes_belong_to_the_value() {
        assert_eq!(
            list(br#"ID="a,URI=b",URI="c=d", IV=0X10 ,LAST=1"#),
            [
                (&b"ID"[..], &b"a,URI=b"[..], true),
                (b"URI", b"c=d", true),
                (b"IV", b"0X10", false),
                (b"LAST", b"1", false),
            ]
        );
    }

    #[test]
    fn the_place_of_a_value_is_its_first_byte_after_the_quote() {
        let line = br#"#EXT-X-MAP:BYTERANGE="1@2",URI= "init.mp4""#;
        let uri = Attributes::new(line, 11).last().expect("two attributes");
        assert_eq!(line.get(uri.at..uri.at + uri.value.len()), Some(&b"init.mp4"[..]));
    }

    #[test]
    fn words_without_a_value_are_skipped_and_an_open_quote_ends_the_list() {
        assert_eq!(list(br#"X,,A=1,URI="open"#), [(&b"A"[..], &b"1"[..], false)]);
        assert_eq!(list(b""), []);
        assert_eq!(list(b"="), [(&b""[..], &b""[..], false)]);
    }
}
