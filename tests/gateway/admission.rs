//! Who may play, and what the others are told.

use std::time::Duration;

use super::support::{Origin, SECRET, Setup, now, piecewise, sign, token, until, usual};

#[tokio::test]
async fn the_third_device_is_refused_and_told_why() {
    let origin = Origin::usual().await;
    let gateway = Setup::before(&[&origin]).start().await;
    for device in ["tv", "phone"] {
        assert_eq!(gateway.enter("/news/master.m3u8", device).await.status, 200);
    }
    let asked = origin.seen().len();
    let refused = gateway.enter("/film/master.m3u8", "tablet").await;
    assert_eq!(refused.status, 403);
    assert_eq!(refused.problem_type(), "stream-limit");
    let problem = refused.problem();
    assert_eq!(problem["violations"][0]["policy"], "household");
    assert_eq!(problem["violations"][0]["rule"], "two-streams");
    assert_eq!(problem["violations"][0]["threshold"], 2);
    let devices: Vec<_> = problem["streams"].as_array().unwrap().iter().map(|s| s["device"].clone()).collect();
    assert_eq!(devices, ["tv", "phone"]);
    assert_eq!(problem["streams"][0]["asset"], "/news/master.m3u8");
    assert!(problem["streams"][0]["since"].as_str().unwrap().ends_with('Z'));
    assert!(!refused.text().contains("alice"), "no other personal data");
    assert_eq!(origin.seen().len(), asked, "a refused request never reaches the origin");
    gateway.counts("streamgate_requests_total", "outcome=\"refused\"", 1).await;
    assert_eq!(gateway.metric("streamgate_streams", "tv").await, 2);
    let violations = gateway.metric("streamgate_policy_violations_total", "effect=\"refuse\",mode=\"enforce\"").await;
    assert_eq!(violations, 1);
    let refusal = problem["refusal"].as_str().unwrap();
    until("the log names the refusal", async || gateway.log().contains(refusal)).await;
    let log = gateway.log();
    let line: serde_json::Value =
        serde_json::from_str(log.lines().find(|line| line.contains(refusal) && line.contains("\"status\"")).unwrap())
            .unwrap();
    assert_eq!((&line["outcome"], &line["status"]), (&"refused".into(), &403.into()));
    assert_eq!(line["account"].as_str().unwrap().len(), 16, "a keyed hash: {line}");
    let reasons: serde_json::Value =
        serde_json::from_str(log.lines().find(|line| line.contains("explanation")).unwrap()).unwrap();
    assert_eq!(reasons["refusal"], refusal, "the same name as the viewer is told");
    let explanation: serde_json::Value = serde_json::from_str(reasons["explanation"].as_str().unwrap()).unwrap();
    let rule = &explanation["policies"][0]["rules"][0];
    assert_eq!((&rule["result"], &rule["count"]["limit"]), (&"exceeded".into(), &2.into()));
    assert_eq!(explanation["running"].as_array().unwrap().len(), 2);
    assert!(!log.contains("alice"));
}

#[tokio::test]
async fn another_account_is_not_concerned() {
    let origin = Origin::usual().await;
    let gateway = Setup::before(&[&origin]).start().await;
    for device in ["tv", "phone"] {
        gateway.enter("/news/master.m3u8", device).await;
    }
    let other = format!("/news/master.m3u8?token={}", token("bob", "tv"));
    assert_eq!(gateway.get(&other).await.status, 200);
}

