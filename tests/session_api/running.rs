//! What runs.

use serde_json::json;

use super::program::until;
use super::support::{Fixture, LASTING, api, assert_status, date, json as read, keys, text};

#[tokio::test]
async fn c94_of_an_account_that_nobody_knows_nothing_runs() {
    let api = api().await;
    let answer = api.listed("demo", "i1/nobody").await;
    assert_eq!(read(&answer), json!({ "runningStreams": [], "otherStreams": 0 }));
    assert!(answer.headers.get("expires").is_none());
}

#[tokio::test]
async fn c95_streams_are_listed_with_all_that_is_known_oldest_first() {
    let api = Fixture { timers: LASTING, ..Fixture::default() }.start().await;
    let mut sessions = Vec::new();
    for channel in ["b", "a", "c"] {
        sessions.push(api.started("demo", "i1/alice", &[("channel", channel)]).await);
    }
    assert_eq!(api.ids("demo", "i1/alice").await, sessions);
    let running = api.running("demo", "i1/alice").await;
    let mut codes = Vec::new();
    for (stream, channel) in running.iter().zip(["b", "a", "c"]) {
        let names = ["applicationId", "applicationName", "metadata", "sessionId", "startTime", "terminationCode"];
        assert_eq!(keys(stream), names);
        assert_eq!((&stream["applicationId"], &stream["applicationName"]), (&json!("demo"), &json!("Demo app")));
        assert_eq!(stream["metadata"], json!({ "channel": channel }));
        assert!(stream["startTime"].as_u64().unwrap() > 1_700_000_000_000, "milliseconds");
        codes.push(text(&stream["terminationCode"]));
    }
    assert!(running.is_sorted_by_key(|stream| stream["startTime"].as_u64()));
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), 3, "each has a code of its own");
}

#[tokio::test]
async fn c96_the_list_expires_with_the_first_of_its_streams() {
    let api = Fixture { timers: LASTING, ..Fixture::default() }.start().await;
    let first = api.start("demo", "i1/alice", &[]).await;
    let due = date(&first, "expires");
    api.clock_reaches(date(&first, "date") + 2).await;
    let second = api.start("demo", "i1/alice", &[]).await;
    assert_eq!(date(&api.listed("demo", "i1/alice").await, "expires"), due);
    assert_status(&api.beat("demo", "i1/alice", first.header("location")).await, 202);
    assert_eq!(date(&api.listed("demo", "i1/alice").await, "expires"), date(&second, "expires"));
    assert!(date(&second, "expires") > due);
}

#[tokio::test]
async fn c97_c98_c99_who_shares_a_tenant_or_a_policy_is_listed_and_the_rest_is_counted() {
    let api = api().await;
    let own = api.started("demo", "i1/alice", &[]).await;
    let of_tenant = api.started("fifo", "i1/alice", &[]).await;
    let of_policy = api.started("guest", "i1/alice", &[]).await;
    let neither = api.started("solo", "i1/alice", &[]).await;
    let list = read(&api.listed("demo", "i1/alice").await);
    assert_eq!(api.ids("demo", "i1/alice").await, [own.clone(), of_tenant, of_policy.clone()]);
    assert_eq!(list["otherStreams"], 1);
    let list = read(&api.listed("solo", "i1/alice").await);
    assert_eq!(api.ids("solo", "i1/alice").await, [of_policy, neither]);
    assert_eq!(list["otherStreams"], 2);
    // The last one goes: what is left shows nothing, and says that there is something.
    until("the sessions have expired", async || api.ids("demo", "i1/alice").await.is_empty()).await;
}

#[tokio::test]
async fn c100_the_list_may_be_read_as_often_as_one_likes() {
    let api = api().await;
    api.started("demo", "i1/alice", &[]).await;
    for _ in 0..60 {
        api.listed("demo", "i1/alice").await;
    }
}
