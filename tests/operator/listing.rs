//! Lists of streams and accounts.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use super::program::token;
use super::support::{Config, Program};

/// Starts streams of many accounts, a few at a time.
async fn fill(program: &Program, subjects: std::ops::Range<usize>) {
    let next = std::sync::atomic::AtomicUsize::new(subjects.start);
    let starts = || async {
        loop {
            let n = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            if n >= subjects.end {
                return;
            }
            let path = format!("/news/master.m3u8?token={}", token(&format!("s{n}"), "tv-1"));
            assert_eq!(program.get(&path).await.status, 200);
        }
    };
    tokio::join!(starts(), starts(), starts(), starts(), starts(), starts(), starts(), starts());
}

fn subjects(page: &Value) -> Vec<String> {
    let streams = page["streams"].as_array().unwrap().iter();
    streams.map(|one| one["account"]["subject"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn pages_meet_each_stream_once_while_others_come_and_go() {
    const STAY: usize = 2000;
    let program = Config { streams: "{ reserve: 10m }", ..Config::default() }.start().await;
    fill(&program, 0..STAY).await;
    let mut seen: Vec<String> = Vec::new();
    let (mut cursor, mut pages) = (String::new(), 0);
    loop {
        let page = program.look(&format!("/streams?limit=150{cursor}")).await;
        assert!(page["streams"].as_array().unwrap().len() <= 150);
        seen.extend(subjects(&page));
        pages += 1;
        // Others come before and behind the cursor, and go.
        fill(&program, STAY + pages * 20..STAY + pages * 20 + 20).await;
        let gone = format!("/accounts/acme/s{}/kill", STAY + pages * 20);
        program.act(Method::POST, &gone, Some(&json!({ "reason": "go" }))).await;
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
        assert!(pages < 40, "it does not end");
    }
    let distinct: BTreeSet<&String> = seen.iter().collect();
    assert_eq!(distinct.len(), seen.len(), "none came twice");
    let stayed = (0..STAY).filter(|n| distinct.contains(&format!("s{n}"))).count();
    assert_eq!(stayed, STAY, "none was left out");
    assert!(pages >= 14, "{pages}");

    let mut accounts = BTreeSet::new();
    let mut cursor = String::new();
    loop {
        let page = program.look(&format!("/accounts?limit=1000{cursor}")).await;
        for account in page["accounts"].as_array().unwrap() {
            assert!(accounts.insert(account["account"]["subject"].as_str().unwrap().to_owned()));
        }
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert!(accounts.len() >= STAY);
}

#[tokio::test]
async fn one_account_with_many_streams_is_paged_too() {
    let program = Config { limit: 40, ..Config::default() }.start().await;
    for n in 0..25 {
        assert_eq!(program.play("alice", &format!("tv-{n}"), "news").await.status, 200);
    }
    program.play("bob", "tv-0", "news").await;
    for filter in ["", "&idp=acme&subject=alice", "&subject=alice"] {
        let (mut devices, mut cursor) = (BTreeSet::new(), String::new());
        loop {
            let page = program.look(&format!("/streams?limit=4{filter}{cursor}")).await;
            for stream in page["streams"].as_array().unwrap() {
                assert!(devices.insert((stream["account"]["subject"].to_string(), stream["device"].to_string())));
            }
            let Some(next) = page["next"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(devices.len(), if filter.is_empty() { 26 } else { 25 }, "{filter}");
    }
}

#[tokio::test]
async fn streams_are_found_by_what_is_known_of_them() {
    let program = Config::default().start().await;
    let film = program.watch("alice", "tv-1", "film").await;
    program.get(&format!("{film}/film/low.m3u8")).await;
    program.play("alice", "tv-2", "news").await;
    program.play("bob", "tv-1", "news").await;
    for (filter, count) in [
        ("", 3),
        ("?application=tv", 3),
        ("?application=web", 0),
        ("?idp=acme", 3),
        ("?subject=alice", 2),
        ("?idp=acme&subject=alice", 2),
        ("?idp=other&subject=alice", 0),
        ("?idp=&subject=", 0),
        ("?device=tv-1", 2),
        ("?asset=%2Fnews%2Fmaster.m3u8", 2),
        ("?device=tv-1&asset=/news/master.m3u8", 1),
        ("?state=playing", 1),
        ("?state=reserved", 2),
        ("?state=idle", 0),
        ("?content=live", 1),
        ("?content=vod", 0),
    ] {
        let page = program.look(&format!("/streams{filter}")).await;
        assert_eq!(page["streams"].as_array().unwrap().len(), count, "{filter} {page}");
        assert!(page["next"].is_null());
    }
    let accounts = program.look("/accounts?asset=/film/master.m3u8").await;
    assert_eq!(accounts["accounts"].as_array().unwrap().len(), 1);
    assert_eq!(accounts["accounts"][0]["account"], json!({ "idp": "acme", "subject": "alice" }));
    assert_eq!(accounts["accounts"][0]["holding"], 2);

    let stream = program.look("/streams?state=playing").await["streams"][0].clone();
    assert_eq!((stream["tenant"].as_str(), stream["device"].as_str()), (Some("acme-tv"), Some("tv-1")));
    assert_eq!((stream["traffic"].as_bool(), stream["declared"].is_null()), (Some(true), true));
    for time in ["started", "since", "seen"] {
        humantime::parse_rfc3339(stream[time].as_str().unwrap()).unwrap();
    }
}

#[tokio::test]
async fn no_page_of_a_large_table_is_empty_and_has_another_behind_it() {
    const ACCOUNTS: usize = 21_000;
    let streams = "{ snapshot: streams.json, reserve: 10m }";
    let program = Config { streams, ..Config::default() }.start().await;
    assert_eq!(program.play("s0", "tv-1", "news").await.status, 200);
    let Program { gateway, origin: _origin } = program;
    let folder = gateway.folder.clone();
    assert_eq!(gateway.stop().await, Some(0));
    let file = folder.path().join("streams.json");
    let line = std::fs::read_to_string(&file).unwrap();
    let subject = "\"subject\":\"s0\"";
    assert_eq!((line.lines().count(), line.matches(subject).count()), (1, 1), "{line}");
    let lines = (0..ACCOUNTS).map(|n| line.replace(subject, &format!("\"subject\":\"s{n}\"")));
    std::fs::write(&file, lines.collect::<String>()).unwrap();
    let program = Config { streams, ..Config::default() }.start_in(folder).await;

    for list in ["accounts", "streams"] {
        for n in (0..ACCOUNTS).step_by(700) {
            let page = program.look(&format!("/{list}?subject=s{n}")).await;
            assert_eq!(page[list].as_array().unwrap().len(), 1, "s{n} {page}");
            assert_eq!(page[list][0]["account"]["subject"], format!("s{n}"));
        }
        for filter in ["subject=nobody", "device=none", "idp=other", "application=web"] {
            let page = program.look(&format!("/{list}?{filter}")).await;
            assert_eq!(page[list], json!([]), "{filter}");
            assert!(page["next"].is_null(), "{filter}: {page}");
        }
    }
    assert_eq!(program.look("/status").await["accounts"], ACCOUNTS);
}
