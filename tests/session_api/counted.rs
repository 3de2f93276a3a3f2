//! Calls, counted by version, by what they ask for and by how they are answered.

use std::collections::BTreeMap;

use super::support::{Answer, Api, Fixture, send};

/// Neither a session nor a window ends while the test runs, however busy the machine is.
const TIMERS: &str = "interval: 60s, grace: 60s, throttle: { calls: 20, window: 600s }";

/// Asks, without a look at what all answers of version 2 have.
async fn ask(call: reqwest::RequestBuilder) -> Answer {
    Answer::of(call.send().await.unwrap()).await
}

/// Every series of the counter that is not zero.
async fn counted(api: &Api) -> BTreeMap<String, u64> {
    let answer = ask(api.call("GET", "/metrics")).await;
    let text = answer.text();
    let series = text.lines().filter_map(|line| line.strip_prefix("streamgate_session_api_calls_total{"));
    let mut found = BTreeMap::new();
    for line in series {
        let (labels, value) = line.split_once("} ").unwrap();
        let mut labels: Vec<&str> = labels.split(',').map(|label| label.split('"').nth(1).unwrap()).collect();
        // By name: operation, outcome, version.
        labels.rotate_right(1);
        found.insert(labels.join(" "), value.parse().unwrap());
    }
    assert_eq!(found.len(), 2 * 9 * 11, "all of them are there from the start");
    found.retain(|_, count| *count > 0);
    found
}

#[tokio::test]
async fn each_call_is_counted_once_by_what_it_asked_for_and_how_it_was_answered() {
    let api = Fixture { timers: TIMERS, ..Fixture::default() }.start().await;
    assert!(counted(&api).await.is_empty(), "nobody has called");
    let mut expected = BTreeMap::new();
    let mut expect = |labels: &str| *expected.entry(labels.to_owned()).or_insert(0) += 1;

    // Version 2, `solo` without a rule, `two` with one stream at most.
    let session = api.started("solo", "i1/alice", &[]).await;
    expect("v2 start accepted");
    assert!(api.plays("solo", "i1/alice", &session).await);
    expect("v2 heartbeat accepted");
    api.stop("solo", "i1/alice", &session).await;
    expect("v2 stop accepted");
    api.beat("solo", "i1/alice", &session).await;
    expect("v2 heartbeat ended");
    api.beat("solo", "i1/alice", "00000000-0000-0000-0000-000000000000").await;
    expect("v2 heartbeat not_found");
    api.started("two", "i1/bob", &[("deviceId", "a")]).await;
    expect("v2 start accepted");
    api.start("two", "i1/bob", &[("deviceId", "a")]).await;
    expect("v2 start refused");
    api.start("nobody", "i1/bob", &[]).await;
    expect("v2 start unauthorized");
    api.start("locked", "i1/bob", &[]).await;
    expect("v2 start forbidden");
    api.start("solo", "i1/%00", &[]).await;
    expect("v2 start malformed");
    for _ in 0..19 {
        api.started("solo", "i1/carol", &[]).await;
        expect("v2 start accepted");
    }
    api.started("solo", "i1/carol", &[]).await;
    expect("v2 start accepted");
    api.start("solo", "i1/carol", &[]).await;
    expect("v2 start throttled");
    api.listed("solo", "i1/carol").await;
    expect("v2 list accepted");
    send(api.call_of("solo", "GET", "/v2/metadata")).await;
    expect("v2 metadata accepted");
    ask(api.call_of("solo", "HEAD", "/v2/metadata")).await;
    expect("v2 metadata accepted");
    send(api.call("OPTIONS", "/v2/sessions/i1/alice")).await;
    expect("v2 preflight accepted");
    send(api.call("GET", "/v2/nothing")).await;
    expect("v2 other not_found");
    send(api.call("GET", "/v2")).await;
    expect("v2 other not_found");
    send(api.call("PUT", "/v2/sessions/i1/alice")).await;
    expect("v2 other wrong_method");

    // Version 1, which starts what the policies do not admit.
    let streams = "/v1/two/i1/accounts/dave/streams";
    let first = ask(api.call("POST", &format!("{streams}?deviceId=a"))).await;
    expect("v1 start accepted");
    let address = first.header("location").to_owned();
    let path = &address[address.find("/v1/").unwrap()..];
    assert_eq!(ask(api.call("POST", &format!("{streams}?deviceId=a"))).await.status, 201);
    expect("v1 start refused");
    ask(api.call("POST", "/v1/nobody/i1/accounts/dave/streams")).await;
    expect("v1 start not_found");
    ask(api.call("POST", "/v1/locked/i1/accounts/dave/streams")).await;
    expect("v1 start forbidden");
    ask(api.call("POST", path)).await;
    expect("v1 heartbeat accepted");
    ask(api.call("POST", &format!("{path}?event=sleep"))).await;
    expect("v1 heartbeat malformed");
    ask(api.call("GET", path)).await;
    expect("v1 show accepted");
    ask(api.call("GET", streams)).await;
    expect("v1 list accepted");
    ask(api.call("GET", "/v1/two/i1/accounts/dave/activity?metrics=activeStreams")).await;
    expect("v1 activity accepted");
    ask(api.call("POST", path).header("content-type", "application/x-www-form-urlencoded").body("event=stop")).await;
    expect("v1 stop accepted");
    ask(api.call("POST", &format!("{path}?event=stop"))).await;
    expect("v1 stop accepted");
    ask(api.call("POST", &format!("{streams}/{}?event=stop", "0".repeat(8)))).await;
    expect("v1 stop not_found");
    ask(api.call("OPTIONS", streams)).await;
    expect("v1 preflight accepted");
    ask(api.call("DELETE", streams)).await;
    expect("v1 other wrong_method");
    ask(api.call("GET", "/v1/nothing")).await;
    expect("v1 other not_found");

    // What is no call of this API counts nowhere.
    ask(api.call("GET", "/healthz")).await;
    ask(api.call("GET", "/api/status")).await;
    assert_eq!(counted(&api).await, expected);
}
