//! Takeovers.

#![allow(clippy::expect_used, clippy::panic, reason = "tests say what failed by panicking")]

use super::super::{Plan, Transition};
use super::*;
use crate::model::{Account, ApplicationId, Attributes};
use crate::policy::{Policy, Rule, WhenExceeded};
use crate::streams::{AdmissionRequest, Cadence, Signal};

fn at(seconds: u64) -> Millis {
    Millis((1_000_000 + seconds) * 1000)
}

/// A client without a named device: its network and agent, and a token.
fn client(n: u32, token: u32) -> ClientEvidence {
    ClientEvidence { network: n, agent: n, token, issued: 0 }
}

struct House {
    record: AccountState,
    settings: Settings,
    policies: Vec<Arc<Policy>>,
    settled: Vec<(StreamId, StreamId)>,
}

impl House {
    fn new(limit: u32, when_exceeded: WhenExceeded) -> Self {
        let policy = Policy::new("household", vec![Rule::streams("streams", limit, when_exceeded)], &["tv"]);
        let policies = vec![Arc::new(policy)];
        Self { record: AccountState::default(), settings: Settings::default(), policies, settled: Vec::new() }
    }

    fn of(limit: u32) -> Self {
        Self::new(limit, WhenExceeded::DenyNewest)
    }

    fn law(&self) -> PolicyContext<'_> {
        PolicyContext { policies: &self.policies, settings: &self.settings, idp: "acme" }
    }

    fn settle(&mut self, now: Millis) {
        let Self { record, settings, settled, .. } = self;
        record.expire(settings, now, |transition| {
            if let Transition::Replaced { stream, by, .. } = transition {
                settled.push((stream.id, by.id));
            }
        });
    }

    fn start(&mut self, n: u8, client: ClientEvidence, now: Millis) -> Result<Arc<Stream>, Box<Refused>> {
        self.start_on(n, Device::Hint(u64::from(client.agent)), client, now)
    }

    fn start_on(
        &mut self,
        n: u8,
        device: Device,
        client: ClientEvidence,
        now: Millis,
    ) -> Result<Arc<Stream>, Box<Refused>> {
        self.settle(now);
        let candidate = AdmissionRequest {
            stream: StreamId([n; 16]),
            account: Account::new("acme", "alice"),
            application: ApplicationId("tv".into()),
            device,
            asset: format!("/{n}").into(),
            started: now,
            attributes: Attributes::default(),
            client,
        };
        let plan = self.record.plan_start(&candidate, &self.law(), now);
        self.carry_out(plan, now)
    }

    fn carry_out(&mut self, plan: Plan, now: Millis) -> Result<Arc<Stream>, Box<Refused>> {
        match plan {
            Plan::Admit(_, change) => {
                self.record.apply(&change, &self.settings, now);
                Ok(change.admit.expect("a start"))
            }
            Plan::Continue(stream) => Ok(stream),
            Plan::Refuse(refused) => Err(refused),
            Plan::Terminated(..) => panic!("terminated"),
        }
    }

    /// Handles a media request like the table. Returns false if it is refused.
    fn media(&mut self, stream: &Arc<Stream>, now: Millis) -> bool {
        self.settle(now);
        if stream.is_contested(Signal::Playback) {
            let _ = stream.heartbeat(Signal::Playback, now);
            let policies = self.policies.clone();
            let settings = self.settings.clone();
            let law = |_: &Stream| Some(PolicyContext { policies: &policies, settings: &settings, idp: "acme" });
            let Verification { change, .. } = self.record.plan_verification(stream.id, &law, now);
            if !change.is_empty() {
                self.record.apply(&change, &self.settings, now);
            }
        }
        if stream.heartbeat(Signal::Playback, now) {
            return true;
        }
        let candidate = stream.admission_request(&Account::new("acme", "alice"));
        match self.record.plan_reattach(&candidate, &self.law(), now) {
            Plan::Terminated(..) => false,
            plan => self.carry_out(plan, now).is_ok_and(|stream| stream.heartbeat(Signal::Playback, now)),
        }
    }

    /// Plays from `from` to `to` with a request every four seconds. Returns false if one is refused.
    fn plays(&mut self, stream: &Arc<Stream>, from: u64, to: u64) -> bool {
        (from..=to).step_by(4).all(|now| self.media(stream, at(now)))
    }

    fn counted(&mut self, now: Millis) -> usize {
        self.settle(now);
        self.record.streams().iter().filter(|stream| self.record.counts(stream)).count()
    }
}

