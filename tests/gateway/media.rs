//! What is not known to be harmless is media: it needs a token, holds a slot and is stopped by termination. What is known to
//! be harmless passes, with a token and without.

use bytes::Bytes;
use hyper::Response;

use super::support::{Answer, Body, Gateway, Origin, Setup, answer, piecewise, token, until, usual};

const ONE: &str = "{ name: one, limit: 1, when_exceeded: deny_newest }";
const PNG: &[u8] = b"\x89PNG\r\n\x1A\n\0\0\0\x0DIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1F\x15\xC4\x89\
    \0\0\0\x0BIDAT\x08\xD7\x63\x60\0\x02\0\0\x05\0\x01\xE2\x26\x05\x9B\0\0\0\0IEND\xAE\x42\x60\x82";
const OCTETS: &str = "application/octet-stream";

/// A few packets of a transport stream.
fn film() -> Bytes {
    let mut packet = vec![0x47_u8, 0x40, 0, 0x10];
    packet.resize(188, 0xFF);
    packet.repeat(12).into()
}

/// The same behind a picture, as some hide it.
fn film_behind_a_picture() -> Bytes {
    [PNG, &film()].concat().into()
}

/// Nothing that anybody would know, as of an encrypted segment.
fn noise() -> Bytes {
    (0_u32..6000).map(|nth| (nth.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0]).collect()
}

/// What an origin has: a path, what it says it is, and its bytes.
type Thing = (&'static str, Option<&'static str>, fn() -> Bytes);

/// Media that its name does not give away, or that hides behind another.
const MEDIA: [Thing; 28] = [
    ("/a/film.mkv", Some(OCTETS), film),
    ("/a/film.mov", None, film),
    ("/a/film", Some("video/mp4"), film),
    ("/a/film", Some(OCTETS), film),
    ("/a/film", Some("binary/octet-stream"), film),
    ("/a/film", Some("application/whatever"), film),
    ("/a/film", None, film),
    ("/a/film.foo", Some("audio/aac"), film),
    ("/a/film.foo", None, noise),
    ("/a/film.php", Some("video/mp2t"), film),
    ("/a/film.mp4.", Some(OCTETS), film),
    ("/a/film.ts/", Some("text/html"), noise),
    ("/a/film.ts%20", Some(OCTETS), film),
    ("/a/film.ts;x=y", None, film),
    ("/a/film.ts%zz", Some("text/plain"), film),
    ("/a/seg.jpg", Some("video/mp2t"), film),
    ("/a/seg.jpg", Some("image/jpeg"), film),
    ("/a/seg.png", Some("image/png"), film_behind_a_picture),
    ("/a/seg.jpg", Some("image/jpeg"), noise),
    ("/a/seg.jpg", None, film),
    ("/a/seg.html", Some("text/html"), film),
    ("/a/seg.css", Some("text/css"), noise),
    ("/a/seg.woff2", Some("font/woff2"), film),
    ("/a/seg.vtt", Some("text/vtt"), film),
    ("/a/seg.srt", None, noise),
    ("/a/seg.key", Some(OCTETS), film),
    ("/a/key/seg.bin", None, film),
    ("/a/list.txt", Some("text/plain"), || "#EXTM3U\n#EXTINF:2,\na.ts\n".into()),
];