#[tokio::test]
async fn head_is_answered_like_get_and_takes_no_slot() {
    let origin = Origin::usual().await;
    let gateway = Setup::before(&[&origin]).start().await;
    let head = async |device: &str| {
        let url = gateway.url(&format!("/news/master.m3u8?token={}", token("alice", device)));
        gateway.client.head(url).send().await.unwrap()
    };
    for device in ["a", "b", "c", "d"] {
        assert_eq!(head(device).await.status(), 200);
    }
    assert_eq!(gateway.metric("streamgate_streams", "").await, 0);
    for device in ["tv", "phone"] {
        gateway.enter("/news/master.m3u8", device).await;
    }
    let refused = head("tablet").await;
    assert_eq!(refused.status(), 403);
    assert_eq!(refused.headers()["content-type"], "application/problem+json");
    assert!(refused.bytes().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_refusal_keeps_the_connection_and_lets_a_page_read_it() {
    let origin = Origin::usual().await;
    let gateway = Setup::before(&[&origin]).start().await;
    let request = "GET /a.m3u8 HTTP/1.1\r\nHost: x\r\nOrigin: https://player.example\r\n\r\n";
    let twice = async {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut stream = tokio::net::TcpStream::connect(gateway.address).await.unwrap();
        let mut answers = Vec::new();
        for _ in 0..2 {
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            while !answer.ends_with(b"}") {
                let mut buffer = [0; 1024];
                let count = stream.read(&mut buffer).await.unwrap();
                assert!(count > 0, "the connection was closed");
                answer.extend_from_slice(&buffer[..count]);
            }
            answers.push(String::from_utf8(answer).unwrap().to_ascii_lowercase());
        }
        answers
    };
    for answer in twice.await {
        assert!(answer.starts_with("http/1.1 401"), "{answer}");
        assert!(answer.contains("access-control-allow-origin: https://player.example"));
        assert!(answer.contains("vary: origin"));
    }
}

#[tokio::test]
async fn sixty_four_first_requests_at_once_get_exactly_two_slots_every_time() {
    let origin = Origin::usual().await;
    let gateway = Setup::before(&[&origin]).start().await;
    for round in 0..5 {
        let account = format!("household-{round}");
        let starts = (0..64).map(|device| {
            let url = gateway.url(&format!("/news/master.m3u8?token={}", token(&account, &format!("d{device}"))));
            let client = gateway.client.clone();
            tokio::spawn(async move { client.get(url).send().await.unwrap().status().as_u16() })
        });
        let mut admitted = 0;
        for start in starts.collect::<Vec<_>>() {
            match start.await.unwrap() {
                200 => admitted += 1,
                other => assert_eq!(other, 403),
            }
        }
        assert_eq!(admitted, 2, "round {round}");
    }
}

#[tokio::test]
async fn a_slot_comes_free_when_its_stream_falls_silent() {
    let origin = Origin::usual().await;
    let streams = "{ reserve: 1s, idle: { min: 1s, max: 1s } }";
    let gateway = Setup { streams, ..Setup::before(&[&origin]) }.start().await;
    for device in ["tv", "phone"] {
        gateway.enter("/news/master.m3u8", device).await;
    }
    assert_eq!(gateway.enter("/news/master.m3u8", "tablet").await.status, 403);
    until("the tablet is admitted", async || gateway.enter("/news/master.m3u8", "tablet").await.status == 200).await;
}

#[tokio::test]
async fn the_same_device_zaps_without_ever_being_refused() {
    let origin = Origin::usual().await;
    let gateway = Setup::before(&[&origin]).start().await;
    assert_eq!(gateway.enter("/news/master.m3u8", "phone").await.status, 200);
    for channel in 0..30 {
        let start = gateway.enter(&format!("/{channel}/master.m3u8"), "tv").await;
        assert_eq!(start.status, 200, "channel {channel}");
        let segment = gateway.get(&format!("{}/{channel}/a.ts", start.prefix())).await;
        assert_eq!(segment.status, 200, "channel {channel}");
    }
    assert_eq!(gateway.metric("streamgate_streams", "").await, 2);
}

#[tokio::test]
async fn late_requests_of_the_channel_before_pass_and_do_not_count() {
    let origin = Origin::usual().await;
    let gateway = Setup::before(&[&origin]).start().await;
    let first = gateway.enter("/one/master.m3u8", "tv").await.prefix();
    gateway.enter("/two/master.m3u8", "tv").await;
    gateway.enter("/two/master.m3u8", "phone").await;
    assert_eq!(gateway.get(&format!("{first}/one/a.ts")).await.status, 200);
    assert_eq!(gateway.metric("streamgate_streams", "").await, 2);
}

#[tokio::test]
async fn one_device_asking_twice_for_one_asset_is_one_stream_with_one_play_session() {
    let origin = Origin::usual().await;
    let gateway = Setup::before(&[&origin]).start().await;
    let first = gateway.enter("/news/master.m3u8", "tv").await.prefix();
    let second = gateway.enter("/news/master.m3u8", "tv").await.prefix();
    assert_eq!(first, second);
    assert_eq!(gateway.metric("streamgate_streams", "").await, 1);
}

#[tokio::test]
async fn the_oldest_gives_way_at_its_next_playlist_segment_or_key() {
    let origin = Origin::usual().await;
    let policy = "{ name: one, limit: 1, when_exceeded: terminate_oldest }";
    let streams = "{ min_tenure: 0s }";
    let gateway = Setup { policy, streams, ..Setup::before(&[&origin]) }.start().await;
    let old = gateway.enter("/news/master.m3u8", "tv").await.prefix();
    assert_eq!(gateway.get(&format!("{old}/news/a.ts")).await.status, 200);
    let new = gateway.enter("/film/master.m3u8", "phone").await;
    assert_eq!(new.status, 200);
    for path in ["news/a.ts", "news/low.m3u8", "news/init.mp4", "news/a.key"] {
        let told = gateway.get(&format!("{old}/{path}")).await;
        assert_eq!((told.status, told.problem_type().as_str()), (403, "stream-terminated"), "{path}");
        assert_eq!(told.problem()["cause"], "evicted");
        assert_eq!(told.problem()["violations"][0]["rule"], "one");
    }
    assert_eq!(gateway.get(&format!("{}/film/a.ts", new.prefix())).await.status, 200);
    assert_eq!(gateway.metric("streamgate_terminations_total", "evicted").await, 1);
    assert_eq!(gateway.metric("streamgate_streams", "").await, 1);
}

#[tokio::test]
async fn a_stream_that_has_only_begun_is_not_terminated() {
    let origin = Origin::usual().await;
    let policy = "{ name: one, limit: 1, when_exceeded: terminate_oldest }";
    let gateway = Setup { policy, ..Setup::before(&[&origin]) }.start().await;
    let first = gateway.enter("/news/master.m3u8", "tv").await.prefix();
    assert_eq!(gateway.enter("/news/master.m3u8", "phone").await.problem_type(), "stream-limit");
    assert_eq!(gateway.get(&format!("{first}/news/a.ts")).await.status, 200);
}

#[tokio::test]
async fn a_start_that_the_origin_does_not_honour_takes_no_slot() {
    let origin = Origin::usual().await;
    let gateway = Setup::before(&[&origin]).start().await;
    for device in ["a", "b", "c", "d"] {
        assert_eq!(gateway.enter("/gone/index.html.m3u8x/master.mpd.none", device).await.status, 404);
    }
    let missing = Origin::new(|_| async { super::support::answer(404, "text/plain", "") }).await;
    let gateway = Setup::before(&[&missing]).start().await;
    for device in ["a", "b", "c", "d"] {
        assert_eq!(gateway.enter("/gone/master.m3u8", device).await.status, 404, "never a refusal");
    }
    assert_eq!(gateway.metric("streamgate_streams", "").await, 0);
    assert_eq!(gateway.metric("streamgate_stream_events_total", "rolled_back").await, 4);
}

#[tokio::test]
async fn a_failed_start_does_not_end_the_stream_that_gave_way_to_it() {
    let origin = Origin::new(|request| async move {
        if request.uri().path().starts_with("/gone") {
            super::support::answer(404, "text/plain", "")
        } else {
            usual(request.uri().path())
        }
    })
    .await;
    let policy = "{ name: one, limit: 1, when_exceeded: terminate_oldest }";
    let gateway = Setup { policy, streams: "{ min_tenure: 0s }", ..Setup::before(&[&origin]) }.start().await;
    let playing = gateway.enter("/news/master.m3u8", "tv").await.prefix();
    assert_eq!(gateway.get(&format!("{playing}/news/a.ts")).await.status, 200);
    assert_eq!(gateway.enter("/gone/master.m3u8", "phone").await.status, 404);
    assert_eq!(gateway.get(&format!("{playing}/news/b.ts")).await.status, 200, "the viewer notices nothing");
}

#[tokio::test]
async fn a_body_that_is_still_being_sent_keeps_its_slot() {
    let (send, body) = piecewise();
    let body = std::sync::Mutex::new(Some(body));
    let origin = Origin::new(move |request| {
        let long = request.uri().path().ends_with("long.ts").then(|| body.lock().unwrap().take().unwrap());
        let usual = usual(request.uri().path());
        async move { long.map_or(usual, hyper::Response::new) }
    })
    .await;
    let streams = "{ reserve: 1s, idle: { min: 1s, max: 1s } }";
    let policy = "{ name: one, limit: 1, when_exceeded: deny_newest }";
    let gateway = Setup { policy, streams, ..Setup::before(&[&origin]) }.start().await;
    let prefix = gateway.enter("/news/master.m3u8", "tv").await.prefix();
    let mut long = gateway.client.get(gateway.url(&format!("{prefix}/news/long.ts"))).send().await.unwrap();
    let mut send = send;
    send.send_data("first".into()).await.unwrap();
    assert_eq!(long.chunk().await.unwrap().unwrap(), "first");
    // More than twice the idle window, measured by a slot of somebody else's that comes free meanwhile.
    let bob = |device: &str| format!("/news/master.m3u8?token={}", token("bob", device));
    for round in ["b", "c", "d"] {
        let before = gateway.metric("streamgate_stream_events_total", "event=\"idle\"").await;
        let mut admitted = gateway.get(&bob(round)).await.status;
        until("bob's earlier stream fell idle", async || {
            if admitted != 200 {
                admitted = gateway.get(&bob(round)).await.status;
            }
            admitted == 200 && gateway.metric("streamgate_stream_events_total", "event=\"idle\"").await > before
        })
        .await;
    }
    assert_eq!(gateway.enter("/news/master.m3u8", "phone").await.status, 403, "the long body holds the slot");
    drop(send);
    assert!(long.chunk().await.is_ok_and(|chunk| chunk.is_none()));
    until("the slot is free", async || gateway.enter("/news/master.m3u8", "phone").await.status == 200).await;
}

#[tokio::test]
async fn shadow_and_annotate_let_everybody_play() {
    let origin = Origin::usual().await;
    let gateway = Setup { mode: "shadow", ..Setup::before(&[&origin]) }.start().await;
    for device in ["a", "b", "c"] {
        let start = gateway.enter("/news/master.m3u8", device).await;
        assert_eq!((start.status, start.header("cmsd-dynamic")), (200, ""));
    }
    assert_eq!(gateway.metric("streamgate_policy_violations_total", "mode=\"shadow\"").await, 1);

    let gateway = Setup { mode: "annotate", ..Setup::before(&[&origin]) }.start().await;
    for device in ["a", "b"] {
        assert_eq!(gateway.enter("/news/master.m3u8", device).await.header("cmsd-dynamic"), "");
    }
    let third = gateway.enter("/news/master.m3u8", "c").await;
    assert_eq!(third.status, 200);
    let said = "\"streamgate\";com.streamgate-streams=3;com.streamgate-limit=2;com.streamgate-state=over";
    assert_eq!(third.header("cmsd-dynamic"), said);
    let told = origin.last().headers;
    assert_eq!(
        (told["streamgate-state"].as_str(), told["streamgate-rule"].as_str()),
        ("over-limit", "household/two-streams")
    );
    let segment = gateway.get(&format!("{}/news/a.ts", third.prefix())).await;
    assert_eq!(segment.header("cmsd-dynamic"), said, "the rest of the stream is annotated too");
    assert_eq!(origin.last().headers["streamgate-limit"], "2");
}

#[tokio::test]
async fn an_origin_that_is_annotated_is_told_the_attributes_of_the_stream() {
    let origin = Origin::usual().await;
    let application =
        "      attributes: { contractType: [\"claim:plan\", \"text:basic\"], contentType: \"manifest:live\" }\n";
    let policy = "{ name: none, limit: 0, when_exceeded: deny_newest }";
    let gateway = Setup { mode: "annotate", application, policy, ..Setup::before(&[&origin]) }.start().await;
    let prefix = gateway.enter("/news/low.m3u8", "tv").await.prefix();
    assert_eq!(origin.last().headers["streamgate-attribute-contracttype"], "basic");
    assert!(!origin.last().headers.contains_key("streamgate-attribute-contenttype"), "no manifest has said it yet");
    assert_eq!(gateway.get(&format!("{prefix}/news/a.ts")).await.status, 200);
    assert_eq!(origin.last().headers["streamgate-attribute-contenttype"], "live");
    assert_eq!(origin.last().headers["streamgate-attribute-contracttype"], "basic", "sealed into the play session");
}

#[tokio::test]
async fn what_a_viewer_writes_under_our_names_does_not_reach_the_origin() {
    let origin = Origin::usual().await;
    let gateway = Setup::before(&[&origin]).start().await;
    let url = gateway.url(&format!("/news/master.m3u8?token={}", token("alice", "tv")));
    let request = gateway.client.get(url).header("streamgate-state", "within").header("Streamgate-Anything", "x");
    assert_eq!(request.send().await.unwrap().status(), 200);
    assert!(!origin.last().headers.keys().any(|name| name.starts_with("streamgate-")));
}

#[tokio::test]
async fn preflights_thumbnails_and_prefetches_never_count() {
    let origin = Origin::usual().await;
    let gateway = Setup::before(&[&origin]).start().await;
    let master = gateway.url(&format!("/news/master.m3u8?token={}", token("alice", "tv")));
    let asked = origin.seen().len();
    let preflight =
        gateway.client.request(reqwest::Method::OPTIONS, &master).header("origin", "https://player.example");
    let preflight = preflight.header("access-control-request-headers", "range").send().await.unwrap();
    assert_eq!(preflight.status(), 204);
    assert_eq!(preflight.headers()["access-control-allow-origin"], "https://player.example");
    assert_eq!(preflight.headers()["access-control-allow-headers"], "range");
    assert_eq!(origin.seen().len(), asked, "some origins answer OPTIONS with the file itself");
    let ahead = gateway.client.get(&master).header("sec-purpose", "prefetch").send().await.unwrap();
    let prefix = super::support::Answer::of(ahead).await.prefix();
    gateway.get("/news/thumb.jpg").await;
    assert_eq!(gateway.metric("streamgate_streams", "").await, 0);
    assert_eq!(gateway.get("/news/thumb.jpg").await.status, 404, "the origin's answer, not ours");
    assert_eq!(gateway.get(&format!("{prefix}/news/a.ts")).await.status, 200, "what was fetched ahead plays");
    assert_eq!(gateway.metric("streamgate_streams", "").await, 1);
}

#[tokio::test]
async fn a_device_without_a_name_never_ends_the_stream_of_its_twin() {
    let origin = Origin::usual().await;
    let gateway = Setup::before(&[&origin]).start().await;
    let nameless = sign("HS256", &serde_json::json!({ "sub": "alice", "exp": now() + 60 }), SECRET);
    let mut plays = Vec::new();
    for channel in ["one", "two"] {
        plays.push(gateway.get(&format!("/{channel}/master.m3u8?token={nameless}")).await.prefix());
    }
    assert_eq!(gateway.metric("streamgate_streams", "").await, 2, "two televisions of one make in one household");
    // The third may be one of them, on another channel. It turns out that it is not.
    let third = gateway.get(&format!("/three/master.m3u8?token={nameless}")).await.prefix();
    let refused = std::cell::RefCell::new(None);
    until("all three are played", async || {
        for play in &plays {
            assert_eq!(gateway.get(&format!("{play}/a.ts")).await.status, 200, "the twins play on");
        }
        let answer = gateway.get(&format!("{third}/three/a.ts")).await;
        let is_refused = answer.status != 200;
        *refused.borrow_mut() = Some(answer);
        is_refused
    })
    .await;
    let problem = refused.into_inner().unwrap().problem();
    assert_eq!(problem["type"], "urn:streamgate:problem:stream-terminated");
    assert_eq!(problem["violations"][0]["counted"], 2);
    assert_eq!(problem["streams"][0]["device"], "Unknown");
    assert_eq!(gateway.metric("streamgate_takeovers_total", "result=\"both_real\"").await, 1);
}

#[tokio::test]
async fn a_quick_shutdown_answers_what_is_under_way() {
    let (mut send, body) = piecewise();
    let body = std::sync::Mutex::new(Some(body));
    let origin = Origin::new(move |_| {
        let body = body.lock().unwrap().take().unwrap();
        async move { hyper::Response::new(body) }
    })
    .await;
    let gateway = Setup { anonymous: "pass", ..Setup::before(&[&origin]) }.start().await;
    let mut response = gateway.client.get(gateway.url("/a.ts")).send().await.unwrap();
    send.send_data("a".into()).await.unwrap();
    assert_eq!(response.chunk().await.unwrap().unwrap(), "a");
    let address = gateway.address;
    let stopping = tokio::spawn(gateway.stop());
    until("new connections are refused", async || tokio::net::TcpStream::connect(address).await.is_err()).await;
    send.send_data("b".into()).await.unwrap();
    drop(send);
    assert_eq!(response.chunk().await.unwrap().unwrap(), "b");
    assert!(response.chunk().await.unwrap().is_none());
    let code = tokio::time::timeout(Duration::from_secs(20), stopping).await.unwrap().unwrap();
    assert_eq!(code, Some(0));
}

#[tokio::test]
async fn no_header_query_or_spelling_makes_a_segment_count_for_nothing() {
    let origin = Origin::new(|request| async move {
        let path = request.uri().path();
        if path.contains("master") { usual(path) } else { super::support::answer(200, "video/mp2t", "0123456789") }
    })
    .await;
    let policy = "{ name: one, limit: 1, when_exceeded: deny_newest }";
    let streams = "{ reserve: 1s, idle: { min: 1s, max: 1s } }";
    let gateway = Setup { policy, streams, ..Setup::before(&[&origin]) }.start().await;
    let cheat = gateway.enter("/news/master.m3u8", "cheat").await.prefix();
    until("the reservation runs out", async || gateway.metric("streamgate_streams", "").await == 0).await;
    let honest = gateway.enter("/news/master.m3u8", "tv").await.prefix();
    let tries = ["news/a.ts?CMCD=ot%3Di", "news/a.ts?CMCD=ot%3Dk", "news/a.t%73", "news/a.ts;v=1", "news/segment/17"];
    for path in tries {
        assert_eq!(gateway.get(&format!("{honest}/news/a.ts")).await.status, 200);
        let refused = gateway.get(&format!("{cheat}/{path}")).await;
        assert_eq!((refused.status, refused.problem_type().as_str()), (403, "stream-limit"), "{path}");
        let bare = gateway.get(&format!("/{path}")).await;
        assert_eq!(bare.status, 401, "{path}");
    }
    let ahead = gateway.client.get(gateway.url(&format!("{cheat}/news/a.ts"))).header("purpose", "prefetch");
    assert_eq!(ahead.send().await.unwrap().status(), 403);
}

#[tokio::test]
async fn a_stream_that_gave_way_plays_on_while_the_origin_thinks_about_the_start() {
    let (answer, waiting) = tokio::sync::oneshot::channel::<()>();
    let waiting = std::sync::Mutex::new(Some(waiting));
    let origin = Origin::new(move |request| {
        let waiting = request.uri().path().starts_with("/slow").then(|| waiting.lock().unwrap().take().unwrap());
        let usual = usual(request.uri().path());
        async move {
            if let Some(waiting) = waiting {
                let _ = waiting.await;
            }
            usual
        }
    })
    .await;
    let policy = "{ name: one, limit: 1, when_exceeded: terminate_oldest }";
    let gateway = Setup { policy, streams: "{ min_tenure: 0s }", ..Setup::before(&[&origin]) }.start().await;
    let playing = gateway.enter("/news/master.m3u8", "tv").await.prefix();
    assert_eq!(gateway.get(&format!("{playing}/news/a.ts")).await.status, 200);
    let url = gateway.url(&format!("/slow/master.m3u8?token={}", token("alice", "phone")));
    let starting = tokio::spawn(gateway.client.get(url).send());
    until("the start has reached the origin", async || origin.last().target.starts_with("/slow")).await;
    assert_eq!(gateway.get(&format!("{playing}/news/b.ts")).await.status, 200);
    answer.send(()).unwrap();
    let started = starting.await.unwrap().unwrap();
    assert_eq!(started.status(), 200);
    assert!(started.text().await.unwrap().contains("/~s/"));
    until("its time has come", async || gateway.get(&format!("{playing}/news/c.ts")).await.status == 403).await;
}

#[tokio::test]
async fn a_film_that_is_sent_in_one_piece_is_cut_off_when_its_stream_has_given_way() {
    let (mut send, body) = piecewise();
    let body = std::sync::Mutex::new(Some(body));
    let origin = Origin::new(move |request| {
        let film = request.uri().path().ends_with("film.mp4").then(|| body.lock().unwrap().take().unwrap());
        let usual = usual(request.uri().path());
        async move { film.map_or(usual, hyper::Response::new) }
    })
    .await;
    let policy = "{ name: one, limit: 1, when_exceeded: terminate_oldest }";
    let gateway = Setup { policy, streams: "{ min_tenure: 0s }", ..Setup::before(&[&origin]) }.start().await;
    let prefix = gateway.enter("/film/master.m3u8", "tv").await.prefix();
    let mut film = gateway.client.get(gateway.url(&format!("{prefix}/film/film.mp4"))).send().await.unwrap();
    send.send_data("first".into()).await.unwrap();
    assert_eq!(film.chunk().await.unwrap().unwrap(), "first");
    assert_eq!(gateway.enter("/news/master.m3u8", "phone").await.status, 200);
    // What was under way may arrive for ten seconds; then the film stops, however long it is.
    until("the film is cut off", async || send.send_data("more".into()).await.is_err() || film.chunk().await.is_err())
        .await;
}
