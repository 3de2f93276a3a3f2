//! Over a restart.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use streamgate::model::{Device, Millis, Moment, StreamId};
use streamgate::policy::WhenExceeded;
use streamgate::streams::{AdmissionOutcome, Cause, Refusal, Restored, Settings, Signal, State, StreamTable};

use super::support::{account, at, candidate, holders, household, is_admitted, policy, table};

/// Starts a stream that plays at once; whether it was admitted.
async fn play(table: &StreamTable, subject: usize, device: usize, limit: u32, now: Millis) -> bool {
    let settings = Settings::default();
    let who = candidate(subject, device, "/live", now);
    let answer = table.start(&who, &household(limit), &settings, now).await.expect("an embedded table answers");
    if let AdmissionOutcome::Admitted { stream, .. } = &answer {
        stream.heartbeat(Signal::Playback, now);
    }
    is_admitted(&answer)
}

fn restored(file: &Path, now: Millis) -> (StreamTable, Restored) {
    let (table, _) = table(&Settings::default());
    let restored = table.restore(file, now).expect("a readable file");
    (table, restored)
}

/// Names, start times and states of an account's streams, in the order in which they stand in the record.
fn streams(table: &StreamTable, subject: usize, now: Millis) -> Vec<(StreamId, Millis, State)> {
    let mut found = Vec::new();
    table.each(&mut |who, record| {
        if *who == account(subject) {
            let settings = Settings::default();
            found.extend(record.streams().iter().map(|s| (s.id, s.started, s.state(&settings, now))));
        }
    });
    found
}

#[tokio::test]
async fn streams_their_order_and_their_slots_survive_with_a_snapshot() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("streams.snapshot");
    let (settings, (before, _)) = (Settings::default(), table(&Settings::default()));
    for device in 0..3 {
        assert!(play(&before, 0, device, 3, at(40 * device as u64)).await);
    }
    // The first has fallen silent; the others play.
    assert_eq!(before.save(&file, &settings, at(81)).expect("a snapshot"), 1);
    let (after, found) = restored(&file, at(90));
    assert_eq!(found, Restored { accounts: 1, damaged: 0 });
    let id = |device| candidate(0, device, "/live", at(0)).stream;
    let expected = [(id(0), at(0), State::Idle), (id(1), at(40), State::Playing), (id(2), at(80), State::Playing)];
    assert_eq!(streams(&after, 0, at(90)), expected);
    assert!(!play(&after, 0, 9, 2, at(91)).await, "both slots are held");
    let carried = after.find(&account(0).key(), id(1)).expect("it is known");
    assert!(carried.heartbeat(Signal::Playback, at(92)), "its next segment passes without competing");
    let back = after.resume(&candidate(0, 0, "/live", at(0)), &household(3), &settings, at(93)).await;
    assert!(matches!(back, Ok(AdmissionOutcome::Admitted { stream, created: true, .. }) if stream.started == at(0)));
}

#[tokio::test]
async fn the_oldest_is_still_the_oldest_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("streams.snapshot");
    let (settings, (before, _)) = (Settings::default(), table(&Settings::default()));
    assert!(play(&before, 0, 1, 2, at(0)).await && play(&before, 0, 0, 2, at(10)).await);
    before.save(&file, &settings, at(45)).expect("a snapshot");
    let (after, _) = restored(&file, at(50));
    let policies = [policy("household", 2, WhenExceeded::TerminateOldest, &["tv"])];
    let third = after.start(&candidate(0, 2, "/live", at(51)), &policies, &settings, at(51)).await;
    let Ok(AdmissionOutcome::Admitted { stream, .. }) = third else { panic!("{third:?}") };
    stream.heartbeat(Signal::Presence, at(51));
    let oldest = after.resume(&candidate(0, 1, "/live", at(0)), &policies, &settings, at(52)).await;
    assert!(matches!(oldest, Ok(AdmissionOutcome::Refused(Refusal::Terminated(_)))));

    // And its tombstone survives the next one.
    after.save(&file, &settings, at(60)).expect("a snapshot");
    let (again, _) = restored(&file, at(61));
    let oldest = again.resume(&candidate(0, 1, "/live", at(0)), &policies, &settings, at(62)).await;
    let Ok(AdmissionOutcome::Refused(Refusal::Terminated(cause))) = oldest else { panic!("it revived: {oldest:?}") };
    assert_eq!(cause.label(), "evicted");
}

