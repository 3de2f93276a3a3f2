//! More accounts than the table has room for.

use std::sync::Arc;
use std::time::Duration;

use streamgate::streams::{Admission, Settings, Signal, Stream, StreamTable};

use crate::support::{Gauge, account, at, candidate, holders, household, table};

const CAPACITY: usize = 64;

fn small() -> (Settings, StreamTable, Arc<Gauge>) {
    let settings = Settings { capacity: CAPACITY as u64, ..Settings::default() };
    let (table, gauge) = table(&settings);
    (settings, table, gauge)
}

async fn start(table: &StreamTable, settings: &Settings, subject: usize, device: usize) -> Option<Arc<Stream>> {
    let who = candidate(subject, device, "/live", at(0));
    match table.start(&who, &household(1), settings, at(0)).await.expect("an embedded table answers") {
        Admission::Admitted { stream, .. } => stream.beat(Signal::Playback, at(0)).then_some(stream),
        Admission::Refused(_) => None,
    }
}

#[tokio::test]
async fn evacuated_streams_compete_again_and_the_observer_is_told() {
    let (settings, table, gauge) = small();
    let mut carried = Vec::new();
    for subject in 0..200 {
        carried.push(start(&table, &settings, subject, 0).await.expect("each account has a free slot"));
    }
    table.tick(at(1));
    let kept = holders(&table, &settings, at(1));
    assert!(kept.len() <= CAPACITY, "{} are kept", kept.len());
    assert_eq!(gauge.evacuated(), 200 - kept.len());
    assert_eq!(gauge.held(), kept.len());
    let (holding, evacuated): (Vec<_>, Vec<_>) =
        carried.iter().enumerate().partition(|(_, stream)| stream.beat(Signal::Playback, at(2)));
    assert_eq!(holding.len(), kept.len());
    let (subject, _) = evacuated.first().expect("some were evacuated");
    let session = candidate(*subject, 0, "/live", at(0));
    let back = table.resume(&session, &household(1), &settings, at(2)).await;
    assert!(matches!(back, Ok(Admission::Admitted { created: true, .. })), "its slot is free: {back:?}");
}

#[tokio::test]
async fn a_silent_stream_that_is_evacuated_was_idle_before() {
    let (settings, table, gauge) = small();
    for subject in 0..200 {
        start(&table, &settings, subject, 0).await.expect("each account has a free slot");
    }
    // Nobody was heard of for an hour, and there was no tick.
    table.tick(at(3600));
    assert_eq!((gauge.held(), gauge.lowest()), (0, 0));
    assert!(holders(&table, &settings, at(3600)).is_empty());
}

#[tokio::test]
async fn an_account_that_comes_back_before_the_next_tick_never_gets_a_second_slot() {
    let (settings, table, gauge) = small();
    let mut first: Vec<Arc<Stream>> = Vec::new();
    let mut followed = 0;
    for subject in 0..3000 {
        first.push(start(&table, &settings, subject, 0).await.expect("each account has a free slot"));
        if let Some(earlier) = subject.checked_sub(300)
            && start(&table, &settings, earlier, 1).await.is_some()
        {
            followed += 1;
            assert!(!first[earlier].beat(Signal::Playback, at(0)), "account {earlier} holds two slots of one");
        }
    }
    assert!(followed > 1000, "{followed} accounts came back");
    table.tick(at(1));
    assert_eq!(gauge.held(), holders(&table, &settings, at(1)).len());
    assert!(gauge.lowest() >= 0);
}

#[test]
fn threads_that_hammer_a_full_table_neither_wait_for_each_other_for_ever_nor_exceed_a_limit() {
    let (settings, table, gauge) = small();
    std::thread::scope(|threads| {
        for worker in 0..4 {
            let (table, settings) = (&table, &settings);
            threads.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
                for round in 0..1500 {
                    // Two workers each walk the same accounts, in opposite directions.
                    let step = if worker % 2 == 0 { round } else { 1500 - round };
                    let subject = (worker / 2) * 200 + step % 200;
                    if let Some(stream) = runtime.block_on(start(table, settings, subject, worker)) {
                        stream.beat(Signal::Playback, at(0));
                    }
                    let _ = table.find(&account(subject).key(), candidate(subject, 0, "/live", at(0)).stream);
                }
            });
        }
        threads.spawn(|| {
            for second in 1..200 {
                table.tick(at(0) + Duration::from_millis(second));
                std::thread::yield_now();
            }
        });
    });
    table.tick(at(1));
    let mut most = 0;
    table.each(&mut |_, record| {
        most = most.max(record.streams().iter().filter(|stream| stream.holds(&settings, at(1))).count());
    });
    assert_eq!(most, 1);
    assert_eq!(gauge.held(), holders(&table, &settings, at(1)).len());
    assert!(gauge.lowest() >= 0);
    assert!(gauge.evacuated() > 0);
}
