//! Playlists for what the corpus lacks.

use std::time::Duration;

use streamgate::media::{Form, Outcome, Target, Unparsable};

use super::support::{AUTHORITY, rewrite, target};

/// `P` stands for the prefix in what is expected.
const P: &str = "/~s/S";

fn to(document: &'static str, inherited: bool) -> Target<'static> {
    Target { prefix: P, document, inherited, ..target(AUTHORITY) }
}

fn written(input: &str, target: &Target<'_>) -> (String, Outcome) {
    let (written, outcome) = rewrite(true, input.as_bytes(), target);
    (String::from_utf8(written).unwrap(), outcome.unwrap())
}

/// The lines after the first, under the prefix.
fn body(lines: &str) -> (String, Outcome) {
    let (text, outcome) = written(&format!("#EXTM3U\n{lines}"), &to("/a/b.m3u8", true));
    (text.strip_prefix("#EXTM3U\n").unwrap().to_owned(), outcome)
}

/// As `body`, in a document that was fetched without the prefix.
fn bare_body(lines: &str) -> (String, Outcome) {
    let (text, outcome) = written(&format!("#EXTM3U\n{lines}"), &to("/a/b.m3u8", false));
    (text.strip_prefix("#EXTM3U\n").unwrap().to_owned(), outcome)
}

#[test]
fn a_byte_order_mark_crlf_and_a_missing_last_line_feed_stay() {
    let (text, outcome) =
        written("\u{FEFF}#EXTM3U\r\n#EXTINF:4,\r\n/x.ts\r\n\r\n#EXTINF:6,\r\n/y.ts", &to("/a/b.m3u8", true));
    assert_eq!(text, "\u{FEFF}#EXTM3U\r\n#EXTINF:4,\r\n/~s/S/x.ts\r\n\r\n#EXTINF:6,\r\n/~s/S/y.ts");
    assert_eq!(outcome.rewritten, 2);
    assert_eq!(outcome.facts.longest_segment, Some(Duration::from_secs(6)));
}

#[test]
fn what_does_not_start_as_a_playlist_passes_untouched_and_is_told() {
    let utf16: Vec<u8> = "#EXTM3U\n/x.ts\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let others: [&[u8]; 8] = [
        b"",
        b"\n#EXTM3U\n/x.ts\n",
        b"#EXTINF:4,\n/x.ts\n",
        b"<html>\n/x.ts\n</html>",
        b"\x1F\x8B\x08\0\n/x.ts\n",
        b"#EXTM3U8\n/x.ts\n",
        b"\xEF\xBB#EXTM3U\n/x.ts\n",
        &utf16,
    ];
    for input in others {
        let (written, outcome) = rewrite(true, input, &to("/a/b.m3u8", true));
        assert_eq!((&*written, outcome), (input, Err(Unparsable::NotAPlaylist)));
    }
}

#[test]
fn a_playlist_that_is_cut_in_half_is_rewritten_as_far_as_it_goes() {
    let (text, outcome) = body("#EXT-X-KEY:METHOD=AES-128,URI=\"/k\"\n#EXTINF:4,\n/x.ts\n#EXT-X-MAP:URI=\"/ini");
    assert_eq!(text, "#EXT-X-KEY:METHOD=AES-128,URI=\"/~s/S/k\"\n#EXTINF:4,\n/~s/S/x.ts\n#EXT-X-MAP:URI=\"/ini");
    assert!(outcome.facts.live);
}

#[test]
fn every_tag_with_a_reference_is_rewritten_and_nothing_else() {
    for (tag, attribute) in [
        ("EXT-X-KEY:METHOD=AES-128", "URI"),
        ("EXT-X-SESSION-KEY:METHOD=AES-128", "URI"),
        ("EXT-X-MAP:BYTERANGE=\"1@2\"", "URI"),
        ("EXT-X-MEDIA:TYPE=AUDIO,NAME=\"a,URI=b\"", "URI"),
        ("EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1", "URI"),
        ("EXT-X-IMAGE-STREAM-INF:BANDWIDTH=1", "URI"),
        ("EXT-X-PART:DURATION=0.3", "URI"),
        ("EXT-X-PRELOAD-HINT:TYPE=PART", "URI"),
        ("EXT-X-RENDITION-REPORT:LAST-MSN=3", "URI"),
        ("EXT-X-SESSION-DATA:DATA-ID=\"x\"", "URI"),
        ("EXT-X-CONTENT-STEERING:PATHWAY-ID=\"A\"", "SERVER-URI"),
        ("EXT-X-DATERANGE:ID=\"1\"", "X-ASSET-URI"),
        ("EXT-X-DATERANGE:ID=\"1\"", "X-ASSET-LIST"),
    ] {
        let line = |reference: &str| format!("#{tag},{attribute}=\"{reference}\",X=1\n");
        assert_eq!(body(&line("/x")).0, line("/~s/S/x"), "{tag}");
        assert_eq!(body(&line("//tv.example/x")).0, line("//tv.example/~s/S/x"), "{tag}");
        for same in ["x", "../x", "http://cdn.example/x", "skd://x", "data:text/plain,/x", ""] {
            assert_eq!(body(&line(same)).0, line(same), "{tag}");
        }
    }
    for line in [
        "#EXT-X-DATERANGE:ID=\"1\",X-COM-BEACON=\"/x\",URI=\"/x\"\n",
        "#EXT-X-TILES:RESOLUTION=1x1,URI=\"/x\"\n",
        "#EXT-X-UNKNOWN:URI=\"/x\"\n",
        "#EXT-X-STREAM-INF:URI=\"/x\"\n",
        "#EXT-X-KEY:METHOD=NONE,URI=/x\n",
        "# /comment\n",
        " #EXT-X-MAP:URI=\"/x\"\n",
    ] {
        assert_eq!(body(line).0, line);
    }
}

