//! A small reference model of the stream table: plain values, one account after the other, no races, nothing clever.

use std::sync::Arc;
use std::time::Duration;

use streamgate::model::{Account, Device, Millis, StreamId};
use streamgate::policy::{Policy, WhenExceeded};
use streamgate::streams::{AdmissionRequest, Cadence, Settings, Signal};

use super::support::limit;

#[path = "model/play.rs"]
mod play;

use play::{Grave, NEVER, Phase, Play};

const SUPERSEDE_GRACE: Duration = Duration::from_secs(10);

/// The model's answer to a start or a return.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It goes on with this stream; `true` if that took a slot just now.
    Admitted(StreamId, bool),
    /// The policies refuse it; these hold the slots.
    Refused(Vec<StreamId>),
    /// It was terminated in this way and stays out.
    Terminated(&'static str),
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
    pub(crate) fn holders(&self, now: Millis) -> Vec<&AdmissionRequest> {
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
        self.plays
            .retain(|play| play.has_slot() || now.since(play.last_seen().max(play.since)) < settings.idle_retention);
        self.graves.retain(|grave| now < grave.until);
    }

    pub(crate) fn start(&mut self, who: &AdmissionRequest, policies: &[Arc<Policy>], now: Millis) -> Answer {
        self.settle(now);
        let by_name = self.plays.iter().position(|play| play.who.stream == who.stream);
        let known = by_name.or_else(|| self.plays.iter().position(|play| play.is_same_play(who, now)));
        let known = known.or_else(|| self.declared_play(who));
        if let Some(at) = known
            && (self.plays[at].has_slot() || self.plays[at].refreshes_entry)
        {
            let id = self.plays[at].who.stream;
            let polls = self.plays[at].only_polls();
            let answer = if polls { Answer::Admitted(id, false) } else { self.go_on(at, policies, now) };
            if answer == Answer::Admitted(id, false) && self.plays[at].refreshes_entry {
                self.plays[at].entered(now);
            }
            self.learn_of(&answer, who);
            return answer;
        }
        let stays_out =
            |play: &Play| play.who.stream == who.stream || play.refreshes_entry && play.is_same_play(who, now);
        // What its viewer stopped may be started again, but for late requests.
        let may_return = |grave: &Grave| {
            let is_late = now.since(grave.ended) < SUPERSEDE_GRACE;
            grave.play.who.stream != who.stream && grave.cause == "stopped" && !is_late
        };
        let out = |grave: &Grave| !may_return(grave) && stays_out(&grave.play);
        if let Some(at) = self.graves.iter().position(out) {
            return self.refuse_terminated(at, now);
        }
        let left: Vec<StreamId> = self
            .plays
            .iter()
            .filter(|play| play.has_slot() && play.who.device == who.device && who.device.name().is_some())
            .filter(|play| !play.is_declared())
            .map(|play| play.who.stream)
            .collect();
        match known {
            Some(at) => {
                let answer = self.compete(&self.plays[at].clone(), &left, &[], policies, now);
                self.learn_of(&answer, who);
                answer
            }
            None => self.compete(&Play::new(&self.newest(who), now), &left, &[], policies, now),
        }
    }

    /// One that starts is the newest of all, whatever the clock says.
    fn newest(&self, who: &AdmissionRequest) -> AdmissionRequest {
        let all = self.plays.iter().chain(self.graves.iter().map(|grave| &grave.play));
        let newest = all.map(|play| play.who.started).max();
        let started = newest.map_or(who.started, |newest| who.started.max(newest + Duration::from_millis(1)));
        AdmissionRequest { started, ..who.clone() }
    }

    /// A stream that takes its slot again by a start is known by what that says. The asset of one that was declared is frozen.
    /// What an application has declared of what that viewer plays. One that was joined before it was declared is on its device by
    /// name.
    fn declared_play(&self, who: &AdmissionRequest) -> Option<usize> {
        let name = who.device.name()?;
        self.plays.iter().position(|play| {
            play.is_declared()
                && play.has_slot()
                && play.who.application == who.application
                && (play.knows("deviceId") == Some(name) || play.who.device == who.device)
                && play.is_of_asset(&who.attributes)
        })
    }

    fn learn_of(&mut self, answer: &Answer, who: &AdmissionRequest) {
        let Answer::Admitted(id, true) = answer else { return };
        if let Some(play) = self.plays.iter_mut().find(|play| play.who.stream == *id)
            && !play.is_declared()
        {
            let known = play.who.attributes.clone();
            let both = who.attributes.iter().chain(known.iter());
            play.who.attributes = both.map(|(name, value)| (name.into(), value.into())).collect();
        }
    }

    pub(crate) fn resume(&mut self, who: &AdmissionRequest, policies: &[Arc<Policy>], now: Millis) -> Answer {
        self.settle(now);
        let own = self.plays.iter().position(|play| play.who.stream == who.stream);
        let is_over = self.graves.iter().any(|grave| grave.play.who.stream == who.stream);
        if own.is_none_or(|at| !self.plays[at].has_slot())
            && let Some(at) = self.declared_play(who).filter(|_| !is_over)
        {
            return Answer::Admitted(self.plays[at].who.stream, false);
        }
        if let Some(at) = own {
            return self.go_on(at, policies, now);
        }
        if let Some(at) = self.graves.iter().position(|grave| grave.play.who.stream == who.stream) {
            let grave = &self.graves[at];
            let unsure = |by: &Play| by.phase == Phase::Reserved && by.presence == NEVER && by.playback == NEVER;
            let by = |play: &Play| grave.by == Some(play.who.stream);
            if !grave.told && !grave.play.is_declared() && self.plays.iter().any(|play| by(play) && unsure(play)) {
                return Answer::Admitted(who.stream, false);
            }
            return self.refuse_terminated(at, now);
        }
        self.compete(&Play::returning(who, who.started.min(now), now), &[], &[], policies, now)
    }

    /// A start that an application declares, in place of `kills`.
    pub(crate) fn declare(
        &mut self,
        who: &AdmissionRequest,
        kills: &[StreamId],
        policies: &[Arc<Policy>],
        now: Millis,
    ) -> Answer {
        self.settle(now);
        let mut gone: Vec<StreamId> = kills.to_vec();
        gone.retain(|id| self.plays.iter().any(|play| play.who.stream == *id && play.has_slot()));
        let plays_here = |play: &Play| {
            !play.is_declared()
                && !kills.contains(&play.who.stream)
                && play.has_slot()
                && play.who.application == who.application
                && play.who.device.name().is_some_and(|name| who.attributes.get("deviceId") == Some(name))
                && play.is_of_asset(&who.attributes)
        };
        if let Some(at) = self.plays.iter().position(plays_here) {
            let play = &mut self.plays[at];
            play.declare(now);
            let known = play.who.attributes.clone();
            let both = who.attributes.iter().chain(known.iter());
            play.who.attributes = both.map(|(name, value)| (name.into(), value.into())).collect();
            let id = play.who.stream;
            for killed in gone {
                self.bury(killed, "killed", None, now);
            }
            return Answer::Admitted(id, false);
        }
        self.compete(&Play::declaring(&self.newest(who), now), &[], &gone, policies, now)
    }

    /// What is known of a stream was declared, if it is there.
    pub(crate) fn is_declared(&self, id: StreamId) -> bool {
        self.plays.iter().any(|play| play.who.stream == id && play.is_declared())
    }

    /// Its application says that it plays: whether it holds its slot. `None`: it is not there.
    pub(crate) fn beat_declared(&mut self, id: StreamId, now: Millis) -> Option<bool> {
        let play = self.plays.iter_mut().find(|play| play.who.stream == id)?;
        play.declare(now);
        Some(play.has_slot())
    }

    /// Its application says so although it has lost its slot.
    pub(crate) fn revive(&mut self, id: StreamId, policies: &[Arc<Policy>], now: Millis) -> Option<Answer> {
        self.settle(now);
        let at = self.plays.iter().position(|play| play.who.stream == id)?;
        self.plays[at].declare(now);
        Some(self.go_on(at, policies, now))
    }

    /// Whether there was anything to stop.
    pub(crate) fn stop(&mut self, id: StreamId, now: Millis) -> bool {
        self.settle(now);
        let is_there = self.plays.iter().any(|play| play.who.stream == id);
        self.bury(id, "stopped", None, now);
        is_there
    }

    fn bury(&mut self, id: StreamId, cause: &'static str, by: Option<StreamId>, now: Millis) {
        let until = now + self.settings.tombstone;
        if let Some(at) = self.plays.iter().position(|play| play.who.stream == id) {
            let play = self.plays.remove(at);
            self.graves.push(Grave { play, cause, by, until, ended: now, told: false });
        }
    }

    fn refuse_terminated(&mut self, at: usize, now: Millis) -> Answer {
        let grave = &mut self.graves[at];
        grave.until = now + self.settings.tombstone;
        grave.told = true;
        if grave.play.refreshes_entry {
            grave.play.entry = now;
        }
        Answer::Terminated(grave.cause)
    }

    fn go_on(&mut self, at: usize, policies: &[Arc<Policy>], now: Millis) -> Answer {
        let play = self.plays[at].clone();
        let left = |play: &Play| (play.since, play.who.started, play.who.stream);
        let left_later =
            |p: &&Play| p.phase == Phase::Superseded && p.who.device == play.who.device && left(p) > left(&play);
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
        self.compete(&play, &looked_at, &[], policies, now)
    }

    /// What the policies make of `play`, as if those in `without` were not there: who is in the way, and who would end.
    fn judge(
        &self,
        play: &Play,
        without: &[StreamId],
        policies: &[Arc<Policy>],
        now: Millis,
    ) -> Result<Vec<StreamId>, Vec<StreamId>> {
        let id = play.who.stream;
        let counts = |p: &&Play| p.has_slot() && p.who.stream != id && !without.contains(&p.who.stream);
        let mut rivals: Vec<&Play> = self.plays.iter().filter(counts).collect();
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
            return Err(in_the_way);
        }
        Ok(ending)
    }

    /// `left` give way without a trace; `gone` are killed if it is admitted.
    fn compete(
        &mut self,
        play: &Play,
        left: &[StreamId],
        gone: &[StreamId],
        policies: &[Arc<Policy>],
        now: Millis,
    ) -> Answer {
        let id = play.who.stream;
        let without: Vec<StreamId> = left.iter().chain(gone).copied().collect();
        let ending = match self.judge(play, &without, policies, now) {
            Ok(ending) => ending,
            // Nobody is killed, and the account is told of as it stands.
            Err(in_the_way) => {
                let whole = self.judge(play, left, policies, now);
                return Answer::Refused(whole.err().unwrap_or(in_the_way));
            }
        };
        for killed in gone {
            self.bury(*killed, "killed", None, now);
        }
        for victim in ending {
            self.bury(victim, "evicted", Some(id), now);
        }
        for old in self.plays.iter_mut().filter(|p| left.contains(&p.who.stream)) {
            old.phase = Phase::Superseded;
            old.since = now;
        }
        match self.plays.iter_mut().find(|p| p.who.stream == id) {
            Some(known) => {
                known.phase = Phase::Playing;
                known.since = now;
                if known.declared != now {
                    known.playback = now;
                }
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
                std::mem::take(&mut self.graves).into_iter().partition(|grave| !grave.told && grave.by == Some(id));
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
            let declared = if play.is_declared() { heard } else { NEVER };
            let returning = Play::returning(&play.who, play.since, heard);
            let untouched = play.is_declared() && play.playback == NEVER && play.presence == NEVER;
            let playback = if untouched { NEVER } else { returning.playback };
            Play { phase, playback, declared, ..returning }
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
