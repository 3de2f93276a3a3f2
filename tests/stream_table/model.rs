//! A small reference model of the stream table: plain values, one account after the other, no races, nothing clever.

use std::sync::Arc;
use std::time::Duration;

use streamgate::model::{Account, Device, Millis, StreamId};
use streamgate::policy::{Policy, WhenExceeded};
use streamgate::streams::{Cadence, Candidate, Settings, Signal};

use crate::support::limit;

const SUPERSEDE_GRACE: Duration = Duration::from_secs(10);
const NEVER: Millis = Millis(0);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Reserved,
    Playing,
    Idle,
    Superseded,
}

/// The model's answer to a start or a return.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It goes on with this stream; `true` if that took a slot just now.
    Admitted(StreamId, bool),
    /// The policies refuse it; these hold the slots.
    Refused(Vec<StreamId>),
    /// It was terminated and stays out.
    Terminated,
}

#[derive(Clone, Debug)]
struct Play {
    who: Candidate,
    phase: Phase,
    since: Millis,
    presence: Millis,
    playback: Millis,
    entry: Millis,
    open: u32,
    cadence: Cadence,
    entry_window: Duration,
    refreshes_entry: bool,
}

#[derive(Clone, Debug)]
struct Grave {
    play: Play,
    by: StreamId,
    until: Millis,
    told: bool,
}

impl Play {
    fn new(who: &Candidate, now: Millis) -> Self {
        let cadence = Cadence::default();
        Self {
            who: who.clone(),
            phase: Phase::Reserved,
            since: now,
            presence: NEVER,
            playback: NEVER,
            entry: now,
            open: 0,
            cadence,
            entry_window: cadence.entry_window(),
            refreshes_entry: false,
        }
    }

    fn returning(who: &Candidate, since: Millis, heard: Millis) -> Self {
        Self { phase: Phase::Playing, since, playback: heard, entry: NEVER, ..Self::new(who, heard) }
    }

    fn has_slot(&self) -> bool {
        matches!(self.phase, Phase::Reserved | Phase::Playing)
    }

    fn last_seen(&self) -> Millis {
        self.presence.max(self.playback).max(self.entry)
    }

    fn is_silent(&self, settings: &Settings, now: Millis) -> bool {
        if self.open > 0 {
            return false;
        }
        if self.phase == Phase::Reserved {
            return now >= self.since + settings.reserve;
        }
        let idle = self.cadence.idle(settings);
        let polls = now < self.presence + idle
            && self.cadence.paused_after().is_none_or(|d| now < self.playback + d + settings.paused_holds_slot);
        !polls && now >= self.playback + idle
    }

    /// Live, without a slot, and no media asked for since it lost it.
    fn only_polls(&self) -> bool {
        self.phase == Phase::Idle && self.cadence.live && self.playback < self.since
    }

    fn entered(&mut self, now: Millis) {
        self.entry = now;
    }

    fn is_same_play(&self, who: &Candidate, now: Millis) -> bool {
        self.who.application == who.application
            && self.who.device == who.device
            && self.who.asset == who.asset
            && now.since(self.entry) < self.entry_window
    }

    fn hear(&mut self, signal: Signal, now: Millis) {
        match signal {
            Signal::Presence => self.presence = now,
            Signal::Playback => self.playback = now,
        }
    }
}

/// One account.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    settings: Settings,
    plays: Vec<Play>,
    graves: Vec<Grave>,
}