const HARMLESS: [Thing; 24] = [
    ("/", Some("text/html; charset=utf-8"), || "<!DOCTYPE html><title>TV</title>".into()),
    ("/watch/1", Some("text/html"), || "<html>".into()),
    ("/index.html", Some(OCTETS), || "<html>".into()),
    ("/old.html", Some("text/html"), || b"<p>M\xFCller</p>".as_slice().into()),
    ("/app.js", Some("application/javascript"), || "let a = 1;".into()),
    ("/app.js", None, || "let a = 1;".into()),
    ("/style.css", Some("text/css"), || "a { color: red }".into()),
    ("/api/config", Some("application/json"), || "{}".into()),
    ("/api/feed", Some("application/atom+xml"), || "<feed/>".into()),
    ("/robots.txt", Some("text/plain"), || "User-agent: *".into()),
    ("/steering", Some("application/vnd.apple.steering-list+json"), || "{}".into()),
    ("/font", Some("font/woff2"), || b"wOF2\0\x01\0\0".as_slice().into()),
    ("/a.woff2", None, || b"wOF2\0\x01\0\0".as_slice().into()),
    ("/subtitles/1", Some("text/vtt"), || "WEBVTT\n\n".into()),
    ("/subtitles/2", Some("application/ttml+xml"), || "<tt/>".into()),
    ("/thumb.png", Some("image/png"), || PNG.into()),
    ("/thumb.png", Some(OCTETS), || PNG.into()),
    ("/thumb.png", None, || PNG.into()),
    ("/image/1", Some("image/png"), || PNG.into()),
    ("/logo.svg", Some("image/svg+xml"), || "<svg/>".into()),
    ("/favicon.ico", Some("image/x-icon"), || b"\0\0\x01\0\x01\0".as_slice().into()),
    ("/manual.pdf", Some("application/pdf"), || "%PDF-1.7".into()),
    ("/empty", None, || "".into()),
    ("/thumb.jpg", Some("image/gif"), || b"GIF89a\x01\0\x01\0\0\0\0\x2C".as_slice().into()),
];

fn of((_, content_type, bytes): Thing) -> Response<Body> {
    let mut response = answer(200, content_type.unwrap_or_default(), bytes());
    if content_type.is_none() {
        response.headers_mut().remove("content-type");
    }
    response
}

/// An origin that has these things; the nth is asked for with `?nth`. All else is as usual.
async fn having(things: &'static [Thing]) -> Origin {
    Origin::new(move |request| async move {
        let nth = request.uri().query().and_then(|query| query.split('&').find_map(|pair| pair.parse::<usize>().ok()));
        match nth.and_then(|nth| things.get(nth)) {
            Some(thing) => of(*thing),
            None => usual(request.uri().path()),
        }
    })
    .await
}

async fn before(origin: &Origin) -> Gateway {
    Setup { policy: ONE, ..Setup::before(&[origin]) }.start().await
}

async fn streams(gateway: &Gateway) -> i64 {
    gateway.metric("streamgate_streams", "").await
}

async fn with_cookie(gateway: &Gateway, path: &str, device: &str) -> Answer {
    let cookie = format!("token={}", token("alice", device));
    Answer::of(gateway.client.get(gateway.url(path)).header("cookie", cookie).send().await.unwrap()).await
}

#[tokio::test]
async fn media_under_any_name_needs_a_token_holds_a_slot_and_is_stopped_by_termination() {
    let origin = having(&MEDIA).await;
    let policy = "{ name: one, limit: 1, when_exceeded: terminate_oldest }";
    let first = before(&origin).await;
    let second = Setup { policy, streams: "{ min_tenure: 0s }", ..Setup::before(&[&origin]) }.start().await;
    for (nth, (path, content_type, bytes)) in MEDIA.into_iter().enumerate() {
        let what = format!("{path} {content_type:?} {nth}");
        let path = format!("{path}?{nth}");
        let bare = first.get(&path).await;
        assert_eq!((bare.status, bare.problem_type().as_str()), (401, "no-identity"), "{what}");
        let is_list = bytes().starts_with(b"#EXTM3U");
        let prefix = second.enter(&format!("/news-{nth}/master.m3u8"), &format!("tv-{nth}")).await.prefix();
        let played = second.get(&format!("{prefix}{path}")).await;
        assert_eq!(played.status, 200, "{what}");
        assert!(is_list || played.body == bytes(), "{what}: nothing is lost");
        second.enter(&format!("/news-{nth}/low.m3u8"), &format!("phone-{nth}")).await;
        let stopped = second.get(&format!("{prefix}{path}")).await;
        assert_eq!((stopped.status, stopped.problem_type().as_str()), (403, "stream-terminated"), "{what}");
    }
    // With a token and without a play session: one device after the other.
    for (nth, (path, content_type, _)) in MEDIA.into_iter().enumerate() {
        let what = format!("{path} {content_type:?} {nth}");
        let gateway = before(&origin).await;
        let path = format!("{path}?{nth}");
        assert_eq!(with_cookie(&gateway, &path, "tv").await.status, 200, "{what}");
        assert_eq!(streams(&gateway).await, 1, "{what}");
        let refused = with_cookie(&gateway, &path, "phone").await;
        assert_eq!((refused.status, refused.problem_type().as_str()), (403, "stream-limit"), "{what}");
    }
}

