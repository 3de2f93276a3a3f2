//! Streams that applications declare: they share one table, and one limit, with those that play through the gateway.

use std::sync::Arc;
use std::time::Duration;

use streamgate::model::{ApplicationId, Attributes, Device, Millis, StreamId};
use streamgate::policy::{Count, Field, Policy, Rule, WhenExceeded};
use streamgate::streams::{
    AdmissionOutcome, AdmissionRequest, Cause, Ended, Kill, Refusal, Settings, Signal, Stream, StreamTable,
};

use super::support::{Gauge, account, at, candidate, holders, household, in_force, is_admitted, policies, table};

#[path = "declared/joined.rs"]
mod joined;
#[path = "declared/killing.rs"]
mod killing;
#[path = "declared/lasting.rs"]
mod lasting;

/// How long a declared stream is heard of late at most: 60 s announced, 30 s grace.
const SILENCE: u64 = 90;

pub(crate) fn attributes(pairs: &[(&str, &str)]) -> Attributes {
    pairs.iter().map(|(name, value)| (Arc::from(*name), Arc::from(*value))).collect()
}

/// A start that an application declares; the names of the streams of one account differ by `n`.
pub(crate) fn declaration(n: u8, known: &[(&str, &str)], now: Millis) -> AdmissionRequest {
    AdmissionRequest {
        stream: StreamId([0x80 | n; 16]),
        device: Device::Hint(u64::from(n)),
        asset: "".into(),
        attributes: attributes(known),
        ..candidate(0, 0, "", now)
    }
}

/// A start by traffic on a named device, whose token says what is played.
fn viewing(device: &str, path: &str, known: &[(&str, &str)], now: Millis) -> AdmissionRequest {
    AdmissionRequest {
        device: Device::Named(device.into()),
        attributes: attributes(known),
        ..candidate(0, 0, path, now)
    }
}

struct House {
    table: StreamTable,
    gauge: Arc<Gauge>,
    settings: Settings,
    policies: Vec<Arc<Policy>>,
}

impl House {
    fn under(rules: Vec<Rule>) -> Self {
        let settings = Settings { min_tenure: Duration::ZERO, ..Settings::default() };
        let (table, gauge) = table(&settings);
        let policies = policies(rules);
        let table = table.configured(settings.clone(), in_force(&policies));
        Self { table, gauge, settings, policies }
    }

    /// At most `limit` streams; the newest gives way.
    fn of(limit: u32) -> Self {
        Self::under(vec![Rule::streams("streams", limit, WhenExceeded::DenyNewest)])
    }

    /// At most `limit` streams; the oldest gives way.
    fn evicting(limit: u32) -> Self {
        Self::under(vec![Rule::streams("streams", limit, WhenExceeded::TerminateOldest)])
    }

    /// From now on these rules are in force. Returns how many streams end or will.
    async fn adopt(&mut self, rules: Vec<Rule>, now: Millis) -> usize {
        self.policies = policies(rules);
        self.table.apply_policy_change(self.settings.clone(), in_force(&self.policies), now).await
    }

    async fn declared(&self, who: &AdmissionRequest, kills: &[Kill], remember: bool, now: Millis) -> AdmissionOutcome {
        let answer = self.table.declare(who, kills, remember, &self.policies, &self.settings, now).await;
        answer.expect("an embedded table answers")
    }

    /// Declares stream `n`, which must be admitted.
    async fn declare(&self, n: u8, now: Millis) -> Arc<Stream> {
        self.admitted(self.declared(&declaration(n, &[], now), &[], false, now).await)
    }

    async fn is_declared(&self, n: u8, now: Millis) -> bool {
        matches!(
            self.declared(&declaration(n, &[], now), &[], false, now).await,
            AdmissionOutcome::Admitted { created: true, .. }
        )
    }

