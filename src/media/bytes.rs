//! Checks the first bytes of a response against its claim.
//!
//! Images, fonts and archives have unique first bytes, and text has no control characters. Disguised media has neither,
//! or follows a small image.

use super::answer::Claim;
use super::classify::{Kind, is_channel_list, sniff};

/// Number of bytes that are checked.
pub const HEAD: usize = 4096;

const PACKET: usize = 188;
/// Number of consecutive packets that cannot be a coincidence, even in compressed data.
const PACKETS: usize = 5;

/// The actual kind if the first bytes contradict the claim.
pub fn belied(claim: Claim, head: &[u8]) -> Option<Kind> {
    if let Some(manifest) = sniff(head) {
        let lists_channels =
            claim == Claim::Nothing && manifest == Kind::Playlist && is_channel_list(head, true) == Some(true);
        return (!lists_channels).then_some(manifest);
    }
    let holds = match claim {
        Claim::Text => is_text(head),
        Claim::Image => is_image(head) && !has_packets(head),
        Claim::Binary => is_known_binary(head) && !has_packets(head),
        Claim::Data => !is_media(head) && !has_packets(head),
        Claim::Nothing => false,
    };
    (!holds && !head.is_empty()).then_some(Kind::Segment)
}

/// Text in any encoding has no control characters except white space; a byte order mark means two bytes per character.
fn is_text(head: &[u8]) -> bool {
    if head.starts_with(&[0xFE, 0xFF]) || head.starts_with(&[0xFF, 0xFE]) {
        return head.chunks_exact(2).filter(|pair| pair.contains(&0)).count() * 4 >= head.len() / 2;
    }
    !head.iter().any(|byte| matches!(byte, 0..=8 | 11 | 14..=26 | 28..=31 | 127))
}

/// Packets of an MPEG transport stream (ISO/IEC 13818-1 §2.4.3.2), possibly after other data.
fn has_packets(head: &[u8]) -> bool {
    let in_a_row = |from: usize| (0..PACKETS).all(|nth| head.get(from + nth * PACKET) == Some(&0x47));
    let last = head.len().saturating_sub((PACKETS - 1) * PACKET);
    memchr::memchr_iter(0x47, head.get(..last).unwrap_or_default()).any(in_a_row)
}

fn is_image(head: &[u8]) -> bool {
    if head.starts_with(b"\x89PNG\r\n\x1A\n") {
        return is_png(head);
    }
    if head.starts_with(&[0xFF, 0xD8]) {
        return is_jpeg(head);
    }
    if head.starts_with(b"GIF87a") || head.starts_with(b"GIF89a") {
        return is_gif(head);
    }
    let at = |from: usize, text: &[u8]| head.get(from..from + text.len()).is_none_or(|there| there == text);
    let begins = |text: &[u8]| head.starts_with(text);
    begins(b"RIFF") && at(8, b"WEBPVP8")
        || begins(b"BM")
        || begins(&[0, 0, 1, 0])
        || begins(&[0, 0, 2, 0])
        || begins(b"II*\0")
        || begins(b"MM\0*")
        || begins(&[0xFF, 0x0A])
        || begins(b"\0\0\0\x0CJXL ")
        || begins(b"\x89BIF\r\n\x1A\n")
        || head.get(4..8) == Some(b"ftyp") && is_image_brand(head.get(8..12).unwrap_or_default())
        // A vector graphic with another image type.
        || begins(b"<")  && is_text(head)
}

fn is_image_brand(brand: &[u8]) -> bool {
    matches!(brand, b"avif" | b"avis" | b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"mif1" | b"msf1")
}

/// Chunks with names of letters, and nothing after the last (PNG §5.3).
fn is_png(head: &[u8]) -> bool {
    let mut at = 8_usize;
    let mut first = true;
    while let Some(chunk) = head.get(at..at.saturating_add(8)).filter(|chunk| chunk.len() == 8) {
        let Some((length, name)) = chunk.split_first_chunk::<4>() else { return true };
        let known = if first { name == b"IHDR" || name == b"CgBI" } else { name.iter().all(u8::is_ascii_alphabetic) };
        if !known {
            return false;
        }
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        at = at.saturating_add(length).saturating_add(12);
        if name == b"IEND" {
            return head.len() <= at;
        }
        first = false;
    }
    true
}

/// Segments with markers, then data in which no byte FF stands alone (ITU-T T.81 §B.1.1).
fn is_jpeg(head: &[u8]) -> bool {
    let mut at = 2;
    while let Some([mark, code]) = head.get(at..at + 2) {
        match (mark, code) {
            (0xFF, 0xFF) => at += 1,
            (0xFF, 0xDA) => return is_jpeg_data(head.get(at + 2..).unwrap_or_default()),
            (0xFF, 0xC0..=0xFE) => {
                let Some([high, low]) = head.get(at + 2..at + 4) else { return true };
                at += 2 + usize::from(u16::from_be_bytes([*high, *low])).max(2);
            }
            _ => return false,
        }
    }
    true
}

fn is_jpeg_data(data: &[u8]) -> bool {
    // The header of the scan comes first.
    let length = data.first_chunk::<2>().map_or(0, |length| usize::from(u16::from_be_bytes(*length)));
    let mut rest = data.get(length..).unwrap_or_default();
    while let Some(at) = memchr::memchr(0xFF, rest) {
        match rest.get(at + 1) {
            None | Some(0xD9) => return true,
            Some(0 | 0x01 | 0xC4 | 0xD0..=0xDF | 0xE0..=0xEF | 0xFE | 0xFF) => {}
            Some(_) => return false,
        }
        rest = rest.get(at + 1..).unwrap_or_default();
    }
    true
}

/// A screen, perhaps its colours, then a block of a kind that is known (`GIF89a` §18 to §26).
fn is_gif(head: &[u8]) -> bool {
    let Some(flags) = head.get(10) else { return true };
    let colours = if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) };
    match head.get(13 + colours) {
        Some(0x3B) => head.len() <= 14 + colours,
        Some(block) => matches!(block, 0x21 | 0x2C),
        None => true,
    }
}

/// First bytes of audio and video files.
fn is_media(head: &[u8]) -> bool {
    let begins = |text: &[u8]| head.starts_with(text);
    matches!(
        head.get(4..8),
        Some(b"ftyp" | b"styp" | b"moof" | b"moov" | b"sidx" | b"mdat" | b"emsg" | b"prft" | b"free" | b"skip")
    ) || begins(&[0x1A, 0x45, 0xDF, 0xA3])
        || begins(b"OggS")
        || begins(b"fLaC")
        || begins(b"ID3")
        || begins(b"FLV\x01")
        || begins(b"RIFF")
        || begins(&[0, 0, 1, 0xBA])
        || begins(&[0x30, 0x26, 0xB2, 0x75])
        || matches!(head, [0xFF, 0xF0 | 0xF1 | 0xF8 | 0xF9 | 0xFA | 0xFB | 0xF2 | 0xF3, ..])
}

fn is_known_binary(head: &[u8]) -> bool {
    let begins = |text: &[u8]| head.starts_with(text);
    begins(b"wOFF")
        || begins(b"wOF2")
        || begins(b"OTTO")
        || begins(b"true")
        || begins(b"ttcf")
        || begins(&[0, 1, 0, 0])
        || head.get(34..36) == Some(b"LP")
        || begins(b"\0asm")
        || begins(b"%PDF")
        || begins(b"PK")
        || begins(&[0x1F, 0x8B])
}

#[cfg(test)]
mod tests;