#[test]
fn prefetch_tags_hold_a_bare_reference() {
    assert_eq!(body("#EXT-X-PREFETCH:/x.ts\r\n").0, "#EXT-X-PREFETCH:/~s/S/x.ts\r\n");
    assert_eq!(bare_body("#EXT-X-TWITCH-PREFETCH:x.ts\n").0, "#EXT-X-TWITCH-PREFETCH:/~s/S/a/x.ts\n");
}

#[test]
fn two_references_of_one_tag_are_both_rewritten() {
    let line = "#EXT-X-DATERANGE:ID=\"1\",X-ASSET-URI=\"/x\",X=\"1\",X-ASSET-LIST=\"/y?z\"\n";
    let (text, outcome) = body(line);
    assert_eq!(text, "#EXT-X-DATERANGE:ID=\"1\",X-ASSET-URI=\"/~s/S/x\",X=\"1\",X-ASSET-LIST=\"/~s/S/y?z\"\n");
    assert_eq!(outcome.rewritten, 2);
}

#[test]
fn dot_segments_that_would_leave_the_prefix_are_resolved() {
    assert_eq!(body("../x.ts\n").0, "../x.ts\n");
    assert_eq!(body("../../x.ts?q=../..\n").0, "/~s/S/x.ts?q=../..\n");
    assert_eq!(bare_body("../x.ts\n").0, "/~s/S/x.ts\n");
}

#[test]
fn relative_references_of_an_entry_manifest_get_the_prefix_except_in_rendition_reports() {
    let (text, outcome) = bare_body(
        "#EXT-X-MEDIA:TYPE=AUDIO,URI=\"audio/a.m3u8?x=1\"\n#EXT-X-STREAM-INF:BANDWIDTH=1\n720p.m3u8\n?v=2\n\n\
         #EXT-X-RENDITION-REPORT:URI=\"../x.m3u8\"\n#EXT-X-RENDITION-REPORT:URI=\"/y.m3u8\"\nhttp://cdn.example/z\n",
    );
    assert_eq!(
        text,
        "#EXT-X-MEDIA:TYPE=AUDIO,URI=\"/~s/S/a/audio/a.m3u8?x=1\"\n#EXT-X-STREAM-INF:BANDWIDTH=1\n\
         /~s/S/a/720p.m3u8\n/~s/S/a/b.m3u8?v=2\n\n#EXT-X-RENDITION-REPORT:URI=\"../x.m3u8\"\n\
         #EXT-X-RENDITION-REPORT:URI=\"/~s/S/y.m3u8\"\nhttp://cdn.example/z\n"
    );
    assert_eq!((outcome.rewritten, outcome.foreign), (4, 1));
    assert_eq!((outcome.facts.form, outcome.facts.live), (Form::Multivariant, false));
}

#[test]
fn a_document_whose_path_has_quotes_or_braces_breaks_no_attribute() {
    let (text, _) = written("#EXTM3U\n#EXT-X-MAP:URI=\"i.mp4\"\n", &to("/a\"{$b}/c.m3u8", false));
    assert_eq!(text, "#EXTM3U\n#EXT-X-MAP:URI=\"/~s/S/a%22%7B$b}/i.mp4\"\n");
}

#[test]
fn variables_are_expanded_to_learn_where_a_reference_leads_and_stay_as_written() {
    let definitions = "#EXT-X-DEFINE:NAME=\"root\",VALUE=\"/vod\"\n#EXT-X-DEFINE:NAME=\"dir\",VALUE=\"vod\"\n\
                       #EXT-X-DEFINE:NAME=\"host\",VALUE=\"http://tv.example\"\n\
                       #EXT-X-DEFINE:NAME=\"cdn\",VALUE=\"https://cdn.example/x\"\n";
    let lines = "{$root}/1.ts\n{$dir}/2.ts\n{$host}/3.ts\n{$cdn}/4.ts\n/{$dir}/5{$none}.ts\nhttp://{$none}/6.ts\n";
    let (text, outcome) = body(&format!("{definitions}{lines}"));
    let expected = "/~s/S{$root}/1.ts\n{$dir}/2.ts\n{$host}/~s/S/3.ts\n{$cdn}/4.ts\n/~s/S/{$dir}/5{$none}.ts\n\
                    http://{$none}/6.ts\n";
    assert_eq!(text, format!("{definitions}{expected}"));
    assert_eq!((outcome.rewritten, outcome.foreign, outcome.undefined), (3, 1, 1));
    assert_eq!(bare_body(&format!("{definitions}{{$dir}}/2.ts\n")).0, format!("{definitions}/~s/S/a/{{$dir}}/2.ts\n"));
}

