//! Speed of rewriting manifests, in bytes of input per second.
//!
//! The manifests are generated: a live media playlist as it is refreshed every few seconds, a long VOD playlist, and an
//! MPD with segment timelines. `inherited` is the common case: the prefix comes with the path and only the scan costs.

#![allow(missing_docs, reason = "criterion_group! makes a public function without a comment")]

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use streamgate::media::{Target, dash, hls};

/// As long as a sealed play session.
const PREFIX: &str = concat!(
    "/~s/",
    "AQzB3kq0oV9m1nX7cT2rLw5yHs8dJf6gKa4eUi0pZxCvBnMqWeRtYuIoPaSdFgHjKlZxCvBnM1234567890qwertyuiopasdf",
    "ghjklzxcvbnmQWERTYUIOPASDFGHJKLZXCVBNM0987654321poiuytrewqlkjhgfdsamnbvcxz"
);

fn target(inherited: bool) -> Target<'static> {
    Target {
        prefix: PREFIX,
        document: "/live/news/720p.m3u8",
        query: Some("v=1"),
        inherited,
        authority: "tv.example.com",
        site: "",
        origin: None,
    }
}

/// A media playlist. `directory` precedes every segment's name.
fn playlist(segments: usize, directory: &str, live: bool) -> String {
    let mut text = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:6\n#EXT-X-MEDIA-SEQUENCE:1042\n".to_owned();
    let _ = writeln!(text, "#EXT-X-MAP:URI=\"{directory}init.mp4\"");
    for number in 0..segments {
        if live {
            let (minutes, seconds) = (number / 10 % 60, number % 10 * 6);
            let _ = writeln!(text, "#EXT-X-PROGRAM-DATE-TIME:2026-11-21T10:{minutes:02}:{seconds:02}.000Z");
        }
        let _ = writeln!(text, "#EXTINF:6.00600,\n{directory}segment_1080p_{number:06}.m4s");
    }
    if !live {
        text.push_str("#EXT-X-ENDLIST\n");
    }
    text
}

/// An MPD with six representations and a timeline of two-second segments.
fn mpd(segments: usize) -> String {
    let mut text = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"dynamic\" \
         minimumUpdatePeriod=\"PT2S\" maxSegmentDuration=\"PT2S\" publishTime=\"2026-11-21T10:00:00Z\">\n\
         <BaseURL>http://tv.example.com/live/news/</BaseURL>\n<Period id=\"1\" start=\"PT0S\">\n",
    );
    for representation in 0..6 {
        let _ = writeln!(
            text,
            "<AdaptationSet id=\"{representation}\" mimeType=\"video/mp4\" segmentAlignment=\"true\">\n\
             <SegmentTemplate timescale=\"90000\" media=\"/live/$RepresentationID$/$Time$.m4s\" \
             initialization=\"$RepresentationID$/init.mp4\">\n<SegmentTimeline>"
        );
        for number in 0..segments {
            let _ = writeln!(text, "  <S t=\"{}\" d=\"180000\" r=\"1\"/>", number * 360_000);
        }
        let _ = writeln!(
            text,
            "</SegmentTimeline>\n</SegmentTemplate>\n<Representation id=\"v{representation}\" bandwidth=\"3000000\" \
             codecs=\"avc1.640028\" width=\"1920\" height=\"1080\"/>\n</AdaptationSet>"
        );
    }
    text.push_str("</Period>\n</MPD>\n");
    text
}

fn manifests(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("manifests");
    let playlists = [
        ("hls live 20 segments, inherited", playlist(20, "", true), true),
        ("hls vod 1 MB, inherited", playlist(22_000, "", false), true),
        ("hls vod 1 MB, every line relative without prefix", playlist(22_000, "", false), false),
        ("hls vod 1 MB, every line rooted", playlist(16_500, "/vod/film/1080p/", false), true),
    ];
    for (name, text, inherited) in &playlists {
        group.throughput(Throughput::Bytes(text.len() as u64));
        let mut out = Vec::new();
        group.bench_function(*name, |bencher| {
            bencher.iter(|| {
                out.clear();
                hls::rewrite(black_box(text.as_bytes()), &target(*inherited), &mut out)
            });
        });
    }
    for (name, text) in [("dash live 30 segments", mpd(30)), ("dash 1 MB timeline", mpd(4_500))] {
        group.throughput(Throughput::Bytes(text.len() as u64));
        let mut out = Vec::new();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                out.clear();
                dash::rewrite(black_box(text.as_bytes()), &target(true), &mut out)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, manifests);
criterion_main!(benches);