#[tokio::test]
async fn what_is_harmless_passes_and_holds_no_slot_with_a_token_and_without() {
    let origin = having(&HARMLESS).await;
    let gateway = before(&origin).await;
    let prefix = gateway.enter("/news/master.m3u8", "tv").await.prefix();
    for (nth, (path, content_type, bytes)) in HARMLESS.into_iter().enumerate() {
        let what = format!("{path} {content_type:?}");
        let path = format!("{path}?{nth}");
        for answer in [
            gateway.get(&path).await,
            with_cookie(&gateway, &path, "phone").await,
            gateway.get(&format!("{prefix}{path}")).await,
        ] {
            assert_eq!((answer.status, &answer.body), (200, &bytes()), "{what}");
        }
    }
    assert_eq!(streams(&gateway).await, 1);
}

/// An answer that is asked for with this content type and comes in these pieces, each sent when the gateway has taken the one
/// before. A length makes the origin tell it.
async fn in_pieces(content_type: &'static str, has_length: bool, pieces: &[&[u8]]) -> (Origin, Answer) {
    let (mut send, body) = piecewise();
    let body = std::sync::Mutex::new(Some(body));
    let length: usize = pieces.iter().map(|piece| piece.len()).sum();
    let origin = Origin::new(move |_| {
        let mut response = Response::new(body.lock().unwrap().take().expect("it is asked once"));
        response.headers_mut().insert("content-type", content_type.parse().unwrap());
        if has_length {
            response.headers_mut().insert("content-length", length.into());
        }
        async move { response }
    })
    .await;
    let gateway = before(&origin).await;
    let asked = tokio::spawn(gateway.client.get(gateway.url("/seg.png")).send());
    until("the origin is asked", async || !origin.seen().is_empty()).await;
    for piece in pieces {
        // The origin may find that nobody listens any more.
        let _ = send.send_data(Bytes::copy_from_slice(piece)).await;
    }
    drop(send);
    (origin, Answer::of(asked.await.unwrap().unwrap()).await)
}

#[tokio::test]
async fn no_byte_of_media_passes_under_another_name_however_late_it_comes() {
    let (film, hidden, noise) = (film(), film_behind_a_picture(), noise());
    for (content_type, bytes) in [
        ("image/png", &hidden),
        ("image/png", &film),
        ("image/jpeg", &noise),
        ("text/html", &film),
        ("font/woff2", &film),
        ("application/octet-stream", &film),
    ] {
        for has_length in [true, false] {
            for at in [&[20][..], &[1, 2, 600], &[1500, 1600, 2200]] {
                if content_type == "text/html" && !has_length && at[0] == 1 {
                    continue; // the letter with which it begins is a text like another, and goes
                }
                let mut pieces: Vec<&[u8]> = Vec::new();
                let mut from = 0;
                for to in at.iter().copied().chain([bytes.len()]) {
                    pieces.push(&bytes[from..to]);
                    from = to;
                }
                let what = format!("{content_type} {has_length} {at:?}");
                let (origin, answer) = in_pieces(content_type, has_length, &pieces).await;
                assert_eq!((answer.status, answer.problem_type().as_str()), (401, "no-identity"), "{what}");
                assert_eq!(origin.seen().len(), 1, "{what}");
            }
        }
    }
}

#[tokio::test]
async fn what_is_harmless_passes_whole_however_late_it_comes() {
    let page = "<!DOCTYPE html><title>TV</title>".repeat(300);
    for (content_type, bytes) in [("image/png", PNG), ("text/html", page.as_bytes())] {
        for has_length in [true, false] {
            let (first, rest) = bytes.split_at(20);
            let (_, answer) = in_pieces(content_type, has_length, &[&first[..1], &first[1..], rest]).await;
            assert_eq!((answer.status, &*answer.body), (200, bytes), "{content_type} {has_length}");
        }
    }
}

