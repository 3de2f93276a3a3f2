//! Starts.

use super::gateway::now;
use super::support::{House, json};

#[tokio::test]
async fn c111_a_start_is_answered_with_its_address_its_links_and_the_activity_that_it_makes() {
    let house = House::new().await;
    let form = [("channel", "arena-1"), ("deviceId", "tv-livingroom")];
    let before = now() * 1000;
    let stream = house.start("demo", "H-2041", &form).await;
    assert!(stream.headers["location"].to_str().unwrap().starts_with("http://"), "absolute");
    assert_eq!(stream.path, format!("/v1/demo/acme/accounts/H-2041/streams/{}", stream.id()));
    let started = stream.body["streamStart"].as_u64().unwrap();
    assert!(started >= before && started < before + 60_000, "{started} is in milliseconds");
    assert_eq!(u64::from_str_radix(&stream.id().replace('-', "")[..16], 16).unwrap(), started);
    assert!(stream.is_compliant());
    let address = house.page(&stream.path);
    let links = serde_json::json!({
        "self": { "href": address },
        "heartbeat": { "href": format!("{address}{{?event}}"), "templated": true },
    });
    assert_eq!(stream.body["_links"], links);
    assert_eq!(stream.body["activity"], serde_json::json!({ "activeStreams": [{ "streamCount": 1 }] }));
    assert_eq!(stream.headers["content-type"], "application/json; charset=UTF-8");
}

#[tokio::test]
async fn c112_the_address_and_the_template_of_the_heartbeat_lead_somewhere() {
    let house = House::new().await;
    let stream = house.start("demo", "alice", &[]).await;
    let shown = house.client.get(stream.headers["location"].to_str().unwrap()).send().await.unwrap();
    assert_eq!(shown.status(), 200);
    let shown: serde_json::Value = serde_json::from_slice(&shown.bytes().await.unwrap()).unwrap();
    for field in ["_links", "streamId", "streamStart", "policyCompliant"] {
        assert_eq!(shown[field], stream.body[field], "{field}");
    }
    let template = stream.body["_links"]["heartbeat"]["href"].as_str().unwrap();
    for (event, count) in [("?event=alive", 1), ("", 1), ("?event=stop", 0)] {
        let answer = house.client.post(template.replace("{?event}", event)).send().await.unwrap();
        assert_eq!(answer.status(), 202, "{event}");
        assert_eq!(house.count("demo", "alice").await, count, "{event}");
    }
}

#[tokio::test]
async fn c118_a_denied_start_is_a_stream_that_keeps_no_policy_and_takes_no_slot() {
    let house = House::new().await;
    let first = house.start("one", "alice", &[]).await;
    let denied = house.start("one", "alice", &[]).await;
    assert!(!denied.is_compliant());
    assert_eq!(denied.count(), 1, "the activity is that of the first alone");
    assert_eq!(house.count("one", "alice").await, 1);
    assert!(!house.is_compliant(&denied).await && house.is_compliant(&first).await);
    assert_eq!(house.event(&denied, "alive").await, 202);
    assert_eq!(house.event(&first, "stop").await, 202);
    // There is room now, and it stays as it is.
    assert_eq!(house.event(&denied, "alive").await, 202);
    assert!(!house.is_compliant(&denied).await);
    assert_eq!(house.count("one", "alice").await, 0);
    assert_eq!(house.event(&denied, "stop").await, 202);
    assert!(house.start("one", "alice", &[]).await.is_compliant(), "a retry is another start");
}

#[tokio::test]
async fn metadata_come_in_the_query_in_a_form_or_as_json() {
    let house = House::new().await;
    let path = "/v1/demo/acme/accounts/alice/streams?channel=query&genre=a%2Bb";
    let form = house.post(path, &[("channel", "form"), ("name", "Zoë & co"), ("streamStart", "1")]).await;
    assert_eq!(form.status, 201);
    let sent = house.client.post(house.page(path)).header("content-type", "application/json");
    assert_eq!(sent.body("").send().await.unwrap().status(), 201, "an empty body is no JSON, and yet sent");
    let list = json(&house.ask("/v1/demo/acme/accounts/alice/streams?fields=channel,genre,name").await);
    let listed = |at: usize, name: &str| list["streams"][at][name].as_str().unwrap().to_owned();
    assert_eq!([0, 1].map(|at| listed(at, "channel")), ["form", "query"]);
    assert_eq!(
        (listed(0, "genre"), listed(0, "name"), listed(1, "name")),
        ("a+b".into(), "Zoë & co".into(), "Unknown".into())
    );
    assert_ne!(list["streams"][0]["streamStart"], 1);
}

#[tokio::test]
async fn what_a_rule_looks_at_and_nobody_sent_counts_as_unknown() {
    let house = House::new().await;
    for _ in 0..3 {
        assert!(house.start("devs", "alice", &[]).await.is_compliant(), "one unknown device");
    }
    assert!(house.start("devs", "alice", &[("deviceId", "tablet")]).await.is_compliant());
    assert!(!house.start("devs", "alice", &[("deviceId", "phone")]).await.is_compliant());
    assert_eq!(house.count("devs", "alice").await, 4);
}

#[tokio::test]
async fn fifty_starts_at_once_make_as_many_streams_as_may_run() {
    let house = std::sync::Arc::new(House::new().await);
    let starts: Vec<_> = (0..50)
        .map(|_| {
            let house = house.clone();
            tokio::spawn(async move { house.start("demo", "alice", &[]).await.is_compliant() })
        })
        .collect();
    let mut compliant = 0;
    for start in starts {
        compliant += usize::from(start.await.unwrap());
    }
    assert_eq!(compliant, 3);
    assert_eq!(house.count("demo", "alice").await, 3);
}