#[tokio::test]
async fn a_tombstone_does_not_outlive_its_time_because_of_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("streams.snapshot");
    let (settings, (before, _)) = (Settings::default(), table(&Settings::default()));
    let policies = [policy("household", 1, WhenExceeded::TerminateOldest, &["tv"])];
    assert!(play(&before, 0, 0, 1, at(0)).await);
    let second = before.start(&candidate(0, 1, "/live", at(40)), &policies, &settings, at(40)).await;
    assert!(second.is_ok_and(|answer| is_admitted(&answer)));
    before.save(&file, &settings, at(41)).expect("a snapshot");
    let until = at(40) + settings.tombstone;
    let first = candidate(0, 0, "/live", at(0));
    let (after, _) = restored(&file, until - Duration::from_secs(1));
    let mut buried = 0;
    after.each(&mut |_, record| buried += record.tombstones().len());
    assert_eq!(buried, 1);
    let (after, _) = restored(&file, until);
    let back = after.resume(&first, &policies, &settings, until).await;
    assert!(!matches!(back, Ok(AdmissionOutcome::Refused(Refusal::Terminated(_)))), "nobody remembers it");
}

#[tokio::test]
async fn a_damaged_line_is_counted_and_costs_nobody_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("streams.snapshot");
    let (before, _) = table(&Settings::default());
    for subject in 0..20 {
        assert!(play(&before, subject, 0, 1, at(0)).await);
    }
    before.save(&file, &Settings::default(), at(1)).expect("a snapshot");
    let whole = std::fs::read(&file).expect("the snapshot");
    let mut lines: Vec<Vec<u8>> = whole.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    assert_eq!(lines.len(), 20);
    // A broken encoding, half a document, a document of another kind, and nothing at all.
    let quote = lines[3].iter().position(|byte| *byte == b'm').expect("a letter");
    lines[3][quote] = 0xff;
    lines[7].truncate(30);
    lines[7].push(b'\n');
    lines[11] = b"{\"account\":7}\n".to_vec();
    lines[13] = b"\n".to_vec();
    std::fs::File::create(&file).and_then(|mut out| out.write_all(&lines.concat())).expect("a damaged snapshot");
    let (after, found) = restored(&file, at(2));
    assert_eq!(found, Restored { accounts: 16, damaged: 4 });
    assert_eq!(holders(&after, &Settings::default(), at(2)).len(), 16);
}

#[tokio::test]
async fn without_a_snapshot_streams_are_rebuilt_from_their_play_sessions_with_their_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let (after, found) = restored(&folder.path().join("none"), at(100));
    assert_eq!(found, Restored::default());
    let settings = Settings::default();
    let policies = [policy("household", 2, WhenExceeded::TerminateOldest, &["tv"])];
    for (device, started) in [(1, 50), (0, 10)] {
        let session = candidate(0, device, "/live", at(started));
        let back = after.resume(&session, &policies, &settings, at(100)).await;
        assert!(
            matches!(back, Ok(AdmissionOutcome::Admitted { stream, created: true, .. }) if stream.started == at(started))
        );
    }
    let third = after.start(&candidate(0, 2, "/live", at(101)), &policies, &settings, at(101)).await;
    let Ok(AdmissionOutcome::Admitted { stream, .. }) = third else { panic!("{third:?}") };
    stream.heartbeat(Signal::Presence, at(101));
    let gone = after.resume(&candidate(0, 0, "/live", at(10)), &policies, &settings, at(102)).await;
    assert!(matches!(gone, Ok(AdmissionOutcome::Refused(Refusal::Terminated(_)))), "the earliest start is the oldest");
}

#[tokio::test]
async fn a_snapshot_keeps_hints_as_hints_and_odd_names_as_they_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("streams.snapshot");
    let (before, _) = table(&Settings::default());
    let mut who = candidate(0, 0, "/a \"b\"\n\u{1f4fa}", at(0));
    who.device = Device::Hint(u64::MAX);
    assert!(before.start(&who, &household(1), &Settings::default(), at(0)).await.is_ok_and(|a| is_admitted(&a)));
    before.save(&file, &Settings::default(), at(1)).expect("a snapshot");
    let (after, found) = restored(&file, at(2));
    assert_eq!(found.damaged, 0);
    let stream = after.find(&who.account.key(), who.stream).expect("it is known");
    assert_eq!((&stream.device, &stream.asset), (&who.device, &who.asset));
}

