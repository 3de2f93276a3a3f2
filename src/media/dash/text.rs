//! Character data: what it means, and where each of its bytes is written (XML 1.0 §2.4, §4.1, §4.6).

use std::borrow::Cow;
use std::ops::Range;

use memchr::{memchr, memchr2};
use quick_xml::escape::{escape, resolve_predefined_entity};

const CDATA_OPENS: &[u8] = b"<![CDATA[";
const CDATA_ENDS: &[u8] = b"]]>";

/// The meaning of an attribute value or an element's text.
#[derive(Debug)]
pub(super) struct Decoded<'d> {
    pub(super) text: Cow<'d, [u8]>,
    start: usize,
    /// For every byte of the text where it is written and whether that is in a CDATA section; one more for the end.
    /// Absent where the text is written as it is.
    places: Option<Vec<(usize, bool)>>,
}

/// Decodes what is written in a range of the document. Absent when it uses an entity that is not predefined.
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
        } else if !in_cdata && rest.first() == Some(&b'&') {
            let length = memchr(b';', rest)?;
            let meaning = entity(rest.get(1..length)?)?;
            text.extend_from_slice(meaning.as_bytes());
            places.resize(text.len(), place);
            at += length + 1;
        } else {
            text.extend(rest.first());
            places.push(place);
            at += 1;
        }
    }
    // The end of the text lies where its last byte does: before the end of a CDATA section, not after it.
    let end = match places.last() {
        Some((_, true)) if raw.ends_with(CDATA_ENDS) => (start + raw.len() - CDATA_ENDS.len(), true),
        _ => (start + raw.len(), in_cdata),
    };
    places.push(end);
    Some(Decoded { text: Cow::Owned(text), start, places: Some(places) })
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
    /// Where a byte of the text is written in the document, and whether that is inside a CDATA section.
    pub(super) fn place(&self, at: usize) -> (usize, bool) {
        let end = (self.start + at, false);
        self.places.as_ref().map_or(end, |places| places.get(at).or(places.last()).copied().unwrap_or(end))
    }
}

/// The text as it may be written in an attribute or an element, or inside a CDATA section.
pub(super) fn encode(text: &[u8], in_cdata: bool) -> Vec<u8> {
    let text = String::from_utf8_lossy(text);
    if in_cdata { text.replace("]]>", "]]%3E").into_bytes() } else { escape(text).into_owned().into_bytes() }
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
        for text in ["&own;", "&#xD800;", "&amp", "&;", "&#;"] {
            assert!(decode(text.as_bytes(), 0..text.len()).is_none(), "{text}");
        }
    }

    #[test]
    fn what_is_written_is_escaped_for_where_it_stands() {
        assert_eq!(encode(b"/a&'<\"", false), b"/a&amp;&apos;&lt;&quot;");
        assert_eq!(encode(b"/a&]]>", true), b"/a&]]%3E");
    }
}
