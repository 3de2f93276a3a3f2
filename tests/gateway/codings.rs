//! Entry manifests that only their answer shows, and manifests that come in a coding nobody asked for.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use http_body_util::{BodyExt, Full};

use super::support::{Answer, Origin, Setup, answer, token, usual};

const MASTER: &str = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"avc1.640028,mp4a.40.2\"\n/live/low.m3u8\n";
const MPD: &str = "<MPD type=\"static\"><Period><AdaptationSet><SegmentTemplate media=\"/s$Number$.m4s\" duration=\"2\"/>\
                   </AdaptationSet></Period></MPD>";

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn coded(coding: &str, body: &str) -> Vec<u8> {
    let bytes = body.as_bytes();
    match coding {
        "gzip" | "x-gzip" | "GZIP" => gzip(bytes),
        "gzip, identity" => [gzip(&bytes[..9]), gzip(&bytes[9..])].concat(),
        "deflate" => {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        "Deflate" => {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        _ => bytes.to_vec(),
    }
}

/// Answers every name with the manifest, in this coding and with this status; parts where parts are asked for.
async fn origin(status: u16, coding: &'static str, content_type: &'static str, manifest: &'static str) -> Origin {
    Origin::new(move |request| async move {
        let path = request.uri().path();
        if path.ends_with("low.m3u8") || path.ends_with(".ts") {
            return usual(path);
        }
        let wants_gzip = request.headers().get("accept-encoding").is_some_and(|accepted| accepted != "identity");
        let coding = if coding == "asked" && wants_gzip { "gzip" } else { coding };
        let body = coded(coding, manifest);
        let range = request.headers().get("range").and_then(|range| range.to_str().unwrap().strip_prefix("bytes=0-"));
        let Some(last) = range else {
            let mut response = answer(status, content_type, body);
            if coding != "asked" && coding != "none" {
                response.headers_mut().insert("content-encoding", coding.parse().unwrap());
            }
            return response;
        };
        let last = last.parse().unwrap_or(body.len() - 1).min(body.len() - 1);
        let mut response = answer(206, content_type, "");
        let range = format!("bytes 0-{last}/{}", body.len());
        response.headers_mut().insert("content-range", range.parse().unwrap());
        *response.body_mut() = Full::new(Bytes::copy_from_slice(&body[..=last])).boxed();
        response
    })
    .await
}

#[tokio::test]
async fn an_entry_manifest_that_only_its_answer_shows_is_asked_for_whole_and_plain() {
    let fields: [&[(&str, &str)]; 5] = [
        &[],
        &[("accept-encoding", "gzip, br")],
        &[("range", "bytes=0-")],
        &[("range", "bytes=0-20")],
        &[("accept-encoding", "gzip"), ("range", "bytes=0-"), ("if-range", "\"x\"")],
    ];
    for (content_type, manifest) in [
        ("application/vnd.apple.mpegurl", MASTER),
        ("application/dash+xml", MPD),
        ("text/html", MASTER),
        ("application/octet-stream", MASTER),
        ("", MPD),
    ] {
        let origin = origin(200, "asked", content_type, manifest).await;
        let gateway = Setup::before(&[&origin]).start().await;
        for (nth, path) in ["/video.php?path=a&", "/live?", "/a/b.cgi?", "/play.m3u8x?"].into_iter().enumerate() {
            for (way, fields) in fields.into_iter().enumerate() {
                let what = format!("{path} {content_type:?} {fields:?}");
                let device = format!("tv-{nth}-{way}");
                let account = format!("alice-{nth}-{way}");
                let mut asked = gateway.client.get(gateway.url(&format!("{path}token={}", token(&account, &device))));
                for (name, value) in fields {
                    asked = asked.header(*name, *value);
                }
                let entry = Answer::of(asked.send().await.unwrap()).await;
                assert_eq!(entry.status, 200, "{what}: {}", entry.text());
                assert_eq!(entry.header("content-encoding"), "", "{what}");
                assert!(entry.text().contains("/~s/"), "{what}: {}", entry.text());
            }
        }
    }
}

#[tokio::test]
async fn manifests_are_rewritten_in_whatever_coding_and_with_whatever_success_they_come() {
    for (status, coding) in [
        (200, "gzip"),
        (200, "x-gzip"),
        (200, "GZIP"),
        (200, "gzip, identity"),
        (200, "deflate"),
        (200, "Deflate"),
        (200, "Identity"),
        (200, ""),
        (203, "none"),
        (203, "gzip"),
    ] {
        for (path, content_type, manifest) in [
            ("/live/master.m3u8", "application/vnd.apple.mpegurl", MASTER),
            ("/film/manifest.mpd", "application/dash+xml", MPD),
            ("/video.php", "application/octet-stream", MASTER),
        ] {
            let origin = origin(status, coding, content_type, manifest).await;
            let gateway = Setup::before(&[&origin]).start().await;
            let entry = gateway.enter(path, "tv").await;
            assert_eq!(entry.status, status, "{coding:?} {path}: {}", entry.text());
            assert_eq!(entry.header("content-encoding"), "", "{coding:?} {path}");
            let prefix = entry.prefix();
            assert_eq!(gateway.get(&format!("{prefix}/live/low.m3u8")).await.status, 200);
            assert_eq!(gateway.get(&format!("{prefix}/live/a.ts")).await.status, 200);
            // A refresh in the play, too.
            let again = gateway.get(&format!("{prefix}{path}")).await;
            assert!(again.text().contains(&prefix), "{coding:?} {path}: {}", again.text());
        }
    }
}

#[tokio::test]
async fn a_body_that_is_not_in_its_coding_is_the_origins_failure() {
    let origin = Origin::new(|_| async {
        let mut response = answer(200, "application/vnd.apple.mpegurl", MASTER);
        response.headers_mut().insert("content-encoding", "x-gzip".parse().unwrap());
        response
    })
    .await;
    let gateway = Setup::before(&[&origin]).start().await;
    let asked = gateway.client.get(gateway.url(&format!("/live/master.m3u8?token={}", token("alice", "tv"))));
    // The header may have gone out before the first bytes came.
    let broken = match asked.send().await {
        Ok(answer) => answer.status() == 502 || answer.bytes().await.is_err(),
        Err(_) => true,
    };
    assert!(broken);
}

#[tokio::test]
async fn a_list_of_channels_is_no_start_and_passes_as_it_is() {
    const LIST: &str = "#EXTM3U url-tvg=\"http://tv.example/epg.xml\"\n#EXTINF:-1 tvg-id=\"news\" group-title=\"A\",News\n\
                        http://tv.example/live/low.m3u8?token=x\n#EXTINF:-1,Film\n/film/movie.mp4\n";
    let policy = "{ name: one, limit: 1, when_exceeded: deny_newest }";
    for content_type in ["audio/x-mpegurl", "audio/mpegurl", "application/octet-stream", ""] {
        let origin = origin(200, "none", content_type, LIST).await;
        let gateway = Setup { policy, ..Setup::before(&[&origin]) }.start().await;
        let tv = gateway.enter("/live/low.m3u8", "tv").await;
        assert_eq!(tv.status, 200);
        for path in ["/get.php?type=m3u_plus&", "/list.m3u?", "/channels?"] {
            // The account is at its limit, which is no matter to a list.
            let list = gateway.get(&format!("{path}token={}", token("alice", "box"))).await;
            assert_eq!((list.status, list.text()), (200, LIST), "{path} {content_type:?}");
            assert_eq!(gateway.metric("streamgate_streams", "").await, 1, "{path}");
        }
        // Under a name that is one of HLS it is known too late to be let through at the limit, and takes nothing.
        let path = format!("/list.m3u8?token={}", token("bob", "box"));
        let list = gateway.get(&path).await;
        assert_eq!((list.status, list.text()), (200, LIST), "{content_type:?}");
        super::support::until("the slot is given back", async || gateway.metric("streamgate_streams", "").await == 1)
            .await;
    }
}
