//! What time alone brings about, second by second.

use std::sync::Arc;
use std::time::Duration;

use streamgate::model::Millis;
use streamgate::policy::WhenExceeded;
use streamgate::streams::{AdmissionOutcome, Cadence, Cause, Settings, Signal, Stream, StreamTable};

use super::support::{Gauge, account, at, candidate, holders, household, policy, table};

async fn start(table: &StreamTable, device: usize, asset: &str, now: Millis) -> Arc<Stream> {
    let who = candidate(0, device, asset, now);
    match table.start(&who, &household(5), &Settings::default(), now).await.expect("an embedded table answers") {
        AdmissionOutcome::Admitted { stream, .. } => stream,
        AdmissionOutcome::Refused(refusal) => panic!("{refusal:?}"),
    }
}

/// Ticks every second from `from` to `to` and says in which of them something was heard.
fn ticks(table: &StreamTable, gauge: &Gauge, from: u64, to: u64) -> Vec<(u64, &'static str)> {
    let listen = |second| {
        table.tick(at(second));
        gauge.heard().into_iter().map(move |word| (second, word)).collect::<Vec<_>>()
    };
    (from..=to).flat_map(listen).collect()
}

#[tokio::test]
async fn a_start_that_nothing_follows_is_idle_after_its_reservation_and_then_forgotten() {
    let (table, gauge) = table(&Settings::default());
    start(&table, 0, "/a", at(0)).await;
    assert_eq!(gauge.heard(), ["admitted"]);
    // The reservation ends with the twentieth second, which has passed in the twenty-first.
    assert_eq!(ticks(&table, &gauge, 1, 700), [(21, "idle"), (622, "forgotten")]);
    let mut accounts = 0;
    table.each(&mut |_, _| accounts += 1);
    assert_eq!(accounts, 0, "nothing is left of the account");
}

#[tokio::test]
async fn a_start_before_the_first_tick_is_looked_at_in_its_second() {
    let (table, gauge) = table(&Settings::default());
    start(&table, 0, "/a", at(0)).await.heartbeat(Signal::Playback, at(0));
    assert_eq!(ticks(&table, &gauge, 0, 70), [(0, "admitted"), (61, "idle")]);
}

#[tokio::test]
async fn a_stream_that_is_ended_when_it_has_no_slot_any_more_gives_none_back() {
    let (table, gauge) = table(&Settings::default());
    let stream = start(&table, 0, "/a", at(0)).await;
    assert_eq!(ticks(&table, &gauge, 1, 30), [(1, "admitted"), (21, "idle")]);
    assert_eq!(table.end(&account(0), stream.id, &Cause::Stopped, at(31)).await.ok(), Some(true));
    assert_eq!((gauge.heard(), gauge.held(), gauge.lowest()), (vec!["barred"], 0, 0));
    assert_eq!(table.terminated(&account(0), stream.id, at(32)).await.ok(), Some(Some(Cause::Stopped)));
}

#[tokio::test]
async fn the_last_sign_of_life_counts_wherever_it_came_from() {
    let (table, gauge) = table(&Settings::default());
    let stream = start(&table, 0, "/a", at(0)).await;
    stream.heartbeat(Signal::Playback, at(10));
    stream.opened();
    assert_eq!(ticks(&table, &gauge, 1, 300), [(1, "admitted")], "a body that takes its time is no silence");
    stream.closed(Signal::Playback, at(300));
    assert_eq!(ticks(&table, &gauge, 301, 400), [(361, "idle")]);
}

#[tokio::test]
async fn a_learnt_cadence_brings_the_deadline_forward() {
    let (table, gauge) = table(&Settings::default());
    let stream = start(&table, 0, "/a", at(0)).await;
    stream.heartbeat(Signal::Playback, at(0));
    table.tick(at(1));
    let live = Cadence { live: true, segment: Some(Duration::from_secs(4)), ..Cadence::default() };
    stream.learn(&live, &Settings::default());
    table.reschedule(&account(0).key(), at(1));
    assert_eq!(ticks(&table, &gauge, 2, 60), [(2, "admitted"), (23, "idle")], "22 s for segments of 4 s");
}

