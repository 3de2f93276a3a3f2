//! Provisional takeover: a start that would be refused is admitted in place of a stream that its viewer may have left.
//!
//! At the start it is unknown whether the other stream was left: a viewer who zaps, reloads or changes the screen sends
//! no signal. So the start is admitted at once, and the other stream no longer counts. If that stays silent for
//! `takeover.verify` after the first media of the new one, it is replaced. If it requests more media, and then the new
//! one does too, both are real: the policies decide, and one is terminated.
//!
//! A replaced stream that returns while its pause would have kept its slot takes its place back in the same way. Two
//! clients found to be different get no takeover again for `streams.tombstone`.

#![allow(clippy::similar_names, reason = "taker and taken")]

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::plan::{end, refusal, scene};
use super::{AccountState, Change, Plan, PolicyContext, Refused, Transition};
use crate::model::{ClientEvidence, Device, Millis, StreamId};
use crate::policy::{Decision, Effect, Mode, StreamView, Violation, evaluate, explain};
use crate::streams::{AdmissionRequest, Cause, Settings, Stream, TakeoverReason};

/// Requests of the other stream within this time after the new one's first media were in flight before.
const IN_FLIGHT: Duration = Duration::from_secs(1);
/// Maximum open takeovers of one account. Further starts are refused until some are settled.
const MAX_OPEN: usize = 32;
/// Maximum disputes that are kept.
const MAX_DISPUTES: usize = 32;

/// A stream that provisionally takes the place of another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Takeover {
    /// The admitted stream.
    pub taker: StreamId,
    /// The stream that does not count meanwhile.
    pub taken: StreamId,
    /// Why it was chosen.
    pub reason: TakeoverReason,
    /// True if it was silent at that time, in addition to other evidence.
    #[serde(default)]
    pub silent: bool,
    /// When the taker was admitted.
    pub since: Millis,
    /// First media request of the taker.
    pub played: Option<Millis>,
    /// Next media request of the taken stream after that.
    pub insisted: Option<Millis>,
    /// Set once the taken stream is replaced: until when it may take its place back.
    pub replaced: Option<Millis>,
    /// How often one of the two has returned after it was replaced.
    #[serde(default)]
    pub returns: u8,
    /// When the next request of the replaced stream was due, by its own cadence.
    #[serde(default)]
    pub due_back: Option<Millis>,
    /// One of the two returned in time: it had been playing from its buffer.
    #[serde(default)]
    pub buffered: bool,
    /// Streams that the taker had taken over before, and that turned out to be playing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub played_on: Vec<StreamId>,
}

impl Takeover {
    /// True until the takeover is settled.
    fn is_open(&self) -> bool {
        self.replaced.is_none()
    }

    /// Lets the taker take over this stream instead.
    fn hand_to(&mut self, taken: StreamId, now: Millis) {
        (self.taken, self.played, self.insisted) = (taken, self.played.map(|_| now), None);
    }
}

/// A client that turned out to be different from the one whose stream it took over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispute {
    /// The stream that continued.
    pub stream: StreamId,
    /// The device of the client that must wait.
    pub device: Device,
    /// Further evidence about that client.
    pub client: ClientEvidence,
    /// True if the stream had been silent and then continued: its silence is no longer evidence for that client.
    /// Otherwise only similarity is not.
    #[serde(default)]
    pub silence: bool,
    /// When the dispute expires.
    pub until: Millis,
}

impl Dispute {
    fn is_with(&self, device: &Device, client: &ClientEvidence) -> bool {
        self.device == *device || self.client.has_same_token(client) || self.client.is_same_client(client)
    }
}

/// The takeovers of one account, and disputes from former ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Takeovers {
    /// Open takeovers, and those whose taken stream may return.
    pub current: Vec<Takeover>,
    /// Pairs without a further takeover for a time.
    pub disputes: Vec<Dispute>,
}

impl Takeovers {
    /// Shifts every time by this many milliseconds.
    #[must_use]
    pub fn shifted(mut self, by: i64) -> Self {
        for one in &mut self.current {
            one.since = one.since.shifted(by);
            for time in [&mut one.played, &mut one.insisted, &mut one.replaced, &mut one.due_back] {
                *time = time.map(|time| time.shifted(by));
            }
        }
        for dispute in &mut self.disputes {
            dispute.until = dispute.until.shifted(by);
        }
        self
    }
}

/// Evidence that a stream was left.
#[derive(Clone, Copy, Debug)]
struct Likely {
    /// The strongest evidence.
    reason: TakeoverReason,
    /// True if it is silent.
    silent: bool,
    /// Likelihood.
    weight: u32,
}

