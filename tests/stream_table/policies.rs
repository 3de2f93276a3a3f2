//! What policies do to streams that play: something becomes known, a grace is over, the policies change.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use streamgate::model::{ApplicationId, Attributes, Millis, StreamId};
use streamgate::policy::{ApplicationBinding, Field, Limit, Missing, Policy, Rule, WhenExceeded};
use streamgate::streams::{
    AdmissionOutcome, AdmissionRequest, Cadence, Cause, Refusal, Settings, Signal, Stream, StreamTable,
};

use super::support::{Gauge, account, at, candidate, holders, household, in_force, is_admitted, policies, table};

struct House {
    table: StreamTable,
    gauge: Arc<Gauge>,
    settings: Settings,
    policies: Vec<Arc<Policy>>,
}

impl House {
    fn new(rules: Vec<Rule>) -> Self {
        let settings = Settings { min_tenure: Duration::ZERO, ..Settings::default() };
        let (table, gauge) = table(&settings);
        let policies = policies(rules);
        let table = table.configured(settings.clone(), in_force(&policies));
        Self { table, gauge, settings, policies }
    }

    /// From now on these rules are in force. Returns how many streams end or will.
    async fn adopt(&mut self, rules: Vec<Rule>, now: Millis) -> usize {
        self.policies = policies(rules);
        self.table.apply_policy_change(self.settings.clone(), in_force(&self.policies), now).await
    }

    async fn ask(&self, who: &AdmissionRequest, now: Millis) -> AdmissionOutcome {
        self.table.start(who, &self.policies, &self.settings, now).await.expect("an embedded table answers")
    }

    async fn start(&self, who: &AdmissionRequest, now: Millis) -> Arc<Stream> {
        match self.ask(who, now).await {
            AdmissionOutcome::Admitted { stream, .. } => stream,
            AdmissionOutcome::Refused(refusal) => panic!("{refusal:?}"),
        }
    }

    /// Starts device `n` and plays.
    async fn play(&self, n: usize, now: Millis) -> Arc<Stream> {
        let stream = self.start(&candidate(0, n, "/a", now), now).await;
        assert!(stream.heartbeat(Signal::Playback, now));
        stream
    }

    async fn judge(&self, stream: &Stream, attributes: Option<&Attributes>, now: Millis) {
        let account = account(0);
        let attributes = attributes.map(|attributes| (attributes, &*stream.asset));
        let judged = self.table.judge(&account, stream.id, attributes, &self.policies, &self.settings, now);
        judged.await.expect("an embedded table answers");
    }

    /// What a request of a stream that holds no slot is told.
    async fn return_of(&self, n: usize, now: Millis) -> AdmissionOutcome {
        let who = candidate(0, n, "/a", now);
        self.table.resume(&who, &self.policies, &self.settings, now).await.expect("an embedded table answers")
    }

    /// Seconds `from` to `to`, in which these streams play on.
    async fn pass(&self, from: u64, to: u64, playing: &[&Arc<Stream>]) {
        for second in from..=to {
            for stream in playing {
                stream.heartbeat(Signal::Playback, at(second));
            }
            self.table.tick(at(second));
            self.table.expire_grace(at(second)).await;
        }
    }

    fn holders(&self, now: Millis) -> Vec<StreamId> {
        holders(&self.table, &self.settings, now)
    }
}

fn rule(limit: u32, when_exceeded: WhenExceeded) -> Rule {
    Rule::streams("streams", limit, when_exceeded)
}

/// One live stream and two of video on demand.
fn by_content() -> Rule {
    let limits = [("live", 1), ("vod", 2)].map(|(value, limit)| (value.into(), limit));
    let limit = Limit::ByValue { field: Field::ContentType, values: limits.into(), otherwise: None };
    Rule { per: vec![Field::ContentType], limit, ..rule(0, WhenExceeded::DenyNewest) }
}

fn live() -> Cadence {
    Cadence { live: true, segment: Some(Duration::from_secs(4)), ..Cadence::default() }
}

fn vod() -> Cadence {
    Cadence { live: false, ..live() }
}

fn attributes(pairs: &[(&str, &str)]) -> Attributes {
    pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
}

