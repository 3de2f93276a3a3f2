use proptest::prelude::*;

use super::*;

const PNG: &[u8] = b"\x89PNG\r\n\x1A\n\0\0\0\x0DIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1F\x15\xC4\x89\
    \0\0\0\x0BIDAT\x08\xD7\x63\x60\0\x02\0\0\x05\0\x01\xE2\x26\x05\x9B\0\0\0\0IEND\xAE\x42\x60\x82";
const GIF: &[u8] = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xFF\xFF\xFF\x21\xF9\x04\x01\0\0\0\0\x2C\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0\x3B";
const JPEG: &[u8] =
    b"\xFF\xD8\xFF\xE0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0\xFF\xDA\0\x08\x01\x01\0\0\x3F\0\x7F\xFF\0\x11\xFF\xD9";

fn packets(count: usize) -> Vec<u8> {
    let mut packet = vec![0x47_u8, 0x40, 0, 0x10];
    packet.resize(PACKET, 0xFF);
    packet.repeat(count)
}

#[test]
fn pictures_fonts_and_text_are_what_they_say() {
    let images: [&[u8]; 9] = [
        PNG,
        GIF,
        JPEG,
        b"RIFF\x24\0\0\0WEBPVP8 ",
        b"\0\0\0\x1Cftypavif\0\0\0\0",
        b"\0\0\0\x18ftypheic\0\0\0\0",
        b"BM\x36\0",
        b"\0\0\x01\0\x01\0",
        b"II*\0",
    ];
    for image in images {
        assert_eq!(belied(Claim::Image, image), None, "{image:?}");
        for cut in 12..image.len() {
            assert_eq!(belied(Claim::Image, &image[..cut]), None, "{cut} {image:?}");
        }
    }
    let texts: [&[u8]; 8] = [
        b"<!DOCTYPE html>",
        b"\xEF\xBB\xBF{\"a\":1}",
        b"body { color: red }\r\n\t\x0C",
        b"Gute Nacht, M\xFCller", // Latin-1
        b"\xFF\xFEa\0b\0",
        b"WEBVTT\n\n",
        b"",
        b"Go",
    ];
    for text in texts {
        assert_eq!(belied(Claim::Text, text), None, "{text:?}");
    }
    for binary in [&b"wOF2\0\x01"[..], b"OTTO", b"\0\x01\0\0\0", b"\0asm\x01", b"%PDF-1.7", b"PK\x03\x04"] {
        assert_eq!(belied(Claim::Binary, binary), None, "{binary:?}");
        assert_eq!(belied(Claim::Data, binary), None, "{binary:?}");
    }
}

#[test]
fn media_under_any_claim_is_seen() {
    let media: [&[u8]; 12] = [
        &packets(8),
        b"\0\0\0\x18ftypiso5\0\0\0\x01",
        b"\0\0\0\x18styp",
        b"\0\0\0\x10moof\0\0\0\x08",
        b"\x1A\x45\xDF\xA3\x01\0\0",
        b"OggS\0\x02",
        b"fLaC\0\0\0\x22",
        b"ID3\x04\0\0\0\0\0\0",
        b"\xFF\xF1\x50\x80\x02\x1F\xFC",
        b"FLV\x01\x05\0\0\0\x09",
        b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0",
        b"\0\0\x01\xBA\x44",
    ];
    for claim in [Claim::Image, Claim::Text, Claim::Binary, Claim::Data] {
        for bytes in media {
            assert_eq!(belied(claim, bytes), Some(Kind::Segment), "{claim:?} {:?}", &bytes[..5]);
        }
        assert_eq!(belied(claim, b"#EXTM3U\n"), Some(Kind::Playlist), "{claim:?}");
        assert_eq!(belied(claim, b"<?xml version=\"1.0\"?><MPD>"), Some(Kind::Mpd), "{claim:?}");
    }
}

#[test]
fn media_behind_a_picture_is_seen() {
    for image in [PNG, GIF, JPEG, b"RIFF\x24\0\0\0WEBPVP8 ", b"BM\x36\0"] {
        assert_eq!(belied(Claim::Image, &[image, &packets(8)].concat()), Some(Kind::Segment), "{image:?}");
    }
    // Encrypted: nothing behind the picture is known for anything.
    let noise: Vec<u8> = (0_u32..3000).map(|nth| (nth.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0]).collect();
    for head in [
        PNG,
        b"\x89PNG\r\n\x1A\n",
        b"\xFF\xD8\xFF\xE0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0",
        b"GIF89a\x01\0\x01\0\0\0\0",
    ] {
        assert_eq!(belied(Claim::Image, &[head, &noise].concat()), Some(Kind::Segment), "{head:?}");
    }
    assert_eq!(belied(Claim::Image, &noise), Some(Kind::Segment));
    assert_eq!(belied(Claim::Text, &noise), Some(Kind::Segment));
}

proptest! {
    #[test]
    fn any_bytes_are_judged_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..600), nth in 0_usize..4) {
        for head in [PNG, GIF, JPEG, b""] {
            let claim = [Claim::Image, Claim::Text, Claim::Binary, Claim::Data][nth];
            let _ = belied(claim, &[head, &bytes].concat());
        }
        prop_assert_eq!(belied(Claim::Text, b""), None);
    }
}