#[test]
fn a_variable_that_is_a_url_of_ours_carries_the_prefix_itself() {
    let (text, outcome) =
        body("#EXT-X-DEFINE:NAME=\"base\",VALUE=\"https://tv.example/vod\"\n{$base}/1.ts\n{$base}/2.ts\n");
    assert_eq!(text, "#EXT-X-DEFINE:NAME=\"base\",VALUE=\"https://tv.example/~s/S/vod\"\n{$base}/1.ts\n{$base}/2.ts\n");
    assert_eq!((outcome.rewritten, outcome.undefined), (1, 0));
}

#[test]
fn a_path_that_begins_inside_a_variable_is_written_out() {
    let define = "#EXT-X-DEFINE:NAME=\"tail\",VALUE=\"tv.example/vod\"\n";
    let (text, _) = body(&format!("{define}http://{{$tail}}/1.ts\n"));
    assert_eq!(text, format!("{define}http://tv.example/~s/S/vod/1.ts\n"));
}

#[test]
fn query_parameters_define_variables_and_imported_ones_are_counted_as_undefined() {
    let lines = "#EXT-X-DEFINE:QUERYPARAM=\"v\"\n#EXT-X-DEFINE:IMPORT=\"w\"\n{$v}/1.ts\n{$w}/2.ts\n";
    let target = Target { query: Some("a=b&v=%2Fvod"), ..to("/a/b.m3u8", true) };
    let (text, outcome) = written(&format!("#EXTM3U\n{lines}"), &target);
    assert_eq!(text, format!("#EXTM3U\n{}", lines.replace("{$v}", "/~s/S{$v}")));
    assert_eq!((outcome.rewritten, outcome.undefined), (1, 1));
}

#[test]
fn a_line_that_is_too_long_passes_and_the_next_ones_are_rewritten() {
    let long = format!("/{}", "x".repeat(70_000));
    assert_eq!(body(&format!("{long}\n/y.ts\n")).0, format!("{long}\n/~s/S/y.ts\n"));
    assert_eq!(body(&format!("/y.ts\n{long}")).0, format!("/~s/S/y.ts\n{long}"));
}

#[test]
fn low_latency_playlists_tell_their_parts_and_blocking_reloads() {
    let (_, outcome) = body(
        "#EXT-X-TARGETDURATION:4\n#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.0\n\
         #EXT-X-PART-INF:PART-TARGET=0.33334\n#EXTINF:4.00008,\na.mp4\n#EXT-X-PART:DURATION=0.33334,URI=\"p.mp4\"\n",
    );
    let facts = outcome.facts;
    assert_eq!((facts.form, facts.live, facts.blocking_reload), (Form::MediaPlaylist, true, true));
    assert_eq!((facts.target_duration, facts.refresh), (Some(Duration::from_secs(4)), Some(Duration::from_secs(4))));
    assert_eq!(facts.part_target, Some(Duration::from_micros(333_340)));
    assert_eq!((facts.longest_segment, facts.duration), (Some(Duration::from_micros(4_000_080)), None));
}

#[test]
fn a_playlist_with_an_end_tells_how_long_it_is() {
    let (_, outcome) = body("#EXT-X-TARGETDURATION:6\n#EXTINF:6,\na.ts\n#EXTINF:4.5,\nb.ts\n#EXT-X-ENDLIST\n");
    assert_eq!((outcome.facts.live, outcome.facts.refresh), (false, None));
    assert_eq!(outcome.facts.duration, Some(Duration::from_millis(10_500)));
}

#[test]
fn lines_end_with_lf_cr_lf_or_cr_alone() {
    let lines = |x: &str| {
        [
            "#EXTM3U".to_owned(),
            "#EXT-X-TARGETDURATION:4".to_owned(),
            format!("#EXT-X-KEY:METHOD=AES-128,URI=\"{x}/k\""),
            "#EXTINF:4,".to_owned(),
            format!("{x}/a.ts"),
            String::new(),
            "#EXTINF:2,".to_owned(),
            "b.ts".to_owned(),
            "#EXT-X-ENDLIST".to_owned(),
        ]
    };
    for end in ["\n", "\r\n", "\r"] {
        for last in ["", end] {
            let before = format!("{}{last}", lines("").join(end));
            let (after, outcome) = written(&before, &to("/a/b.m3u8", true));
            assert_eq!(after, format!("{}{last}", lines(P).join(end)));
            let facts = outcome.facts;
            assert_eq!(
                (outcome.rewritten, facts.live, facts.duration),
                (2, false, Some(Duration::from_secs(6))),
                "{end:?}"
            );
        }
    }
}