    #[allow(clippy::unused_self, reason = "it reads as what the house answers")]
    fn admitted(&self, answer: AdmissionOutcome) -> Arc<Stream> {
        match answer {
            AdmissionOutcome::Admitted { stream, .. } => stream,
            AdmissionOutcome::Refused(refusal) => panic!("{refusal:?}"),
        }
    }

    async fn start(&self, who: &AdmissionRequest, now: Millis) -> AdmissionOutcome {
        self.table.start(who, &self.policies, &self.settings, now).await.expect("an embedded table answers")
    }

    /// A start by traffic that is admitted and plays.
    async fn play(&self, who: &AdmissionRequest, now: Millis) -> Arc<Stream> {
        let stream = self.admitted(self.start(who, now).await);
        assert!(stream.heartbeat(Signal::Playback, now));
        stream
    }

    async fn ended(&self, id: StreamId, now: Millis) -> Option<Ended> {
        self.table.ended(&account(0), id, now).await.expect("an embedded table answers")
    }

    async fn heartbeat(&self, stream: &Arc<Stream>, news: &[(&str, &str)], now: Millis) -> Option<Refusal> {
        assert!(stream.heartbeat_declared(now), "it holds its slot");
        let news = attributes(news);
        let account = account(0);
        let told = self.table.heartbeat(&account, stream, &news, &self.policies, &self.settings, now);
        told.await.expect("an embedded table answers")
    }

    /// Whether there was anything to stop.
    async fn stop(&self, stream: &Stream, now: Millis) -> bool {
        self.table.end(&account(0), stream.id, &Cause::Stopped, now).await.expect("an embedded table answers")
    }

    async fn revive(&self, stream: &Arc<Stream>, now: Millis) -> Option<AdmissionOutcome> {
        let account = account(0);
        let back = self.table.revive(&account, stream, &self.policies, &self.settings, now);
        back.await.expect("an embedded table answers")
    }

    /// How many streams hold a slot; the events must say the same.
    fn running(&self, now: Millis) -> usize {
        let running = holders(&self.table, &self.settings, now).len();
        assert_eq!(self.gauge.held(), running, "the events");
        assert!(self.gauge.lowest() >= 0, "an end was told twice");
        running
    }
}

/// At most `limit` different devices.
fn devices(limit: u32) -> Rule {
    let mut rule = Rule::streams("devices", limit, WhenExceeded::DenyNewest);
    rule.count = Count::Distinct(Field::named("deviceId"));
    rule
}

#[tokio::test]
async fn a_declared_stream_holds_its_slot_from_its_start_until_it_is_late_and_the_grace_is_over() {
    let house = House::of(1);
    let stream = house.declare(1, at(0)).await;
    assert_eq!(stream.declared(), Some(at(0)));
    let last = at(SILENCE) - Duration::from_millis(1);
    house.table.tick(last);
    assert!(stream.holds(&house.settings, last) && !house.is_declared(2, last).await);
    assert!(!stream.holds(&house.settings, at(SILENCE)));
    assert!(house.is_declared(3, at(SILENCE)).await, "the slot is free");
    assert!(!stream.heartbeat_declared(at(SILENCE)), "and somebody else has it");
    assert_eq!(house.running(at(SILENCE)), 1);
}

#[tokio::test]
async fn an_application_keeps_its_stream_by_saying_so_for_as_long_as_it_does() {
    let house = House::of(1);
    let stream = house.declare(1, at(0)).await;
    for minute in 1..60 {
        let now = at(minute * 60 + 29);
        house.table.tick(now);
        assert!(stream.heartbeat_declared(now), "minute {minute}");
        assert!(!house.is_declared(2, now).await);
    }
    assert_eq!(house.running(at(59 * 60 + 30)), 1);
}

#[tokio::test]
async fn each_declaration_is_a_stream_of_its_own_even_on_one_device() {
    let house = House::of(2);
    let known = [("deviceId", "tablet"), ("assetId", "film")];
    for n in 1..3 {
        let answer = house.declared(&declaration(n, &known, at(0)), &[], false, at(0)).await;
        assert!(matches!(answer, AdmissionOutcome::Admitted { created: true, .. }));
    }
    let third = house.declared(&declaration(3, &known, at(0)), &[], false, at(0)).await;
    assert!(matches!(third, AdmissionOutcome::Refused(Refusal::Policy { .. })));
}