#[tokio::test]
async fn events_wait_for_nothing_and_the_lines_of_a_text_for_nothing_but_themselves() {
    for content_type in ["text/event-stream", "text/plain"] {
        let (mut send, body) = piecewise();
        let body = std::sync::Mutex::new(Some(body));
        let origin = Origin::new(move |_| {
            let mut response = Response::new(body.lock().unwrap().take().unwrap());
            response.headers_mut().insert("content-type", content_type.parse().unwrap());
            async move { response }
        })
        .await;
        let gateway = before(&origin).await;
        let asked = tokio::spawn(gateway.client.get(gateway.url("/events")).send());
        let mut events = if content_type == "text/event-stream" {
            let events = asked.await.unwrap().unwrap();
            send.send_data("data: 1\n\n".into()).await.unwrap();
            events
        } else {
            send.send_data("data: 1\n\n".into()).await.unwrap();
            asked.await.unwrap().unwrap()
        };
        assert_eq!(events.chunk().await.unwrap().unwrap(), "data: 1\n\n", "{content_type}");
        send.send_data("data: 2\n\n".into()).await.unwrap();
        assert_eq!(events.chunk().await.unwrap().unwrap(), "data: 2\n\n", "{content_type}");
        send.send_data(film()).await.unwrap();
        assert!(events.chunk().await.is_err(), "{content_type}: what is no line cuts it off");
    }
}

#[tokio::test]
async fn media_in_disguise_is_asked_for_once_and_a_part_of_it_as_it_was() {
    let origin = Origin::new(|request| async move {
        if request.uri().path().contains("master") {
            return usual(request.uri().path());
        }
        let film = film();
        if request.headers().get("range").is_some_and(|range| range == "bytes=500-") {
            let mut part = answer(206, "image/png", film.slice(500..));
            let range = format!("bytes 500-{}/{}", film.len() - 1, film.len());
            part.headers_mut().insert("content-range", range.parse().unwrap());
            return part;
        }
        answer(200, "image/png", film)
    })
    .await;
    let gateway = before(&origin).await;
    let prefix = gateway.enter("/news/master.m3u8", "tv").await.prefix();
    let asked = || origin.seen().iter().filter(|seen| seen.target.contains("seg")).count();
    let whole = gateway.get(&format!("{prefix}/seg.png")).await;
    assert_eq!((whole.status, whole.body), (200, film()));
    assert_eq!(asked(), 1);
    let url = gateway.url(&format!("{prefix}/seg.png"));
    let part = Answer::of(gateway.client.get(url).header("range", "bytes=500-").send().await.unwrap()).await;
    assert_eq!((part.status, part.body), (206, film().slice(500..)));
    assert_eq!(asked(), 3, "its beginning has to be seen");
    let part = gateway.client.get(gateway.url("/seg.png")).header("range", "bytes=500-").send().await.unwrap();
    assert_eq!((part.status().as_u16(), asked()), (401, 4));
    let posted = gateway.client.post(gateway.url("/seg.png")).body("x").send().await.unwrap();
    assert_eq!((posted.status().as_u16(), asked()), (401, 5));
    gateway.counts("streamgate_requests_total", "kind=\"segment\"", 4).await;
    assert_eq!(
        gateway.metric("streamgate_time_to_first_byte_seconds_count", "").await,
        gateway.metric("streamgate_requests_total", "").await
    );
}

