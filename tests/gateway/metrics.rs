//! Metrics, as a scraper sees them.

use std::collections::BTreeSet;

use super::support::{Gateway, Origin, Setup, replace_file, token, until};

/// The metrics page.
async fn scrape(gateway: &Gateway) -> String {
    gateway.client.get(format!("http://{}/metrics", gateway.control)).send().await.unwrap().text().await.unwrap()
}

/// Names with their labels.
fn series(page: &str) -> BTreeSet<String> {
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect()
}

#[tokio::test]
async fn every_series_exists_before_its_first_event() {
    let origin = Origin::usual().await;
    let policy = "{ name: two-streams, limit: 1, when_exceeded: terminate_oldest }\n      \
                  - { name: kinds, limit: 1, count: distinct(deviceType), when_exceeded: deny_newest, missing: refuse }";
    let setup = Setup { policy, mode: "annotate", ..Setup::before(&[&origin]) };
    let gateway = setup.start().await;
    let before = scrape(&gateway).await;
    let page = std::fs::read_to_string(super::support::project().join("docs/operations.md")).unwrap();
    let (_, table) = page.split_once("\n## Metrics\n").unwrap();
    let (table, _) = table.split_once("\nWorth an alert").unwrap();
    let cells = table.lines().filter_map(|line| line.strip_prefix("| `")?.split(" |").next());
    let documented: Vec<String> = cells.flat_map(|cell| cell.split(", ")).map(|name| name.replace('`', "")).collect();
    assert!(documented.len() > 40, "{documented:?}");
    let has_series = |name: &str| series(&before).iter().any(|one| one.starts_with(&format!("streamgate_{name}")));
    let without: Vec<&String> = documented.iter().filter(|name| !has_series(name)).collect();
    // Nothing is configured that these could speak of.
    assert_eq!(without, ["webhook_events_total", "webhook_queue", "auth_callback_requests_total"]);

    let entry = gateway.enter("/news/master.m3u8", "tv").await;
    let prefix = entry.prefix();
    assert_eq!(gateway.get(&format!("{prefix}/news/a.ts")).await.status, 200);
    assert_eq!(gateway.enter("/film/master.m3u8", "phone").await.status, 200);
    for path in ["/news/master.m3u8", "/news/master.m3u8?token=nonsense", "/~s/nonsense/news/a.ts"] {
        assert!([401, 403].contains(&gateway.get(path).await.status), "{path}");
    }
    assert_eq!(gateway.get(&format!("/nothing.mp4?token={}", token("bob", "tv"))).await.status, 404);
    drop(origin);
    assert_eq!(gateway.get(&format!("/news/master.m3u8?token={}", token("carol", "tv"))).await.status, 502);
    gateway.signal("HUP");
    gateway.counts("streamgate_config_reloads_total", "unchanged", 1).await;
    assert!(gateway.metric("streamgate_origin_failures_total", "connect").await >= 1);
    let (before, after) = (series(&before), series(&scrape(&gateway).await));
    let new: Vec<&String> = after.difference(&before).collect();
    assert!(new.is_empty(), "{new:?}");
}

#[tokio::test]
async fn the_time_to_an_answer_is_measured_finer_than_a_millisecond() {
    let origin = Origin::usual().await;
    let gateway = Setup::before(&[&origin]).start().await;
    for _ in 0..5 {
        assert_eq!(gateway.get("/news/master.m3u8").await.status, 401);
    }
    let page = scrape(&gateway).await;
    let of = |start: &str| {
        let line = page.lines().find(|line| line.starts_with(start)).unwrap();
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    let millis = of("streamgate_time_to_first_byte_seconds_sum{outcome=\"anonymous\"}") * 1000.0;
    assert!(millis > 0.0 && (millis - millis.round()).abs() > 1e-6, "{millis} ms");
    let buckets = page.lines().filter(|line| line.starts_with("streamgate_time_to_first_byte_seconds_bucket"));
    let fine = buckets.filter(|line| line.contains("outcome=\"passed\"") && line.contains("le=\"0.00"));
    assert!(fine.count() >= 4, "below 10 ms");
}

#[tokio::test]
async fn the_last_reload_is_told_by_a_gauge_and_lines_that_were_dropped_by_a_counter() {
    let origin = Origin::usual().await;
    let gateway = Setup::before(&[&origin]).start().await;
    let success = async || gateway.metric("streamgate_config_last_reload_successful", "").await;
    assert_eq!(success().await, 1);
    let file = gateway.folder.path().join("streamgate.yaml");
    let good = std::fs::read_to_string(&file).unwrap();
    replace_file(&file, "nonsense");
    gateway.signal("HUP");
    until("the reload is refused", async || success().await == 0).await;
    replace_file(&file, good);
    gateway.signal("HUP");
    until("the configuration can be used again", async || success().await == 1).await;
    assert!(scrape(&gateway).await.contains("# TYPE streamgate_log_lines_dropped_total counter\n"));
}