#[tokio::test]
async fn a_rule_waits_until_the_manifest_has_said_what_it_asks_for() {
    let house = House::new(vec![by_content()]);
    let (first, second) = (
        house.start(&candidate(0, 1, "/a", at(0)), at(0)).await,
        house.start(&candidate(0, 2, "/a", at(0)), at(0)).await,
    );
    assert!(house.gauge.demanded().is_empty(), "nothing has been counted yet");
    assert!(!first.needs_reevaluation(Signal::Presence), "nothing is known yet");
    for stream in [&first, &second] {
        stream.learn(&live(), &house.settings);
        assert!(stream.needs_reevaluation(Signal::Presence));
    }
    house.judge(&first, None, at(1)).await;
    assert!(!first.needs_reevaluation(Signal::Playback), "it has been judged");
    // Both are known to be live by now, and the one that asks first is the one that is told.
    assert!(!first.heartbeat(Signal::Presence, at(1)), "it is one too many");
    house.judge(&second, None, at(1)).await;
    assert!(second.heartbeat(Signal::Presence, at(1)), "there is room for one");
    let told = house.return_of(1, at(2)).await;
    assert!(
        matches!(&told, AdmissionOutcome::Refused(Refusal::Terminated(Cause::Refused { rule, .. })) if **rule == *"streams"),
        "{told:?}"
    );
}

#[tokio::test]
async fn what_is_of_another_kind_does_not_count() {
    let house = House::new(vec![by_content()]);
    let one = house.play(1, at(0)).await;
    one.learn(&live(), &house.settings);
    house.judge(&one, None, at(1)).await;
    for (device, seconds) in [(2, 2), (3, 3)] {
        let film = house.play(device, at(seconds)).await;
        film.learn(&vod(), &house.settings);
        house.judge(&film, None, at(seconds)).await;
        assert!(film.heartbeat(Signal::Playback, at(seconds)));
    }
    let film = house.play(4, at(5)).await;
    film.learn(&vod(), &house.settings);
    house.judge(&film, None, at(5)).await;
    assert!(!film.heartbeat(Signal::Playback, at(5)), "two films are enough");
    assert_eq!(house.holders(at(5)).len(), 3);
}

#[tokio::test]
async fn media_without_a_manifest_ends_the_waiting() {
    let mut needs = by_content();
    needs.missing = Missing::Refuse;
    let house = House::new(vec![needs]);
    let stream = house.start(&candidate(0, 1, "/a", at(0)), at(0)).await;
    assert!(stream.needs_reevaluation(Signal::Playback));
    stream.heartbeat(Signal::Playback, at(1));
    house.judge(&stream, None, at(1)).await;
    assert!(!stream.heartbeat(Signal::Playback, at(1)), "it does not say what it is, and has to");
}

#[tokio::test]
async fn a_manifest_that_comes_after_the_first_media_is_still_heard() {
    let house = House::new(vec![by_content()]);
    let known = house.play(1, at(0)).await;
    known.learn(&live(), &house.settings);
    house.judge(&known, None, at(0)).await;
    let unknown = house.play(2, at(1)).await;
    assert!(unknown.needs_reevaluation(Signal::Playback));
    house.judge(&unknown, None, at(1)).await;
    assert!(unknown.heartbeat(Signal::Playback, at(1)), "nobody knows what it plays");
    assert!(!unknown.needs_reevaluation(Signal::Playback), "nor will its next media tell");
    unknown.learn(&live(), &house.settings);
    assert!(unknown.needs_reevaluation(Signal::Playback));
    house.judge(&unknown, None, at(2)).await;
    assert!(!unknown.heartbeat(Signal::Playback, at(2)), "it is live after all");
    assert_eq!(house.gauge.demanded().iter().map(|(_, rank)| *rank).collect::<Vec<_>>(), [1, 2]);
}

#[tokio::test]
async fn an_attribute_that_changes_is_judged_and_one_that_is_frozen_stays() {
    let by_place = Rule { per: vec![Field::named("city")], ..rule(1, WhenExceeded::DenyNewest) };
    let house = House::new(vec![by_place]);
    let mut streams = Vec::new();
    for (device, city) in [(1, "Oslo"), (2, "Rome")] {
        let mut who = candidate(0, device, "/a", at(0));
        who.attributes = attributes(&[("city", city), ("channel", "news")]);
        let stream = house.start(&who, at(0)).await;
        stream.heartbeat(Signal::Playback, at(0));
        streams.push(stream);
    }
    let second = &streams[1];
    let learned = second.attribute_update(&attributes(&[("channel", "sports"), ("city", "Rome")]), "/a");
    assert_eq!((learned.attributes, learned.frozen), (None, vec!["channel"]));
    house.judge(second, Some(&attributes(&[("channel", "sports"), ("plan", "basic")])), at(1)).await;
    assert_eq!(second.attributes(), attributes(&[("channel", "news"), ("city", "Rome"), ("plan", "basic")]));
    assert!(second.heartbeat(Signal::Playback, at(1)));
    house.judge(second, Some(&attributes(&[("city", "Oslo")])), at(2)).await;
    assert!(!second.heartbeat(Signal::Playback, at(2)), "somebody watches in Oslo");
    assert_eq!(house.holders(at(2)), [streams[0].id]);
}

