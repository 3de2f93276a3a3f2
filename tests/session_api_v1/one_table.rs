//! One table for what is declared and what is played.

use std::time::{Duration, Instant};

use serde_json::json;

use super::gateway::{SECRET, now, sign};
use super::support::{House, json as read, until};

/// Alice's play session on a device, from the entry manifest.
async fn play(house: &House, path: &str, device: &str) -> String {
    house.enter(path, device).await.prefix()
}

#[tokio::test]
async fn c124_declared_streams_and_proxied_plays_fill_one_limit() {
    let house = House::new().await;
    let first = house.start("demo", "alice", &[]).await;
    let prefix = play(&house, "/news/master.m3u8", "tablet").await;
    assert_eq!(house.get(&format!("{prefix}/news/a.ts")).await.status, 200);
    assert_eq!(house.count("demo", "alice").await, 2);
    assert!(house.start("demo", "alice", &[]).await.is_compliant());
    // Full: neither door opens.
    assert!(!house.start("demo", "alice", &[]).await.is_compliant());
    assert_eq!(house.enter("/film/master.m3u8", "phone").await.status, 403);
    house.event(&first, "stop").await;
    assert_eq!(house.enter("/film/master.m3u8", "phone").await.status, 200);
    assert!(!house.start("demo", "alice", &[]).await.is_compliant());
    let list = read(&house.ask("/v1/demo/acme/accounts/alice/streams?fields=deviceId").await);
    let listed: Vec<(&str, &str)> = list["streams"]
        .as_array()
        .unwrap()
        .iter()
        .map(|stream| (stream["application"].as_str().unwrap(), stream["deviceId"].as_str().unwrap()))
        .collect();
    assert_eq!(listed, [("tv", "tablet"), ("demo", "Unknown"), ("tv", "phone")]);
}

/// The path of an entry manifest with a token of alice's, which says this as well.
fn entry(device: &str, more: &[(&str, &str)]) -> String {
    let mut claims = json!({ "sub": "alice", "device": device, "exp": now() + 3600 });
    for (name, value) in more {
        claims[*name] = json!(value);
    }
    format!("/news/master.m3u8?token={}", sign("HS256", &claims, SECRET))
}

#[tokio::test]
async fn a_play_under_the_id_that_was_issued_is_the_stream_that_was_declared() {
    let house = House::new().await;
    let stream = house.start("tv", "alice", &[]).await;
    let entered = house.get(&entry("tablet", &[("sid", stream.id())])).await;
    assert_eq!(entered.status, 200);
    assert_eq!(house.count("tv", "alice").await, 1);
    // Its application falls silent, its player does not.
    let began = Instant::now();
    until("the application has been silent for long", async || {
        let segment = entry("tablet", &[("sid", stream.id())]).replace("master.m3u8", "a.ts");
        assert_eq!(house.get(&segment).await.status, 200);
        tokio::time::sleep(Duration::from_millis(300)).await;
        began.elapsed() > Duration::from_secs(8)
    })
    .await;
    assert_eq!(house.count("tv", "alice").await, 1);
    assert!(house.is_compliant(&stream).await);
    // What its application stops is over for its player too.
    assert_eq!(house.event(&stream, "stop").await, 202);
    assert_eq!(house.count("tv", "alice").await, 0);
    assert_eq!(house.get(&entry("tablet", &[("sid", stream.id())])).await.problem_type(), "stream-terminated");
}

#[tokio::test]
async fn a_play_of_the_asset_that_was_declared_on_the_same_device_is_the_same_stream_whichever_came_first() {
    let house = House::new().await;
    let film = [("assetId", "film"), ("deviceId", "tablet")];
    let declared = house.start("tv", "alice", &film).await;
    let prefix = house.get(&entry("tablet", &[("asset", "film")])).await.prefix();
    assert_eq!(house.get(&format!("{prefix}/news/a.ts")).await.status, 200);
    assert_eq!(house.count("tv", "alice").await, 1);
    // Another asset on the device is another stream, and ends nothing that was declared.
    assert_eq!(house.get(&entry("tablet", &[("asset", "series")])).await.status, 200);
    assert_eq!(house.count("tv", "alice").await, 2);
    let series = house.start("tv", "alice", &[("assetId", "series"), ("deviceId", "tablet")]).await;
    assert_eq!((series.is_compliant(), series.count()), (true, 2));
    assert_eq!(house.event(&series, "alive").await, 202);
    assert!(house.is_compliant(&series).await && house.is_compliant(&declared).await);
    assert_eq!(house.event(&series, "stop").await, 202);
    assert_eq!(house.event(&declared, "stop").await, 202);
    assert_eq!(house.count("tv", "alice").await, 0);
    assert_eq!(house.get(&format!("{prefix}/news/a.ts")).await.problem_type(), "stream-terminated");
}

#[tokio::test]
async fn an_application_has_no_say_over_plays_that_it_has_not_declared() {
    let house = House::new().await;
    let prefix = house.get(&entry("tablet", &[])).await.prefix();
    let list = read(&house.ask("/v1/tv/acme/accounts/alice/streams").await);
    let id = list["streams"][0]["streamId"].as_str().unwrap();
    let path = format!("/v1/tv/acme/accounts/alice/streams/{id}");
    assert_eq!(house.ask(&path).await.status, 404);
    assert_eq!(house.post(&format!("{path}?event=stop"), &[]).await.status, 404);
    assert_eq!(house.get(&format!("{prefix}/news/a.ts")).await.status, 200);
    assert_eq!(house.count("tv", "alice").await, 1);
}