fn vod() -> Cadence {
    Cadence {
        live: false,
        segment: Some(Duration::from_secs(4)),
        longest: Some(Duration::from_secs(4)),
        ..Cadence::default()
    }
}

#[test]
fn a_zap_without_a_device_is_admitted_and_replaces_what_fell_silent() {
    for (case, other) in [("token", client(9, 7)), ("client", client(1, 8))] {
        let mut house = House::of(1);
        let old = house.start(1, client(1, 7), at(0)).expect(case);
        assert!(house.plays(&old, 0, 20));
        let new = house.start(2, other, at(21)).expect(case);
        assert!(house.plays(&new, 22, 60), "{case}");
        assert_eq!(house.settled, [(old.id, new.id)], "{case}");
        assert_eq!(house.counted(at(60)), 1);
    }
}

#[test]
fn another_client_is_refused_as_before() {
    let mut house = House::of(1);
    let old = house.start(1, client(1, 7), at(0)).expect("room");
    assert!(house.plays(&old, 0, 20));
    assert!(house.start(2, client(2, 8), at(21)).is_err());
    assert!(house.start_on(3, Device::Named("tv".into()), client(1, 8), at(21)).is_err(), "one names its device");
}

#[test]
fn two_clients_that_both_play_settle_at_one_and_stay_there() {
    let mut house = House::of(1);
    let old = house.start(1, client(1, 7), at(0)).expect("room");
    assert!(house.plays(&old, 0, 20));
    let new = house.start(2, client(1, 7), at(21)).expect("may be the same client");
    assert!(house.media(&new, at(22)));
    assert!(house.media(&old, at(24)), "the older one goes on");
    assert!(!house.media(&new, at(26)), "the policy names the newest");
    assert!(house.plays(&old, 28, 60));
    assert!(!house.media(&new, at(61)), "it stays out");
    assert!(house.start(3, client(1, 7), at(62)).is_err(), "the same pair is not helped twice");
    assert_eq!(house.counted(at(62)), 1);
    assert!(house.settled.is_empty());
}

#[test]
fn the_oldest_ends_where_the_policy_says_so() {
    let mut house = House::new(1, WhenExceeded::TerminateOldest);
    let old = house.start(1, client(1, 7), at(0)).expect("room");
    assert!(house.plays(&old, 0, 20));
    // Its tenure protects it from immediate termination by a start.
    let new = house.start(2, client(1, 7), at(21)).expect("may be the same client");
    assert!(house.media(&new, at(25)));
    assert!(house.media(&old, at(28)));
    assert!(house.media(&new, at(31)));
    assert!(!house.media(&old, at(32)));
    assert_eq!(house.counted(at(33)), 1);
}

#[test]
fn what_was_under_way_says_nothing() {
    let mut house = House::of(1);
    let old = house.start(1, client(1, 7), at(0)).expect("room");
    assert!(house.plays(&old, 0, 20));
    let new = house.start(2, client(1, 7), at(21)).expect("may be the same client");
    assert!(house.media(&old, at(21)), "before any media of the new one");
    assert!(house.media(&new, at(22)));
    assert!(house.media(&old, at(22)), "in the same second");
    assert!(house.plays(&new, 24, 60));
    assert_eq!(house.settled.len(), 1);
}

#[test]
fn of_several_that_may_have_been_left_the_one_that_stays_silent_was() {
    let mut house = House::of(2);
    let first = house.start(1, client(1, 7), at(0)).expect("room");
    let second = house.start(2, client(1, 7), at(1)).expect("room");
    assert!((0..5).all(|n| house.media(&first, at(2 + 4 * n)) && house.media(&second, at(4 + 4 * n))));
    // The first continues; the second is left for another.
    let third = house.start(3, client(1, 7), at(21)).expect("may be the same client");
    for n in 0..10 {
        assert!(house.media(&first, at(23 + 4 * n)), "the first plays on");
        assert!(house.media(&third, at(22 + 4 * n + 2)), "the zap is not refused, round {n}");
    }
    assert_eq!(house.settled, [(second.id, third.id)]);
    assert_eq!(house.counted(at(62)), 2);
}