#[tokio::test]
async fn a_stream_that_gives_way_plays_on_for_the_grace_and_does_not_count() {
    let graceful = Rule { grace: Some(Duration::from_mins(1)), ..rule(1, WhenExceeded::TerminateOldest) };
    let house = House::new(vec![graceful]);
    let old = house.play(1, at(0)).await;
    let new = house.play(2, at(10)).await;
    house.pass(10, 69, &[&old, &new]).await;
    assert!(old.heartbeat(Signal::Playback, at(69)), "its grace is not over");
    assert_eq!(house.holders(at(69)).len(), 2);
    house.pass(70, 71, &[&new]).await;
    assert!(!old.heartbeat(Signal::Playback, at(71)));
    assert_eq!(house.holders(at(71)), [new.id]);
    let told = house.return_of(1, at(72)).await;
    assert!(matches!(told, AdmissionOutcome::Refused(Refusal::Terminated(Cause::Evicted { by, .. })) if by == new.id));
    assert_eq!(house.gauge.heard(), ["admitted", "leaving", "admitted", "violated", "terminated"]);
}

#[tokio::test]
async fn whoever_leaves_may_stay_if_there_is_room_again() {
    let graceful = Rule { grace: Some(Duration::from_mins(1)), ..rule(1, WhenExceeded::TerminateOldest) };
    let house = House::new(vec![graceful]);
    let old = house.play(1, at(0)).await;
    let new = house.play(2, at(10)).await;
    house.table.end(&account(0), new.id, &Cause::Stopped, at(30)).await.expect("an embedded table answers");
    house.pass(30, 200, &[&old]).await;
    assert_eq!(house.holders(at(200)), [old.id]);
    // It counts again: the next start makes it leave anew.
    house.play(3, at(201)).await;
    assert_eq!(house.gauge.heard().iter().filter(|word| **word == "leaving").count(), 2);
}

#[tokio::test]
async fn a_start_that_comes_to_nothing_sends_nobody_away() {
    let graceful = Rule { grace: Some(Duration::from_mins(1)), ..rule(1, WhenExceeded::TerminateOldest) };
    let house = House::new(vec![graceful]);
    let old = house.play(1, at(0)).await;
    let new = house.start(&candidate(0, 2, "/a", at(10)), at(10)).await;
    house.table.roll_back(&account(0), new.id, at(11)).await.expect("an embedded table answers");
    house.pass(11, 120, &[&old]).await;
    assert_eq!(house.holders(at(120)), [old.id]);
}

#[tokio::test]
async fn a_limit_that_shrinks_leaves_running_streams_alone_unless_a_grace_is_given() {
    let mut house = House::new(vec![rule(3, WhenExceeded::DenyNewest)]);
    let streams = [house.play(1, at(0)).await, house.play(2, at(1)).await, house.play(3, at(2)).await];
    assert_eq!(house.adopt(vec![rule(1, WhenExceeded::DenyNewest)], at(10)).await, 0);
    assert_eq!(house.holders(at(10)).len(), 3, "they were admitted");
    assert!(!is_admitted(&house.ask(&candidate(0, 4, "/a", at(11)), at(11)).await), "the new limit holds for starts");

    let graceful = Rule { grace: Some(Duration::from_secs(20)), ..rule(2, WhenExceeded::DenyNewest) };
    assert_eq!(house.adopt(vec![graceful.clone()], at(12)).await, 1);
    assert_eq!(house.adopt(vec![graceful], at(12)).await, 0, "nothing has changed");
    let [first, second, third] = &streams;
    house.pass(12, 31, &[first, second, third]).await;
    assert_eq!(house.holders(at(31)).len(), 3, "the grace is not over");
    house.pass(32, 33, &[first, second]).await;
    assert_eq!(house.holders(at(33)), [first.id, second.id], "the newest goes");
}

#[tokio::test]
async fn a_limit_that_shrinks_ends_the_oldest_where_the_latest_win() {
    let mut house = House::new(vec![rule(3, WhenExceeded::TerminateOldest)]);
    let streams = [house.play(1, at(0)).await, house.play(2, at(1)).await, house.play(3, at(2)).await];
    assert_eq!(house.adopt(vec![rule(1, WhenExceeded::TerminateOldest)], at(10)).await, 2);
    assert_eq!(house.holders(at(10)), [streams[2].id]);
    let nobody = Rule { per: vec![Field::DeviceId], ..rule(1, WhenExceeded::TerminateOldest) };
    assert_eq!(house.adopt(vec![nobody], at(11)).await, 0, "nothing is left to do");
}