#[tokio::test]
async fn a_paused_live_player_keeps_its_slot_for_a_time_and_polls_on_without_one() {
    let (settings, (table, gauge)) = (Settings::default(), table(&Settings::default()));
    let stream = start(&table, 0, "/a", at(0)).await;
    let live = Cadence { live: true, segment: Some(Duration::from_secs(4)), ..Cadence::default() };
    stream.learn(&live, &settings);
    stream.heartbeat(Signal::Playback, at(0));
    let mut freed = None;
    for second in 1..400 {
        let now = at(second);
        table.tick(now);
        if second % 4 == 0 && !stream.heartbeat(Signal::Presence, now) {
            freed.get_or_insert(second);
            let polls = table.resume(&candidate(0, 0, "/a", at(0)), &household(1), &settings, now).await;
            assert!(matches!(polls, Ok(AdmissionOutcome::Admitted { created: false, .. })), "a poll passes: {polls:?}");
        }
    }
    assert_eq!(freed, Some(132), "8 s without media and 2 min of pause");
    assert_eq!(gauge.heard(), ["admitted", "idle"]);
    assert!(holders(&table, &settings, at(400)).is_empty());
    assert!(!stream.heartbeat(Signal::Playback, at(400)));
    let plays = table.resume(&candidate(0, 0, "/a", at(0)), &household(1), &settings, at(400)).await;
    assert!(matches!(plays, Ok(AdmissionOutcome::Admitted { created: true, .. })), "media competes: {plays:?}");
}

#[tokio::test]
async fn a_tick_after_a_long_sleep_catches_up_with_everything() {
    let (table, gauge) = table(&Settings::default());
    table.tick(at(0));
    for device in 0..5 {
        start(&table, device, "/a", at(0)).await;
    }
    gauge.heard();
    table.tick(at(100_000));
    assert_eq!(gauge.heard(), ["idle"; 5]);
    assert_eq!(ticks(&table, &gauge, 100_001, 100_700), [(100_601, "forgotten"); 5]);
    assert_eq!((gauge.held(), gauge.lowest()), (0, 0));
}

#[tokio::test]
async fn an_account_whose_request_is_a_little_late_is_not_lost() {
    let (table, gauge) = table(&Settings::default());
    table.tick(at(100));
    // Its time was taken before the tick; the reservation was given back at once, and nothing is left to be remembered.
    let who = start(&table, 0, "/a", at(99)).await;
    table.roll_back(&account(0), who.id, at(99)).await.expect("an embedded table answers");
    assert_eq!(ticks(&table, &gauge, 101, 130), [(101, "admitted"), (101, "rolled back")]);
    let mut accounts = 0;
    table.each(&mut |_, _| accounts += 1);
    assert_eq!(accounts, 0);
}

#[tokio::test]
async fn each_slot_is_given_back_once_whichever_way_it_went() {
    let (settings, (table, gauge)) = (Settings::default(), table(&Settings::default()));
    start(&table, 0, "/a", at(0)).await.heartbeat(Signal::Playback, at(0));
    start(&table, 0, "/b", at(1)).await.heartbeat(Signal::Playback, at(1));
    assert_eq!(gauge.heard(), ["admitted", "superseded", "admitted"]);
    let rolled = start(&table, 1, "/a", at(2)).await.id;
    table.roll_back(&account(0), rolled, at(3)).await.expect("an embedded table answers");
    table.roll_back(&account(0), rolled, at(3)).await.expect("an embedded table answers");
    assert_eq!(gauge.heard(), ["admitted", "rolled back"]);
    let latest_wins = [policy("household", 1, WhenExceeded::TerminateOldest, &["tv"])];
    let third = table.start(&candidate(0, 2, "/c", at(40)), &latest_wins, &settings, at(40)).await;
    assert!(matches!(third, Ok(AdmissionOutcome::Admitted { .. })));
    assert_eq!(gauge.heard(), ["terminated", "admitted", "violated"]);
    assert_eq!(gauge.held(), 1);
    ticks(&table, &gauge, 41, 2000);
    assert_eq!((gauge.held(), gauge.lowest()), (0, 0));
}
