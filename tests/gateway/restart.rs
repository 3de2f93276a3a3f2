//! What survives the end of a gateway.

use super::support::{Origin, Setup};

const SNAPSHOT: &str = "{ snapshot: streams.json }";

#[tokio::test]
async fn with_a_snapshot_streams_and_their_order_survive() {
    let origin = Origin::usual().await;
    let policy = "{ name: two, limit: 2, when_exceeded: terminate_oldest }";
    let setup = || Setup { streams: "{ snapshot: streams.json, min_tenure: 0s }", policy, ..Setup::before(&[&origin]) };
    let gateway = setup().start().await;
    let mut prefixes = Vec::new();
    for device in ["a", "b"] {
        let prefix = gateway.enter("/news/master.m3u8", device).await.prefix();
        assert_eq!(gateway.get(&format!("{prefix}/news/a.ts")).await.status, 200);
        prefixes.push(prefix);
    }
    let folder = gateway.folder.clone();
    assert_eq!(gateway.stop().await, Some(0));
    let kept = std::fs::read_to_string(folder.path().join("streams.json")).unwrap();
    assert_eq!(kept.lines().count(), 1, "one line an account");

    let gateway = setup().start_in(folder).await;
    assert_eq!(gateway.metric("streamgate_streams", "").await, 2);
    let third = gateway.enter("/film/master.m3u8", "c").await;
    assert_eq!(third.status, 200);
    let told = gateway.get(&format!("{}/news/a.ts", prefixes[0])).await;
    assert_eq!(told.problem_type(), "stream-terminated", "the one that started first");
    assert_eq!(gateway.get(&format!("{}/news/a.ts", prefixes[1])).await.status, 200);
}

#[tokio::test]
async fn with_a_snapshot_a_terminated_stream_stays_out() {
    let origin = Origin::usual().await;
    let policy = "{ name: one, limit: 1, when_exceeded: terminate_oldest }";
    let setup = || Setup { streams: "{ snapshot: streams.json, min_tenure: 0s }", policy, ..Setup::before(&[&origin]) };
    let gateway = setup().start().await;
    let old = gateway.enter("/news/master.m3u8", "tv").await.prefix();
    gateway.enter("/film/master.m3u8", "phone").await;
    let folder = gateway.folder.clone();
    assert_eq!(gateway.stop().await, Some(0));
    let gateway = setup().start_in(folder).await;
    assert_eq!(gateway.get(&format!("{old}/news/a.ts")).await.problem_type(), "stream-terminated");
}

#[tokio::test]
async fn without_one_streams_come_back_with_their_next_segment() {
    let origin = Origin::usual().await;
    let gateway = Setup::before(&[&origin]).start().await;
    let mut prefixes = Vec::new();
    for device in ["tv", "phone"] {
        prefixes.push(gateway.enter("/news/master.m3u8", device).await.prefix());
    }
    let folder = gateway.folder.clone();
    gateway.crash().await;
    let gateway = Setup::before(&[&origin]).start_in(folder).await;
    assert_eq!(gateway.metric("streamgate_streams", "").await, 0);
    for prefix in &prefixes {
        assert_eq!(gateway.get(&format!("{prefix}/news/a.ts")).await.status, 200);
    }
    assert_eq!(gateway.metric("streamgate_streams", "").await, 2);
    let refused = gateway.enter("/film/master.m3u8", "tablet").await;
    assert_eq!(refused.status, 403);
    let streams = refused.problem()["streams"].clone();
    assert_eq!(
        (&streams[0]["device"], &streams[1]["device"]),
        (&"tv".into(), &"phone".into()),
        "start times came back too"
    );
    assert_eq!(streams[0]["asset"], "/news/master.m3u8");
}

