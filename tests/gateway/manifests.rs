//! Manifests on their way through: what every later request carries, and what stays as it was.

use super::support::{Gateway, MASTER, MEDIA, Origin, Setup, answer, token, until};

async fn before(origin: &Origin) -> Gateway {
    Setup::before(&[origin]).start().await
}

fn hls(body: impl Into<bytes::Bytes>) -> hyper::Response<super::support::Body> {
    answer(200, "application/vnd.apple.mpegurl", body)
}

#[tokio::test]
async fn an_entry_manifest_is_rewritten_and_every_other_byte_stays() {
    let origin = Origin::usual().await;
    let gateway = before(&origin).await;
    let entry = gateway.enter("/news/master.m3u8", "tv").await;
    let prefix = entry.prefix();
    assert_eq!(entry.text(), MASTER.replace("low.m3u8", &format!("{prefix}/news/low.m3u8")));
    assert_eq!(entry.header("cache-control"), "private, no-store");
    for gone in ["etag", "content-length", "accept-ranges"] {
        assert_eq!(entry.header(gone), "", "{gone}");
    }
    let media = gateway.get(&format!("{prefix}/news/low.m3u8")).await;
    assert_eq!(media.text(), MEDIA.replace("/rooted/b.ts", &format!("{prefix}/rooted/b.ts")));
    assert_eq!(origin.last().target, "/news/low.m3u8", "the origin sees its own URL");
    assert_eq!(gateway.get(&format!("{prefix}/rooted/b.ts")).await.text(), "0123456789");
    assert_eq!(origin.last().target, "/rooted/b.ts");
    assert_eq!(gateway.metric("streamgate_manifests_total", "rewritten").await, 2);
}

#[tokio::test]
async fn an_mpd_carries_the_play_session_in_its_base() {
    let origin = Origin::usual().await;
    let gateway = before(&origin).await;
    let entry = gateway.enter("/film/manifest.mpd", "tv").await;
    let prefix = entry.prefix();
    let base = format!("<BaseURL>{}</BaseURL>", gateway.url(&format!("{prefix}/film/")));
    assert!(entry.text().contains(&base), "{}", entry.text());
    assert_eq!(gateway.get(&format!("{prefix}/film/s1.m4s")).await.status, 200);
}