#[tokio::test]
async fn an_end_from_outside_frees_the_slot_at_once_and_keeps_the_player_out() {
    let house = House::new(vec![rule(1, WhenExceeded::DenyNewest)]);
    let stream = house.play(1, at(0)).await;
    let end = async |id| house.table.end(&account(0), id, &Cause::Stopped, at(5)).await.expect("it answers");
    assert!(end(stream.id).await);
    assert!(!end(stream.id).await, "it has ended already");
    assert!(matches!(house.return_of(1, at(6)).await, AdmissionOutcome::Refused(Refusal::Terminated(Cause::Stopped))));
    assert!(is_admitted(&house.ask(&candidate(0, 2, "/a", at(6)), at(6)).await));
}

#[tokio::test]
async fn what_another_limit_would_have_done_is_told_with_each_admission() {
    let house = House::new(vec![rule(2, WhenExceeded::DenyNewest)]);
    let first = house.play(1, at(0)).await;
    house.play(2, at(1)).await;
    assert!(!is_admitted(&house.ask(&candidate(0, 3, "/a", at(2)), at(2)).await));
    house.table.end(&account(0), first.id, &Cause::Stopped, at(3)).await.expect("it answers");
    // With a limit of one only the first would have played, and it has gone.
    house.play(4, at(4)).await;
    let ranks: Vec<u16> = house.gauge.demanded().into_iter().map(|(_, rank)| rank).collect();
    assert_eq!(ranks, [1, 2, 3, 1]);
}

#[tokio::test]
async fn a_policy_of_another_application_is_no_concern() {
    let mut house = House::new(Vec::new());
    house.policies = vec![Arc::new(Policy {
        carriers: BTreeMap::from([(ApplicationId("web".into()), ApplicationBinding::default())]),
        ..(*household(1)[0]).clone()
    })];
    for device in 0..5 {
        house.play(device, at(0)).await;
    }
    assert_eq!(house.holders(at(0)).len(), 5);
}

#[tokio::test]
async fn what_becomes_known_of_a_stream_is_not_held_against_it_for_other_reasons() {
    let mut house = House::new(vec![rule(3, WhenExceeded::DenyNewest)]);
    let streams = [house.play(1, at(0)).await, house.play(2, at(1)).await, house.play(3, at(2)).await];
    house.adopt(vec![rule(1, WhenExceeded::DenyNewest)], at(10)).await;
    for stream in &streams {
        house.judge(stream, Some(&attributes(&[("city", "Oslo")])), at(11)).await;
        assert!(stream.heartbeat(Signal::Playback, at(11)), "it was one too many before, and was let go on");
    }
}

#[tokio::test]
async fn a_grace_is_not_for_starts_that_a_rule_had_to_wait_for() {
    let graceful = Rule { grace: Some(Duration::from_mins(1)), ..by_content() };
    let house = House::new(vec![graceful]);
    for device in [1, 2] {
        let stream = house.play(device, at(0)).await;
        stream.learn(&live(), &house.settings);
        house.judge(&stream, None, at(1)).await;
        assert_eq!(stream.heartbeat(Signal::Playback, at(1)), device == 1, "device {device}");
    }
}

#[tokio::test]
async fn live_stays_live_whatever_else_its_player_fetches() {
    let house = House::new(vec![by_content()]);
    let channel = house.play(1, at(0)).await;
    for cadence in [live(), vod()] {
        channel.learn(&cadence, &house.settings);
    }
    assert_eq!(channel.content(), Some("live"));
    // The other way round it is told: what began with an advertisement is live after all.
    let late = house.play(2, at(1)).await;
    for cadence in [vod(), live()] {
        late.learn(&cadence, &house.settings);
        assert!(late.needs_reevaluation(Signal::Playback));
        house.judge(&late, None, at(2)).await;
    }
    assert!(!late.heartbeat(Signal::Playback, at(2)), "the second live stream");
}

