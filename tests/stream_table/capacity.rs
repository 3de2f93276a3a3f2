//! More accounts than the table has room for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use streamgate::model::Millis;
use streamgate::policy::WhenExceeded;
use streamgate::streams::{AdmissionOutcome, Cause, Settings, Signal, Stream, StreamTable};

use super::support::{Gauge, account, at, candidate, holders, household, is_admitted, policy, table};

const CAPACITY: usize = 64;
/// How often the threads that hammer the table rest, so that it can be counted.
const PHASES: usize = 6;

fn small() -> (Settings, StreamTable, Arc<Gauge>) {
    let settings = Settings { capacity: CAPACITY as u64, ..Settings::default() };
    let (table, gauge) = table(&settings);
    (settings, table, gauge)
}

/// Starts a stream that plays at once. `None`: there is no room, and it passes without being counted.
async fn play(table: &StreamTable, settings: &Settings, subject: usize, now: Millis) -> Option<Arc<Stream>> {
    match table.start(&candidate(subject, 0, "/live", now), &household(1), settings, now).await {
        Ok(AdmissionOutcome::Admitted { stream, .. }) => stream.heartbeat(Signal::Playback, now).then_some(stream),
        Ok(AdmissionOutcome::Refused(refusal)) => panic!("{refusal:?}"),
        Err(_) => None,
    }
}

async fn fill(
    table: &StreamTable,
    settings: &Settings,
    subjects: std::ops::Range<usize>,
    now: Millis,
) -> Vec<Arc<Stream>> {
    let mut streams = Vec::new();
    for subject in subjects {
        streams.push(play(table, settings, subject, now).await.expect("there is room"));
    }
    streams
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime")
}

fn known(table: &StreamTable) -> usize {
    table.page(None, usize::MAX).len()
}

fn is_known(table: &StreamTable, subject: usize) -> bool {
    table.peek(&account(subject).key()).is_some()
}

#[tokio::test]
async fn nobody_who_plays_is_pushed_out_by_ten_times_as_many_accounts() {
    let (settings, table, gauge) = small();
    let viewers = fill(&table, &settings, 0..CAPACITY, at(0)).await;
    for attack in 0..10 * CAPACITY {
        let now = at(1 + attack as u64 / CAPACITY as u64);
        assert!(play(&table, &settings, 1000 + attack, now).await.is_none());
        table.tick(now);
        for (subject, viewer) in viewers.iter().enumerate() {
            assert!(viewer.heartbeat(Signal::Playback, now));
            let known = table.find(&account(subject).key(), viewer.id).expect("it is known");
            assert!(Arc::ptr_eq(&known, viewer));
        }
    }
    assert_eq!((known(&table), gauge.held(), gauge.unaccounted()), (CAPACITY, CAPACITY, 10 * CAPACITY));
    assert_eq!(gauge.capacity_evicted(), 0);
    let second = table.start(&candidate(3, 1, "/live", at(11)), &household(1), &settings, at(11)).await;
    assert!(second.is_ok_and(|answer| !is_admitted(&answer)), "the limit of those who play holds");
}

#[tokio::test]
async fn silent_accounts_make_room_and_those_that_play_stay() {
    let (settings, table, gauge) = small();
    let viewers = fill(&table, &settings, 0..32, at(0)).await;
    let silent = fill(&table, &settings, 32..64, at(0)).await;
    for second in 1..70 {
        assert!(viewers.iter().all(|viewer| viewer.heartbeat(Signal::Playback, at(second))));
        table.tick(at(second));
    }
    assert_eq!(gauge.held(), 32);
    fill(&table, &settings, 100..132, at(70)).await;
    assert!(!(32..64).any(|subject| is_known(&table, subject)));
    assert_eq!(gauge.capacity_evicted(), 32);
    assert!(play(&table, &settings, 200, at(70)).await.is_none(), "now all play");
    assert!(viewers.iter().all(|viewer| viewer.heartbeat(Signal::Playback, at(70))));
    assert!(!silent[0].heartbeat(Signal::Playback, at(70)), "whose connection still carries it competes again");
    assert_eq!((gauge.held(), gauge.lowest()), (64, 0));
}