/// Result of a media request during an open takeover.
#[derive(Debug, Default)]
pub struct Verification {
    /// The change to commit.
    pub change: Change,
    /// Set if both are real: the decision between them.
    pub verdict: Option<Verdict>,
}

/// A decision between two streams that both play.
#[derive(Debug)]
pub struct Verdict {
    /// The stream that was admitted provisionally.
    pub taker: StreamId,
    /// The stream that it had taken over.
    pub taken: StreamId,
    /// The decision about the younger one, with its explanation.
    pub refused: Refused,
}

impl AccountState {
    /// The takeovers that are open or may be undone.
    pub fn takeovers(&self) -> &[Takeover] {
        self.takeovers.as_deref().map_or(&[], |all| &all.current)
    }

    /// The stream that has taken over `taken`, which therefore does not count.
    pub fn taken_over_by(&self, taken: StreamId) -> Option<&Arc<Stream>> {
        self.taken_over_without(taken, &[])
    }

    /// Same, after the streams in `gone` have ended.
    pub(super) fn taken_over_without(&self, taken: StreamId, gone: &[StreamId]) -> Option<&Arc<Stream>> {
        let stands = |one: &&Takeover| one.is_open() && one.taken == taken && !gone.contains(&one.taker);
        let mut open = self.takeovers().iter().filter(stands);
        open.find_map(|one| self.find(one.taker).filter(|taker| taker.has_slot()))
    }

    /// Decides about a returning stream that [is playing](Self::proven_beside) beside the one that replaced it: the
    /// younger one is evaluated as if it started now.
    pub(super) fn plan_proven(&self, stream: &Arc<Stream>, law: &PolicyContext<'_>, now: Millis) -> Option<Plan> {
        let other = self.proven_beside(stream, now)?;
        // If it is itself the younger one, it is refused like any other return.
        if (other.started, other.id) < (stream.started, stream.id) {
            return None;
        }
        let scene = scene(law, now);
        let mut running = self.running(other.id, &[]);
        running.push(stream.view(now));
        let younger = other.view(other.since());
        let decision = evaluate(law.policies, &running, &younger, &scene);
        if !decision.refuses() {
            return None;
        }
        let left = evaluate(law.policies, &self.running(stream.id, &[other.id]), &stream.view(now), &scene);
        if left.refuses() || !left.ending.is_empty() {
            return None;
        }
        let explanation = explain(law.policies, &running, &younger, &scene);
        let change = Change {
            terminate: vec![(other.id, refusal(&decision).0)],
            explained: vec![(other.id, explanation)],
            admit: Some(stream.clone()),
            disputes: vec![dispute(stream, other, true, law.settings, now)],
            settled: vec![(other.id, stream.id)],
            ..Change::default()
        };
        Some(Plan::Admit(left, change))
    }

