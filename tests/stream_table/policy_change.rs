//! A change of policies, which judges the streams of all accounts while others do something else.

use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use streamgate::policy::{Policy, Rule, WhenExceeded};
use streamgate::streams::{Settings, StreamTable};
use tokio::task::yield_now;

use super::support::{account, at, candidate, in_force, is_admitted, policies, table};

const ACCOUNTS: usize = 1000;

/// At most so many streams; the oldest gives way.
fn at_most(limit: u32) -> Vec<Arc<Policy>> {
    policies(vec![Rule::streams("streams", limit, WhenExceeded::TerminateOldest)])
}

fn settings() -> Settings {
    Settings { min_tenure: Duration::ZERO, ..Settings::default() }
}

/// A table of many accounts, each of which plays as much as it may.
async fn full(limit: u32) -> StreamTable {
    let (table, _) = table(&settings());
    let policies = at_most(limit);
    let table = table.configured(settings(), in_force(&policies));
    for subject in 0..ACCOUNTS {
        for device in 0..limit {
            let start = candidate(subject, device as usize, "/a", at(0));
            assert!(is_admitted(&table.start(&start, &policies, &settings(), at(0)).await.expect("it answers")));
        }
    }
    table
}

async fn apply(table: &StreamTable, policies: &[Arc<Policy>]) -> usize {
    table.apply_policy_change(settings(), in_force(policies), at(1)).await
}

/// How many accounts play this many streams.
async fn playing(table: &StreamTable, streams: usize) -> usize {
    let mut found = 0;
    for subject in 0..ACCOUNTS {
        let record = table.record(&account(subject), at(1)).await.expect("it answers");
        found += usize::from(record.streams().len() == streams);
    }
    found
}

// On a runtime of one thread.
#[tokio::test]
async fn while_the_streams_of_all_accounts_are_judged_other_tasks_run() {
    let table = full(2).await;
    let turns = Arc::new(AtomicUsize::new(0));
    let counted = turns.clone();
    let other = tokio::spawn(async move {
        loop {
            counted.fetch_add(1, SeqCst);
            yield_now().await;
        }
    });
    for (limit, ended) in [(3, 0), (1, ACCOUNTS)] {
        let before = turns.load(SeqCst);
        assert_eq!(apply(&table, &at_most(limit)).await, ended);
        let between = turns.load(SeqCst) - before;
        assert!(between >= ACCOUNTS / 100, "{between} turns of another task while {ACCOUNTS} accounts were judged");
    }
    other.abort();
}

#[tokio::test]
async fn a_change_that_comes_while_another_is_applied_waits_until_it_holds_for_every_account() {
    let table = full(3).await;
    let (one, three) = (at_most(1), at_most(3));
    let (ended, nothing) = tokio::join!(apply(&table, &one), apply(&table, &three));
    assert_eq!((ended, nothing), (2 * ACCOUNTS, 0));
    assert_eq!(playing(&table, 1).await, ACCOUNTS);
    // The later one is in force: it is what the next one is compared with.
    assert_eq!(apply(&table, &three).await, 0);
}

#[tokio::test]
async fn a_change_that_is_dropped_half_way_is_made_up_for_by_the_next() {
    let table = full(3).await;
    let one = at_most(1);
    tokio::select! {
        biased;
        _ = apply(&table, &one) => panic!("it lets nobody in between"),
        () = ready(()) => {}
    }
    let done = playing(&table, 1).await;
    assert!((1..ACCOUNTS).contains(&done), "{done} accounts were judged");
    // It has the same rule, and another one that ends nobody's stream.
    let more = Rule::streams("more", 5, WhenExceeded::TerminateOldest);
    let both = policies(vec![Rule::streams("streams", 1, WhenExceeded::TerminateOldest), more]);
    assert_eq!(apply(&table, &both).await, 2 * (ACCOUNTS - done));
    assert_eq!(playing(&table, 1).await, ACCOUNTS);
}
