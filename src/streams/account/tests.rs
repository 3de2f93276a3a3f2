//! A stream's life.

#![allow(clippy::expect_used, clippy::panic, reason = "tests say what failed by panicking")]

use std::time::Duration;

use super::*;
use crate::model::{Account, ApplicationId, Attributes, ClientEvidence, Device};
use crate::policy::{Rule, WhenExceeded};
use crate::streams::{AdmissionRequest, Cadence, Signal, State, TakeoverSettings};

fn at(seconds: u64) -> Millis {
    Millis((1_000_000 + seconds) * 1000)
}

/// Live, in segments of 4 s: idle after 22 s, paused after 8 s.
fn live() -> Cadence {
    Cadence { live: true, segment: Some(Duration::from_secs(4)), ..Cadence::default() }
}

/// Same, if players refresh the entry manifest itself.
fn live_entry() -> Cadence {
    Cadence { refresh: Some(Duration::from_secs(4)), ..live() }
}

/// One account under one policy.
struct House {
    record: AccountState,
    settings: Settings,
    policies: Vec<Arc<Policy>>,
}

impl House {
    fn new(limit: u32, when_exceeded: WhenExceeded) -> Self {
        let policy = Policy::new("household", vec![Rule::streams("streams", limit, when_exceeded)], &["tv"]);
        // Takeovers have their own tests.
        let takeover = TakeoverSettings { verify: Duration::ZERO, ..TakeoverSettings::default() };
        let settings = Settings { takeover, ..Settings::default() };
        Self { record: AccountState::default(), settings, policies: vec![Arc::new(policy)] }
    }

    fn of(limit: u32) -> Self {
        Self::new(limit, WhenExceeded::DenyNewest)
    }

    fn law(&self) -> PolicyContext<'_> {
        PolicyContext { policies: &self.policies, settings: &self.settings, idp: "acme" }
    }

    fn settle(&mut self, now: Millis) -> Vec<Transition> {
        let mut seen = Vec::new();
        self.record.expire(&self.settings, now, |transition| seen.push(transition));
        seen
    }

    /// Executes a plan like a store.
    fn carry_out(&mut self, plan: Plan, now: Millis) -> Plan {
        match &plan {
            Plan::Admit(_, change) => self.record.apply(change, &self.settings, now),
            Plan::Terminated(id, _) => self.record.acknowledge(*id, &self.settings, now),
            Plan::Continue(_) | Plan::Refuse(_) => {}
        }
        plan
    }

    fn start(&mut self, who: &AdmissionRequest, now: Millis) -> Plan {
        self.settle(now);
        let plan = self.record.plan_start(who, &self.law(), now);
        self.carry_out(plan, now)
    }

    fn resume(&mut self, who: &AdmissionRequest, now: Millis) -> Plan {
        self.settle(now);
        let plan = self.record.plan_reattach(who, &self.law(), now);
        self.carry_out(plan, now)
    }

    /// A start that must be admitted.
    fn admit(&mut self, who: &AdmissionRequest, now: Millis) -> Arc<Stream> {
        match self.start(who, now) {
            Plan::Admit(_, Change { admit: Some(stream), .. }) => stream,
            other => panic!("{other:?}"),
        }
    }

    fn play(&mut self, who: &AdmissionRequest, now: Millis) -> Arc<Stream> {
        let stream = self.admit(who, now);
        assert!(stream.heartbeat(Signal::Playback, now));
        stream
    }

    fn state(&self, stream: &Stream, now: Millis) -> State {
        stream.state(&self.settings, now)
    }
}

fn candidate(n: u8, device: &str, asset: &str, now: Millis) -> AdmissionRequest {
    AdmissionRequest {
        stream: StreamId([n; 16]),
        account: Account::new("acme", "alice"),
        application: ApplicationId("tv".into()),
        device: Device::Named(device.into()),
        asset: asset.into(),
        started: now,
        attributes: Attributes::default(),
        client: ClientEvidence::default(),
    }
}

#[test]
fn a_reserved_stream_holds_a_slot_until_nothing_has_followed_for_its_reservation() {
    let mut house = House::of(1);
    let stream = house.admit(&candidate(1, "a", "/x", at(0)), at(0));
    assert_eq!(house.state(&stream, at(19)), State::Reserved);
    assert!(matches!(house.start(&candidate(2, "b", "/x", at(19)), at(19)), Plan::Refuse(_)));
    assert!(matches!(house.settle(at(20))[..], [Transition::Idle(_)]));
    assert!(matches!(house.start(&candidate(3, "b", "/x", at(20)), at(20)), Plan::Admit(..)));
}

