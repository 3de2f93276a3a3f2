//! What holds for any input.

use proptest::collection::vec;
use proptest::prelude::*;
use streamgate::media::{Target, Unparsable, classify, classify_response, hls, sniff};

use super::support::{AUTHORITY, PREFIX, rewrite, target};

/// Pieces that playlists are made of, whole and broken.
fn playlist_piece() -> impl Strategy<Value = Vec<u8>> {
    let pieces: &[&[u8]] = &[
        b"\n",
        b"\r\n",
        b"\r",
        b"#EXTINF:4.5,\n",
        b"#EXT-X-TARGETDURATION:6\n",
        b"seg.ts\n",
        b"./seg.ts\n",
        b"/root/./seg.ts\r\n",
        b" ../../../../../../x.ts \n",
        b"http://tv.example/x\n",
        b"https://cdn.example/x\n",
        b"#EXT-X-KEY:METHOD=AES-128,URI=\"/k\",IV=0x1\n",
        b"#EXT-X-KEY:URI=\"",
        b"#EXT-X-DEFINE:NAME=\"v\",VALUE=\"http://tv.example/base\"\n",
        b"#EXT-X-DEFINE:QUERYPARAM=\"v\"\n",
        b"{$v}/x\n",
        b"{$",
        b"\"",
        b"\xF0\x9F\x8E\xAC\n",
        b"\xFF\xFE",
        b"#EXT-X-RENDITION-REPORT:URI=\"../x.m3u8\"\n",
        b"#EXT-X-ENDLIST",
    ];
    prop_oneof![8 => proptest::sample::select(pieces).prop_map(<[u8]>::to_vec), 1 => vec(any::<u8>(), 0..8)]
}

fn playlist() -> impl Strategy<Value = Vec<u8>> {
    let head =
        prop_oneof![4 => Just(&b"#EXTM3U\n"[..]), 1 => Just(&b"\xEF\xBB\xBF#EXTM3U\r\n"[..]), 1 => Just(&b""[..])];
    (head, vec(playlist_piece(), 0..40)).prop_map(|(head, pieces)| [head, &pieces.concat()].concat())
}

/// Pieces that MPDs are made of, in any order.
fn mpd() -> impl Strategy<Value = Vec<u8>> {
    let pieces: &[&[u8]] = &[
        b"<Period>",
        b"</Period>",
        b"<AdaptationSet mimeType='video/mp4'>",
        b"</AdaptationSet>",
        b"<BaseURL>",
        b"</BaseURL>",
        b"/a&amp;b/",
        b"&#x2f;c",
        b"&own;",
        b"<![CDATA[http://tv.example/x]]>",
        b"<![CDATA[",
        b"]]>",
        b"<!-- -->",
        b"<Location>/l</Location>",
        b"<SegmentTemplate media=\"/$Number$.m4s\" timescale='0' duration='4'/>",
        b"<SegmentTemplate media='&own;'/>",
        b"<S d='1'",
        b"/>",
        b" x=\"",
        b"<replace sel=\"/MPD/Location/text()\">/x</replace>",
        b"<!DOCTYPE MPD [<!ENTITY own 'x'>]>",
        b"</MPD>",
        b"\xFF",
    ];
    let heads: &[&[u8]] =
        &[b"<MPD type='dynamic'>", b"<Patch>", b"", b"<m:MPD xmlns:m='x'>", b"\xEF\xBB\xBF<?xml version='1.0'?><MPD>"];
    (proptest::sample::select(heads), vec(proptest::sample::select(pieces), 0..12), any::<bool>()).prop_map(
        |(head, pieces, closed)| {
            let tail: &[u8] = if closed { b"</MPD>" } else { b"" };
            [head, &pieces.concat(), tail].concat()
        },
    )
}

