//! The table of the contract's section on policies: latest wins on two applications of different tenants, first wins on two of
//! one tenant, one account.

use super::support::{Api, api, assert_status, result, violation};

const ACCOUNT: &str = "i1/alice";

/// Starts a session on an application, with a device if one is named.
async fn start(api: &Api, application: &'static str, device: &str) -> (&'static str, String) {
    let device = [("deviceId", device)];
    (application, api.started(application, ACCOUNT, &device).await)
}

/// Those that run hear so at their heartbeat; those that gave way hear why, once.
async fn assert_runs(api: &Api, running: &[&(&str, String)], evicted: &[&(&str, String)]) {
    for (application, session) in running {
        assert_status(&api.beat(application, ACCOUNT, session).await, 202);
    }
    for (application, session) in evicted {
        violation(&api.beat(application, ACCOUNT, session).await);
        assert_status(&api.beat(application, ACCOUNT, session).await, 410);
    }
}

#[tokio::test]
async fn c68_c69_c70_c71_the_latest_wins_across_tenants_and_another_policy_does_not_mind() {
    let api = api().await;
    let s1 = start(&api, "app1", "").await;
    assert_runs(&api, &[&s1], &[]).await;
    let s2 = start(&api, "app1", "").await;
    assert_runs(&api, &[&s2], &[&s1]).await;
    let s3 = start(&api, "app2", "").await;
    assert_runs(&api, &[&s3], &[&s2]).await;
    let s4 = start(&api, "app3", "").await;
    assert_runs(&api, &[&s3, &s4], &[]).await;
}

/// The stand before the last three rows of that application pair.
async fn third_and_fourth(api: &Api) -> [(&'static str, String); 2] {
    [start(api, "app2", "").await, start(api, "app3", "").await]
}

#[tokio::test]
async fn c72_a_policy_that_would_let_streams_give_way_makes_no_room_for_one_that_refuses() {
    let api = api().await;
    let [s3, s4] = third_and_fourth(&api).await;
    let (advice, _) = result(&api.start("app2", ACCOUNT, &[]).await, 409);
    assert_eq!(advice.iter().map(|one| one["policyName"].clone()).collect::<Vec<_>>(), ["p2"]);
    assert_runs(&api, &[&s3, &s4], &[]).await;
}

#[tokio::test]
async fn c73_the_first_wins_where_its_policy_alone_speaks() {
    let api = api().await;
    let [s3, s4] = third_and_fourth(&api).await;
    assert_eq!(violation(&api.start("app3", ACCOUNT, &[]).await)["policyName"], "p2");
    assert_runs(&api, &[&s3, &s4], &[]).await;
}

#[tokio::test]
async fn c74_the_latest_wins_over_another_tenants_stream_and_leaves_the_rest() {
    let api = api().await;
    let [s3, s4] = third_and_fourth(&api).await;
    let s5 = start(&api, "app1", "").await;
    assert_runs(&api, &[&s4, &s5], &[&s3]).await;
}

#[tokio::test]
async fn c75_a_device_too_many_gives_way_although_there_is_room_for_its_stream() {
    let api = api().await;
    let s1 = start(&api, "duo", "dev1").await;
    let s2 = start(&api, "duo", "dev2").await;
    let s3 = start(&api, "duo", "dev3").await;
    assert_runs(&api, &[&s2, &s3], &[&s1]).await;
}