#[test]
fn zapping_faster_than_anything_is_verified_is_never_refused() {
    let mut house = House::of(1);
    let mut last = house.start(1, client(1, 7), at(0)).expect("room");
    for n in 1..30_u8 {
        let now = u64::from(n) * 2;
        assert!(house.media(&last, at(now)), "stream {n} plays");
        last = house.start(n + 1, client(1, 7), at(now + 1)).expect("a zap");
    }
    assert!(house.plays(&last, 62, 120));
    assert_eq!(house.counted(at(120)), 1);
    assert!(house.record.takeovers().iter().all(|one| !one.is_open()));
}

#[test]
fn a_slot_whose_next_request_is_overdue_is_taken_by_any_start() {
    let mut house = House::of(1);
    let old = house.start_on(1, Device::Named("tv".into()), client(1, 7), at(0)).expect("room");
    assert!(house.plays(&old, 0, 20));
    let phone = || Device::Named("phone".into());
    assert!(house.start_on(2, phone(), client(2, 8), at(24)).is_err(), "not yet overdue");
    let new = house.start_on(3, phone(), client(2, 8), at(28)).expect("overdue");
    assert!(house.plays(&new, 29, 60));
    assert_eq!(house.settled, [(old.id, new.id)]);
}

#[test]
fn a_paused_film_takes_its_place_back() {
    let mut house = House::of(1);
    let film = house.start_on(1, Device::Named("tv".into()), client(1, 7), at(0)).expect("room");
    film.learn(&vod(), &house.settings);
    assert!(house.plays(&film, 0, 40));
    let phone = house.start_on(2, Device::Named("phone".into()), client(2, 8), at(60)).expect("overdue");
    assert!(house.plays(&phone, 61, 89));
    assert_eq!(house.settled, [(film.id, phone.id)]);
    // It is resumed within `paused_timeout` of its last media.
    assert!(house.media(&film, at(100)));
    assert!(house.media(&phone, at(103)));
    assert!(house.media(&film, at(104)));
    assert!(!house.media(&phone, at(107)), "both are played, and the policy names the newest");
    assert!(house.plays(&film, 108, 140));
    assert_eq!(house.counted(at(140)), 1);
}

#[test]
fn a_late_request_of_a_stream_that_was_left_ends_nothing() {
    let mut house = House::of(1);
    let old = house.start(1, client(1, 7), at(0)).expect("room");
    assert!(house.plays(&old, 0, 20));
    let new = house.start(2, client(1, 7), at(21)).expect("a zap");
    assert!(house.plays(&new, 22, 38));
    assert!(house.media(&old, at(40)), "a stray request");
    assert!(house.plays(&new, 42, 120), "and the viewer plays on");
    assert_eq!(house.counted(at(120)), 1);
}

#[test]
fn two_tabs_of_one_viewer_take_turns() {
    let mut house = House::of(1);
    let first = house.start(1, client(1, 7), at(0)).expect("room");
    let mut second = None;
    for turn in 0..6_u64 {
        let begin = turn * 80;
        assert!(house.plays(&first, begin + 4, begin + 36), "turn {turn} of the first");
        let tab = match &second {
            Some(tab) => Arc::clone(tab),
            None => house.start(2, client(1, 7), at(begin + 40)).expect("may be the same client"),
        };
        assert!(house.plays(&tab, begin + 44, begin + 76), "turn {turn} of the second");
        second = Some(tab);
    }
}

#[test]
fn a_start_that_nothing_follows_gives_the_place_back() {
    let mut house = House::of(1);
    let old = house.start(1, client(1, 7), at(0)).expect("room");
    assert!(house.plays(&old, 0, 20));
    let _ = house.start(2, client(1, 7), at(21)).expect("may be the same client");
    assert!(house.plays(&old, 24, 60));
    assert_eq!(house.counted(at(60)), 1);
    assert!(house.start(3, client(2, 8), at(60)).is_err());
}

