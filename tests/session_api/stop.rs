//! Sessions stop.

use super::support::{api, assert_status};

#[tokio::test]
async fn c48_c49_c50_a_session_that_is_stopped_is_gone_at_once_and_for_good() {
    let api = api().await;
    let session = api.started("demo", "i1/alice", &[]).await;
    for _ in 0..2 {
        api.started("demo", "i1/alice", &[]).await;
    }
    assert_eq!(api.start("demo", "i1/alice", &[]).await.status, 409);
    let answer = api.stop("demo", "i1/alice", &session).await;
    assert_status(&answer, 202);
    assert!(answer.headers.get("expires").is_none() && answer.headers.get("location").is_none());
    assert!(!api.ids("demo", "i1/alice").await.contains(&session));
    assert_status(&api.stop("demo", "i1/alice", &session).await, 410);
    assert_status(&api.beat("demo", "i1/alice", &session).await, 410);
    api.started("demo", "i1/alice", &[]).await;
}

#[tokio::test]
async fn c51_c52_only_its_own_application_stops_a_session_that_there_is() {
    let api = api().await;
    let session = api.started("demo", "i1/alice", &[]).await;
    for id in ["7be1049c-5380-4c21-8f0b-e2a97d440001", "garbage"] {
        assert_status(&api.stop("demo", "i1/alice", id).await, 404);
    }
    assert_status(&api.stop("demo", "i1/bob", &session).await, 404);
    assert_status(&api.stop("demo2", "i1/alice", &session).await, 403);
    assert!(api.plays("demo", "i1/alice", &session).await);
    // Neither may another one when it is over.
    assert_status(&api.stop("demo", "i1/alice", &session).await, 202);
    assert_status(&api.stop("demo2", "i1/alice", &session).await, 403);
}

#[tokio::test]
async fn c53_a_session_that_has_expired_cannot_be_stopped() {
    let api = api().await;
    let session = api.started("demo", "i1/alice", &[]).await;
    api.silent("demo", "i1/alice").await;
    assert_status(&api.stop("demo", "i1/alice", &session).await, 410);
}
