//! Attributes that applications have to say.

use serde_json::json;

use super::support::{api, json as read, result, send};

#[tokio::test]
async fn c26_c27_c28_the_attributes_that_policies_look_at_are_listed() {
    let api = api().await;
    for (application, names) in [
        ("demo", json!([])),
        ("solo", json!([])),
        ("demo2", json!(["channel"])),
        ("devs", json!(["deviceId"])),
        ("lv", json!(["contentType"])),
    ] {
        let answer = send(api.call_of(application, "GET", "/v2/metadata")).await;
        assert_eq!((answer.status, read(&answer)), (200, names), "{application}");
    }
}

#[tokio::test]
async fn c29_c30_c31_a_start_without_them_has_to_read_the_list_again_and_starts_nothing() {
    let api = api().await;
    let obligation = json!({ "namespace": "adobe.primetime.cm", "action": "refresh", "arguments": ["metadata"] });
    for metadata in [[].as_slice(), &[("deviceId", "tv-1")], &[("channel", "")]] {
        let answer = api.start("demo2", "i1/alice", metadata).await;
        assert_eq!(result(&answer, 400), (vec![], vec![obligation.clone()]));
        assert!(api.running("demo2", "i1/alice").await.is_empty());
    }
    // Whether the target is met or not: neither live nor VOD is said here.
    assert_eq!(result(&api.start("lv", "i1/alice", &[]).await, 400).1, [obligation]);
}

#[tokio::test]
async fn what_a_rule_turns_out_to_demand_is_asked_for_as_well() {
    let api = api().await;
    let (advice, obligations) = result(&api.start("plan", "i1/alice", &[]).await, 400);
    assert_eq!((advice.len(), &obligations[0]["action"]), (0, &json!("refresh")));
    api.started("plan", "i1/alice", &[("maxStreams", "1")]).await;
    assert_eq!(result(&api.start("plan", "i1/alice", &[("maxStreams", "1")]).await, 409).0[0]["threshold"], 1);
}