    /// Finds a stream that the candidate may take over, although `decision` refuses it or would terminate another
    /// stream. Returns the decision without that stream.
    ///
    /// `played`: time of the candidate's first media request, if this is one.
    pub(super) fn plan_takeover(
        &self,
        (stream, candidate): (&Stream, &StreamView<'_>),
        without: &[StreamId],
        decision: &Decision,
        played: Option<Millis>,
        law: &PolicyContext<'_>,
        now: Millis,
    ) -> Option<(Decision, Takeover)> {
        let open = self.takeovers().iter().filter(|one| one.is_open()).count();
        if law.settings.takeover.verify.is_zero() || stream.is_declared() || open >= MAX_OPEN {
            return None;
        }
        let mut found: SmallVec<[(Likely, &Arc<Stream>); 4]> = SmallVec::new();
        let mut order: SmallVec<[(Reverse<u32>, Millis); 4]> = SmallVec::new();
        let counts = |other: &&Arc<Stream>| self.counts_without(other, without) && !without.contains(&other.id);
        for other in self.streams.iter().filter(counts) {
            if let Some(likely) = self.may_be_left(stream, other, law.settings, now)
                && is_in_conflict(decision, other.id)
            {
                let place = (Reverse(likely.weight), other.last_seen());
                let at = order.partition_point(|known| *known <= place);
                order.insert(at, place);
                found.insert(at, (likely, other));
            }
        }
        for (Likely { reason, silent, .. }, other) in found {
            // The policies terminate this one anyway.
            if !decision.refuses() && decision.ending.iter().any(|(ended, _)| *ended == other.id) {
                return None;
            }
            // It continues, and so do the streams that it has taken over: only it does not count.
            let mut running = self.running(stream.id, without);
            running.retain(|running| running.stream != other.id);
            let decision = evaluate(law.policies, &running, candidate, &scene(law, now));
            if decision.refuses() || !decision.ending.is_empty() {
                continue;
            }
            let before = self.displaced(stream.id, other.id);
            // Requests in flight when its own client started the other stream are no evidence of which one plays.
            let played = played.filter(|now| silent || now.since(other.started) >= IN_FLIGHT);
            let takeover = Takeover {
                taker: stream.id,
                taken: other.id,
                reason,
                silent,
                since: now,
                played,
                insisted: None,
                replaced: None,
                returns: before.map_or(0, |one| one.returns.saturating_add(1)),
                due_back: None,
                played_on: Vec::new(),
                buffered: before.is_some_and(|one| one.buffered || one.due_back.is_some_and(|due| now <= due)),
            };
            return Some((decision, takeover));
        }
        None
    }

    /// The takeover by which `taker` has replaced `taken`.
    fn displaced(&self, taken: StreamId, taker: StreamId) -> Option<&Takeover> {
        self.takeovers().iter().find(|one| !one.is_open() && (one.taken, one.taker) == (taken, taker))
    }

    /// True if `one` has taken over `other`, directly or through other takeovers.
    fn stands_for(&self, one: StreamId, other: StreamId) -> bool {
        let mut seen: SmallVec<[StreamId; 8]> = SmallVec::from_slice(&[one]);
        let mut at = 0;
        while let Some(stands) = seen.get(at).copied() {
            for takeover in self.takeovers().iter().filter(|takeover| takeover.is_open() && takeover.taker == stands) {
                if takeover.taken == other {
                    return true;
                }
                if !seen.contains(&takeover.taken) {
                    seen.push(takeover.taken);
                }
            }
            at += 1;
        }
        false
    }

    /// The stream that replaced `stream`, if both are proven to play: `stream` returns in time for its buffer, and one
    /// of the two has done so before.
    pub(super) fn proven_beside(&self, stream: &Stream, now: Millis) -> Option<&Arc<Stream>> {
        let proven = |one: &&Takeover| {
            !one.is_open() && one.taken == stream.id && one.buffered && one.due_back.is_some_and(|due| now <= due)
        };
        let one = self.takeovers().iter().find(proven)?;
        self.find(one.taker).filter(|taker| taker.has_slot())
    }

    /// Whether the viewer of `stream` may have left `other` for it, with the likelihood.
    fn may_be_left(&self, stream: &Stream, other: &Stream, settings: &Settings, now: Millis) -> Option<Likely> {
        let rules = &settings.takeover;
        let beside = self.proven_beside(stream, now).map(|beside| beside.id);
        let is_proven = || beside == Some(other.id);
        if other.id == stream.id || other.is_declared() || is_proven() {
            return None;
        }
        let (looks_disputed, silence_disputed) = self.disputed(stream, other);
        if silence_disputed {
            return None;
        }
        if self.displaced(stream.id, other.id).is_some() {
            return (!looks_disputed).then_some(Likely {
                reason: TakeoverReason::Displaced,
                silent: true,
                weight: 200,
            });
        }
        // Its device has left it for another stream; its further requests are late.
        let was_left =
            stream.device.name().is_some() && stream.device == other.device && stream.started < other.started;
        let (same, differ) = match (stream.device.name(), other.device.name()) {
            (Some(one), Some(other)) => (one == other, one != other),
            // A client with device names in its tokens is not the same as one without.
            (None, None) => (false, false),
            _ => (false, true),
        };
        // A taker that has played nothing yet may stand for a stream that plays all the time.
        let is_mere_stand_in = || {
            other.last_media() == Millis(0) && self.takeovers().iter().any(|one| one.is_open() && one.taker == other.id)
        };
        // A client that may be its own has started another stream since, without a further request for this one.
        let was_left_for_another = || {
            let is_alike = |one: &Stream| {
                rules.token && one.client.has_same_token(&other.client)
                    || rules.client && one.client.is_same_client(&other.client)
            };
            let starts =
                self.streams.iter().filter(|one| one.id != other.id && one.id != stream.id && self.counts(one));
            let mut later = starts.filter(|one| one.started > other.started && one.last_media() != Millis(0));
            later.any(|one| {
                other.last_seen() < one.started + IN_FLIGHT
                    && is_alike(one)
                    && self.disputed(one, other) == (false, false)
            })
        };
        let is_left = || {
            (None, None) == (stream.device.name(), other.device.name())
                && !other.is_being_sent()
                && was_left_for_another()
        };
        let silent = if is_mere_stand_in() {
            None
        } else if rules.overdue && other.has_hung_up(now) {
            Some(TakeoverReason::HungUp)
        } else if rules.overdue && other.is_overdue(settings, now) {
            Some(TakeoverReason::Overdue)
        } else {
            is_left().then_some(TakeoverReason::LeftForAnother)
        };
        let evidence = [
            (rules.device && same, TakeoverReason::SameDevice, 60),
            (rules.token && stream.client.has_same_token(&other.client), TakeoverReason::SameToken, 50),
            (rules.client && stream.client.is_same_client(&other.client), TakeoverReason::SameClient, 10),
        ];
        let evidence = evidence
            .into_iter()
            .filter(|(holds, ..)| *holds && !differ && !was_left && !looks_disputed && beside.is_none());
        let alike = evidence.fold(None, |all: Option<(TakeoverReason, u32)>, (_, reason, weight)| {
            Some(all.map_or((reason, weight), |(first, sum)| (first, sum + weight)))
        });
        let (reason, weight) = alike.or(silent.map(|reason| (reason, 0)))?;
        let weight = weight + if silent.is_some() { 40 } else { 0 };
        Some(Likely { reason, silent: silent.is_some(), weight })
    }

    /// Whether the client of `stream` was recently found to be different from that of `other`, or of a stream that this
    /// has taken over: then similarity is no evidence. And whether silence of `other` was no evidence either. A client
    /// with the device or token of `other` counts as its own, not as similar.
    fn disputed(&self, stream: &Stream, other: &Stream) -> (bool, bool) {
        let disputes = self.takeovers.as_deref().map_or(&[][..], |all| &all.disputes);
        let between = disputes.iter().filter(|dispute| {
            let has_its_token = |client: &ClientEvidence| client.has_same_token(&other.client);
            let is_own = stream.device == other.device && dispute.device != other.device
                || has_its_token(&stream.client) && !has_its_token(&dispute.client);
            let concerns = || dispute.stream == other.id || self.stands_for(other.id, dispute.stream);
            !is_own && dispute.is_with(&stream.device, &stream.client) && concerns()
        });
        between.fold((false, false), |(_, silence), dispute| (true, silence || dispute.silence))
    }

    /// The viewer starts a stream again that another has just taken over: the direction of the takeover is reversed.
    /// `None` if none has.
    pub fn plan_turn_back(&self, id: StreamId, now: Millis) -> Option<Change> {
        let taker = self.taken_over_by(id)?.id;
        let one = self.takeovers().iter().find(|one| one.is_open() && (one.taker, one.taken) == (taker, id))?;
        // The one that counts: it has taken over the taker, directly or indirectly.
        let mut last = taker;
        for _ in self.takeovers() {
            last = self.taken_over_by(last).map_or(last, |stream| stream.id);
        }
        let back = Takeover { taker: id, taken: last, since: now, played: None, insisted: None, ..one.clone() };
        Some(Change { settled: vec![(taker, id)], takeovers: vec![back], ..Change::default() })
    }

    /// The disputes against a client that was just refused. They are renewed as long as it keeps asking.
    pub fn disputes_of(&self, refused: &AdmissionRequest, settings: &Settings, now: Millis) -> Vec<Dispute> {
        let disputes = self.takeovers.as_deref().map_or(&[][..], |all| &all.disputes);
        let keeps_out = disputes.iter().filter(|dispute| dispute.is_with(&refused.device, &refused.client));
        let renewed = keeps_out.map(|dispute| Dispute { until: now + settings.tombstone, ..dispute.clone() });
        let stream = self.find(refused.stream);
        let found =
            stream.and_then(|stream| Some(dispute(self.proven_beside(stream, now)?, stream, true, settings, now)));
        renewed.chain(found).collect()
    }

    /// Handles a media request of a stream in a takeover. `law` returns the policies for a stream's application. The
    /// record must be up to date.
    pub fn plan_verification<'a>(
        &self,
        id: StreamId,
        law: &dyn Fn(&Stream) -> Option<PolicyContext<'a>>,
        now: Millis,
    ) -> Verification {
        let mut done = Verification::default();
        let law_of = |id| self.find(id).and_then(|stream| law(stream));
        let verify = law_of(id).map_or(Duration::ZERO, |law| law.settings.takeover.verify);
        let open = |one: &&Takeover| one.is_open() && self.taken_over_by(one.taken).is_some();
        for one in self.takeovers().iter().filter(open) {
            // The stream has been terminated in the meantime.
            if done.change.terminate.iter().any(|(ended, _)| *ended == id) {
                break;
            }
            if one.taken == id {
                let later = |played: Millis| now.since(played) >= IN_FLIGHT;
                if done.verdict.is_some() || !one.played.is_some_and(later) {
                    continue;
                }
                if one.insisted.is_some_and(|insisted| now.since(insisted) < IN_FLIGHT) {
                    continue;
                }
                let (Some(taker), Some(taken)) = (self.find(one.taker), self.find(one.taken)) else { continue };
                if self.move_on(one, (taker, taken), law, &mut done, now) {
                    continue;
                }
                let insisted = Takeover { insisted: one.insisted.or(Some(now)), ..one.clone() };
                // Both play if the taker is silent only while its buffer drains, or if it is not the first time that
                // one of the two returns while the other continues.
                let drains = taker.due_back().is_some_and(|due| due > now + verify);
                let is_received = one.insisted.is_some() && taker.is_being_sent();
                let is_told = drains || is_received || one.returns > 1 || one.buffered;
                if is_told && !self.waits_for_others(one, (taker, taken), law, now) {
                    self.settle_between(&insisted, law, &mut done, now);
                } else if one.insisted.is_none() {
                    done.change.takeovers.push(insisted);
                }
            } else if one.taker == id {
                match (one.played, one.insisted) {
                    (None, _) => done.change.takeovers.push(Takeover { played: Some(now), ..one.clone() }),
                    (Some(_), Some(insisted)) if now > insisted && done.verdict.is_none() => {
                        let (Some(taker), Some(taken)) = (self.find(one.taker), self.find(one.taken)) else { continue };
                        if !self.waits_for_others(one, (taker, taken), law, now) {
                            self.settle_between(one, law, &mut done, now);
                        }
                    }
                    _ => {}
                }
            }
        }
        done
    }

