//! Starts that the policies refuse, and what the viewer is told.

use serde_json::{Value, json};

use super::support::{Fixture, api, keys, result, send, text, violation};

#[tokio::test]
async fn c54_c55_c56_c57_the_fourth_of_three_is_refused_with_advice() {
    let api = api().await;
    let mut sessions = Vec::new();
    for _ in 0..3 {
        sessions.push(api.started("demo", "i1/alice", &[]).await);
    }
    let answer = api.start("demo", "i1/alice", &[]).await;
    assert!(answer.headers.get("location").is_none() && answer.headers.get("expires").is_none());
    let refusal = answer.headers["streamgate-refusal"].to_str().unwrap();
    let explained =
        api.gateway.client.get(format!("http://{}/api/refusals/{refusal}", api.gateway.control)).send().await;
    let explained: serde_json::Value = explained.unwrap().json().await.unwrap();
    assert_eq!(
        (&explained["reason"], &explained["account"]["subject"]),
        (&"limit".into(), &"alice".into()),
        "{explained}"
    );
    let advice = violation(&answer);
    assert_eq!(
        keys(&advice),
        ["attribute", "conflicts", "message", "policyName", "ruleName", "threshold", "type"],
        "no scope"
    );
    let expected = json!({ "type": "rule-violation", "message": "All 3 screens are in use", "policyName": "cap3",
                           "ruleName": "three-streams", "attribute": "streamId", "threshold": 3 });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&advice[name], value, "{name}");
    }
    sessions.sort_unstable();
    assert_eq!(keys(&advice["conflicts"]), sessions.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(advice["conflicts"].as_object().unwrap().values().all(|one| one.as_array().unwrap().len() == 1));
}

#[tokio::test]
async fn c58_c59_the_streams_in_the_way_are_shown_as_they_are_listed() {
    let api = api().await;
    let sent = [("channel", "arena-1"), ("deviceName", "Küche"), ("x", "y")];
    let known = api.started("demo", "i1/alice", &sent).await;
    let unknown = api.started("demo", "i1/alice", &[]).await;
    api.started("demo", "i1/alice", &[]).await;
    let advice = violation(&api.start("demo", "i1/alice", &[]).await);
    let listed = api.running("demo", "i1/alice").await;
    for (session, channel, device, metadata) in [
        (&known, "arena-1", "Küche", json!({ "channel": "arena-1", "deviceName": "Küche", "x": "y" })),
        (&unknown, "Unknown", "Unknown", json!({})),
    ] {
        let shown = &advice["conflicts"][session.as_str()][0];
        let names = ["applicationName", "channel", "deviceName", "metadata", "startedAt", "terminationCode"];
        assert_eq!(keys(shown), names);
        assert_eq!((&shown["channel"], &shown["deviceName"]), (&json!(channel), &json!(device)));
        assert_eq!((&shown["metadata"], &shown["applicationName"]), (&metadata, &json!("Demo app")));
        let listed = listed.iter().find(|stream| stream["sessionId"] == *session.as_str()).unwrap();
        assert_eq!(shown["terminationCode"], listed["terminationCode"]);
        let started = chrono::DateTime::parse_from_rfc3339(&text(&shown["startedAt"])).unwrap();
        assert_eq!(started.timestamp_millis(), listed["startTime"].as_i64().unwrap());
        assert!(text(&shown["startedAt"]).ends_with('Z') && text(&shown["startedAt"]).len() == 24, "{shown}");
    }
}

#[tokio::test]
async fn c60_a_limit_for_each_channel_names_its_scope() {
    let api = api().await;
    for _ in 0..2 {
        api.started("demo2", "i1/alice", &[("channel", "c1")]).await;
    }
    let advice = violation(&api.start("demo2", "i1/alice", &[("channel", "c1")]).await);
    assert_eq!((&advice["scope"], &advice["threshold"]), (&json!(["channel"]), &json!(2)));
    assert_eq!(advice["conflicts"].as_object().unwrap().len(), 2);
    api.started("demo2", "i1/alice", &[("channel", "c2")]).await;
}