#[test]
fn presence_alone_does_not_make_a_reserved_stream_play() {
    let mut house = House::of(1);
    let stream = house.admit(&candidate(1, "a", "/x", at(0)), at(0));
    assert!(stream.heartbeat(Signal::Presence, at(5)));
    assert_eq!(house.state(&stream, at(5)), State::Reserved);
    assert_eq!(house.settle(at(20)).len(), 1);
}

#[test]
fn the_first_media_turns_reserved_into_playing() {
    let mut house = House::of(1);
    let stream = house.admit(&candidate(1, "a", "/x", at(0)), at(0));
    assert!(stream.heartbeat(Signal::Playback, at(1)));
    assert_eq!(house.state(&stream, at(30)), State::Playing);
    assert!(house.settle(at(30)).is_empty(), "the reservation has no say any more");
}

#[test]
fn a_live_player_that_polls_without_media_is_paused_and_holds_its_slot_for_the_configured_time() {
    let mut house = House::of(1);
    let stream = house.play(&candidate(1, "a", "/x", at(0)), at(0));
    stream.learn(&live(), &house.settings);
    for second in (4..128).step_by(4) {
        assert!(stream.heartbeat(Signal::Presence, at(second)), "after {second} s");
        assert!(house.settle(at(second)).is_empty());
    }
    assert_eq!(house.state(&stream, at(124)), State::Paused);
    assert_eq!(house.settle(at(128)).len(), 1, "8 s without media and 2 min of pause");
}

#[test]
fn media_brings_a_paused_stream_back_to_playing() {
    let mut house = House::of(1);
    let stream = house.play(&candidate(1, "a", "/x", at(0)), at(0));
    stream.learn(&live(), &house.settings);
    stream.heartbeat(Signal::Presence, at(12));
    assert_eq!(house.state(&stream, at(12)), State::Paused);
    assert!(stream.heartbeat(Signal::Playback, at(13)));
    assert_eq!(house.state(&stream, at(13)), State::Playing);
}

#[test]
fn a_pause_that_has_lasted_too_long_polls_on_without_a_slot_and_competes_with_its_next_media() {
    let mut house = House::of(1);
    let who = candidate(1, "a", "/x", at(0));
    let stream = house.play(&who, at(0));
    stream.learn(&live(), &house.settings);
    stream.heartbeat(Signal::Presence, at(120));
    house.settle(at(128));
    assert!(!stream.heartbeat(Signal::Presence, at(130)));
    assert!(matches!(house.resume(&who, at(130)), Plan::Continue(_)));
    assert_eq!(house.state(&stream, at(130)), State::Idle);
    house.play(&candidate(2, "b", "/x", at(131)), at(131));
    assert!(!stream.heartbeat(Signal::Playback, at(132)));
    assert!(matches!(house.resume(&who, at(132)), Plan::Refuse(_)));
}

#[test]
fn an_idle_stream_holds_no_slot_and_never_stands_in_the_way() {
    let mut house = House::of(1);
    let stream = house.play(&candidate(1, "a", "/x", at(0)), at(0));
    assert_eq!(house.settle(at(60)).len(), 1);
    assert_eq!(house.state(&stream, at(60)), State::Idle);
    assert!(
        matches!(house.start(&candidate(2, "b", "/x", at(60)), at(60)), Plan::Admit(_, change) if change.terminate.is_empty())
    );
}

#[test]
fn an_idle_stream_keeps_its_place_so_that_a_resume_is_recognised_and_competes() {
    let mut house = House::of(1);
    let who = candidate(1, "a", "/x", at(0));
    let stream = house.play(&who, at(0));
    house.settle(at(60));
    assert!(!stream.heartbeat(Signal::Playback, at(61)));
    let Plan::Admit(_, change) = house.resume(&who, at(61)) else { panic!("its slot is free") };
    assert!(change.admit.is_some_and(|back| Arc::ptr_eq(&back, &stream)), "it is the same stream");
    house.settle(at(121));
    house.play(&candidate(2, "b", "/x", at(121)), at(121));
    assert!(matches!(house.resume(&who, at(122)), Plan::Refuse(_)), "somebody else took the slot");
}

