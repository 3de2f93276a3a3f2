//! Character encodings of XML documents (XML 1.0 §4.3.3), as far as needed to find references.

use std::borrow::Cow;
use std::fmt::Write;

/// UTF-16, by the order of its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Utf16 {
    Big,
    Little,
}

impl Utf16 {
    /// Detects the encoding by its byte order mark, or by the initial `<` (XML 1.0 appendix F).
    pub(super) fn detect(document: &[u8]) -> Option<Self> {
        match document {
            [0xFE, 0xFF, ..] | [0, b'<', ..] => Some(Self::Big),
            [0xFF, 0xFE, ..] | [b'<', 0, ..] => Some(Self::Little),
            _ => None,
        }
    }

    /// The document as UTF-8, including its byte order mark. `None` if the conversion cannot be reversed.
    pub(super) fn decode(self, document: &[u8]) -> Option<String> {
        let (units, []) = document.as_chunks::<2>() else { return None };
        let units = units.iter().map(|unit| match self {
            Self::Big => u16::from_be_bytes(*unit),
            Self::Little => u16::from_le_bytes(*unit),
        });
        char::decode_utf16(units).collect::<Result<_, _>>().ok()
    }

    pub(super) fn encode(self, text: &str, out: &mut Vec<u8>) {
        for unit in text.encode_utf16() {
            out.extend_from_slice(&match self {
                Self::Big => unit.to_be_bytes(),
                Self::Little => unit.to_le_bytes(),
            });
        }
    }
}

/// The document as text, with every byte at its position. `None` if it is not text.
///
/// Most encodings other than UTF-8 (ISO 8859, Windows code pages, East Asian ones) encode ASCII in the same bytes, and
/// markup is ASCII. Their other bytes become letters here, and are output unchanged.
pub(super) fn as_ascii(document: &[u8]) -> Option<Cow<'_, str>> {
    if memchr::memchr(0, document).is_some() {
        return None;
    }
    std::str::from_utf8(document).map(Cow::Borrowed).ok().or_else(|| {
        let letters = document.iter().map(|byte| if byte.is_ascii() { *byte } else { b'x' }).collect();
        String::from_utf8(letters).map(Cow::Owned).ok()
    })
}

/// A path in ASCII, which any encoding can represent.
pub(super) fn ascii_path(path: &str) -> String {
    path.bytes().fold(String::with_capacity(path.len()), |mut ascii, byte| {
        if byte.is_ascii() {
            ascii.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(ascii, "%{byte:02X}");
        }
        ascii
    })
}