#[tokio::test]
async fn c61_a_limit_on_devices_groups_the_streams_by_device() {
    let api = api().await;
    for device in ["d1", "d1", "d2"] {
        api.started("devs", "i1/alice", &[("deviceId", device)]).await;
    }
    let advice = violation(&api.start("devs", "i1/alice", &[("deviceId", "d3")]).await);
    assert_eq!(advice["attribute"], "deviceId");
    let counts = |device: &str| advice["conflicts"][device].as_array().map(Vec::len);
    assert_eq!((counts("d1"), counts("d2"), counts("d3")), (Some(2), Some(1), None));
    api.started("devs", "i1/alice", &[("deviceId", "d1")]).await;
}

#[tokio::test]
async fn c62_every_rule_that_refuses_is_named_in_configuration_order() {
    let api = api().await;
    api.started("two", "i1/alice", &[("deviceId", "d1")]).await;
    let (advice, _) = result(&api.start("two", "i1/alice", &[("deviceId", "d2")]).await, 409);
    let names: Vec<(Value, Value)> =
        advice.iter().map(|one| (one["policyName"].clone(), one["attribute"].clone())).collect();
    assert_eq!(names, [(json!("cap1"), json!("streamId")), (json!("one-device"), json!("deviceId"))]);
}

#[tokio::test]
async fn c63_without_a_policy_everything_starts() {
    let api = api().await;
    for _ in 0..15 {
        api.started("solo", "i1/alice", &[]).await;
    }
}

#[tokio::test]
async fn c64_a_rule_speaks_of_its_target_alone() {
    let api = api().await;
    let mut live = Vec::new();
    for _ in 0..3 {
        live.push(api.started("lv", "i1/alice", &[("contentType", "live")]).await);
    }
    let vod = api.started("lv", "i1/alice", &[("contentType", "vod")]).await;
    assert_eq!(api.ids("lv", "i1/alice").await.len(), 4);
    let second = api.started("lv", "i1/alice", &[("contentType", "vod")]).await;
    let running = api.ids("lv", "i1/alice").await;
    assert!(live.iter().chain([&second]).all(|session| running.contains(session)) && !running.contains(&vod));
}

#[tokio::test]
async fn c65_of_fifty_starts_at_once_three_are_admitted() {
    let api = Fixture { timers: "", ..Fixture::default() }.start().await;
    let starts: Vec<_> = (0..50).map(|_| tokio::spawn(send(api.starting("demo", "i1/alice", &[])))).collect();
    let mut statuses = Vec::new();
    for start in starts {
        statuses.push(start.await.unwrap().status);
    }
    let count = |status: u16| statuses.iter().filter(|known| **known == status).count();
    assert_eq!((count(202), count(409)), (3, 47), "{statuses:?}");
    assert_eq!(api.ids("demo", "i1/alice").await.len(), 3);
}

#[tokio::test]
async fn c66_a_refused_start_appears_nowhere_and_takes_no_slot() {
    let api = api().await;
    let mut sessions = Vec::new();
    for _ in 0..3 {
        sessions.push(api.started("demo", "i1/alice", &[]).await);
    }
    for _ in 0..5 {
        violation(&api.start("demo", "i1/alice", &[]).await);
    }
    assert_eq!(api.ids("demo", "i1/alice").await, sessions);
    api.stop("demo", "i1/alice", &sessions[0]).await;
    api.started("demo", "i1/alice", &[]).await;
}

#[tokio::test]
async fn c67_a_shared_policy_counts_the_streams_of_all_its_applications() {
    let api = api().await;
    for _ in 0..3 {
        api.started("demo", "i1/alice", &[]).await;
    }
    assert_eq!(violation(&api.start("guest", "i1/alice", &[]).await)["policyName"], "cap3");
    api.started("solo", "i1/alice", &[]).await;
}