    /// Both play. Returns true while a third stream, silent since, may be the one that was left. It is waited for
    /// within `verify`; then the takeover moves to it or is settled.
    fn waits_for_others<'a>(
        &self,
        one: &Takeover,
        (taker, taken): (&Arc<Stream>, &Arc<Stream>),
        law: &dyn Fn(&Stream) -> Option<PolicyContext<'a>>,
        now: Millis,
    ) -> bool {
        let Some(played) = one.played else { return false };
        let younger = if (taken.started, taken.id) < (taker.started, taker.id) { taker } else { taken };
        let Some(law) = law(younger) else { return false };
        if now.since(played) >= law.settings.takeover.verify {
            return false;
        }
        let is_silent = |other: &&Arc<Stream>| {
            other.id != taker.id
                && other.id != taken.id
                && other.last_seen() < played
                && !other.is_declared()
                && self.counts(other)
                && !one.played_on.contains(&other.id)
                && !self.stands_for(other.id, younger.id)
        };
        let mut silent = self.streams.iter().filter(is_silent).peekable();
        if silent.peek().is_none() {
            return false;
        }
        let older = if younger.id == taker.id { taken } else { taker };
        let running = self.running_beside(younger.id, &[older.id]);
        let decision = evaluate(law.policies, &running, &younger.view(younger.since()), &scene(&law, now));
        silent.any(|other| is_in_conflict(&decision, other.id))
    }

    /// Takers that still receive earlier responses although the streams that they took over have continued: only a
    /// decision ends this.
    pub(super) fn due_takers(&self, settings: &Settings, now: Millis) -> impl Iterator<Item = StreamId> {
        self.takeovers().iter().filter_map(move |one| {
            let (taker, taken) = (self.find(one.taker)?, self.find(one.taken)?);
            let due = one.is_open() && one.insisted.is_some() && taker.is_being_sent() && taken.has_slot();
            (due && due_at(one, taker, taken, settings)? <= now).then_some(one.taker)
        })
    }

    /// Decides about such a taker.
    pub fn plan_due_taker<'a>(
        &self,
        taker: StreamId,
        law: &dyn Fn(&Stream) -> Option<PolicyContext<'a>>,
        now: Millis,
    ) -> Verification {
        let mut done = Verification::default();
        let insisted = |one: &&Takeover| one.is_open() && one.taker == taker && one.insisted.is_some();
        if let Some(one) = self.takeovers().iter().find(insisted) {
            self.settle_between(one, law, &mut done, now);
        }
        done
    }

    /// Both play. If `stream` may have been left for another stream, `stream` takes over that one instead of competing
    /// with `older`.
    fn move_on<'a>(
        &self,
        one: &Takeover,
        (stream, older): (&Arc<Stream>, &Arc<Stream>),
        law: &dyn Fn(&Stream) -> Option<PolicyContext<'a>>,
        done: &mut Verification,
        now: Millis,
    ) -> bool {
        let Some(law) = law(stream) else { return false };
        let candidate = stream.view(stream.since());
        let played = one.played.unwrap_or(one.since);
        // As if the older stream counted again and the start came now.
        let running = self.running_beside(stream.id, &[older.id]);
        let decision = evaluate(law.policies, &running, &candidate, &scene(&law, now));
        for other in self.streams.iter().filter(|other| self.counts(other)) {
            let is_silent = other.is_overdue(law.settings, now) || other.has_hung_up(now);
            // A stream that started or played since was not left for it.
            let is_heard = other.since() > one.since || other.last_media() >= stream.started.min(played) + IN_FLIGHT;
            let is_known = other.id == older.id || one.played_on.contains(&other.id);
            if is_known || is_heard && !is_silent || self.stands_for(other.id, stream.id) {
                continue;
            }
            let Some(Likely { reason, silent, .. }) = self.may_be_left(stream, other, law.settings, now) else {
                continue;
            };
            if !is_in_conflict(&decision, other.id) {
                continue;
            }
            let left: SmallVec<[StreamView<'_>; 8]> =
                running.iter().filter(|running| running.stream != other.id).cloned().collect();
            let without = evaluate(law.policies, &left, &candidate, &scene(&law, now));
            if without.refuses() || !without.ending.is_empty() {
                continue;
            }
            done.change.settled.push((one.taker, one.taken));
            let played_on = one.played_on.iter().copied().chain([older.id]).collect();
            // Restarts the verification time.
            let played = one.played.map(|_| now);
            done.change.takeovers.push(Takeover {
                taker: stream.id,
                taken: other.id,
                reason,
                silent,
                played,
                insisted: None,
                returns: 0,
                buffered: false,
                played_on,
                ..one.clone()
            });
            return true;
        }
        false
    }

    /// Both are real: the policies decide about the younger one, as if it started now.
    fn settle_between<'a>(
        &self,
        one: &Takeover,
        law: &dyn Fn(&Stream) -> Option<PolicyContext<'a>>,
        done: &mut Verification,
        now: Millis,
    ) {
        let (Some(taker), Some(taken)) = (self.find(one.taker), self.find(one.taken)) else { return };
        let (older, younger) =
            if (taken.started, taken.id) < (taker.started, taker.id) { (taken, taker) } else { (taker, taken) };
        if self.move_on(one, (younger, older), law, done, now) {
            return;
        }
        // If no policies apply any more, both continue.
        let Some(law) = law(younger) else { return };
        let running = self.running_beside(younger.id, &[older.id]);
        let (candidate, scene) = (younger.view(younger.since()), scene(&law, now));
        let decision = evaluate(law.policies, &running, &candidate, &scene);
        let change = &mut done.change;
        if decision.refuses() {
            change.terminate.push((younger.id, refusal(&decision).0));
            // Streams that had taken over the terminated one now take over the one that continues.
            for other in self.takeovers().iter().filter(|other| other.is_open() && other.taken == younger.id) {
                if other.taker != older.id {
                    let played = other.played.map(|_| now);
                    change.takeovers.push(Takeover { taken: older.id, played, insisted: None, ..other.clone() });
                }
            }
        } else {
            let by_policy = |violation: &Violation| Cause::Evicted {
                policy: violation.policy.clone(),
                rule: violation.rule.clone(),
                by: younger.id,
            };
            end(&decision, change, by_policy, now);
        }
        let silence = one.silent || one.reason == TakeoverReason::Displaced;
        let goes_on = |stream: &Stream| !change.terminate.iter().any(|(ended, _)| *ended == stream.id);
        let dispute = if goes_on(older) {
            dispute(older, younger, silence, law.settings, now)
        } else {
            dispute(younger, older, silence, law.settings, now)
        };
        change.disputes.push(dispute);
        change.settled.push((one.taker, one.taken));
        let explanation = explain(law.policies, &running, &candidate, &scene);
        // The terminated stream's next request is refused with this explanation.
        let ended = done.change.terminate.iter().map(|(ended, _)| (*ended, explanation.clone()));
        done.change.explained.extend(ended);
        done.verdict = Some(Verdict { taker: taker.id, taken: taken.id, refused: Refused { decision, explanation } });
    }

    /// The streams that count and those in `beside`, except `id`.
    fn running_beside(&self, id: StreamId, beside: &[StreamId]) -> SmallVec<[StreamView<'_>; 8]> {
        let others = self.streams.iter().filter(|other| other.id != id);
        let counted = others.filter(|other| self.counts(other) || beside.contains(&other.id));
        counted.map(|other| other.view(other.since())).collect()
    }

    /// Applies the takeovers of a change. The stream that it admits is already in the record.
    pub(super) fn apply_takeovers(&mut self, change: &Change) {
        if change.takeovers.is_empty() && change.disputes.is_empty() && change.settled.is_empty() {
            return;
        }
        let all = self.takeovers.get_or_insert_default();
        all.current.retain(|one| !change.settled.contains(&(one.taker, one.taken)));
        for dispute in &change.disputes {
            let mut dispute = dispute.clone();
            all.disputes.retain(|known| {
                let is_same = (known.stream, &known.device) == (dispute.stream, &dispute.device);
                dispute.silence |= is_same && known.silence;
                !is_same
            });
            all.disputes.push(dispute);
        }
        let surplus = all.disputes.len().saturating_sub(MAX_DISPUTES);
        all.disputes.drain(..surplus);
        for takeover in &change.takeovers {
            let is_over = |one: &Takeover| one.taken == takeover.taken || one.taken == takeover.taker && !one.is_open();
            all.current.retain(|one| !is_over(one));
            all.current.push(takeover.clone());
        }
    }

    /// Restores takeovers from a snapshot.
    pub fn restore_takeovers(&mut self, mut takeovers: Takeovers, now: Millis) {
        // No requests could arrive in the meantime.
        for one in takeovers.current.iter_mut().filter(|one| one.is_open()) {
            (one.played, one.insisted) = (one.played.map(|_| now), None);
        }
        if takeovers != Takeovers::default() {
            self.takeovers = Some(Box::new(takeovers));
            self.mark_contested();
        }
    }

    /// The takeovers for a snapshot.
    pub fn kept_takeovers(&self) -> Takeovers {
        self.takeovers.as_deref().cloned().unwrap_or_default()
    }

    /// Settles the takeovers whose time is over.
    pub(super) fn settle_takeovers(&mut self, settings: &Settings, now: Millis, on: &mut dyn FnMut(Transition)) {
        if self.takeovers.is_none() {
            return;
        }
        // Settling one may make others due. Each is settled once.
        while self.pass_takeovers(settings, now, on) {}
        let streams = &self.streams;
        self.takeovers.take_if(|all| {
            all.disputes.retain(|one| now < one.until && streams.iter().any(|stream| stream.id == one.stream));
            all.current.is_empty() && all.disputes.is_empty()
        });
        self.mark_contested();
    }

    fn pass_takeovers(&mut self, settings: &Settings, now: Millis, on: &mut dyn FnMut(Transition)) -> bool {
        let Some(all) = &mut self.takeovers else { return false };
        let before = std::mem::take(&mut all.current);
        let known = before.clone();
        let (mut kept, mut orphaned, mut changed) = (Vec::with_capacity(before.len()), Vec::new(), false);
        let mut handed: SmallVec<[(StreamId, StreamId); 2]> = SmallVec::new();
        for mut one in before {
            // The place was given back before it was passed on.
            if let Some((_, to)) = handed.iter().find(|(left, _)| one.is_open() && one.taken == *left) {
                one.hand_to(*to, now);
            }
            let find = |id| self.streams.iter().find(|stream| stream.id == id);
            let taker = find(one.taker).filter(|taker| taker.has_slot());
            let (taker, taken) = match (taker, find(one.taken), one.replaced) {
                (Some(_), Some(taken), Some(until)) => {
                    if now < until && !taken.has_slot() {
                        kept.push(one);
                    }
                    continue;
                }
                (Some(taker), Some(taken), None) => (taker.clone(), taken.clone()),
                (None, Some(taken), None) if taken.has_slot() => {
                    orphaned.push(one);
                    continue;
                }
                _ => continue,
            };
            let due = due_at(&one, &taker, &taken, settings).is_some_and(|due| due <= now);
            if !taken.has_slot() {
                // It became idle by its own timeout, or its device has left it.
                if taken.is_idle() && one.played.is_some() {
                    on(Transition::Replaced { stream: taken.clone(), by: taker, held: false });
                    one.replaced = Some(may_return_until(&taken, settings, now));
                    one.due_back = taken.due_back();
                    kept.push(one);
                }
            } else if !due {
                kept.push(one);
            } else if one.insisted.is_some() {
                if taker.fall_silent(now) {
                    (self.version, changed) = (self.version + 1, true);
                    on(Transition::Replaced { stream: taker.clone(), by: taken.clone(), held: true });
                    handed.push((taker.id, taken.id));
                    let (replaced, due_back) = (Some(may_return_until(&taker, settings, now)), taker.due_back());
                    let (played, insisted) = (Some(now), None);
                    kept.push(Takeover {
                        taker: taken.id,
                        taken: taker.id,
                        played,
                        insisted,
                        replaced,
                        due_back,
                        ..one
                    });
                } else {
                    kept.push(one);
                }
            } else if taken.is_being_sent() {
                // Its client still receives an earlier response.
                one.insisted = Some(now);
                kept.push(one);
            } else if taken.fall_silent(now) {
                (self.version, changed) = (self.version + 1, true);
                on(Transition::Replaced { stream: taken.clone(), by: taker, held: true });
                one.replaced = Some(may_return_until(&taken, settings, now));
                one.due_back = taken.due_back();
                kept.push(one);
            } else {
                kept.push(one);
            }
        }
        for (left, to) in handed {
            let passed_on = kept.iter_mut().filter(|one| one.is_open() && one.taken == left);
            passed_on.for_each(|one| one.hand_to(to, now));
        }
        kept.retain(|one| one.taker != one.taken);
        for one in orphaned {
            // The taker was itself taken over: its taker takes over this one.
            let plays = |id| self.streams.iter().any(|stream| stream.id == id && stream.has_slot());
            let heir = {
                let all: SmallVec<[&Takeover; 8]> = kept.iter().chain(&known).collect();
                heir(&all, one.taker, &plays).filter(|heir| heir.taker != one.taken).cloned()
            };
            if let Some(heir) = heir {
                changed = true;
                let (taker, played) = (heir.taker, heir.played.map(|_| now));
                kept.push(Takeover { taker, played, insisted: None, replaced: None, ..one });
            }
        }
        if let Some(all) = &mut self.takeovers {
            all.current = kept;
        }
        changed
    }

    /// When the next takeover is due.
    pub(super) fn takeover_deadline(&self, settings: &Settings) -> Option<Millis> {
        let current = self.takeovers().iter();
        let due = current.filter_map(|one| match one.replaced {
            Some(until) => Some(until),
            None => due_at(one, self.find(one.taker)?, self.find(one.taken)?, settings),
        });
        due.min()
    }

    /// Marks the streams whose media requests matter for a takeover.
    pub(super) fn mark_contested(&self) {
        for stream in &self.streams {
            let is_party = |one: &Takeover| one.is_open() && (one.taker == stream.id || one.taken == stream.id);
            stream.set_contested(self.takeovers().iter().any(is_party));
        }
    }
}

