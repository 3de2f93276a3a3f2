//! Streams that are known by the questions alone: how they begin, what belongs to them, and how they end.

use super::program::{Gateway, Origin, Setup, token, until};
use super::support::{Question, gateway, get, setup};

async fn streams(gateway: &Gateway, number: i64) {
    gateway.counts("streamgate_streams", "tv", number).await;
}

#[tokio::test]
async fn a_limit_of_two_holds_and_the_third_device_waits_for_a_free_slot() {
    let mut setup = setup().await;
    setup.streams = "{ reserve: 1s, idle: { min: 1s, max: 1s } }";
    let gateway = setup.start().await;
    for device in ["tv-1", "tv-2"] {
        assert_eq!(get(&gateway, device, "/live/news/master.m3u8").await, 200);
        assert_eq!(get(&gateway, device, "/live/news/720p/1.ts").await, 200);
    }
    let refused = Question::about("/live/news/master.m3u8").from("tv-3").to(&gateway).await;
    assert_eq!((refused.status, refused.problem_type().as_str()), (403, "stream-limit"));
    assert_eq!(refused.problem()["streams"].as_array().unwrap().len(), 2);
    assert_eq!(Question::about("/live/news/master.m3u8").of("bob", "tv-3").status(&gateway).await, 200);
    // The second goes on; the first has stopped.
    until("a slot is free", async || {
        assert_eq!(get(&gateway, "tv-2", "/live/news/720p/2.ts").await, 200);
        get(&gateway, "tv-3", "/live/news/master.m3u8").await == 200
    })
    .await;
    assert_eq!(get(&gateway, "tv-1", "/live/news/720p/2.ts").await, 403, "its slot is taken");
}

#[tokio::test]
async fn playlists_in_the_folder_of_the_entry_and_segments_anywhere_belong_to_what_the_device_plays() {
    let gateway = gateway().await;
    let master = Question::about("/live/news/master.m3u8").from("tv-1").to(&gateway).await;
    let stream = master.header("streamgate-stream").to_owned();
    for uri in [
        "/live/news/720p.m3u8",
        "/live/news/audio/en.m3u8",
        "/live/news/720p/1.ts",
        "/elsewhere/1.ts",
        "/live/news/master.m3u8",
    ] {
        let answer = Question::about(uri).from("tv-1").to(&gateway).await;
        assert_eq!((answer.status, answer.header("streamgate-stream")), (200, &*stream), "{uri}");
    }
    streams(&gateway, 1).await;
    // Zapping: another folder is another stream, and takes the place of the one before.
    let other = Question::about("/live/sports/master.m3u8").from("tv-1").to(&gateway).await;
    assert_ne!(other.header("streamgate-stream"), stream);
    streams(&gateway, 1).await;
    let back = Question::about("/live/news/master.m3u8").from("tv-1").to(&gateway).await;
    assert_eq!((back.status, back.header("streamgate-stream")), (200, &*stream));
    streams(&gateway, 1).await;
}

#[tokio::test]
async fn a_live_mpd_that_is_refreshed_is_one_stream_even_where_nothing_names_the_device() {
    let mut setup = setup().await;
    setup.identity = setup.identity.replace("      device: claim:device\n", "");
    setup.streams = "{ reserve: 1s, idle: { min: 1s, max: 1s } }";
    let gateway = setup.start().await;
    let ask = async |uri: &str| {
        Question::about(uri)
            .with("User-Agent", "tv")
            .with("X-Forwarded-For", "203.0.113.9")
            .from("x")
            .status(&gateway)
            .await
    };
    assert_eq!(ask("/dash/live.mpd").await, 200);
    for nth in 0..12 {
        assert_eq!(ask("/dash/live.mpd").await, 200);
        assert_eq!(ask(&format!("/dash/{nth}.m4s")).await, 200);
        tokio::time::sleep(std::time::Duration::from_millis(150)).await;
    }
    gateway.counts("streamgate_stream_events_total", "event=\"admitted\"", 1).await;
    gateway.counts("streamgate_stream_events_total", "event=\"idle\"", 0).await;
}

#[tokio::test]
async fn a_stream_that_gave_way_stays_out_until_its_viewer_starts_it_again() {
    let mut setup = setup().await;
    setup.policy = "{ name: one, limit: 1, when_exceeded: terminate_oldest }";
    setup.streams = "{ min_tenure: 0s }";
    let gateway = setup.start().await;
    assert_eq!(get(&gateway, "tv-1", "/live/master.m3u8").await, 200);
    assert_eq!(get(&gateway, "tv-1", "/live/1.ts").await, 200);
    assert_eq!(get(&gateway, "tv-2", "/live/master.m3u8").await, 200);
    assert_eq!(get(&gateway, "tv-2", "/live/1.ts").await, 200);
    for uri in ["/live/2.ts", "/live/720p.m3u8", "/live/3.ts"] {
        let answer = Question::about(uri).from("tv-1").to(&gateway).await;
        assert_eq!((answer.status, answer.header("streamgate-reason")), (403, "stream-terminated"), "{uri}");
    }
    assert_eq!(get(&gateway, "tv-2", "/live/2.ts").await, 200);
    // Somebody presses the button.
    assert_eq!(get(&gateway, "tv-1", "/live/master.m3u8").await, 200);
    assert_eq!(get(&gateway, "tv-1", "/live/4.ts").await, 200);
    assert_eq!(get(&gateway, "tv-2", "/live/4.ts").await, 403);
}

