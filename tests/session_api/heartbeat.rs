//! Sessions play on.

use serde_json::json;

use super::program::until;
use super::support::{api, assert_status, date, interval, result, send, violation};

#[tokio::test]
async fn c32_a_heartbeat_is_accepted_bare_for_another_interval() {
    let api = api().await;
    let session = api.started("demo", "i1/alice", &[]).await;
    let answer = api.beat("demo", "i1/alice", &session).await;
    assert_status(&answer, 202);
    assert!(answer.headers.get("location").is_none());
    assert_eq!(interval(&answer), 3);
}

#[tokio::test]
async fn c33_c34_c35_one_that_is_late_is_accepted_within_the_grace_and_no_later() {
    let api = api().await;
    let session = api.started("demo", "i1/alice", &[]).await;
    let is_late = async || {
        let list = api.listed("demo", "i1/alice").await;
        date(&list, "date") > date(&list, "expires")
    };
    until("the announced time is over", is_late).await;
    assert_status(&api.beat("demo", "i1/alice", &session).await, 202);

    let others = [api.started("demo", "i1/alice", &[]).await, api.started("demo", "i1/alice", &[]).await];
    assert_eq!(api.start("demo", "i1/alice", &[]).await.status, 409);
    until("the session has expired", async || {
        for other in &others {
            assert_status(&api.beat("demo", "i1/alice", other).await, 202);
        }
        tokio::time::sleep(std::time::Duration::from_millis(900)).await;
        !api.ids("demo", "i1/alice").await.contains(&session)
    })
    .await;
    assert_status(&api.beat("demo", "i1/alice", &session).await, 410);
    api.started("demo", "i1/alice", &[]).await;
    assert_eq!(api.start("demo", "i1/alice", &[]).await.status, 409);
}

#[tokio::test]
async fn c36_a_session_that_is_kept_alive_is_never_refused() {
    let api = api().await;
    let session = api.started("demo", "i1/alice", &[]).await;
    for _ in 0..5 {
        let expires = date(&api.listed("demo", "i1/alice").await, "expires");
        api.clock_reaches(expires).await;
        assert_status(&api.beat("demo", "i1/alice", &session).await, 202);
    }
}

#[tokio::test]
async fn c37_c38_c39_c40_a_session_is_known_to_its_account_and_its_application_alone() {
    let api = api().await;
    let session = api.started("demo", "i1/alice", &[]).await;
    for id in ["7be1049c-5380-4c21-8f0b-e2a97d440001", "garbage", "%ff"] {
        assert_status(&api.beat("demo", "i1/alice", id).await, 404);
    }
    for account in ["i1/bob", "i2/alice"] {
        assert_status(&api.beat("demo", account, &session).await, 404);
    }
    assert_status(&api.beat("demo2", "i1/alice", &session).await, 403);
    assert_status(&api.beat("guest", "i1/alice", &session).await, 403);
    assert_status(&api.beat("demo", "i1/alice", &session).await, 202);
    assert_eq!(api.ids("demo", "i1/alice").await, [session]);
}

#[tokio::test]
async fn c41_c42_metadata_may_be_added_and_changed() {
    let api = api().await;
    let session = api.started("demo", "i1/alice", &[("genre", "news"), ("title", "a")]).await;
    assert_status(&api.beat_with("demo", "i1/alice", &session, &[("city", "Köln"), ("genre", "sport")]).await, 202);
    let query = format!("/v2/sessions/i1/alice/{session}?state=NRW");
    assert_status(&send(api.call_of("demo", "POST", &query)).await, 202);
    let known = json!({ "city": "Köln", "genre": "sport", "state": "NRW", "title": "a" });
    assert_eq!(api.metadata("demo", "i1/alice", &session).await, known);
}

#[tokio::test]
async fn c43_c44_what_says_under_which_right_something_is_watched_is_frozen_once_it_is_set() {
    let api = api().await;
    let names = ["package", "channel", "platform", "assetId", "hba_status", "hba", "mobileDevice"];
    let session = api.started("demo", "i1/alice", &[("genre", "news")]).await;
    for (value, stands) in [("true", "true"), ("false", "true")] {
        for name in names {
            assert_status(&api.beat_with("demo", "i1/alice", &session, &[(name, value)]).await, 202);
            assert_eq!(api.metadata("demo", "i1/alice", &session).await[name], stands, "{name}");
        }
    }
    api.gateway.counts("streamgate_immutable_attribute_changes_total", "application=\"demo\"", 7).await;
}

#[tokio::test]
async fn c45_whose_session_it_is_cannot_be_altered() {
    let api = api().await;
    let session = api.started("demo", "i1/alice", &[("a", "b")]).await;
    let news = [("idp", "i2"), ("mvpd", "i2"), ("accountId", "bob"), ("superseded", "x")];
    assert_status(&api.beat_with("demo", "i1/alice", &session, &news).await, 202);
    assert_eq!(api.metadata("demo", "i1/alice", &session).await, json!({ "a": "b" }));
    assert!(api.ids("demo", "i2/alice").await.is_empty() && api.ids("demo", "i2/bob").await.is_empty());
}

#[tokio::test]
async fn c46_a_heartbeat_kills_nothing() {
    let api = api().await;
    let session = api.started("demo", "i1/alice", &[]).await;
    let other = api.started("demo", "i1/alice", &[]).await;
    let code = api.code("demo", "i1/alice", &other).await;
    let call = api.call_of("demo", "POST", &format!("/v2/sessions/i1/alice/{session}"));
    assert_status(&send(call.header("x-terminate", code)).await, 202);
    assert!(api.plays("demo", "i1/alice", &other).await);
}

#[tokio::test]
async fn c47_a_session_that_turns_out_to_be_one_too_many_ends_by_its_own_heartbeat() {
    let api = api().await;
    let device = |name: &'static str| [("deviceId", name)];
    let first = api.started("devs", "i1/alice", &device("d1")).await;
    let second = api.started("devs", "i1/alice", &device("d1")).await;
    let third = api.started("devs", "i1/alice", &device("d2")).await;
    let advice = violation(&api.beat_with("devs", "i1/alice", &first, &device("d3")).await);
    assert_eq!((&advice["attribute"], &advice["threshold"]), (&json!("deviceId"), &json!(2)));
    assert_status(&api.beat("devs", "i1/alice", &first).await, 410);
    assert!(api.plays("devs", "i1/alice", &second).await && api.plays("devs", "i1/alice", &third).await);
}

#[tokio::test]
async fn a_heartbeat_may_not_bring_more_attributes_than_a_stream_may_have() {
    let api = api().await;
    let names: Vec<String> = (0..65).map(|nth| format!("k{nth}")).collect();
    let all: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "v")).collect();
    let session = api.started("demo", "i1/alice", &all[..60]).await;
    assert_eq!(result(&api.beat_with("demo", "i1/alice", &session, &all[60..]).await, 400), (vec![], vec![]));
    assert_eq!(api.metadata("demo", "i1/alice", &session).await.as_object().unwrap().len(), 60);
    assert_status(&api.beat_with("demo", "i1/alice", &session, &all[..64]).await, 202);
    assert_eq!(api.metadata("demo", "i1/alice", &session).await.as_object().unwrap().len(), 64);
}