#[test]
fn idle_frees_the_slot_and_forget_drops_the_record() {
    let mut house = House::of(1);
    house.play(&candidate(1, "a", "/x", at(0)), at(0));
    assert!(house.settle(at(59)).is_empty());
    assert!(matches!(house.settle(at(60))[..], [Transition::Idle(_)]));
    assert!(house.settle(at(659)).is_empty());
    assert!(matches!(house.settle(at(660))[..], [Transition::Forgotten(_)]));
    assert!(house.record.is_empty());
}

#[test]
fn the_idle_window_follows_the_manifest() {
    let mut house = House::of(1);
    let stream = house.play(&candidate(1, "a", "/x", at(0)), at(0));
    stream.learn(&live(), &house.settings);
    assert!(house.settle(at(21)).is_empty());
    assert_eq!(house.settle(at(22)).len(), 1);
}

#[test]
fn a_request_that_is_still_being_answered_is_no_silence() {
    let mut house = House::of(1);
    let stream = house.play(&candidate(1, "a", "/x", at(0)), at(0));
    stream.opened();
    assert!(house.settle(at(1000)).is_empty());
    stream.closed(Signal::Playback, at(1000));
    assert!(house.settle(at(1059)).is_empty());
    assert_eq!(house.settle(at(1060)).len(), 1);
}

#[test]
fn a_start_that_is_taken_back_gives_its_slot_back_at_once() {
    let mut house = House::of(1);
    let stream = house.admit(&candidate(1, "a", "/x", at(0)), at(0));
    assert!(house.record.roll_back(stream.id, at(1)).is_some());
    assert_eq!(house.state(&stream, at(1)), State::Ended);
    assert!(house.record.is_empty(), "and leaves no tombstone");
    house.admit(&candidate(2, "b", "/x", at(1)), at(1));
}

#[test]
fn a_start_that_something_has_followed_is_not_taken_back() {
    for signal in [Signal::Presence, Signal::Playback] {
        let mut house = House::of(1);
        let stream = house.admit(&candidate(1, "a", "/x", at(0)), at(0));
        stream.heartbeat(signal, at(1));
        assert!(house.record.roll_back(stream.id, at(1)).is_none());
        assert!(stream.holds(&house.settings, at(1)));
    }
}

#[test]
fn a_start_that_is_taken_back_lifts_the_tombstones_of_those_who_have_not_been_told() {
    let mut house = House::new(1, WhenExceeded::TerminateOldest);
    let old = candidate(1, "a", "/x", at(0));
    house.play(&old, at(0));
    let new = house.admit(&candidate(2, "b", "/x", at(40)), at(40));
    assert_eq!(house.record.tombstones().len(), 1);
    house.record.roll_back(new.id, at(41));
    assert!(house.record.tombstones().is_empty());
    assert!(matches!(house.resume(&old, at(42)), Plan::Admit(..)));
}

#[test]
fn a_stream_that_gave_way_plays_on_until_the_origin_has_honoured_the_start() {
    let mut house = House::new(1, WhenExceeded::TerminateOldest);
    let old = candidate(1, "a", "/x", at(0));
    house.play(&old, at(0));
    let new = house.admit(&candidate(2, "b", "/x", at(40)), at(40));
    assert!(matches!(house.resume(&old, at(41)), Plan::Continue(_)), "the start may still come to nothing");
    assert!(house.record.terminated(old.stream).is_none());
    new.heartbeat(Signal::Presence, at(42));
    assert!(matches!(house.resume(&old, at(43)), Plan::Terminated(..)));
    assert!(house.record.terminated(old.stream).is_some());
}

#[test]
fn what_a_device_has_only_looked_at_gives_the_slot_back_to_what_it_plays() {
    let mut house = House::of(1);
    let film = candidate(1, "a", "/film", at(0));
    house.play(&film, at(0));
    let next = house.admit(&candidate(2, "a", "/next", at(5)), at(5));
    assert!(matches!(house.resume(&film, at(16)), Plan::Admit(..)), "fetching the next episode ahead ends nothing");
    assert_eq!(house.state(&next, at(16)), State::Superseded);
}