#[tokio::test]
async fn a_player_that_refreshes_its_entry_manifest_does_not_bring_an_ended_stream_back() {
    let mut setup = setup().await;
    setup.policy = "{ name: one, limit: 1, when_exceeded: terminate_oldest }";
    setup.streams = "{ min_tenure: 0s }";
    let gateway = setup.start().await;
    for (device, uri) in [("tv-1", "/live/index.m3u8"), ("tv-1", "/live/1.ts"), ("tv-1", "/live/index.m3u8")] {
        assert_eq!(get(&gateway, device, uri).await, 200);
    }
    assert_eq!(get(&gateway, "tv-2", "/live/index.m3u8").await, 200);
    assert_eq!(get(&gateway, "tv-2", "/live/1.ts").await, 200);
    for _ in 0..3 {
        assert_eq!(get(&gateway, "tv-1", "/live/index.m3u8").await, 403);
    }
    assert_eq!(get(&gateway, "tv-2", "/live/2.ts").await, 200);
}

#[tokio::test]
async fn a_token_that_names_its_stream_decides_what_belongs_to_it() {
    let mut setup = setup().await;
    setup.identity.push_str("      stream: claim:sid\n");
    let gateway = setup.start().await;
    let claims =
        |sid: &str| serde_json::json!({ "sub": "alice", "device": sid, "sid": sid, "exp": super::program::now() + 60 });
    let ask = async |sid: &str, uri: &str| {
        let token = super::program::sign("HS256", &claims(sid), super::program::SECRET);
        Question::about(uri).with("Authorization", format!("Bearer {token}")).to(&gateway).await
    };
    let first = ask("one", "/live/news/master.m3u8").await;
    let stream = first.header("streamgate-stream").to_owned();
    for uri in ["/other/720p.m3u8", "/other/1.ts"] {
        assert_eq!(ask("one", uri).await.header("streamgate-stream"), stream, "{uri}");
    }
    assert_eq!(ask("two", "/live/news/1.ts").await.status, 200);
    assert_eq!(ask("three", "/live/news/1.ts").await.status, 403);
    streams(&gateway, 2).await;
}

#[tokio::test]
async fn a_stream_of_the_gateway_and_one_of_a_proxy_share_the_limit_and_a_play_session_works_in_both() {
    let origin = Origin::usual().await;
    let gateway = Setup::before(&[&origin]).start().await;
    let entry = gateway.enter("/film/master.m3u8", "tv-1").await;
    assert_eq!(entry.status, 200);
    let segment = format!("{}/film/1.ts", entry.prefix());
    let answer = Question::about(&segment).to(&gateway).await;
    assert_eq!(answer.status, 200);
    assert_eq!(get(&gateway, "tv-2", "/film/master.m3u8").await, 200);
    assert_eq!(gateway.enter("/film/master.m3u8", "tv-3").await.status, 403);
    assert_eq!(get(&gateway, "tv-3", "/film/master.m3u8").await, 403);
    assert_eq!(gateway.get(&segment).await.status, 200);
    streams(&gateway, 2).await;
}

#[tokio::test]
async fn what_never_counts_passes_and_starts_nothing() {
    let gateway = gateway().await;
    for question in [
        Question::about("/thumbs/1.jpg"),
        Question::about("/"),
        Question::about("/app.js"),
        Question::about("/live/master.m3u8").with("X-Original-Method", "OPTIONS"),
        Question::about("/live/1.ts").with("X-Original-Method", "OPTIONS").with("Origin", "https://player.example"),
        Question::about("/live/master.m3u8").with("X-Original-Method", "HEAD").from("tv-1"),
        Question::about("/live/master.m3u8").with("Sec-Purpose", "prefetch").from("tv-1"),
        Question::about("/live/init.mp4").from("tv-1"),
    ] {
        let answer = question.to(&gateway).await;
        assert_eq!((answer.status, answer.header("streamgate-state")), (200, "ok"), "{}", answer.text());
    }
    streams(&gateway, 0).await;
    let token = token("alice", "tv-1");
    let by_query = Question::about(&format!("/live/master.m3u8?token={token}")).status(&gateway).await;
    assert_eq!(by_query, 200);
    streams(&gateway, 1).await;
}
