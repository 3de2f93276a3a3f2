//! Character data: its meaning, and the position of each byte in the document (XML 1.0 §2.4, §4.1, §4.6).

use std::borrow::Cow;
use std::ops::Range;

use memchr::{memchr, memchr2};
use quick_xml::escape::resolve_predefined_entity;

const CDATA_OPENS: &[u8] = b"<![CDATA[";
const CDATA_ENDS: &[u8] = b"]]>";
/// Maximum bytes of an entity's name that is parsed, with its semicolon.
const MAX_NAME: usize = 64;

/// The meaning of an attribute value or an element's text.
#[derive(Debug)]
pub(super) struct Decoded<'d> {
    pub(super) text: Cow<'d, [u8]>,
    start: usize,
    /// For every byte of the text, and its end: its position, and true if that is in a CDATA section. `None` if the
    /// text is verbatim.
    places: Option<Vec<(usize, bool)>>,
}

/// Decodes a range of the document. `None` if it uses an entity that is not predefined.
pub(super) fn decode(document: &[u8], range: Range<usize>) -> Option<Decoded<'_>> {
    let start = range.start;
    let raw = document.get(range).unwrap_or_default();
    if memchr2(b'&', b'<', raw).is_none() {
        return Some(Decoded { text: Cow::Borrowed(raw), start, places: None });
    }
    let mut text = Vec::with_capacity(raw.len());
    let mut places = Vec::with_capacity(raw.len() + 1);
    let mut in_cdata = false;
    let mut at = 0;
    while let Some(rest) = raw.get(at..).filter(|rest| !rest.is_empty()) {
        let place = (start + at, in_cdata);
        if in_cdata && rest.starts_with(CDATA_ENDS) {
            in_cdata = false;
            at += CDATA_ENDS.len();
        } else if !in_cdata && rest.starts_with(CDATA_OPENS) {
            in_cdata = true;
            at += CDATA_OPENS.len();
        } else if let Some(name) = entity_name(rest).filter(|_| !in_cdata) {
            text.extend_from_slice(entity(name)?.as_bytes());
            places.resize(text.len(), place);
            at += name.len() + b"&;".len();
        } else {
            text.extend(rest.first());
            places.push(place);
            at += 1;
        }
    }
    // The end of the text follows its last byte: before the end of a CDATA section, not after it.
    let end = match places.last() {
        Some((_, true)) if raw.ends_with(CDATA_ENDS) => (start + raw.len() - CDATA_ENDS.len(), true),
        _ => (start + raw.len(), in_cdata),
    };
    places.push(end);
    Some(Decoded { text: Cow::Owned(text), start, places: Some(places) })
}

/// The name between `&` and `;` at the beginning of a text. An ampersand that begins no reference is literal, as in
/// unescaped titles and queries.
fn entity_name(rest: &[u8]) -> Option<&[u8]> {
    let name = rest.strip_prefix(b"&")?;
    let name = name.get(..name.len().min(MAX_NAME))?;
    let name = name.get(..memchr(b';', name)?)?;
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.:".contains(byte) || !byte.is_ascii();
    let characters = name.strip_prefix(b"#").unwrap_or(name);
    (!characters.is_empty() && characters.iter().all(is_part)).then_some(name)
}

fn entity(name: &[u8]) -> Option<Cow<'static, str>> {
    let name = std::str::from_utf8(name).ok()?;
    let Some(number) = name.strip_prefix('#') else { return resolve_predefined_entity(name).map(Cow::Borrowed) };
    let code = match number.strip_prefix('x') {
        Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16),
        None => number.parse(),
    };
    Some(Cow::Owned(char::from_u32(code.ok()?)?.to_string()))
}

impl Decoded<'_> {
    /// The position of a byte of the text in the document; true if it is inside a CDATA section.
    pub(super) fn place(&self, at: usize) -> (usize, bool) {
        let end = (self.start + at, false);
        self.places.as_ref().map_or(end, |places| places.get(at).or(places.last()).copied().unwrap_or(end))
    }
}

/// Escapes a text for an attribute or an element, or for a CDATA section. Bytes that are not ASCII stay unchanged in
/// any encoding.
pub(super) fn encode(text: &[u8], in_cdata: bool) -> Vec<u8> {
    let mut written = Vec::with_capacity(text.len());
    for (at, byte) in text.iter().enumerate() {
        let escaped: &[u8] = match byte {
            b'>' if in_cdata && text.get(..at).is_some_and(|before| before.ends_with(b"]]")) => b"%3E",
            _ if in_cdata => &[*byte],
            b'&' => b"&amp;",
            b'<' => b"&lt;",
            b'>' => b"&gt;",
            b'\'' => b"&apos;",
            b'"' => b"&quot;",
            _ => &[*byte],
        };
        written.extend_from_slice(escaped);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entities_and_cdata_are_understood_and_every_byte_knows_where_it_is_written() {
        let document = b"<B> a&amp;b<![CDATA[/c&d]]></B>";
        let decoded = decode(document, 3..27).expect("predefined entities only");
        assert_eq!(&*decoded.text, b" a&b/c&d");
        assert_eq!(decoded.place(2), (5, false));
        assert_eq!(decoded.place(4), (20, true));
        assert_eq!(decoded.place(8), (24, true));
        assert_eq!(&decode(b"&#47;&#x2F;x", 0..12).expect("characters").text[..], b"//x");
    }

    #[test]
    fn entities_that_are_not_predefined_are_refused() {
        for text in ["&own;", "&#xD800;", "a&b=1&c;"] {
            assert!(decode(text.as_bytes(), 0..text.len()).is_none(), "{text}");
        }
    }

    #[test]
    fn an_ampersand_that_begins_no_reference_stands_for_itself() {
        for text in ["&", "a & b; c", "&amp", "&;", "&#;", "/x?a=1&b=2", "/x?a=1&b=2;c", "&&", "&=&"] {
            let decoded = decode(text.as_bytes(), 0..text.len()).expect(text);
            assert_eq!(&*decoded.text, text.as_bytes());
            assert_eq!(decoded.place(text.len()), (text.len(), false));
        }
        assert_eq!(&*decode(b"/x?a&&amp;&b", 0..12).expect("characters").text, b"/x?a&&&b");
    }

    #[test]
    fn what_is_written_is_escaped_for_where_it_stands() {
        assert_eq!(encode(b"/a&'<\"", false), b"/a&amp;&apos;&lt;&quot;");
        assert_eq!(encode(b"/a&]]>", true), b"/a&]]%3E");
        assert_eq!(encode(b"/\xE9", false), b"/\xE9");
    }
}