#[tokio::test]
async fn a_manifest_is_waited_for_until_media_has_been_asked_for() {
    let house = House::new(vec![Rule { missing: Missing::Refuse, ..by_content() }]);
    house.start(&candidate(0, 1, "/a", at(0)), at(0)).await;
    house.pass(1, 60, &[]).await;
    assert!(house.holders(at(60)).is_empty(), "a pre-roll that takes long");
    let AdmissionOutcome::Admitted { stream, .. } = house.return_of(1, at(61)).await else {
        panic!("its media playlist will tell");
    };
    stream.learn(&live(), &house.settings);
    house.judge(&stream, None, at(62)).await;
    assert!(stream.heartbeat(Signal::Playback, at(62)));
}

#[tokio::test]
async fn whoever_returns_without_a_manifest_has_waited_long_enough() {
    let house = House::new(vec![Rule { missing: Missing::Refuse, ..by_content() }]);
    house.start(&candidate(0, 1, "/a", at(0)), at(0)).await;
    house.pass(1, 60, &[]).await;
    let AdmissionOutcome::Admitted { stream, .. } = house.return_of(1, at(61)).await else {
        panic!("nothing is known against it");
    };
    assert!(stream.heartbeat(Signal::Playback, at(62)) && stream.needs_reevaluation(Signal::Playback));
    house.judge(&stream, None, at(62)).await;
    assert!(!stream.heartbeat(Signal::Playback, at(62)), "media, and no word of what it is");
}

#[tokio::test]
async fn whoever_returns_with_another_token_is_judged_by_that() {
    let limit = Limit::Attribute { field: Field::named("maxStreams"), otherwise: Some(1) };
    let house = House::new(vec![Rule { limit, ..rule(0, WhenExceeded::DenyNewest) }]);
    let named = |streams: &str, now| {
        let mut who = candidate(0, 1, "/a", now);
        who.attributes = attributes(&[("maxStreams", streams), ("channel", "news")]);
        who
    };
    house.start(&named("1", at(0)), at(0)).await;
    house.pass(1, 60, &[]).await;
    house.play(2, at(61)).await;
    assert!(!is_admitted(&house.ask(&named("1", at(62)), at(62)).await));
    assert!(is_admitted(&house.ask(&named("4", at(63)), at(63)).await), "the plan has changed");
}

#[tokio::test]
async fn a_rule_that_lets_the_newest_go_on_does_not_hide_one_that_ends_the_oldest() {
    let named = |name: &str, limit, when| Rule { name: name.into(), ..rule(limit, when) };
    let mut house =
        House::new(vec![named("deny", 2, WhenExceeded::DenyNewest), named("latest", 2, WhenExceeded::TerminateOldest)]);
    let [first, second] = [house.play(1, at(0)).await, house.play(2, at(1)).await];
    let patient = Rule { grace: Some(Duration::from_secs(20)), ..named("latest", 1, WhenExceeded::TerminateOldest) };
    assert_eq!(house.adopt(vec![named("deny", 1, WhenExceeded::DenyNewest), patient], at(10)).await, 1);
    house.pass(10, 31, &[&second]).await;
    assert!(!first.heartbeat(Signal::Playback, at(31)), "the oldest, in the name of the rule that ends the oldest");
    assert!(second.heartbeat(Signal::Playback, at(31)));
}

#[tokio::test]
async fn not_more_streams_leave_at_the_same_time_than_may_play() {
    let graceful = Rule { grace: Some(Duration::from_mins(10)), ..rule(1, WhenExceeded::TerminateOldest) };
    let house = House::new(vec![graceful]);
    let mut streams = Vec::new();
    for device in 0..5 {
        streams.push(house.play(device, at(device as u64)).await);
    }
    let playing: Vec<bool> = streams.iter().map(|stream| stream.heartbeat(Signal::Playback, at(5))).collect();
    assert_eq!(playing, [false, false, false, true, true]);
}

#[tokio::test]
async fn who_leaves_is_remembered_over_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("streams");
    let graceful = Rule { grace: Some(Duration::from_mins(1)), ..rule(1, WhenExceeded::TerminateOldest) };
    let house = House::new(vec![graceful.clone()]);
    let old = house.play(1, at(0)).await;
    let new = house.play(2, at(10)).await;
    assert_eq!(house.table.save(&file, &house.settings, at(11)).expect("it is written"), 1);

    let house = House::new(vec![graceful]);
    house.table.restore(&file, at(12)).expect("it is read");
    let account = account(0);
    let [old, new] = [&old, &new].map(|kept| house.table.find(&account.key(), kept.id).expect("it is restored"));
    house.pass(12, 69, &[&old, &new]).await;
    assert!(old.heartbeat(Signal::Playback, at(69)));
    house.pass(70, 71, &[&new]).await;
    assert!(!old.heartbeat(Signal::Playback, at(71)));
    assert_eq!(house.holders(at(71)), [new.id]);
}
