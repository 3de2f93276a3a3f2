//! The counters of usage reports.

use super::support::House;

#[tokio::test]
async fn c128_the_counters_of_a_run_are_those_of_what_happened_in_it() {
    let house = House::new().await;
    // demo: three starts, two refused; one stops, one falls silent, one goes on.
    let mut streams = Vec::new();
    for _ in 0..5 {
        streams.push(house.start("demo", "alice", &[]).await);
    }
    house.event(&streams[0], "stop").await;
    house.event(&streams[0], "stop").await;
    super::support::until("the second is silent", async || {
        house.event(&streams[2], "alive").await;
        house.count("demo", "alice").await == 1
    })
    .await;
    // fifo: three starts, two of which end the one before.
    for _ in 0..3 {
        house.start("fifo", "bob", &[]).await;
    }
    for (name, application, number) in [
        ("sessions_started_total", "demo", 3),
        ("admissions_refused_total", "demo", 2),
        ("sessions_completed_total", "demo", 2),
        ("sessions_dismissed_total", "demo", 0),
        ("sessions_killed_total", "demo", 0),
        ("streams", "demo", 1),
        ("session_duration_seconds_count", "demo", 2),
        ("concurrency_level_count", "demo", 3),
        ("concurrency_level_sum", "demo", 1 + 2 + 3),
        ("activity_level_count", "demo", 5),
        ("activity_level_sum", "demo", 1 + 2 + 3 + 4 + 4),
        ("sessions_started_total", "fifo", 3),
        ("sessions_dismissed_total", "fifo", 2),
        ("sessions_completed_total", "fifo", 0),
        ("admissions_refused_total", "fifo", 0),
        ("concurrency_level_sum", "fifo", 3),
        ("activity_level_sum", "fifo", 3),
    ] {
        let labels = format!("application=\"{application}\"");
        assert_eq!(house.metric(&format!("streamgate_{name}"), &labels).await, number, "{name} of {application}");
    }
    let short = house.metric("streamgate_session_duration_seconds_bucket", "application=\"demo\",le=\"900\"").await;
    assert_eq!(short, 2, "both lasted less than a quarter of an hour");
}