/// The same bytes, compressed.
fn zipped(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn a_manifest_in_disguise_is_rewritten_though_the_origin_compresses_it_unasked() {
    let list = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\na.ts\n".repeat(300);
    let list: &'static [u8] = zipped(list.as_bytes()).leak();
    for at in [vec![], vec![1], vec![list.len() - 1], vec![10]] {
        let cuts = at.clone();
        let origin = Origin::new(move |_| {
            let (mut send, body) = piecewise();
            let mut response = Response::new(body);
            let cuts = cuts.clone();
            for (name, value) in [("content-type", "text/plain"), ("content-encoding", "gzip")] {
                response.headers_mut().insert(name, value.parse().unwrap());
            }
            tokio::spawn(async move {
                let mut from = 0;
                for to in cuts.into_iter().chain([list.len()]) {
                    // The gateway may have seen enough.
                    let _ = send.send_data(Bytes::from_static(&list[from..to])).await;
                    from = to;
                }
            });
            async move { response }
        })
        .await;
        let gateway = before(&origin).await;
        let asked = with_cookie(&gateway, "/live/ch1", "tv").await;
        assert_eq!(asked.status, 200, "{at:?}: {}", asked.text());
        assert!(asked.text().contains("/~s/"), "{at:?}: {}", asked.text());
        assert_eq!(asked.header("content-encoding"), "", "{at:?}");
    }
}

#[tokio::test]
async fn no_content_coding_is_a_way_round() {
    // It compresses for whoever asks for that, as many do, or says of a coding what it likes.
    let origin = Origin::new(|request| async move {
        let path = request.uri().path().to_owned();
        let asked = request.headers().get("accept-encoding").is_some_and(|asked| asked == "gzip");
        let is_page = path.contains("page");
        let plain = if is_page { Bytes::from_static(b"<!DOCTYPE html><title>TV</title>") } else { film() };
        let coding = path.split('/').nth(1).unwrap_or_default().replace("none", "");
        let is_zipped = coding == "gzip" || coding == "asked" && asked;
        let mut response = answer(200, "text/html", if is_zipped { zipped(&plain).into() } else { plain });
        let coding = if coding == "asked" { if asked { "gzip" } else { "identity" } } else { &coding };
        response.headers_mut().insert("content-encoding", coding.parse().unwrap());
        response
    })
    .await;
    let gateway = before(&origin).await;
    let ask = async |path: String| {
        let asked = gateway.client.get(gateway.url(&path)).header("accept-encoding", "gzip");
        Answer::of(asked.send().await.unwrap()).await
    };
    for coding in ["asked", "gzip", "none", "aws-chunked", "zstd", "deflate", "identity", "GZIP"] {
        for name in ["film.html", "film", "film.xyz", "film.css"] {
            let refused = ask(format!("/{coding}/{name}")).await;
            // What is not in the coding that it names is the origin's failure.
            let lies = ["deflate", "GZIP"].contains(&coding);
            assert!(refused.status == 401 || lies && refused.status == 502, "{coding} {name}: {}", refused.status);
        }
        for name in ["page.html", "page", "page.php"] {
            if ["deflate", "GZIP"].contains(&coding) {
                continue; // it is not compressed, whatever it says
            }
            let page = ask(format!("/{coding}/{name}")).await;
            let text = page.text();
            assert_eq!((page.status, text), (200, "<!DOCTYPE html><title>TV</title>"), "{coding} {name}");
        }
    }
}

#[tokio::test]
async fn where_nothing_is_looked_at_a_part_is_asked_for_as_it_is() {
    let origin = having(&HARMLESS).await;
    let gateway = Setup { anonymous: "pass", policy: ONE, ..Setup::before(&[&origin]) }.start().await;
    for path in ["/thumb.png?15", "/app.js?9", "/image/1?18"] {
        let asked = gateway.client.get(gateway.url(path)).header("range", "bytes=5-").header("accept-encoding", "gzip");
        assert_eq!(asked.send().await.unwrap().status(), 200, "{path}");
        let headers = origin.last().headers;
        assert_eq!((&*headers["range"], &*headers["accept-encoding"]), ("bytes=5-", "gzip"), "{path}");
    }
}

#[tokio::test]
async fn a_range_in_the_middle_is_no_way_round_and_head_tells_no_more_than_get() {
    let origin = having(&MEDIA).await;
    let gateway = before(&origin).await;
    for (nth, (path, content_type, _)) in MEDIA.into_iter().enumerate() {
        for range in ["bytes=1-", "bytes=200-900", "bytes=-500", "bytes=0-0,300-"] {
            let url = gateway.url(&format!("{path}?{nth}"));
            let asked = gateway.client.get(url).header("range", range).header("if-range", "\"origin\"");
            assert_eq!(asked.send().await.unwrap().status(), 401, "{path} {content_type:?} {range}");
        }
    }
    let prefix = gateway.enter("/news/master.m3u8", "tv").await.prefix();
    let middle = gateway.client.get(gateway.url(&format!("{prefix}/a/film?2"))).header("range", "bytes=5-");
    assert_eq!(middle.send().await.unwrap().status(), 200);
    assert_eq!(origin.last().headers["range"], "bytes=5-", "what is not called harmless is asked for as it was");
    let head = gateway.client.head(gateway.url("/a/film?3")).send().await.unwrap();
    assert_eq!(head.status(), 401);
}

#[tokio::test]
async fn parts_and_what_has_not_changed_are_judged_by_type_and_name() {
    let origin = Origin::new(|request| async move {
        let path = request.uri().path();
        if path.contains("master") {
            return usual(path);
        }
        if request.headers().contains_key("if-none-match") {
            return answer(304, "", "");
        }
        let content_type = if path.starts_with("/image") { "image/png" } else { "video/mp4" };
        let mut part = answer(206, content_type, noise().slice(100..));
        part.headers_mut().insert("content-range", "bytes 100-5999/6000".parse().unwrap());
        part
    })
    .await;
    let gateway = before(&origin).await;
    for (path, status) in [
        ("/image/1", 401),
        ("/image/1.xyz", 401),
        ("/image/1.php", 401),
        ("/image/1.png", 206),
        ("/film/1", 401),
        ("/film/1.png", 401),
    ] {
        assert_eq!(gateway.get(path).await.status, status, "{path}");
    }
    let unchanged = async |path: &str| {
        let asked = gateway.client.get(gateway.url(path)).header("if-none-match", "\"x\"");
        asked.send().await.unwrap().status()
    };
    for path in ["/film/1", "/film/1.png", "/"] {
        assert_eq!(unchanged(path).await, 304, "{path}: no byte of it");
    }
    let prefix = gateway.enter("/news/master.m3u8", "tv").await.prefix();
    assert_eq!(unchanged(&format!("{prefix}/film/1")).await, 304);
    assert_eq!(gateway.metric("streamgate_stream_events_total", "event=\"admitted\"").await, 1);
    gateway.counts("streamgate_requests_total", "kind=\"segment\"", 6).await;
}

#[tokio::test]
async fn whatever_a_manifest_lists_as_a_segment_counts_whatever_it_is_called() {
    // Pictures to the last byte, as far as anybody can see.
    let origin = Origin::new(|request| async move {
        let hls = "application/vnd.apple.mpegurl";
        match request.uri().path() {
            "/news/low.m3u8" => answer(200, hls, "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\na.png\n#EXTINF:2,\n/cdn/b.html\n#EXTINF:2,\n1.key\n#EXTINF:2,\ninit1.m4s\n#EXTINF:2,\n/keynote/1.bin\n"),
            "/film/manifest.mpd" => answer(
                200,
                "application/dash+xml",
                "<MPD type=\"static\"><Period><AdaptationSet mimeType=\"video/mp4\"><SegmentTemplate media=\"$RepresentationID$/$Number$.png\" \
                 duration=\"2\"/><Representation id=\"v\"/></AdaptationSet><AdaptationSet contentType=\"image\"><SegmentTemplate \
                 media=\"/tiles/$Number$.png\" duration=\"2\"/></AdaptationSet></Period></MPD>",
            ),
            "/news/tiles.m3u8" => answer(
                200,
                hls,
                "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-IMAGES-ONLY\n#EXTINF:2,\n/tiles/1.png\n",
            ),
            path if path.ends_with("master.m3u8") => usual(path),
            path if path.ends_with(".html") => answer(200, "text/html", "<html>"),
            _ => answer(200, "image/png", PNG),
        }
    })
    .await;
    let policy = "{ name: one, limit: 1, when_exceeded: terminate_oldest }";
    for (entry, listed) in [
        (
            "/news/master.m3u8",
            &["/news/a.png", "/news/c.png", "/cdn/b.html", "/n%65ws/%61.png?x", "/news/2.key", "/keynote/2.bin"][..],
        ),
        ("/news/low.m3u8", &["/news/a.png", "/news/init2.m4s"][..]),
        ("/film/manifest.mpd", &["/film/v/1.png", "/film/v/2.png"][..]),
    ] {
        let gateway = Setup { policy, streams: "{ min_tenure: 0s }", ..Setup::before(&[&origin]) }.start().await;
        let prefix = gateway.enter(entry, "tv").await.prefix();
        assert_eq!(gateway.get(&format!("{prefix}/news/low.m3u8")).await.status, 200);
        assert_eq!(gateway.get(&format!("{prefix}/news/tiles.m3u8")).await.status, 200);
        for path in listed {
            assert_eq!(gateway.get(&format!("{prefix}{path}")).await.status, 200, "{entry} {path}");
        }
        let segments = i64::try_from(listed.len()).unwrap();
        gateway.counts("streamgate_requests_total", "kind=\"segment\"", segments).await;
        // Another play takes its place. Nobody has listed anything in that one, and it is not needed.
        let other = gateway.enter("/news/master.m3u8", "phone").await.prefix();
        for path in listed {
            let stopped = gateway.get(&format!("{prefix}{path}")).await;
            assert_eq!((stopped.status, stopped.problem_type().as_str()), (403, "stream-terminated"), "{entry} {path}");
            assert_eq!(gateway.get(&format!("{other}{path}")).await.status, 200);
        }
        // Thumbnails are those that were listed as such, and those that nobody listed.
        for path in ["/tiles/1.png", "/tiles/2.png", "/posters/1.png", "/cdn/poster.png"] {
            assert_eq!(gateway.get(&format!("{prefix}{path}")).await.status, 200, "{entry} {path}");
            assert_eq!(gateway.get(path).await.status, 200, "{entry} {path}");
        }
    }
}

#[tokio::test]
async fn licences_and_keys_pass_with_a_token_and_hold_no_slot() {
    let origin = Origin::new(|request| async move {
        match request.uri().path() {
            "/getkey" => answer(200, OCTETS, "0123456789abcdef"),
            path if path.contains("master") => usual(path),
            _ => answer(200, OCTETS, noise()),
        }
    })
    .await;
    let gateway = before(&origin).await;
    let cookie = format!("token={}", token("alice", "phone"));
    for path in ["/drm/License", "/widevine", "/drm/license/"] {
        let asked = gateway.client.post(gateway.url(path)).header("cookie", &cookie).body("challenge");
        assert_eq!(asked.send().await.unwrap().status(), 200, "{path}");
        assert_eq!(
            gateway.client.post(gateway.url(path)).body("challenge").send().await.unwrap().status(),
            401,
            "{path}"
        );
    }
    for (path, methods) in [
        ("/widevine/license", "GET, HEAD, POST, OPTIONS"),
        ("/playready/License/", "GET, HEAD, POST, OPTIONS"),
        ("/keys/1.key", "GET, HEAD, POST, OPTIONS"),
        ("/a/seg.ts", "GET, HEAD, OPTIONS"),
    ] {
        let asked = gateway.client.request(reqwest::Method::OPTIONS, gateway.url(path));
        let asked = asked.header("origin", "https://player.example").header("access-control-request-method", "POST");
        let offered = asked.send().await.unwrap();
        assert_eq!(offered.status(), 204, "{path}");
        assert_eq!(offered.headers()["access-control-allow-methods"], methods, "{path}");
        assert_eq!(offered.headers()["allow"], methods, "{path}");
    }
    assert_eq!(with_cookie(&gateway, "/getkey?id=1", "phone").await.status, 200);
    assert_eq!(gateway.get("/getkey?id=1").await.status, 401);
    assert_eq!(streams(&gateway).await, 0);
    let posted = gateway.client.post(gateway.url("/a.ts")).header("cookie", &cookie).send().await.unwrap();
    assert_eq!(posted.status(), 405);
    until("all is counted", async || gateway.metric("streamgate_requests_total", "kind=\"key\"").await >= 8).await;
}