#[test]
fn two_tokens_on_one_asset_are_two_starts() {
    let mut house = House::of(2);
    let start = |house: &mut House, n, token| {
        let mut candidate = AdmissionRequest {
            stream: StreamId([n; 16]),
            account: Account::new("acme", "alice"),
            application: ApplicationId("tv".into()),
            device: Device::Hint(1),
            asset: "/same".into(),
            started: at(0),
            attributes: Attributes::default(),
            client: client(1, token),
        };
        candidate.started = at(0);
        let plan = house.record.plan_start(&candidate, &house.law(), at(0));
        house.carry_out(plan, at(0)).expect("room")
    };
    let first = start(&mut house, 1, 7);
    assert_eq!(start(&mut house, 2, 7).id, first.id, "the same token goes on with its stream");
    assert_ne!(start(&mut house, 3, 8).id, first.id, "another token is another start");
}

#[test]
fn the_chain_of_takers_never_lets_more_play_than_the_limit() {
    // Three indistinguishable clients play side by side, with one slot.
    let mut house = House::of(1);
    let mut streams = vec![house.start(1, client(1, 7), at(0)).expect("room")];
    assert!(house.plays(&streams[0], 0, 20));
    streams.push(house.start(2, client(1, 7), at(21)).expect("may be the same"));
    assert!(house.media(&streams[1], at(22)));
    streams.push(house.start(3, client(1, 7), at(22)).expect("may be the same"));
    let mut playing = vec![true; 3];
    for now in (23..60).step_by(2) {
        for (n, stream) in streams.clone().iter().enumerate() {
            if playing[n] {
                playing[n] = house.media(stream, at(now));
            }
        }
    }
    assert_eq!(playing.iter().filter(|plays| **plays).count(), 1, "{playing:?}");
    assert_eq!(house.counted(at(60)), 1);
}

#[test]
fn a_stream_that_its_own_client_has_left_for_another_makes_room_at_once() {
    let mut house = House::of(2);
    let left = house.start(1, client(1, 7), at(0)).expect("room");
    assert!(house.plays(&left, 0, 20));
    let zapped = house.start(2, client(1, 7), at(21)).expect("room");
    assert!(house.media(&zapped, at(22)));
    // A client similar to neither starts before the first stream is overdue.
    let other = house.start(3, client(2, 8), at(23)).expect("the first was left for the second");
    assert_eq!(house.record.takeovers()[0].taken, left.id);
    assert_eq!(house.record.takeovers()[0].reason, TakeoverReason::LeftForAnother);
    assert!((6..15).all(|n| house.media(&zapped, at(4 * n)) && house.media(&other, at(4 * n + 1))));
    assert_eq!(house.settled, [(left.id, other.id)]);
    assert_eq!(house.counted(at(58)), 2);
}

#[test]
fn a_stream_that_is_heard_beside_a_later_one_was_not_left_for_it() {
    let mut house = House::of(2);
    let first = house.start(1, client(1, 7), at(0)).expect("room");
    let second = house.start(2, client(1, 7), at(1)).expect("room");
    assert!((1..6).all(|n| house.media(&first, at(4 * n)) && house.media(&second, at(4 * n + 1))));
    assert!(house.start(3, client(2, 8), at(23)).is_err(), "both are played");
}

#[test]
fn a_client_that_was_found_another_may_start_when_the_stream_falls_silent() {
    let mut house = House::of(1);
    let old = house.start(1, client(1, 7), at(0)).expect("room");
    assert!(house.plays(&old, 0, 20));
    let new = house.start(2, client(2, 7), at(21)).expect("may be the same client");
    assert!(house.media(&new, at(22)) && house.media(&old, at(24)) && !house.media(&new, at(26)));
    assert!(house.plays(&old, 28, 40));
    assert!(house.start(3, client(2, 7), at(42)).is_err(), "it looks the same and is not");
    let again = house.start(4, client(2, 7), at(50)).expect("the other one has fallen silent");
    // It continues after all: then its silence is no longer evidence for that client.
    assert!(house.media(&again, at(51)) && house.media(&old, at(54)) && !house.media(&again, at(56)));
    assert!(house.plays(&old, 58, 70));
    assert!(house.start(5, client(2, 7), at(82)).is_err(), "the same pair is not helped again");
}

