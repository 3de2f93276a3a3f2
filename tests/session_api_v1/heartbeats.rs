//! Heartbeats, silence, and what ends a stream.

use std::time::{Duration, Instant};

use super::support::{House, json as read, until};

#[tokio::test]
async fn c113_c114_c115_alive_and_stop_are_answered_with_nothing_and_stop_counts_at_once() {
    let house = House::new().await;
    let stream = house.start("demo", "alice", &[]).await;
    let other = house.start("demo", "alice", &[]).await;
    assert_eq!(house.event(&stream, "alive").await, 202);
    assert_eq!(house.post(&stream.path, &[("event", "alive")]).await.status, 202, "in a form as well");
    assert_eq!(house.count("demo", "alice").await, 2);
    assert_eq!(house.event(&stream, "stop").await, 202);
    assert_eq!(house.count("demo", "alice").await, 1);
    assert_eq!(house.event(&stream, "stop").await, 202);
    assert_eq!(house.event(&stream, "alive").await, 202);
    assert_eq!(house.count("demo", "alice").await, 1, "what was stopped stays so");
    assert!(!house.is_compliant(&stream).await && house.is_compliant(&other).await);
}

#[tokio::test]
async fn c116_another_application_sees_the_count_rise_and_fall() {
    let house = House::new().await;
    // Of another tenant, and under no common policy.
    assert_eq!(house.count("solo", "alice").await, 0);
    let stream = house.start("demo", "alice", &[]).await;
    assert_eq!(house.count("solo", "alice").await, 1);
    assert_eq!(house.count("solo", "bob").await, 0);
    house.event(&stream, "stop").await;
    assert_eq!(house.count("solo", "alice").await, 0);
}

#[tokio::test]
async fn c117_silence_ends_the_counting_and_the_next_word_begins_it_again() {
    let house = House::new().await;
    let began = Instant::now();
    let stream = house.start("demo", "alice", &[]).await;
    house.counts_to("demo", "alice", 0).await;
    assert!(began.elapsed() >= Duration::from_secs(5), "it counts for 5 s after its last event");
    assert!(house.is_compliant(&stream).await, "it would be admitted");
    assert_eq!(house.event(&stream, "alive").await, 202);
    assert_eq!(house.count("demo", "alice").await, 1);
    assert_eq!(house.event(&stream, "stop").await, 202);
    assert_eq!(house.count("demo", "alice").await, 0);
}

#[tokio::test]
async fn a_stream_that_says_so_in_time_is_counted_through_and_through() {
    let house = House::new().await;
    let stream = house.start("one", "alice", &[]).await;
    let began = Instant::now();
    until("six intervals are over", async || {
        assert_eq!(house.event(&stream, "alive").await, 202);
        assert_eq!(house.count("one", "alice").await, 1);
        tokio::time::sleep(Duration::from_millis(500)).await;
        began.elapsed() > Duration::from_secs(18)
    })
    .await;
    assert!(house.is_compliant(&stream).await);
}

#[tokio::test]
async fn a_stream_that_comes_back_too_late_finds_its_slot_taken_and_gets_it_when_it_is_free() {
    let house = House::new().await;
    let first = house.start("one", "alice", &[]).await;
    house.counts_to("one", "alice", 0).await;
    let second = house.start("one", "alice", &[]).await;
    assert!(second.is_compliant());
    assert_eq!(house.event(&first, "alive").await, 202);
    assert!(!house.is_compliant(&first).await && house.is_compliant(&second).await);
    assert_eq!(house.count("one", "alice").await, 1);
    house.event(&second, "stop").await;
    assert_eq!(house.event(&first, "alive").await, 202);
    assert!(house.is_compliant(&first).await);
    assert_eq!(house.count("one", "alice").await, 1);
}

#[tokio::test]
async fn c119_a_stream_that_gave_way_keeps_no_policy_and_may_go_on_asking() {
    let house = House::new().await;
    let first = house.start("fifo", "alice", &[]).await;
    let second = house.start("fifo", "alice", &[]).await;
    assert_eq!(second.count(), 1);
    for _ in 0..3 {
        assert!(!house.is_compliant(&first).await);
        assert_eq!(house.event(&first, "alive").await, 202);
    }
    assert!(house.is_compliant(&second).await);
    assert_eq!(house.event(&first, "stop").await, 202);
    assert_eq!(house.count("fifo", "alice").await, 1);
}

#[tokio::test]
async fn what_has_ended_is_forgotten_when_nobody_asks_any_more() {
    let house = House::new().await;
    let stream = house.start("demo", "alice", &[]).await;
    house.event(&stream, "stop").await;
    // An application that asks renews the memory; an operator does not.
    let remembered = async || {
        let account = read(&house.ask("/api/accounts/acme/alice").await);
        account["terminated"].as_array().unwrap().len()
    };
    assert_eq!(remembered().await, 1);
    until("it is forgotten", async || remembered().await == 0).await;
    assert_eq!(house.ask(&stream.path).await.status, 404);
    assert_eq!(house.event(&stream, "alive").await, 404);
}