#[test]
fn only_the_streams_that_a_device_left_last_may_be_late() {
    let mut house = House::of(1);
    let channels: Vec<AdmissionRequest> =
        (0..6_u8).map(|n| candidate(n, "a", &format!("/{n}"), at(n.into()))).collect();
    for channel in &channels {
        house.play(channel, channel.started);
    }
    for (at_all, channel) in channels.iter().enumerate().take(5) {
        let plan = house.resume(channel, at(6));
        assert_eq!(matches!(plan, Plan::Continue(_)), at_all >= 2, "channel {at_all}");
    }
}

#[test]
fn a_record_does_not_grow_with_every_name_that_somebody_thinks_of() {
    let mut house = House::of(1);
    for n in 0..200_u8 {
        house.play(&candidate(n, "a", &format!("/{n}"), at(u64::from(n))), at(u64::from(n)));
    }
    let forgotten = house.settle(at(200)).into_iter().filter(|t| matches!(t, Transition::Forgotten(_))).count();
    assert!(forgotten > 0 && house.record.streams().len() <= 34, "{}", house.record.streams().len());
}

#[test]
fn the_same_device_starting_something_else_supersedes_its_old_stream_before_limits_are_checked() {
    let mut house = House::of(1);
    let old = house.play(&candidate(1, "a", "/x", at(0)), at(0));
    house.admit(&candidate(2, "a", "/y", at(1)), at(1));
    assert_eq!(house.state(&old, at(1)), State::Superseded);
    assert!(house.record.tombstones().is_empty(), "it was not terminated");
}

#[test]
fn a_hint_of_a_device_ends_nothing() {
    let mut house = House::of(2);
    let hinted = |n, asset| AdmissionRequest { device: Device::Hint(7), ..candidate(n, "", asset, at(0)) };
    let one = house.play(&hinted(1, "/x"), at(0));
    house.admit(&hinted(2, "/y"), at(0));
    assert_eq!(house.state(&one, at(0)), State::Playing);
}

#[test]
fn late_requests_of_a_superseded_stream_pass_for_a_moment_and_then_compete() {
    let mut house = House::of(1);
    let old = candidate(1, "a", "/x", at(0));
    let stream = house.play(&old, at(0));
    house.play(&candidate(2, "a", "/y", at(1)), at(1));
    assert!(!stream.heartbeat(Signal::Playback, at(2)));
    assert!(matches!(house.resume(&old, at(10)), Plan::Continue(_)));
    assert!(matches!(house.resume(&old, at(11)), Plan::Refuse(_)));
}

#[test]
fn zapping_away_and_back_on_one_device_goes_on_with_the_first_stream_and_takes_one_slot() {
    let mut house = House::of(2);
    house.play(&candidate(9, "other", "/x", at(0)), at(0));
    let first = house.play(&candidate(1, "a", "/x", at(0)), at(0));
    let second = house.play(&candidate(2, "a", "/y", at(2)), at(2));
    let back = house.admit(&candidate(3, "a", "/x", at(4)), at(4));
    assert!(Arc::ptr_eq(&back, &first));
    assert_eq!(house.state(&second, at(4)), State::Superseded);
    assert!(first.heartbeat(Signal::Playback, at(20)), "it holds a slot of its own, grace or none");
}

#[test]
fn a_late_refresh_of_the_channel_that_was_left_does_not_end_the_new_one() {
    let mut house = House::of(1);
    let who = candidate(1, "a", "/x", at(0));
    let left = house.play(&who, at(0));
    left.learn(&live_entry(), &house.settings);
    left.entered(at(4));
    let new = house.play(&candidate(2, "a", "/y", at(5)), at(5));
    assert!(matches!(house.start(&candidate(3, "a", "/x", at(6)), at(6)), Plan::Continue(_)));
    assert_eq!(house.state(&new, at(6)), State::Playing);
}

#[test]
fn one_device_asking_twice_for_one_asset_within_the_window_is_one_stream() {
    let mut house = House::of(1);
    let stream = house.admit(&candidate(1, "a", "/x", at(0)), at(0));
    let again = house.start(&candidate(2, "a", "/x", at(4)), at(4));
    assert!(matches!(again, Plan::Continue(same) if Arc::ptr_eq(&same, &stream)));
    assert!(matches!(house.start(&candidate(3, "a", "/x", at(5)), at(5)), Plan::Admit(..)), "the window has passed");
}

#[test]
fn a_token_that_names_its_play_session_goes_on_with_it_whatever_it_asks_for() {
    let mut house = House::of(1);
    let stream = house.play(&candidate(1, "a", "/x", at(0)), at(0));
    let zapped = house.start(&candidate(1, "a", "/y", at(30)), at(30));
    assert!(matches!(zapped, Plan::Continue(same) if Arc::ptr_eq(&same, &stream)));
}