fn in_chunks(
    input: &[u8],
    cuts: &[usize],
    target: &Target<'_>,
) -> (Vec<u8>, Result<streamgate::media::Outcome, Unparsable>) {
    let mut scanner = hls::Scanner::new(target);
    let mut out = Vec::new();
    let mut rest = input;
    for cut in cuts {
        let (chunk, after) = rest.split_at(cut % (rest.len() + 1));
        scanner.push(chunk, &mut out);
        rest = after;
    }
    scanner.push(rest, &mut out);
    let outcome = scanner.finish(&mut out);
    (out, outcome)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_playlist_that_is_stopped_goes_on_as_it_came(input in playlist(), cut in 0_usize..2000) {
        let target = Target { inherited: false, ..target(AUTHORITY) };
        let (head, rest) = input.split_at(cut % (input.len() + 1));
        let (mut scanner, mut out) = (hls::Scanner::new(&target), Vec::new());
        scanner.push(head, &mut out);
        // The line that is open when it stops has not been rewritten.
        let open = head.iter().rposition(|byte| matches!(byte, b'\n' | b'\r')).map_or(0, |end| end + 1);
        let done = rewrite(true, &head[..open], &target).0;
        scanner.stop();
        scanner.push(rest, &mut out);
        let outcome = scanner.finish(&mut out);
        let whole = rewrite(true, &input, &target).1;
        prop_assert_eq!(outcome.map(|outcome| outcome.facts), whole.map(|outcome| outcome.facts), "it is read to its end");
        if outcome.is_ok() {
            prop_assert_eq!(out, [&*done, &head[open..], rest].concat());
        }
    }

    #[test]
    fn how_a_playlist_is_cut_into_chunks_does_not_change_what_comes_out(
        input in playlist(),
        cuts in vec(0_usize..60, 0..20),
        inherited: bool,
    ) {
        let target = Target { inherited, ..target(AUTHORITY) };
        prop_assert_eq!(in_chunks(&input, &cuts, &target), rewrite(true, &input, &target));
    }

    #[test]
    fn lines_around_the_longest_that_is_looked_into_are_cut_alike(
        length in 65_530_usize..65_542,
        cuts in vec(0_usize..66_000, 0..4),
        rest in playlist(),
    ) {
        let input = [b"#EXTM3U\n/", &*vec![b'x'; length], b"\r\n", &rest].concat();
        let target = target(AUTHORITY);
        prop_assert_eq!(in_chunks(&input, &cuts, &target), rewrite(true, &input, &target));
    }

    #[test]
    fn what_is_written_for_any_playlist_is_stable(input in playlist(), inherited: bool) {
        let target = Target { inherited, ..target(AUTHORITY) };
        let (once, outcome) = rewrite(true, &input, &target);
        prop_assert_eq!(&rewrite(true, &once, &target).0, &once);
        if outcome.is_err() {
            prop_assert_eq!(&once, &input);
        }
        prop_assert_eq!(rewrite(true, &input, &Target { prefix: "", ..target }).0, input);
    }

    #[test]
    fn what_is_written_for_any_mpd_is_stable(input in mpd(), inherited: bool) {
        let target = Target { inherited, ..target(AUTHORITY) };
        let (once, outcome) = rewrite(false, &input, &target);
        let (twice, again) = rewrite(false, &once, &target);
        prop_assert_eq!(&twice, &once);
        prop_assert_eq!(again.is_ok(), outcome.is_ok());
        prop_assert_eq!(rewrite(false, &input, &Target { prefix: "", ..target }).0, input);
    }

    #[test]
    fn arbitrary_bytes_come_out_unchanged_when_they_are_no_manifest(input in vec(any::<u8>(), 0..300)) {
        for is_hls in [true, false] {
            let (written, outcome) = rewrite(is_hls, &input, &target(AUTHORITY));
            prop_assert!(outcome.is_err());
            prop_assert_eq!(&written, &input);
        }
        prop_assert_eq!(sniff(&input), None);
    }

    #[test]
    fn any_reference_documents_and_authorities_are_judged_without_a_panic(
        reference in "[ -~\u{e9}]{0,30}",
        document in "[/.a-z%\"{$]{0,12}",
        authority in "[a-z:.\\[\\]0-9]{0,8}",
        inherited: bool,
    ) {
        let target = Target { prefix: PREFIX, document: &document, query: Some(&reference), inherited, authority: &authority, site: "", origin: None };
        let playlist = format!("#EXTM3U\n{reference}\n#EXT-X-MAP:URI=\"{reference}\"\n#EXT-X-PREFETCH:{reference}\n");
        let (_, outcome) = rewrite(true, playlist.as_bytes(), &target);
        prop_assert!(outcome.is_ok());
        let kind = classify(&reference, Some(&document));
        prop_assert_eq!(classify_response(kind, None), kind);
    }
}
