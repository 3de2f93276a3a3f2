//! Sessions start.

use std::collections::BTreeSet;
use std::slice::from_ref;

use serde_json::json;

use super::support::{Fixture, accepted, api, assert_status, interval, result, send};

#[tokio::test]
async fn c12_c13_a_start_is_accepted_bare_with_a_location_that_is_an_id() {
    let api = api().await;
    let answer = api.start("demo", "i1/alice", &[("channel", "arena-1")]).await;
    let id = accepted(&answer);
    assert_eq!(id.len(), 36);
    assert!(id.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit()), "{id}");
}

#[tokio::test]
async fn c14_each_start_is_a_session_of_its_own() {
    let api = api().await;
    let same = [("deviceId", "tv-1"), ("channel", "arena-1"), ("assetId", "a")];
    let mut ids = BTreeSet::new();
    for _ in 0..3 {
        ids.insert(api.started("demo", "i1/alice", &same).await);
    }
    assert_eq!(ids.len(), 3);
    assert_eq!(api.ids("demo", "i1/alice").await.len(), 3);
}

#[tokio::test]
async fn c15_the_interval_is_what_the_configuration_says() {
    let scaled = api().await;
    assert_eq!(interval(&scaled.start("demo", "i1/alice", &[]).await), 3);
    let usual = Fixture { timers: "", ..Fixture::default() }.start().await;
    assert_eq!(interval(&usual.start("demo", "i1/alice", &[]).await), 60);
}

#[tokio::test]
async fn c16_c17_c18_metadata_stand_in_the_query_and_in_a_form_which_wins() {
    let api = api().await;
    for (query, form, known) in [
        ("?channel=a&genre=news", [].as_slice(), json!({ "channel": "a", "genre": "news" })),
        ("", &[("channel", "b")], json!({ "channel": "b" })),
        (
            "?channel=a&genre=news",
            &[("channel", "b"), ("x", "y")],
            json!({ "channel": "b", "genre": "news", "x": "y" }),
        ),
    ] {
        let session = api.started("demo", &format!("i1/alice{query}"), form).await;
        assert_eq!(api.metadata("demo", "i1/alice", &session).await, known);
    }
}

#[tokio::test]
async fn c19_text_survives_and_a_plus_in_a_form_is_a_space() {
    let api = api().await;
    let call =
        api.call_of("demo", "POST", "/v2/sessions/i1/alice?a=x+y%2Bz").body("b=Wohnzimmer+%C3%BC&c=%E2%98%83&d=1%262");
    let session =
        accepted(&send(call.header("content-type", "application/x-www-form-urlencoded; charset=UTF-8")).await);
    let known = json!({ "a": "x y+z", "b": "Wohnzimmer ü", "c": "☃", "d": "1&2" });
    assert_eq!(api.metadata("demo", "i1/alice", &session).await, known);
}

#[tokio::test]
async fn c20_a_plus_in_a_path_is_a_plus() {
    let api = api().await;
    let session = api.started("demo", "i+1/a+b", &[]).await;
    assert_eq!(api.ids("demo", "i%2B1/a%2Bb").await, from_ref(&session));
    assert!(api.ids("demo", "i%201/a%20b").await.is_empty());
    assert_status(&api.beat("demo", "i%2B1/a%2bb", &session).await, 202);
}

#[tokio::test]
async fn c21_c22_accounts_are_told_apart_by_every_character_of_both_names() {
    let api = api().await;
    let accounts = ["i1/a%2Fb", "i1/a%252Fb", "i1/a", "i1%2Fa/b", "i2/a%2Fb", "I1/a%2Fb", "i1/A%2Fb", "i1/..%2fa"];
    let mut sessions = Vec::new();
    for account in accounts {
        sessions.push(api.started("demo", account, &[]).await);
    }
    for (account, session) in accounts.iter().zip(&sessions) {
        assert_eq!(api.ids("demo", account).await, from_ref(session), "{account}");
    }
}

#[tokio::test]
async fn c23_json_may_be_empty_or_an_object_of_texts() {
    let api = api().await;
    let json = |body: &'static str| {
        api.call_of("demo", "POST", "/v2/sessions/i1/alice").header("content-type", "application/json").body(body)
    };
    accepted(&send(json("")).await);
    let session = accepted(&send(json(r#"{"channel":"ü"}"#)).await);
    assert_eq!(api.metadata("demo", "i1/alice", &session).await, json!({ "channel": "ü" }));
    assert_eq!(result(&send(json(r#"{"channel":{}}"#)).await, 400), (vec![], vec![]));
}

#[tokio::test]
async fn c24_too_much_metadata_is_malformed_and_starts_nothing() {
    let api = api().await;
    let names: Vec<String> = (0..65).map(|nth| format!("k{nth}")).collect();
    let many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "v")).collect();
    let long = "v".repeat(513);
    for metadata in [many.as_slice(), &[("a", long.as_str())]] {
        assert_eq!(result(&api.start("demo", "i1/alice", metadata).await, 400), (vec![], vec![]));
    }
    assert!(api.ids("demo", "i1/alice").await.is_empty());
    api.started("demo", "i1/alice", &many[..64]).await;
    api.started("demo", "i1/alice", &[("a", &long[..512])]).await;
}

#[tokio::test]
async fn c25_nobody_else_says_what_the_gateway_says_itself() {
    let api = api().await;
    let forged = [
        ("superseded", "x"),
        ("applicationId", "fifo"),
        ("applicationName", "y"),
        ("streamId", "z"),
        ("idp", "i2"),
        ("a", "b"),
    ];
    let session = api.started("demo", "i1/alice", &forged).await;
    let running = api.running("demo", "i1/alice").await;
    assert_eq!(running[0]["applicationId"], "demo");
    assert_eq!(running[0]["sessionId"], session);
    assert_eq!(running[0]["metadata"], json!({ "a": "b" }));
}