#[tokio::test]
async fn what_was_written_while_the_gateway_ran_comes_back_after_a_crash() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("streams.snapshot");
    let settings = Settings::default();
    let (before, _) = table(&settings);
    for subject in 0..200 {
        assert!(play(&before, subject, 0, 1, at(0)).await);
    }
    assert_eq!(before.save_running(&file, &settings, at(1)).expect("a snapshot"), 200);
    assert!(play(&before, 200, 0, 1, at(2)).await, "it goes on");
    assert_eq!(before.save_running(&file, &settings, at(3)).expect("a snapshot"), 201);
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1, "nothing unfinished is left");
    let (after, found) = restored(&file, at(10));
    assert_eq!(found, Restored { accounts: 201, damaged: 0 });
    assert_eq!(holders(&after, &settings, at(10)).len(), 201);
    // Long after, nobody waits any more, and what ended meanwhile takes no slot.
    let (after, found) = restored(&file, at(3) + settings.idle_retention);
    assert_eq!(found.accounts, 201);
    assert!(holders(&after, &settings, at(3) + settings.idle_retention).is_empty());
}

#[tokio::test]
async fn only_a_snapshot_of_a_gateway_that_stopped_tells_of_all_that_played() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("streams.snapshot");
    let settings = Settings::default();
    for (whole, answer) in [(true, false), (false, true)] {
        let (before, _) = table(&settings);
        assert!(play(&before, 7, 0, 1, at(0)).await);
        let save = if whole { StreamTable::save } else { StreamTable::save_running };
        save(&before, &file, &settings, at(1)).expect("a snapshot");
        let after = table(&settings).0.opened_at(at(2));
        after.restore(&file, at(2)).expect("a readable file");
        assert!(play(&after, 0, 1, 1, at(2)).await);
        let back = after.resume(&candidate(0, 0, "/live", at(0)), &household(1), &settings, at(3)).await;
        assert_eq!(back.is_ok_and(|back| is_admitted(&back)), answer, "whole: {whole}");
    }
}

#[tokio::test]
async fn a_clock_that_was_set_back_over_the_restart_makes_nothing_last_longer() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("streams.snapshot");
    let settings = Settings::default();
    let (before, _) = table(&settings);
    assert!(play(&before, 0, 0, 2, at(36_000)).await && play(&before, 0, 1, 2, at(36_000)).await);
    let second = candidate(0, 1, "/live", at(36_000)).stream;
    assert!(before.end(&account(0), second, &Cause::Stopped, at(36_001)).await.expect("an answer"));
    before.save(&file, &settings, at(36_002)).expect("a snapshot");
    let (after, _) = restored(&file, at(0));
    assert_eq!(holders(&after, &settings, at(0)).len(), 1);
    after.tick(at(0) + settings.tombstone + Duration::from_secs(2));
    let (_, record) = after.peek(&account(0).key()).expect("it is known");
    assert!(record.tombstones().is_empty(), "its time is over");
    for second in [400, 800, 1400] {
        after.tick(at(second));
    }
    assert!(after.peek(&account(0).key()).is_none(), "it is forgotten");
}

/// Before the restart the two times are an hour apart, because the clock was set; the next start begins with what it shows.
#[tokio::test]
async fn a_snapshot_is_in_wall_time_so_that_the_next_start_reads_the_same_ages() {
    let settings = Settings::default();
    for ahead in [-3_600_000, 0, 3_600_000_i64] {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("streams.snapshot");
        let (before, _) = table(&settings);
        let policies = [policy("household", 1, WhenExceeded::TerminateOldest, &["tv"])];
        assert!(play(&before, 0, 0, 1, at(5000)).await);
        let second = before.start(&candidate(0, 1, "/live", at(5040)), &policies, &settings, at(5040)).await;
        assert!(second.is_ok_and(|answer| is_admitted(&answer)));
        before.tell_wall(Moment { now: at(5041), wall: at(5041).shifted(ahead) });
        before.save(&file, &settings, at(5041)).expect("a snapshot");

        // By wall time ten seconds later.
        let now = at(5051).shifted(ahead);
        let (after, found) = restored(&file, now);
        assert_eq!(found, Restored { accounts: 1, damaged: 0 }, "{ahead}");
        let expected = [(candidate(0, 1, "/live", at(0)).stream, at(5040).shifted(ahead), State::Playing)];
        assert_eq!(streams(&after, 0, now), expected, "{ahead}");
        // Its tombstone lasts as long as it would have.
        let until = at(5040).shifted(ahead) + settings.tombstone;
        let (first, policies) = (candidate(0, 0, "/live", at(5000).shifted(ahead)), household(2));
        let (again, _) = restored(&file, until - Duration::from_secs(1));
        let back = again.resume(&first, &policies, &settings, until - Duration::from_secs(1)).await;
        assert!(matches!(back, Ok(AdmissionOutcome::Refused(Refusal::Terminated(_)))), "{ahead}");
        let (again, _) = restored(&file, until);
        let back = again.resume(&first, &policies, &settings, until).await;
        assert!(!matches!(back, Ok(AdmissionOutcome::Refused(Refusal::Terminated(_)))), "{ahead}");
    }
}