#[tokio::test]
async fn a_refused_declaration_leaves_nothing_unless_it_is_to_be_remembered() {
    let house = House::of(1);
    house.declare(1, at(0)).await;
    assert!(!house.is_declared(2, at(1)).await);
    assert!(house.ended(declaration(2, &[], at(1)).stream, at(1)).await.is_none());
    let third = declaration(3, &[("channel", "arena-1")], at(2));
    assert!(matches!(house.declared(&third, &[], true, at(2)).await, AdmissionOutcome::Refused(_)));
    let remembered = house.ended(third.stream, at(3)).await.expect("it is remembered");
    assert_eq!((remembered.cause.label(), remembered.was_told), ("refused", true));
    assert_eq!(house.running(at(3)), 1, "and takes no slot");
    assert!(house.ended(third.stream, at(3 + 180)).await.is_none(), "but not for ever");
}

#[tokio::test]
async fn a_stopped_stream_gives_its_slot_back_at_once_and_is_over() {
    let house = House::of(1);
    let stream = house.declare(1, at(0)).await;
    assert!(house.stop(&stream, at(1)).await);
    assert!(!house.stop(&stream, at(2)).await, "once is enough");
    assert!(house.is_declared(2, at(2)).await);
    assert!(!stream.heartbeat_declared(at(3)));
    assert_eq!(house.ended(stream.id, at(3)).await.map(|ended| ended.cause), Some(Cause::Stopped));
    assert_eq!(house.running(at(3)), 1);
}

#[tokio::test]
async fn stopping_a_stream_that_has_fallen_silent_gives_no_slot_back_twice() {
    let house = House::of(1);
    let stream = house.declare(1, at(0)).await;
    house.table.tick(at(SILENCE + 2));
    assert_eq!(house.running(at(SILENCE + 2)), 0);
    assert!(house.stop(&stream, at(SILENCE + 3)).await);
    assert_eq!(house.running(at(SILENCE + 3)), 0);
}

#[tokio::test]
async fn the_newest_declared_stream_ends_the_oldest_of_whatever_kind_and_so_does_the_newest_by_traffic() {
    let house = House::evicting(1);
    let first = house.play(&candidate(0, 1, "/live", at(0)), at(0)).await;
    let second = house.declare(2, at(1)).await;
    assert!(!first.heartbeat(Signal::Playback, at(2)));
    assert!(
        matches!(house.ended(first.id, at(2)).await, Some(Ended { cause: Cause::Evicted { by, .. }, .. }) if by == second.id)
    );
    // The origin has not answered this one yet. Applications are told at once.
    let third = house.admitted(house.start(&candidate(0, 3, "/live", at(3)), at(3)).await);
    assert!(!second.heartbeat_declared(at(4)));
    let told = house.ended(second.id, at(4)).await.expect("it is remembered");
    assert!(!told.was_told && matches!(told.cause, Cause::Evicted { by, .. } if by == third.id));
    assert!(house.ended(second.id, at(5)).await.is_some_and(|ended| ended.was_told), "once");
    assert_eq!(house.running(at(5)), 1);
}

#[tokio::test]
async fn news_that_exceed_a_rule_end_a_declared_stream_and_no_other() {
    let house = House::under(vec![devices(2)]);
    let known = ["d1", "d1", "d2"];
    let mut streams = Vec::new();
    for (n, device) in (1..).zip(known) {
        let who = declaration(n, &[("deviceId", device)], at(0));
        streams.push(house.admitted(house.declared(&who, &[], false, at(0)).await));
    }
    let refusal = house.heartbeat(&streams[0], &[("deviceId", "d3")], at(10)).await;
    assert!(matches!(refusal, Some(Refusal::Policy { holders, .. }) if holders.len() == 2));
    assert!(!streams[0].heartbeat_declared(at(11)));
    assert!(house.ended(streams[0].id, at(11)).await.is_some_and(|ended| ended.was_told), "it has been told");
    assert!(house.heartbeat(&streams[1], &[("deviceName", "Den")], at(12)).await.is_none());
    assert_eq!(streams[1].attributes().get("deviceName"), Some("Den"));
    assert_eq!(house.running(at(12)), 2);
}