#[test]
fn the_owner_of_a_token_is_not_kept_out_for_one_that_looks_alike() {
    let mut house = House::of(1);
    let own = house.start(1, client(1, 7), at(0)).expect("room");
    assert!(house.plays(&own, 0, 20));
    let alike = house.start(2, client(1, 8), at(21)).expect("may be the same client");
    assert!(house.media(&alike, at(22)) && house.media(&own, at(24)) && !house.media(&alike, at(26)));
    assert!(house.start(3, client(1, 8), at(27)).is_err(), "the other client waits");
    let zap = house.start(4, client(1, 7), at(28)).expect("the owner's own zap");
    assert!(house.plays(&zap, 29, 60));
}

#[test]
fn a_request_that_was_under_way_when_its_client_zapped_ends_nothing() {
    let mut house = House::of(1);
    let old = house.start(1, client(1, 7), at(0)).expect("room");
    old.learn(&vod(), &house.settings);
    // It has fetched far ahead, and has since lost its slot.
    assert!((0..20).all(|n| house.media(&old, Millis(at(0).0 + 100 * n))));
    let new = house.start(2, client(1, 7), at(100)).expect("room");
    assert!(house.media(&old, at(100)), "it asked as its viewer zapped");
    assert!((0..30).all(|n| house.media(&new, at(101 + 4 * n))), "the zap plays on");
    assert_eq!(house.counted(at(220)), 1);
}

#[test]
fn a_place_that_is_given_back_is_given_back_by_whoever_holds_it() {
    let mut house = House::of(1);
    let owner = house.start(1, client(1, 7), at(0)).expect("room");
    assert!(house.plays(&owner, 0, 20));
    let first = house.start(2, client(1, 7), at(21)).expect("may be the same client");
    assert!(house.media(&first, at(22)));
    // The same client continues under another id.
    let second = house.start(3, client(1, 7), at(23)).expect("may be the same client");
    let (mut owner_plays, mut second_plays) = (true, true);
    for n in 6..30 {
        owner_plays = owner_plays && house.media(&owner, at(4 * n));
        second_plays = second_plays && house.media(&second, at(4 * n + 2));
    }
    assert!(owner_plays && !second_plays, "one of the two that play has to go: {owner_plays} {second_plays}");
    assert_eq!(house.counted(at(120)), 1);
}

#[test]
fn of_three_that_look_alike_and_are_played_two_are_left_though_two_fetch_in_bursts() {
    let mut house = House::of(2);
    let back = house.start(1, client(1, 7), at(0)).expect("room");
    assert!(house.plays(&back, 0, 8));
    // It loses its slot to a long pause; two others start and fetch eight segments every 32 s.
    let first = house.start(2, client(2, 7), at(70)).expect("room");
    let second = house.start(3, client(3, 7), at(75)).expect("room");
    let fetch = |house: &mut House, stream: &Arc<Stream>, now: u64| {
        (0..8).all(|nth| house.media(stream, Millis(at(now).0 + nth * 100)))
    };
    let (mut plays, mut over) = ([true; 3], Vec::new());
    for now in 70..300 {
        if now >= 120 && now % 4 == 0 {
            plays[0] = plays[0] && house.media(&back, at(now));
        }
        if now % 32 == 70 % 32 {
            plays[1] = plays[1] && fetch(&mut house, &first, now);
        }
        if now % 32 == 85 % 32 {
            plays[2] = plays[2] && fetch(&mut house, &second, now);
        }
        if now >= 120 && plays == [true; 3] {
            over.push(now);
        }
    }
    assert_eq!(plays.iter().filter(|plays| **plays).count(), 2, "{plays:?}");
    // Two bursts of the first, the second of which terminates it: it returned in time, so it was playing throughout.
    assert!(over.last().is_some_and(|last| *last < 166 + 32), "{over:?}");
}
