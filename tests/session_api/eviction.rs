//! Sessions that give way to others.

use std::slice::from_ref;

use super::support::{api, assert_status, keys, violation};

#[tokio::test]
async fn c90_c91_c92_the_first_gives_way_at_once_and_is_told_why_once() {
    let api = api().await;
    let first = api.started("fifo", "i1/alice", &[]).await;
    let second = api.started("fifo", "i1/alice", &[("channel", "kids-2")]).await;
    assert_eq!(api.ids("fifo", "i1/alice").await, from_ref(&second));
    // Another application's question takes nothing of it away.
    assert_status(&api.beat("demo", "i1/alice", &first).await, 403);
    let advice = violation(&api.beat("fifo", "i1/alice", &first).await);
    assert_eq!((&advice["policyName"], &advice["ruleName"]), (&"latest".into(), &"the-latest".into()));
    assert_eq!((&advice["attribute"], &advice["threshold"]), (&"streamId".into(), &1.into()));
    assert_eq!(keys(&advice["conflicts"]), [second.as_str()], "the newcomer is named");
    assert_eq!(advice["conflicts"][second.as_str()][0]["channel"], "kids-2");
    for _ in 0..2 {
        assert_status(&api.beat("fifo", "i1/alice", &first).await, 410);
    }
}

#[tokio::test]
async fn c93_one_that_gave_way_cannot_be_stopped() {
    let api = api().await;
    let first = api.started("fifo", "i1/alice", &[]).await;
    api.started("fifo", "i1/alice", &[]).await;
    assert_status(&api.stop("fifo", "i1/alice", &first).await, 410);
}

#[tokio::test]
async fn one_that_gave_way_to_a_session_that_has_ended_since_is_still_told_the_rule() {
    let api = api().await;
    let first = api.started("fifo", "i1/alice", &[]).await;
    let second = api.started("fifo", "i1/alice", &[]).await;
    assert_status(&api.stop("fifo", "i1/alice", &second).await, 202);
    let advice = violation(&api.beat("fifo", "i1/alice", &first).await);
    assert_eq!((&advice["ruleName"], &advice["threshold"]), (&"the-latest".into(), &1.into()));
    assert!(advice["conflicts"].as_object().unwrap().is_empty());
}

#[tokio::test]
async fn starts_of_one_account_in_the_same_millisecond_have_an_order() {
    let api = api().await;
    for round in 0..300 {
        let account = format!("i1/quick-{round}");
        // `started` refuses anything but 202.
        let first = api.started("fifo", &account, &[]).await;
        let second = api.started("fifo", &account, &[]).await;
        assert_eq!(api.ids("fifo", &account).await, from_ref(&second), "round {round}");
        assert_ne!(first, second);
    }
}
