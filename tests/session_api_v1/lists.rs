//! Lists and numbers.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::support::{House, json as read};

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test]
async fn c120_fields_adds_exactly_what_it_names() {
    let house = House::new().await;
    let sent = [("channel", "arena-1"), ("deviceId", "tv"), ("initiator", "alice@example.com")];
    let first = house.start("demo", "alice", &sent).await;
    let second = house.start("demo", "alice", &[]).await;
    let path = "/v1/demo/acme/accounts/alice/streams";
    let standard = BTreeSet::from(["application", "mvpd", "accountId", "streamId", "streamStart"]);
    let with = |more: &[&'static str]| standard.iter().chain(more).copied().collect::<BTreeSet<_>>();
    let list = read(&house.ask(path).await);
    assert_eq!(keys(&list), BTreeSet::from(["_links", "streams"]));
    assert_eq!(list["_links"]["self"]["href"], house.page(path));
    assert_eq!(keys(&list["streams"][0]), with(&["initiator"]));
    assert_eq!(keys(&list["streams"][1]), standard, "what was not sent is not there");
    let expected = json!({
        "application": "demo", "mvpd": "acme", "accountId": "alice", "streamId": first.id(),
        "streamStart": first.body["streamStart"], "initiator": "alice@example.com",
    });
    assert_eq!(list["streams"][0], expected);
    assert_eq!(list["streams"][1]["streamId"], second.id());

    let list = read(&house.ask(&format!("{path}?fields=channel,%20genre,streamId,,channel")).await);
    assert_eq!(keys(&list["streams"][0]), with(&["initiator", "channel", "genre"]));
    assert_eq!(list["streams"][0]["channel"], "arena-1");
    assert_eq!(list["streams"][1]["channel"], "Unknown", "what was asked for is there in any case");
}

#[tokio::test]
async fn a_list_shows_what_its_application_may_see() {
    let house = House::new().await;
    let demo = house.start("demo", "alice", &[]).await;
    let twin = house.start("twin", "alice", &[]).await;
    let solo = house.start("solo", "alice", &[]).await;
    for (application, seen) in [("demo", vec![&demo, &twin]), ("locked", vec![]), ("solo", vec![&solo])] {
        let answer = house.ask(&format!("/v1/{application}/acme/accounts/alice/streams")).await;
        if application == "locked" {
            assert_eq!(answer.status, 403, "it does not speak for this provider");
            continue;
        }
        let list = read(&answer);
        let ids: Vec<&str> =
            list["streams"].as_array().unwrap().iter().map(|one| one["streamId"].as_str().unwrap()).collect();
        assert_eq!(ids, seen.iter().map(|stream| stream.id()).collect::<Vec<_>>(), "{application}");
        assert_eq!(house.count(application, "alice").await, 3, "the number is that of all");
    }
    house.event(&demo, "stop").await;
    let list = read(&house.ask("/v1/demo/acme/accounts/alice/streams").await);
    assert_eq!(list["streams"].as_array().unwrap().len(), 1, "what has ended is not listed");
}

#[tokio::test]
async fn c121_dimensions_group_the_streams_and_sum_to_their_number() {
    let house = House::new().await;
    for (kind, channel) in [("tv", "one"), ("tv", "two"), ("phone", "one")] {
        assert!(house.start("demo", "alice", &[("deviceType", kind), ("channel", channel)]).await.is_compliant());
    }
    house.start("solo", "alice", &[("deviceType", "secret")]).await;
    let path = "/v1/demo/acme/accounts/alice/activity?metrics=activeStreams";
    assert_eq!(read(&house.ask(path).await)["activeStreams"], json!([{ "streamCount": 4 }]));
    let by = async |dimensions: &str| {
        let path = format!("{path}&dimensions={dimensions}");
        let report = read(&house.ask(&path).await);
        assert_eq!(report["_links"]["self"]["href"], house.page(&path));
        let groups = report["activeStreams"].clone();
        let sum: u64 = groups.as_array().unwrap().iter().map(|group| group["streamCount"].as_u64().unwrap()).sum();
        assert_eq!(sum, 4, "{dimensions}");
        groups
    };
    let expected = json!([
        { "deviceType": "Unknown", "streamCount": 1 },
        { "deviceType": "phone", "streamCount": 1 },
        { "deviceType": "tv", "streamCount": 2 },
    ]);
    assert_eq!(by("deviceType").await, expected);
    let expected = json!([
        { "channel": "Unknown", "deviceType": "Unknown", "streamCount": 1 },
        { "channel": "one", "deviceType": "phone", "streamCount": 1 },
        { "channel": "one", "deviceType": "tv", "streamCount": 1 },
        { "channel": "two", "deviceType": "tv", "streamCount": 1 },
    ]);
    assert_eq!(by("deviceType,channel").await, expected);
    // Of another tenant without a policy in common is told that it counts, and no more.
    let expected = json!([{ "application": "Unknown", "streamCount": 1 }, { "application": "demo", "streamCount": 3 }]);
    assert_eq!(by("application").await, expected);
    assert_eq!(by("mvpd").await, json!([{ "mvpd": "acme", "streamCount": 4 }]));
    assert_eq!(by("streamId").await.as_array().unwrap().len(), 4);
    let nobody =
        read(&house.ask("/v1/demo/acme/accounts/nobody/activity?metrics=activeStreams&dimensions=channel").await);
    assert_eq!(nobody["activeStreams"], json!([]));
}

#[tokio::test]
async fn c122_what_is_unknown_is_400_in_a_query_and_404_in_a_path() {
    let house = House::new().await;
    let stream = house.start("demo", "alice", &[]).await;
    let base = "/v1/demo/acme/accounts/alice";
    for query in ["", "?metrics=", "?metrics=bytes", "?metrics=activeStreams,bytes", "?metrics=activestreams"] {
        let answer = house.ask(&format!("{base}/activity{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
    }
    for event in ["pause", "ALIVE", "", "stop,alive"] {
        assert_eq!(house.event(&stream, event).await, 400, "{event}");
    }
    assert_eq!(house.count("demo", "alice").await, 1, "nothing has happened to it");

    let never = "000001a1-a2c8-5380-8c21-5f0be2a97d44";
    let id = stream.id();
    for path in [
        format!("{base}/streams/{never}"),
        format!("{base}/streams/no-id-at-all"),
        format!("/v1/demo/acme/accounts/bob/streams/{id}"),
        format!("/v1/demo/ACME/accounts/alice/streams/{id}"),
        format!("/v1/twin/acme/accounts/alice/streams/{id}"),
        format!("/v1/nobody/acme/accounts/alice/streams/{id}"),
    ] {
        assert_eq!(house.ask(&path).await.status, 404, "{path}");
        assert_eq!(house.post(&format!("{path}?event=stop"), &[]).await.status, 404, "{path}");
    }
    assert!(house.is_compliant(&stream).await, "and it is unharmed");
    assert_eq!(house.count("demo", "alice").await, 1);
    for application in ["nobody", "media", "Demo", "demo%20"] {
        let path = format!("/v1/{application}/acme/accounts/alice");
        assert_eq!(house.ask(&format!("{path}/activity?metrics=activeStreams")).await.status, 404, "{application}");
        assert_eq!(house.ask(&format!("{path}/streams")).await.status, 404, "{application}");
        assert_eq!(house.post(&format!("{path}/streams"), &[]).await.status, 404, "{application}");
    }
}