#[tokio::test]
async fn an_mpd_names_the_scheme_and_the_host_by_which_the_viewer_asks() {
    const TRUSTED: &str = "trusted_proxies: { networks: [127.0.0.0/8] }\n";
    const HOST: (&str, &str) = ("x-forwarded-host", "tv.example:8443, proxy.example");
    let origin = Origin::usual().await;
    let site = async |extra: &str, fields: &[(&'static str, &str)]| {
        let gateway = Setup { extra: extra.into(), ..Setup::before(&[&origin]) }.start().await;
        let url = gateway.url(&format!("/film/manifest.mpd?token={}", token("alice", "tv")));
        let request =
            fields.iter().fold(gateway.client.get(url), |request, (name, value)| request.header(*name, *value));
        let entry = super::support::Answer::of(request.send().await.unwrap()).await;
        let (_, rest) = entry.text().split_once("<BaseURL>").unwrap();
        rest.split_once("/~s/").unwrap().0.replace(&gateway.address.to_string(), "gateway")
    };
    assert_eq!(site("", &[]).await, "http://gateway");
    assert_eq!(site("", &[("host", "TV.example")]).await, "http://TV.example");
    // Whoever makes TLS up gets what does not work; another host would get the play session.
    assert_eq!(site("", &[("x-forwarded-proto", "https"), HOST]).await, "https://gateway");
    assert_eq!(site(TRUSTED, &[("x-forwarded-proto", "https"), HOST]).await, "https://tv.example:8443");
    assert_eq!(site(TRUSTED, &[("x-forwarded-proto", "http"), HOST]).await, "http://tv.example:8443");
    assert_eq!(site(TRUSTED, &[("x-forwarded-host", "no/host")]).await, "http://gateway");
}

#[tokio::test]
async fn asset_lists_and_steering_manifests_of_a_play_lead_back_under_it() {
    const OTHER: &str = "{\"next\": \"/api/2\"}";
    let origin = Origin::new(|request| async move {
        match request.uri().path() {
            "/ads/list.json" => {
                answer(200, "application/json", "{\"ASSETS\":[{\"URI\":\"/ads/1.m3u8\",\"DURATION\":1.50}]}")
            }
            "/steer" => answer(
                200,
                "application/vnd.apple.steering-list",
                "{\"VERSION\":1,\"RELOAD-URI\":\"/steer?a=1\",\"PATHWAY-PRIORITY\":[\"A\"]}",
            ),
            "/api/1" => answer(200, "application/json", OTHER),
            "/api/list" => answer(200, "application/json", "[1, 2]"),
            "/api/long" => {
                answer(200, "application/json", format!("{{\"ASSETS\":[],\"x\":\"{}\"}}", "x".repeat(300_000)))
            }
            path => super::support::usual(path),
        }
    })
    .await;
    let gateway = before(&origin).await;
    let prefix = gateway.enter("/news/master.m3u8", "tv").await.prefix();
    let here = gateway.url(&prefix);
    let list = gateway.get(&format!("{prefix}/ads/list.json?_HLS_primary_id=1")).await;
    assert_eq!(list.text(), format!("{{\"ASSETS\":[{{\"URI\":\"{here}/ads/1.m3u8\",\"DURATION\":1.50}}]}}"));
    assert_eq!(list.header("cache-control"), "private, no-store");
    let steering = gateway.get(&format!("{prefix}/steer")).await;
    assert!(steering.text().contains(&format!("\"RELOAD-URI\":\"{here}/steer?a=1\"")), "{}", steering.text());
    assert_eq!(gateway.metric("streamgate_manifests_total", "rewritten").await, 3);
    assert_eq!(gateway.get(&format!("{prefix}/api/1")).await.text(), OTHER);
    assert_eq!(gateway.get(&format!("{prefix}/api/list")).await.text(), "[1, 2]");
    assert_eq!(gateway.get(&format!("{prefix}/api/long")).await.text().len(), 300_020);
    assert_eq!(gateway.get("/ads/list.json").await.header("content-length"), "50", "what belongs to no play passes");
}

#[tokio::test]
async fn ranges_and_conditions_are_kept_from_manifests_and_passed_for_segments() {
    let origin = Origin::usual().await;
    let gateway = before(&origin).await;
    let prefix = gateway.enter("/news/master.m3u8", "tv").await.prefix();
    let asked = async |path: &str| {
        let request = gateway.client.get(gateway.url(&format!("{prefix}/news/{path}")));
        let request = request
            .header("range", "bytes=0-1")
            .header("if-none-match", "\"origin\"")
            .header("accept-encoding", "gzip");
        let status = request.send().await.unwrap().status();
        (status.as_u16(), origin.last().headers)
    };
    let (status, headers) = asked("low.m3u8").await;
    assert_eq!(status, 200);
    assert!(!headers.contains_key("range") && !headers.contains_key("if-none-match"));
    assert_eq!(headers["accept-encoding"], "identity");
    let (_, headers) = asked("a.ts").await;
    assert_eq!(headers["range"], "bytes=0-1");
    assert_eq!(headers["if-none-match"], "\"origin\"");
}

#[tokio::test]
async fn a_manifest_that_the_origin_compresses_unasked_is_rewritten_all_the_same() {
    let zipped = {
        use std::io::Write;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(MASTER.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let origin = Origin::new(move |request| {
        let coding = if request.uri().path().contains("odd") { "x-private" } else { "gzip" };
        let mut response = hls(zipped.clone());
        response.headers_mut().insert("content-encoding", coding.parse().unwrap());
        async move { response }
    })
    .await;
    let gateway = before(&origin).await;
    let entry = gateway.enter("/news/master.m3u8", "tv").await;
    assert_eq!(entry.header("content-encoding"), "");
    assert!(entry.text().ends_with("#EXT-X-UNKNOWN:stays\r\n"), "{}", entry.text());
    assert!(entry.text().contains("/~s/"));
    let odd = gateway.enter("/odd/master.m3u8", "tv").await;
    assert_eq!(odd.header("content-encoding"), "x-private", "a coding that nobody knows passes as it came");
    assert_eq!(gateway.metric("streamgate_manifests_total", "encoded").await, 1);
}

#[tokio::test]
async fn an_empty_manifest_keeps_its_length() {
    let origin = Origin::new(|_| async { hls("") }).await;
    let gateway = before(&origin).await;
    for _ in 0..2 {
        let empty = gateway.enter("/news/master.m3u8", "tv").await;
        assert_eq!((empty.status, empty.header("content-length"), empty.text().len()), (200, "0", 0));
    }
}

#[tokio::test]
async fn head_and_get_of_a_manifest_agree() {
    let origin = Origin::usual().await;
    let gateway = before(&origin).await;
    let prefix = gateway.enter("/news/master.m3u8", "tv").await.prefix();
    let url = gateway.url(&format!("{prefix}/news/low.m3u8"));
    let head = gateway.client.head(&url).send().await.unwrap();
    let get = gateway.client.get(&url).send().await.unwrap();
    for name in ["content-length", "etag", "cache-control", "content-type"] {
        assert_eq!(head.headers().get(name), get.headers().get(name), "{name}");
    }
}

#[tokio::test]
async fn what_is_no_manifest_passes_unchanged_and_is_counted() {
    let origin = Origin::new(|request| async move {
        match request.uri().path() {
            "/cut.mpd" => {
                answer(200, "application/dash+xml", "<?xml version=\"1\"?><MPD type=\"static\"><Period><Adap")
            }
            _ => hls("<html>An error page with status 200</html>"),
        }
    })
    .await;
    let gateway = before(&origin).await;
    assert_eq!(gateway.enter("/a.m3u8", "tv").await.text(), "<html>An error page with status 200</html>");
    assert!(gateway.enter("/cut.mpd", "tv").await.text().ends_with("<Period><Adap"));
    assert_eq!(gateway.metric("streamgate_manifests_total", "unparsable").await, 2);
}

#[tokio::test]
async fn segments_of_a_manifest_that_could_not_be_rewritten_belong_to_what_the_device_plays() {
    let origin = Origin::new(|request| async move {
        let broken = request.uri().path().ends_with(".m3u8");
        if broken { hls("not a playlist\nbut players make do\n") } else { super::support::usual(request.uri().path()) }
    })
    .await;
    let policy = "{ name: one, limit: 1, when_exceeded: deny_newest }";
    let gateway = Setup { policy, ..Setup::before(&[&origin]) }.start().await;
    assert_eq!(gateway.enter("/news/a.m3u8", "tv").await.status, 200);
    assert_eq!(gateway.enter("/news/a.ts", "tv").await.status, 200, "it is the viewer's own slot");
    assert_eq!(gateway.metric("streamgate_streams", "").await, 1);
    assert_eq!(gateway.enter("/news/a.ts", "phone").await.status, 403);
}

#[tokio::test]
async fn a_redirect_from_an_address_that_says_nothing_gets_its_token_back() {
    let origin = Origin::new(|_| async {
        let mut response = answer(302, "text/plain", "");
        response.headers_mut().insert("location", "/live/master.m3u8?v=1#t".parse().unwrap());
        response
    })
    .await;
    let gateway = before(&origin).await;
    let token = token("alice", "tv");
    let moved = gateway.get(&format!("/watch/1?token={token}")).await;
    assert_eq!(moved.header("location"), format!("/live/master.m3u8?v=1&token={token}#t"));
}

#[tokio::test]
async fn a_playlist_cut_in_half_passes_as_far_as_it_came() {
    let origin = Origin::new(|_| async { hls("#EXTM3U\n#EXTINF:2,\na.ts\n#EXTINF:2,\nb.t") }).await;
    let gateway = before(&origin).await;
    let entry = gateway.enter("/news/channel.m3u8", "tv").await;
    let prefix = entry.prefix();
    assert_eq!(entry.text(), format!("#EXTM3U\n#EXTINF:2,\n{prefix}/news/a.ts\n#EXTINF:2,\n{prefix}/news/b.t"));
}

#[tokio::test]
async fn an_mpd_above_the_bound_passes_unchanged_and_is_counted() {
    let mpd = format!("<?xml version=\"1\"?><MPD type=\"static\"><!--{}--><Period/></MPD>", "x".repeat(100_000));
    let expected = mpd.clone();
    let origin = Origin::new(move |_| {
        let response = answer(200, "application/dash+xml", mpd.clone());
        async move { response }
    })
    .await;
    let gateway =
        Setup { extra: "limits: { manifest_bytes: 64KiB }\n".into(), ..Setup::before(&[&origin]) }.start().await;
    assert_eq!(gateway.enter("/film/manifest.mpd", "tv").await.text(), expected);
    assert_eq!(gateway.metric("streamgate_manifests_total", "oversized").await, 1);
}

/// Bytes that the gateway adds to a manifest at most, beside what one slice of a playlist adds.
const BOUND: usize = 64 << 10;

#[tokio::test]
async fn what_rewriting_adds_to_a_manifest_is_bounded_and_counted() {
    let playlist = format!("#EXTM3U\n{}#EXT-X-ENDLIST\n", "#EXTINF:1,\n/a\n".repeat(20_000));
    let mpd = format!("<MPD type=\"static\">{}</MPD>", "<Period><BaseURL>/a/</BaseURL></Period>".repeat(1_000));
    let list = format!("{{\"ASSETS\":[{}]}}", vec!["{\"URI\":\"/a\",\"DURATION\":1}"; 2_000].join(","));
    let (sent, bodies) = (playlist.clone(), [mpd.clone(), list.clone()]);
    let origin = Origin::new(move |request| {
        let response = match request.uri().path() {
            "/vod/master.m3u8" => hls(MASTER),
            "/vod/plain.m3u8" => hls(sent.clone()),
            "/vod/packed.m3u8" => {
                let mut response = hls(super::codings::gzip(sent.as_bytes()));
                response.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
                response
            }
            "/vod/a.mpd" => answer(200, "application/dash+xml", bodies[0].clone()),
            _ => answer(200, "application/json", bodies[1].clone()),
        };
        async move { response }
    })
    .await;
    let extra = "limits: { manifest_bytes: 64KiB }\n".into();
    let gateway = Setup { extra, ..Setup::before(&[&origin]) }.start().await;
    let prefix = gateway.enter("/vod/master.m3u8", "tv").await.prefix();
    for name in ["plain", "packed"] {
        let answer = gateway.get(&format!("{prefix}/vod/{name}.m3u8")).await;
        let text = answer.text();
        let slice = (16 << 10) / "#EXTINF:1,\n/a\n".len() * prefix.len();
        assert!(text.len() > playlist.len() + BOUND, "{name}: the bound is used");
        assert!(text.len() <= playlist.len() + BOUND + 2 * slice, "{name}: {} bytes", text.len());
        assert_eq!(text.replace(&*prefix, ""), playlist, "{name}: nothing is lost");
        let first_plain = text.find("\n/a\n").unwrap();
        assert!(!text[first_plain..].contains(&*prefix), "{name}: the rest passes as it came");
    }
    assert_eq!(gateway.get(&format!("{prefix}/vod/a.mpd")).await.text(), mpd);
    assert_eq!(gateway.get(&format!("{prefix}/vod/list.json")).await.text(), list);
    assert_eq!(gateway.metric("streamgate_manifests_total", "oversized").await, 4);
}

#[tokio::test]
async fn a_path_that_says_nothing_is_known_by_its_answer() {
    let origin = Origin::new(|request| async move {
        if request.uri().path().starts_with("/play/") { hls(MASTER) } else { answer(200, "text/plain", "hello") }
    })
    .await;
    let gateway = before(&origin).await;
    let url = gateway.url(&format!("/play/42?token={}", token("alice", "tv")));
    let asking = gateway.client.get(url).header("range", "bytes=0-").header("accept-encoding", "gzip");
    let entry = super::support::Answer::of(asking.send().await.unwrap()).await;
    let asked = origin.last().headers;
    assert_eq!((asked.get("range"), asked["accept-encoding"].as_str()), (None, "identity"));
    assert_eq!(entry.text(), MASTER.replace("low.m3u8", &format!("{}/play/low.m3u8", entry.prefix())));
    gateway.enter("/play/42", "phone").await;
    let refused = gateway.enter("/play/42", "tablet").await;
    assert_eq!((refused.status, refused.problem_type().as_str()), (403, "stream-limit"));
    assert_eq!(gateway.get("/play/42").await.problem_type(), "no-identity");
    assert_eq!(gateway.get("/hello").await.text(), "hello");
}

#[tokio::test]
async fn a_redirect_of_the_origin_keeps_the_play_session() {
    let origin = Origin::new(|request| async move {
        let mut response = answer(302, "text/plain", "");
        let to = if request.uri().path().contains("elsewhere") {
            "https://cdn.example/x.m3u8"
        } else {
            "/moved/master.m3u8?v=2"
        };
        response.headers_mut().insert("location", to.parse().unwrap());
        response
    })
    .await;
    let gateway = before(&origin).await;
    let moved = gateway.enter("/news/master.m3u8", "tv").await;
    assert_eq!(moved.status, 302);
    assert!(moved.header("location").starts_with("/~s/"), "{}", moved.header("location"));
    assert!(moved.header("location").ends_with("/moved/master.m3u8?v=2"));
    let elsewhere = gateway.enter("/elsewhere/master.m3u8", "tv").await;
    assert_eq!(elsewhere.header("location"), "https://cdn.example/x.m3u8", "never to a third party");
}

#[tokio::test]
async fn a_media_playlist_without_a_multivariant_one_stays_one_stream_while_it_is_refreshed() {
    let origin = Origin::usual().await;
    let gateway = before(&origin).await;
    let first = gateway.enter("/news/channel.m3u8", "tv").await.prefix();
    for _ in 0..5 {
        assert_eq!(gateway.enter("/news/channel.m3u8", "tv").await.prefix(), first);
    }
    assert_eq!(gateway.metric("streamgate_stream_events_total", "admitted").await, 1);
}

#[tokio::test]
async fn a_playlist_is_passed_on_line_by_line_as_it_comes() {
    let (mut send, body) = super::support::piecewise();
    let body = std::sync::Mutex::new(Some(body));
    let origin = Origin::new(move |_| {
        let body = body.lock().unwrap().take().unwrap();
        async move {
            let mut response = hyper::Response::new(body);
            response.headers_mut().insert("content-type", "application/vnd.apple.mpegurl".parse().unwrap());
            response
        }
    })
    .await;
    let gateway = before(&origin).await;
    let url = gateway.url(&format!("/news/channel.m3u8?token={}", token("alice", "tv")));
    let asking = tokio::spawn(gateway.client.get(url).send());
    send.send_data("#EXTM3U\n#EXT-X-TARGETDURATION:2\na.ts\nhalf-a-li".into()).await.unwrap();
    let mut response = asking.await.unwrap().unwrap();
    let mut came = response.chunk().await.unwrap().unwrap().to_vec();
    assert!(came.ends_with(b"/news/a.ts\n"), "{}", String::from_utf8_lossy(&came));
    send.send_data("ne.ts\n".into()).await.unwrap();
    drop(send);
    while let Some(chunk) = response.chunk().await.unwrap() {
        came.extend_from_slice(&chunk);
    }
    assert!(came.ends_with(b"/news/half-a-line.ts\n"), "{}", String::from_utf8_lossy(&came));
}

#[tokio::test]
async fn what_a_manifest_says_of_its_rhythm_sets_how_long_silence_means_nothing() {
    // Live, ten-second segments: the window is forty seconds. Recorded, told to be short: one.
    let origin = Origin::new(|request| async move {
        let ten = "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\na.ts\n";
        match request.uri().path() {
            "/live/channel.m3u8" => hls(ten),
            "/film/channel.m3u8" => hls(format!("{ten}#EXT-X-ENDLIST\n")),
            path => super::support::usual(path),
        }
    })
    .await;
    let streams = "{ reserve: 1s, idle: { min: 1s, max: 90s } }";
    let gateway = Setup { streams, ..Setup::before(&[&origin]) }.start().await;
    // Reserved and never followed by media: free again after `reserve`, whatever the window.
    gateway.enter("/live/channel.m3u8", "tv").await;
    until("the reservation runs out", async || gateway.metric("streamgate_streams", "").await == 0).await;
    let prefix = gateway.enter("/film/channel.m3u8", "tv").await.prefix();
    gateway.get(&format!("{prefix}/film/a.ts")).await;
    let idle = gateway.metric("streamgate_stream_events_total", "event=\"idle\"").await;
    gateway.enter("/other/master.m3u8", "phone").await;
    until("another reservation ran out meanwhile", async || {
        gateway.metric("streamgate_stream_events_total", "event=\"idle\"").await > idle
    })
    .await;
    assert_eq!(gateway.metric("streamgate_streams", "").await, 1, "the film's window is longer than that");
}

#[tokio::test]
async fn http_1_0_gets_a_manifest_without_chunks() {
    let origin = Origin::usual().await;
    let gateway = before(&origin).await;
    let request = format!("GET /news/master.m3u8?token={} HTTP/1.0\r\nHost: x\r\n\r\n", token("alice", "tv"));
    let answer = super::support::raw(gateway.address, request.as_bytes(), |_| false).await;
    let answer = String::from_utf8(answer).unwrap();
    assert!(!answer.to_ascii_lowercase().contains("transfer-encoding"), "{answer}");
    assert!(answer.ends_with("#EXT-X-UNKNOWN:stays\r\n"), "{answer}");
}