#[test]
fn a_terminated_stream_is_remembered_and_stays_out() {
    let mut house = House::new(1, WhenExceeded::TerminateOldest);
    let old = candidate(1, "a", "/x", at(0));
    let stream = house.play(&old, at(0));
    let new = house.admit(&candidate(2, "b", "/x", at(30)), at(30));
    assert_eq!(house.state(&stream, at(30)), State::Ended);
    assert!(!stream.heartbeat(Signal::Playback, at(31)));
    new.heartbeat(Signal::Presence, at(31));
    let Plan::Terminated(_, Cause::Evicted { by, .. }) = house.resume(&old, at(31)) else { panic!("it revived") };
    assert_eq!(by, new.id);
    assert!(matches!(house.start(&old, at(32)), Plan::Terminated(..)), "nor does it start again under its name");
}

#[test]
fn every_refused_request_renews_the_tombstone() {
    let mut house = House::new(1, WhenExceeded::TerminateOldest);
    let old = candidate(1, "a", "/x", at(0));
    house.play(&old, at(0));
    let new = candidate(2, "b", "/x", at(30));
    house.play(&new, at(30));
    for second in (100..1000).step_by(100) {
        assert!(matches!(house.resume(&old, at(second)), Plan::Terminated(..)), "after {second} s");
    }
    house.settle(at(900 + 179));
    assert_eq!(house.record.tombstones().len(), 1);
    house.settle(at(900 + 180));
    assert!(house.record.tombstones().is_empty(), "three minutes of silence end the memory");
}

#[test]
fn a_stream_that_expired_or_was_superseded_leaves_no_tombstone() {
    let mut house = House::of(1);
    house.play(&candidate(1, "a", "/x", at(0)), at(0));
    house.play(&candidate(2, "a", "/y", at(10)), at(10));
    house.settle(at(10_000));
    house.settle(at(20_000));
    assert!(house.record.is_empty());
}

#[test]
fn two_players_cannot_kick_each_other_for_ever() {
    let mut house = House::new(1, WhenExceeded::TerminateOldest);
    house.play(&candidate(1, "a", "/x", at(0)), at(0));
    assert!(matches!(house.start(&candidate(2, "b", "/x", at(29)), at(29)), Plan::Refuse(_)), "minimum tenure");
    house.play(&candidate(3, "b", "/x", at(30)), at(30));
    assert!(matches!(house.start(&candidate(4, "a", "/x", at(59)), at(59)), Plan::Refuse(_)), "the other's as well");
}

#[test]
fn a_player_that_refreshes_its_entry_manifest_does_not_start_anew_after_its_termination() {
    let mut house = House::new(1, WhenExceeded::TerminateOldest);
    let stream = house.play(&candidate(1, "a", "/x", at(0)), at(0));
    stream.learn(&live_entry(), &house.settings);
    stream.entered(at(4));
    for second in (8..30).step_by(4) {
        stream.entered(at(second));
        stream.heartbeat(Signal::Playback, at(second));
    }
    house.play(&candidate(2, "b", "/x", at(30)), at(30));
    for second in (32..300).step_by(4) {
        let refresh = candidate(u8::MAX, "a", "/x", at(second));
        assert!(matches!(house.start(&refresh, at(second)), Plan::Terminated(..)), "after {second} s");
    }
}

#[test]
fn an_unknown_stream_that_returns_keeps_its_start_and_with_it_its_place_in_the_order() {
    let mut house = House::of(2);
    house.play(&candidate(2, "b", "/x", at(50)), at(50));
    let Plan::Admit(_, change) = house.resume(&candidate(1, "a", "/x", at(10)), at(60)) else {
        panic!("a slot is free")
    };
    let stream = change.admit.expect("a stream");
    assert_eq!((stream.started, stream.since()), (at(10), at(10)), "it has held its slot since it started");
    assert_eq!(house.state(&stream, at(60)), State::Playing);
}