#[tokio::test]
async fn a_damaged_snapshot_is_said_and_loses_only_what_is_damaged() {
    let origin = Origin::usual().await;
    let gateway = Setup { streams: SNAPSHOT, ..Setup::before(&[&origin]) }.start().await;
    let prefix = gateway.enter("/news/master.m3u8", "tv").await.prefix();
    gateway.get(&format!("{prefix}/news/a.ts")).await;
    let folder = gateway.folder.clone();
    assert_eq!(gateway.stop().await, Some(0));
    let file = folder.path().join("streams.json");
    let mut bytes = b"{\"half\": \xff\n".to_vec();
    bytes.extend(std::fs::read(&file).unwrap());
    std::fs::write(&file, bytes).unwrap();
    let gateway = Setup { streams: SNAPSHOT, ..Setup::before(&[&origin]) }.start_in(folder).await;
    assert_eq!(gateway.metric("streamgate_streams", "").await, 1);
    super::support::until("the log says so", async || gateway.log().contains("part of the snapshot cannot be read"))
        .await;
}

#[tokio::test]
async fn after_a_crash_one_that_played_stays_before_one_that_started_since() {
    let origin = Origin::usual().await;
    let policy = "{ name: one, limit: 1, when_exceeded: deny_newest }";
    let setup = || Setup { policy, ..Setup::before(&[&origin]) };
    let gateway = setup().start().await;
    let played = gateway.enter("/news/master.m3u8", "tv").await.prefix();
    assert_eq!(gateway.get(&format!("{played}/news/a.ts")).await.status, 200);
    let folder = gateway.folder.clone();
    gateway.crash().await;
    let gateway = setup().start_in(folder).await;
    let newcomer = gateway.enter("/film/master.m3u8", "phone").await;
    assert_eq!(newcomer.status, 200, "nobody is known to play");
    let newcomer = newcomer.prefix();
    assert_eq!(gateway.get(&format!("{newcomer}/news/a.ts")).await.status, 200);
    assert_eq!(gateway.get(&format!("{played}/news/a.ts")).await.status, 200, "it played before");
    let ended = gateway.get(&format!("{newcomer}/news/a.ts")).await;
    assert_eq!((ended.status, ended.problem_type().as_str()), (403, "stream-terminated"));
    let problem = ended.problem();
    assert_eq!(problem["cause"], "displaced");
    assert_eq!(problem["violations"], serde_json::json!([{ "policy": "household", "rule": "one" }]));
    assert!(problem["detail"].as_str().unwrap().contains("restarted"), "{problem}");
    assert_eq!(gateway.metric("streamgate_terminations_total", "cause=\"displaced\"").await, 1);
    assert_eq!(gateway.metric("streamgate_streams", "").await, 1);
    let explained = async || gateway.log().contains(r#""explanation":"{"#);
    super::support::until("the log says on what that rests", explained).await;
    assert_eq!(gateway.enter("/film/master.m3u8", "tablet").await.status, 403);
}

#[tokio::test]
async fn with_snapshots_of_a_running_gateway_a_crash_loses_next_to_nothing() {
    let origin = Origin::usual().await;
    let policy = "{ name: one, limit: 1, when_exceeded: deny_newest }";
    let streams = "{ snapshot: streams.json, snapshot_interval: 1s }";
    let setup = || Setup { policy, streams, ..Setup::before(&[&origin]) };
    let gateway = setup().start().await;
    let played = gateway.enter("/news/master.m3u8", "tv").await.prefix();
    assert_eq!(gateway.get(&format!("{played}/news/a.ts")).await.status, 200);
    let file = gateway.folder.path().join("streams.json");
    let kept = || std::fs::read_to_string(&file).unwrap_or_default();
    super::support::until("the stream is in the snapshot", async || kept().contains("/news/master.m3u8")).await;
    let folder = gateway.folder.clone();
    gateway.crash().await;
    let gateway = setup().start_in(folder).await;
    assert_eq!(gateway.metric("streamgate_streams", "").await, 1);
    assert_eq!(gateway.enter("/film/master.m3u8", "phone").await.status, 403, "the slot is held");
    assert_eq!(gateway.get(&format!("{played}/news/a.ts")).await.status, 200);
}
