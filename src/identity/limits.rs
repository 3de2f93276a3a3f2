//! Maximum lengths of texts, so that a sealed play session always fits its limit.

use std::borrow::Cow;
use std::fmt::Write;

use aws_lc_rs::digest;

/// Maximum bytes of an account's `idp` and `subject`; longer ones are refused.
pub const MAX_ACCOUNT: usize = 256;
/// Maximum bytes of a device id; longer ones are shortened.
pub const MAX_DEVICE: usize = 128;
/// Maximum bytes of an asset's name; longer ones are shortened.
pub const MAX_ASSET: usize = 512;
/// Maximum bytes of an application id; longer ones are shortened.
pub const MAX_APPLICATION: usize = 128;

/// Maximum attributes of a stream.
pub const MAX_ATTRIBUTES: usize = 16;
/// Maximum bytes of an attribute's name.
pub const MAX_ATTRIBUTE_NAME: usize = 32;
/// Maximum bytes of an attribute's value; longer ones are shortened.
pub const MAX_ATTRIBUTE: usize = 96;

/// The text if it is short enough, else its head and a hash of the whole, which is still unique and readable.
pub(super) fn bounded(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most {
        return Cow::Borrowed(text);
    }
    let mut name = head(text, most.saturating_sub(33)).to_owned();
    name.push('~');
    for byte in fingerprint(&[text.as_bytes()]) {
        let _ = write!(name, "{byte:02x}"); // writing to a String cannot fail
    }
    Cow::Owned(name)
}

/// The first bytes of SHA-256 over the parts, each prefixed with its length so that borders count.
pub(super) fn fingerprint(parts: &[&[u8]]) -> [u8; 16] {
    // One buffer and one call: the library's incremental form allocates a context, which costs more than the hash.
    let mut text = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
    for part in parts {
        text.extend_from_slice(&(part.len() as u64).to_be_bytes());
        text.extend_from_slice(part);
    }
    digest::digest(&digest::SHA256, &text).as_ref().first_chunk().copied().unwrap_or_default()
}

fn head(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_too_long_keeps_its_head_and_stays_distinct() {
        let (one, two) = (format!("/live/{}/a", "é".repeat(300)), format!("/live/{}/b", "é".repeat(300)));
        let (one, two) = (bounded(&one, 100), bounded(&two, 100));
        assert!(one.starts_with("/live/é") && one.len() <= 100, "{one}");
        assert_ne!(one, two);
        assert_eq!(bounded("/live/news", 100), "/live/news");
    }

    #[test]
    fn the_border_between_parts_is_part_of_the_fingerprint() {
        assert_ne!(fingerprint(&[b"ab", b"c"]), fingerprint(&[b"a", b"bc"]));
    }
}