#[tokio::test]
async fn what_is_frozen_stays_as_it_was_declared() {
    let house = House::of(1);
    let who = declaration(1, &[("channel", "arena-1"), ("genre", "sports")], at(0));
    let stream = house.admitted(house.declared(&who, &[], false, at(0)).await);
    assert!(house.heartbeat(&stream, &[("channel", "kids-2"), ("genre", "news")], at(1)).await.is_none());
    assert_eq!(stream.attributes(), attributes(&[("channel", "arena-1"), ("genre", "news")]));
    assert_eq!(stream.attribute_update(&attributes(&[("channel", "kids-2")]), &stream.asset).frozen, ["channel"]);
}

#[tokio::test]
async fn each_attempt_is_told_with_the_number_of_streams_that_it_comes_to() {
    let house = House::of(2);
    let first = house.declare(1, at(0)).await;
    house.play(&candidate(0, 1, "/live", at(1)), at(1)).await;
    assert!(!house.is_declared(2, at(2)).await);
    // In place of another.
    house.declared(&declaration(3, &[], at(3)), &[(first.id, Arc::from("code"))], false, at(3)).await;
    // The same device starts something else.
    house.play(&candidate(0, 1, "/other", at(4)), at(4)).await;
    assert_eq!(house.gauge.attempts(), [(1, true), (2, true), (3, false), (2, true), (2, true)]);
}

#[tokio::test]
async fn a_change_of_policies_speaks_of_declared_streams_as_well() {
    let mut house = House::of(3);
    let first = house.declare(1, at(0)).await;
    let second = house.play(&candidate(0, 1, "/live", at(1)), at(1)).await;
    assert_eq!(house.adopt(vec![Rule::streams("streams", 1, WhenExceeded::TerminateOldest)], at(2)).await, 1);
    assert!(!first.heartbeat_declared(at(3)) && second.heartbeat(Signal::Playback, at(3)));
    assert_eq!(house.running(at(3)), 1);
    assert!(house.ended(first.id, at(3)).await.is_some());
}

#[test]
fn of_50_declarations_at_once_exactly_as_many_are_admitted_as_may_play() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().expect("a runtime");
    let settings = Settings::default();
    let (table, gauge) = table(&settings);
    let table = Arc::new(table);
    let policies = household(3);
    for round in 0..50_usize {
        let barrier = Arc::new(tokio::sync::Barrier::new(50));
        let requests: Vec<_> = (0..50_u8)
            .map(|n| {
                let (table, barrier, policies) = (table.clone(), barrier.clone(), policies.clone());
                let settings = settings.clone();
                runtime.spawn(async move {
                    let who = AdmissionRequest { account: account(round), ..declaration(n, &[], at(0)) };
                    barrier.wait().await;
                    // Every second one is declared, the others come by traffic.
                    let by_traffic = AdmissionRequest { device: Device::Named(n.to_string().into()), ..who.clone() };
                    let answer = if n % 2 == 0 {
                        table.declare(&who, &[], n % 4 == 0, &policies, &settings, at(0)).await
                    } else {
                        table.start(&by_traffic, &policies, &settings, at(0)).await
                    };
                    is_admitted(&answer.expect("an embedded table answers"))
                })
            })
            .collect();
        let answers = requests.into_iter().map(|request| runtime.block_on(request).expect("a request ends"));
        assert_eq!(answers.filter(|admitted| *admitted).count(), 3, "round {round}");
    }
    assert_eq!(gauge.held(), 150);
}