#[tokio::test]
async fn that_a_stream_was_terminated_is_remembered_longer_than_that_one_was_silent() {
    let (settings, table, _) = small();
    fill(&table, &settings, 0..32, at(0)).await;
    table.tick(at(30));
    let ended = fill(&table, &settings, 32..64, at(30)).await;
    for (subject, stream) in (32..).zip(&ended) {
        assert!(table.end(&account(subject), stream.id, &Cause::Stopped, at(31)).await.expect("an answer"));
    }
    // The others have been without a slot for less time.
    table.tick(at(70));
    fill(&table, &settings, 100..132, at(70)).await;
    assert!((32..64).all(|subject| is_known(&table, subject)) && !(0..32).any(|subject| is_known(&table, subject)));
    fill(&table, &settings, 132..148, at(70)).await;
    assert_eq!((32..64).filter(|subject| is_known(&table, *subject)).count(), 16, "then they go too");
}

#[tokio::test]
async fn whoever_is_refused_or_only_looked_at_takes_no_room() {
    let (settings, table, gauge) = small();
    let viewers = fill(&table, &settings, 0..CAPACITY - 1, at(0)).await;
    let nobody = [policy("nobody", 0, WhenExceeded::DenyNewest, &["tv"])];
    for subject in 1000..2000 {
        let who = candidate(subject, 0, "/live", at(1));
        let refused = table.start(&who, &nobody, &settings, at(1)).await;
        assert!(refused.is_ok_and(|answer| !is_admitted(&answer)));
        assert!(table.consider(&who, &household(1), &settings, at(1)).await.is_ok_and(|refusal| refusal.is_none()));
        assert!(table.record(&who.account, at(1)).await.is_ok_and(|record| record.is_empty()));
        assert!(table.terminated(&who.account, who.stream, at(1)).await.is_ok_and(|cause| cause.is_none()));
        table.roll_back(&who.account, who.stream, at(1)).await.expect("an answer");
    }
    assert_eq!(known(&table), CAPACITY - 1);
    assert!(play(&table, &settings, 5000, at(1)).await.is_some());
    assert_eq!(gauge.unaccounted(), 0);
    assert!(viewers.iter().all(|viewer| viewer.heartbeat(Signal::Playback, at(2))));
}

#[tokio::test]
async fn one_that_passed_without_being_counted_is_counted_as_soon_as_there_is_room() {
    let (settings, table, gauge) = small();
    let viewers = fill(&table, &settings, 0..CAPACITY, at(0)).await;
    assert!(play(&table, &settings, 500, at(1)).await.is_none());
    let session = candidate(500, 0, "/live", at(1));
    assert!(
        table.resume(&session, &household(1), &settings, at(2)).await.is_err(),
        "it asks again with its next request"
    );
    assert!(table.end(&account(7), viewers[7].id, &Cause::Stopped, at(3)).await.expect("an answer"));
    let back = table.resume(&session, &household(1), &settings, at(4)).await;
    assert!(matches!(back, Ok(AdmissionOutcome::Admitted { stream, created: true }) if stream.started == at(1)));
    let second = table.start(&candidate(500, 1, "/live", at(5)), &household(1), &settings, at(5)).await;
    assert!(second.is_ok_and(|answer| !is_admitted(&answer)), "and its limit holds");
    assert_eq!((known(&table), gauge.unaccounted()), (CAPACITY, 2));
}

