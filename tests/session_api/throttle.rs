//! How often calls are answered: twenty in six seconds here.

use super::support::{Answer, Api, Fixture, LASTING, api, assert_bare, assert_status, date, send};

const ACCOUNT: &str = "i1/alice";

/// Sessions outlast the windows.
async fn lasting() -> Api {
    Fixture { timers: LASTING, ..Fixture::default() }.start().await
}

/// Calls of one kind until the first that is throttled, and how many passed.
async fn throttled(count: usize, call: impl AsyncFn() -> Answer) -> (usize, Answer) {
    for nth in 0..count {
        let answer = call().await;
        if answer.status == 429 {
            return (nth, answer);
        }
    }
    panic!("{count} calls passed");
}

#[tokio::test]
async fn c101_c103_c107_c108_c109_heartbeats_and_stops_of_a_session_are_counted_in_a_window() {
    let api = lasting().await;
    let session = api.started("demo", ACCOUNT, &[]).await;
    let opened = date(&api.beat("demo", ACCOUNT, &session).await, "date");
    for _ in 0..4 {
        assert_status(&api.beat("demo", ACCOUNT, &session).await, 202);
    }
    api.clock_reaches(opened + 2).await;
    let (passed, refused) = throttled(16, async || api.beat("demo", ACCOUNT, &session).await).await;
    assert_eq!(passed, 15);
    assert_bare(&refused);
    assert_eq!(date(&refused, "expires"), opened + 6);
    let left = date(&refused, "expires") - date(&refused, "date");
    assert_eq!(refused.header("retry-after"), left.to_string());
    // A stop is counted with them, and refusals prolong nothing.
    for _ in 0..5 {
        let answer = api.stop("demo", ACCOUNT, &session).await;
        assert_status(&answer, 429);
        assert_eq!(date(&answer, "expires"), opened + 6);
    }
    api.clock_reaches(opened + 6).await;
    assert_status(&api.stop("demo", ACCOUNT, &session).await, 202);
}

#[tokio::test]
async fn c102_starts_of_an_account_are_counted_in_a_window() {
    let api = lasting().await;
    let first = api.start("solo", ACCOUNT, &[]).await;
    let opened = date(&first, "date");
    for _ in 0..4 {
        api.started("solo", ACCOUNT, &[]).await;
    }
    api.clock_reaches(opened + 2).await;
    let (passed, refused) = throttled(16, async || api.start("solo", ACCOUNT, &[]).await).await;
    assert_eq!((passed, date(&refused, "expires")), (15, opened + 6));
    assert_status(&api.start("demo", ACCOUNT, &[]).await, 429);
    api.clock_reaches(opened + 6).await;
    api.started("solo", ACCOUNT, &[]).await;
}

#[tokio::test]
async fn c104_c105_c106_other_sessions_and_other_accounts_are_counted_by_themselves() {
    let api = lasting().await;
    let session = api.started("demo", ACCOUNT, &[]).await;
    let other = api.started("demo", ACCOUNT, &[]).await;
    assert_eq!(throttled(21, async || api.beat("demo", ACCOUNT, &session).await).await.0, 20);
    assert_eq!(throttled(21, async || api.start("demo", ACCOUNT, &[]).await).await.0, 18);
    assert_status(&api.beat("demo", ACCOUNT, &other).await, 202);
    api.started("demo", "i1/bob", &[]).await;
    api.started("demo", "i2/alice", &[]).await;
}

#[tokio::test]
async fn c110_calls_of_nobody_are_not_counted() {
    let api = lasting().await;
    let session = api.started("demo", ACCOUNT, &[]).await;
    let path = format!("/v2/sessions/{ACCOUNT}/{session}");
    for _ in 0..30 {
        assert_status(&send(api.call("POST", &path)).await, 401);
        assert_status(&api.beat("fifo", ACCOUNT, &session).await, 403);
    }
    assert_eq!(throttled(21, async || api.beat("demo", ACCOUNT, &session).await).await.0, 20);
}

#[tokio::test]
async fn calls_count_whatever_comes_of_them() {
    let api = api().await;
    let call = async || {
        let call = api.starting("demo", ACCOUNT, &[]).header("content-type", "text/plain").body("x");
        send(call).await
    };
    assert_eq!(throttled(21, call).await.0, 20);
}