#[test]
fn a_change_of_the_set_of_streams_is_a_new_version() {
    let mut house = House::of(1);
    let mut last = house.record.version;
    let mut rises = |house: &House| std::mem::replace(&mut last, house.record.version) < house.record.version;
    house.play(&candidate(1, "a", "/x", at(0)), at(0));
    assert!(rises(&house), "an admission");
    house.settle(at(59));
    assert!(!rises(&house), "time alone changes nothing");
    house.settle(at(60));
    assert!(rises(&house), "a slot that came free");
    house.settle(at(660));
    assert!(rises(&house), "a place that was given up");
}

#[test]
fn the_next_deadline_is_the_earliest_of_all() {
    let mut house = House::new(2, WhenExceeded::TerminateOldest);
    assert_eq!(house.record.next_deadline(&house.settings, at(0)), None);
    house.play(&candidate(1, "a", "/x", at(0)), at(0));
    assert_eq!(house.record.next_deadline(&house.settings, at(0)), Some(at(60)));
    house.admit(&candidate(2, "b", "/x", at(35)), at(35));
    assert_eq!(house.record.next_deadline(&house.settings, at(35)), Some(at(55)), "the reservation ends first");
    house.settle(at(60));
    assert_eq!(house.record.next_deadline(&house.settings, at(60)), Some(at(660)), "both are idle: ten minutes on");
}

#[test]
fn a_zap_that_comes_to_nothing_leaves_its_device_what_it_had() {
    for played in [true, false] {
        let mut house = House::of(1);
        let old = house.admit(&candidate(1, "a", "/x", at(0)), at(0));
        if played {
            assert!(old.heartbeat(Signal::Playback, at(0)));
        }
        let new = house.admit(&candidate(2, "a", "/y", at(1)), at(1));
        let given = house.record.give_back(new.id, at(2));
        assert!(matches!(given, Some(GivenBack::Removed(gone, left)) if gone.id == new.id && left.len() == 1));
        assert_eq!(house.state(&old, at(2)), if played { State::Playing } else { State::Reserved });
        assert!(
            matches!(house.start(&candidate(3, "b", "/x", at(2)), at(2)), Plan::Refuse(_)),
            "the slot is its own again"
        );
        assert!(old.heartbeat(Signal::Playback, at(3)));
    }
}

#[test]
fn a_stream_that_was_left_before_is_not_brought_back() {
    let mut house = House::of(1);
    let oldest = house.play(&candidate(1, "a", "/x", at(0)), at(0));
    let old = house.play(&candidate(2, "a", "/y", at(1)), at(1));
    let new = house.admit(&candidate(3, "a", "/z", at(2)), at(2));
    assert!(house.record.give_back(new.id, at(3)).is_some());
    assert_eq!((house.state(&oldest, at(3)), house.state(&old, at(3))), (State::Superseded, State::Playing));
}

#[test]
fn a_return_that_comes_to_nothing_is_given_back_unless_the_stream_has_been_heard_of_since() {
    let who = candidate(1, "a", "/x", at(0));
    let mut house = House::of(1);
    house.play(&who, at(0));
    house.settle(at(100));
    let back = house.resume(&who, at(100));
    let Plan::Admit(_, Change { admit: Some(stream), .. }) = back else { panic!("{back:?}") };
    assert!(matches!(house.record.give_back(who.stream, at(101)), Some(GivenBack::Idle(_))));
    assert_eq!(house.state(&stream, at(101)), State::Idle);
    house.resume(&who, at(102));
    stream.opened();
    assert!(house.record.give_back(who.stream, at(102)).is_none(), "another of its requests is being answered");
    stream.closed(Signal::Playback, at(103));
    assert!(house.record.give_back(who.stream, at(103)).is_none());

    let unknown = candidate(2, "b", "unknown", at(200));
    let mut house = House::of(1);
    house.resume(&unknown, at(200));
    assert!(matches!(house.record.give_back(unknown.stream, at(201)), Some(GivenBack::Removed(..))));
    assert!(house.record.is_empty());
}

#[test]
fn a_return_that_comes_to_nothing_lifts_the_tombstones_of_those_who_gave_way_to_it() {
    let mut house = House::new(1, WhenExceeded::TerminateOldest);
    let old = candidate(1, "a", "/x", at(0));
    house.play(&old, at(0));
    let other = candidate(2, "b", "unknown", at(40));
    house.resume(&other, at(40));
    assert_eq!(house.record.tombstones().len(), 1);
    assert!(house.record.give_back(other.stream, at(41)).is_some());
    assert!(house.record.tombstones().is_empty());
    assert!(matches!(house.resume(&old, at(42)), Plan::Admit(..)));
}