impl Model {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self { settings: settings.clone(), plays: Vec::new(), graves: Vec::new() }
    }

    /// The streams that hold a slot now.
    pub(crate) fn holders(&self, now: Millis) -> Vec<&Candidate> {
        let holding = self.plays.iter().filter(|play| play.has_slot() && !play.is_silent(&self.settings, now));
        holding.map(|play| &play.who).collect()
    }

    /// How many slots are held or have not yet been found to be free.
    pub(crate) fn slots(&self) -> usize {
        self.plays.iter().filter(|play| play.has_slot()).count()
    }

    /// The terminated streams that are remembered.
    pub(crate) fn buried(&self) -> impl Iterator<Item = StreamId> {
        self.graves.iter().map(|grave| grave.play.who.stream)
    }

    /// What time alone brings about.
    pub(crate) fn settle(&mut self, now: Millis) {
        let settings = &self.settings;
        for play in &mut self.plays {
            if play.has_slot() && play.is_silent(settings, now) {
                play.phase = Phase::Idle;
                play.since = now;
            }
        }
        self.plays.retain(|play| play.has_slot() || now.since(play.last_seen().max(play.since)) < settings.forget);
        self.graves.retain(|grave| now < grave.until);
    }

    pub(crate) fn start(&mut self, who: &Candidate, policies: &[Arc<Policy>], now: Millis) -> Answer {
        self.settle(now);
        let by_name = self.plays.iter().position(|play| play.who.stream == who.stream);
        let known = by_name.or_else(|| self.plays.iter().position(|play| play.is_same_play(who, now)));
        if let Some(at) = known
            && (self.plays[at].has_slot() || self.plays[at].refreshes_entry)
        {
            let id = self.plays[at].who.stream;
            let polls = self.plays[at].only_polls();
            let answer = if polls { Answer::Admitted(id, false) } else { self.go_on(at, policies, now) };
            if answer == Answer::Admitted(id, false) && self.plays[at].refreshes_entry {
                self.plays[at].entered(now);
            }
            return answer;
        }
        let stays_out =
            |play: &Play| play.who.stream == who.stream || play.refreshes_entry && play.is_same_play(who, now);
        if let Some(at) = self.graves.iter().position(|grave| stays_out(&grave.play)) {
            return self.refuse_terminated(at, now);
        }
        let left: Vec<StreamId> = self
            .plays
            .iter()
            .filter(|play| play.has_slot() && play.who.device == who.device && who.device.name().is_some())
            .map(|play| play.who.stream)
            .collect();
        match known {
            Some(at) => self.compete(&self.plays[at].clone(), &left, policies, now),
            None => self.compete(&Play::new(who, now), &left, policies, now),
        }
    }

    pub(crate) fn resume(&mut self, who: &Candidate, policies: &[Arc<Policy>], now: Millis) -> Answer {
        self.settle(now);
        if let Some(at) = self.plays.iter().position(|play| play.who.stream == who.stream) {
            return self.go_on(at, policies, now);
        }
        if let Some(at) = self.graves.iter().position(|grave| grave.play.who.stream == who.stream) {
            let grave = &self.graves[at];
            let unsure = |by: &Play| by.phase == Phase::Reserved && by.presence == NEVER && by.playback == NEVER;
            if !grave.told && self.plays.iter().any(|play| play.who.stream == grave.by && unsure(play)) {
                return Answer::Admitted(who.stream, false);
            }
            return self.refuse_terminated(at, now);
        }
        self.compete(&Play::returning(who, who.started, now), &[], policies, now)
    }

    fn refuse_terminated(&mut self, at: usize, now: Millis) -> Answer {
        let grave = &mut self.graves[at];
        grave.until = now + self.settings.tombstone;
        grave.told = true;
        if grave.play.refreshes_entry {
            grave.play.entry = now;
        }
        Answer::Terminated
    }

    fn go_on(&mut self, at: usize, policies: &[Arc<Policy>], now: Millis) -> Answer {
        let play = self.plays[at].clone();
        let left_later =
            |p: &&Play| p.phase == Phase::Superseded && p.who.device == play.who.device && p.since > play.since;
        let late = play.phase == Phase::Superseded
            && now.since(play.since) < SUPERSEDE_GRACE
            && self.plays.iter().filter(left_later).count() < 3;
        let polls = play.only_polls() && play.last_seen() >= play.since;
        if play.has_slot() || late || polls {
            return Answer::Admitted(play.who.stream, false);
        }
        let looked_at: Vec<StreamId> = self
            .plays
            .iter()
            .filter(|p| {
                p.phase == Phase::Reserved && p.who.device == play.who.device && play.who.device.name().is_some()
            })
            .map(|p| p.who.stream)
            .collect();
        self.compete(&play, &looked_at, policies, now)
    }

    fn compete(&mut self, play: &Play, left: &[StreamId], policies: &[Arc<Policy>], now: Millis) -> Answer {
        let id = play.who.stream;
        let mut rivals: Vec<&Play> =
            self.plays.iter().filter(|p| p.has_slot() && p.who.stream != id && !left.contains(&p.who.stream)).collect();
        rivals.sort_by_key(|rival| (rival.who.started, rival.who.stream));
        let mut in_the_way: Vec<StreamId> = Vec::new();
        let mut ending: Vec<StreamId> = Vec::new();
        let mut refused = false;
        for policy in policies {
            let counted: Vec<&&Play> =
                rivals.iter().filter(|r| policy.carriers.contains_key(&r.who.application)).collect();
            let rule = &policy.rules[0];
            let excess = (counted.len() + 1).saturating_sub(limit(policy));
            if excess == 0 {
                continue;
            }
            in_the_way.extend(counted.iter().map(|rival| rival.who.stream));
            let may_end = counted.iter().filter(|rival| {
                (rival.who.started, rival.who.stream) < (play.who.started, id)
                    && now.since(rival.since) >= self.settings.min_tenure
            });
            let oldest: Vec<StreamId> = may_end.take(excess).map(|rival| rival.who.stream).collect();
            if rule.when_exceeded == WhenExceeded::DenyNewest || oldest.len() < excess {
                refused = true;
            } else {
                ending = oldest;
            }
        }
        if refused {
            in_the_way.sort_unstable();
            in_the_way.dedup();
            return Answer::Refused(in_the_way);
        }
        let until = now + self.settings.tombstone;
        for victim in ending {
            if let Some(at) = self.plays.iter().position(|p| p.who.stream == victim) {
                let play = self.plays.remove(at);
                self.graves.push(Grave { play, by: id, until, told: false });
            }
        }
        for old in self.plays.iter_mut().filter(|p| left.contains(&p.who.stream)) {
            old.phase = Phase::Superseded;
            old.since = now;
        }
        match self.plays.iter_mut().find(|p| p.who.stream == id) {
            Some(known) => {
                known.phase = Phase::Playing;
                known.since = now;
                known.playback = now;
            }
            None => self.plays.push(play.clone()),
        }
        Answer::Admitted(id, true)
    }

    /// A heartbeat, if the stream is known: whether it holds its slot.
    pub(crate) fn beat(&mut self, id: StreamId, signal: Signal, now: Millis) -> Option<bool> {
        let play = self.plays.iter_mut().find(|play| play.who.stream == id)?;
        play.hear(signal, now);
        if play.phase == Phase::Reserved && signal == Signal::Playback {
            play.phase = Phase::Playing;
        }
        Some(play.has_slot())
    }

    /// A body of media begins (`true`) or ends.
    pub(crate) fn body(&mut self, id: StreamId, begins: bool, now: Millis) {
        for play in self.plays.iter_mut().chain(self.graves.iter_mut().map(|grave| &mut grave.play)) {
            if play.who.stream == id {
                if begins {
                    play.open += 1;
                } else {
                    play.open -= 1;
                    play.playback = now;
                }
            }
        }
    }

    pub(crate) fn learn(&mut self, id: StreamId, cadence: Cadence) {
        if let Some(play) = self.plays.iter_mut().find(|play| play.who.stream == id) {
            play.cadence = cadence;
            play.entry_window = play.entry_window.max(cadence.entry_window());
            play.refreshes_entry |= cadence.refresh.is_some();
        }
    }

    pub(crate) fn roll_back(&mut self, id: StreamId, now: Millis) {
        self.settle(now);
        let untouched = |play: &Play| play.phase == Phase::Reserved && play.presence == NEVER && play.playback == NEVER;
        if let Some(at) = self.plays.iter().position(|play| play.who.stream == id && untouched(play)) {
            self.plays.remove(at);
            let (lifted, kept) =
                std::mem::take(&mut self.graves).into_iter().partition(|grave| !grave.told && grave.by == id);
            self.graves = kept;
            self.plays.extend(Vec::into_iter(lifted).map(|grave| Play {
                phase: Phase::Idle,
                since: now,
                ..grave.play
            }));
        }
    }

    /// The gateway stops and starts again, with what its snapshot keeps or with nothing.
    pub(crate) fn restart(&mut self, snapshot: bool, now: Millis) {
        if !snapshot {
            self.plays.clear();
            self.graves.clear();
        }
        let settings = &self.settings;
        let revive = |play: &Play| {
            let holds = play.has_slot() && !play.is_silent(settings, now);
            let heard = if holds { now } else { play.last_seen() };
            let phase = if holds { Phase::Playing } else { Phase::Idle };
            Play { phase, ..Play::returning(&play.who, play.since, heard) }
        };
        self.plays = self.plays.iter().map(revive).collect();
        self.graves = self.graves.iter().map(|grave| Grave { play: revive(&grave.play), ..grave.clone() }).collect();
        self.settle(now);
    }
}

/// A device by number: the last one is known by a hint alone.
pub(crate) fn device(n: u8) -> Device {
    if n == 3 { Device::Hint(3) } else { Device::Named(format!("device-{n}").into()) }
}

/// The accounts of the model.
pub(crate) fn subject(n: u8) -> Account {
    Account::new("acme", format!("subscriber-{n}"))
}