/// The takeover whose taker now stands for `left`, directly or through further takeovers.
fn heir<'t>(all: &[&'t Takeover], left: StreamId, plays: &dyn Fn(StreamId) -> bool) -> Option<&'t Takeover> {
    let mut at = left;
    // Each step leads to another takeover, so their number bounds the steps.
    for _ in 0..all.len() {
        let mut of_it = all.iter().filter(|one| one.taken == at);
        if let Some(heir) = of_it.clone().find(|one| plays(one.taker)) {
            return Some(heir);
        }
        at = of_it.next()?.taker;
    }
    None
}

/// When silence is sufficient evidence.
fn due_at(one: &Takeover, taker: &Stream, taken: &Stream, settings: &Settings) -> Option<Millis> {
    let verify = |stream: &Stream| settings.takeover.verify.min(stream.idle_window());
    match (one.insisted, one.played) {
        (Some(insisted), _) => Some(insisted + verify(taker)),
        (None, Some(played)) => Some(played + verify(taken)),
        (None, None) => None,
    }
}

/// A pause keeps a slot for this long. A stream that returns within that time takes precedence over its replacement.
fn may_return_until(stream: &Stream, settings: &Settings, now: Millis) -> Millis {
    now.max(stream.last_media() + settings.paused_timeout)
}

fn is_in_conflict(decision: &Decision, id: StreamId) -> bool {
    let acts = |violation: &&Violation| {
        violation.mode == Mode::Enforce && (violation.effect == Effect::Refuse || !decision.ending.is_empty())
    };
    decision.violations.iter().filter(acts).any(|violation| violation.conflicts.iter().any(|one| one.stream == id))
}

fn dispute(goes_on: &Stream, waits: &Stream, silence: bool, settings: &Settings, now: Millis) -> Dispute {
    let until = now + settings.tombstone;
    Dispute { stream: goes_on.id, device: waits.device.clone(), client: waits.client, silence, until }
}

#[cfg(test)]
mod tests;