#[tokio::test]
async fn a_snapshot_of_more_accounts_than_there_is_room_for_leaves_out_those_that_come_last() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("streams.snapshot");
    let (large, _) = table(&Settings::default());
    fill(&large, &Settings::default(), 0..100, at(0)).await;
    large.save(&file, &Settings::default(), at(1)).expect("a snapshot");
    let (settings, table, gauge) = small();
    let restored = table.restore(&file, at(2)).expect("a readable file");
    assert_eq!((restored.accounts, restored.damaged), (CAPACITY, 0));
    assert_eq!((known(&table), gauge.held(), holders(&table, &settings, at(2)).len()), (CAPACITY, CAPACITY, CAPACITY));
}

/// Four threads start streams of more accounts than there is room for, while another sees that nobody who plays is pushed out.
fn hammer(table: &StreamTable, settings: &Settings, viewers: &[Arc<Stream>], phase: usize, admitted: &AtomicUsize) {
    const ROUNDS: usize = 250;
    let over = AtomicBool::new(false);
    std::thread::scope(|threads| {
        let hammering: Vec<_> = (0..4)
            .map(|worker| {
                threads.spawn(move || {
                    let runtime = runtime();
                    for round in phase * ROUNDS..(phase + 1) * ROUNDS {
                        // Two workers each walk the same accounts, in opposite directions.
                        let step = if worker % 2 == 0 { round } else { PHASES * ROUNDS - round };
                        let subject = 1000 + (worker / 2) * 200 + step % 200;
                        let who = candidate(subject, worker, "/live", at(0));
                        let answer = runtime.block_on(table.start(&who, &household(1), settings, at(0)));
                        if let Ok(AdmissionOutcome::Admitted { stream, .. }) = answer {
                            admitted.fetch_add(1, SeqCst);
                            stream.heartbeat(Signal::Playback, at(0));
                            // Some stop, some are taken back, some play on.
                            match round % 3 {
                                0 => drop(runtime.block_on(table.end(&who.account, stream.id, &Cause::Stopped, at(0)))),
                                1 => drop(runtime.block_on(table.roll_back(&who.account, stream.id, at(0)))),
                                _ => {}
                            }
                        }
                    }
                })
            })
            .collect();
        let watching = threads.spawn(|| {
            while !over.load(SeqCst) {
                table.tick(at(0));
                for (subject, viewer) in viewers.iter().enumerate() {
                    assert!(viewer.heartbeat(Signal::Playback, at(0)), "viewer {subject} was pushed out");
                    assert!(table.find(&account(subject).key(), viewer.id).is_some());
                }
                std::thread::yield_now();
            }
        });
        let panicked = hammering.into_iter().filter_map(|thread| thread.join().err()).count();
        over.store(true, SeqCst);
        watching.join().expect("nobody was pushed out");
        assert_eq!(panicked, 0);
    });
}

#[test]
fn threads_that_hammer_a_full_table_push_out_nobody_who_plays_and_never_exceed_the_capacity() {
    const PLAYING: usize = CAPACITY / 2;
    let (settings, table, gauge) = small();
    let viewers = runtime().block_on(fill(&table, &settings, 0..PLAYING, at(0)));
    let admitted = AtomicUsize::new(0);
    for phase in 0..PHASES {
        hammer(&table, &settings, &viewers, phase, &admitted);
        // Counted while nothing moves: a walk past accounts that come and go may meet more than there ever are at once.
        assert!(known(&table) <= CAPACITY, "{} accounts", known(&table));
    }
    assert!(admitted.load(SeqCst) > CAPACITY, "{admitted:?} came in");
    let mut most = 0;
    table.each(&mut |_, record| {
        most = most.max(record.streams().iter().filter(|stream| stream.holds(&settings, at(0))).count());
    });
    assert_eq!(most, 1);
    assert_eq!(gauge.held(), holders(&table, &settings, at(0)).len());
    assert!(gauge.lowest() >= 0);
    // When all have fallen silent, the table is empty again.
    for second in [100, 800, 1600] {
        table.tick(at(second));
    }
    assert_eq!((known(&table), gauge.held()), (0, 0));
}
