//! One account's streams: a pure state machine. Time comes in, transitions come out.

use std::sync::Arc;

use smallvec::SmallVec;

use super::{Candidate, Cause, SUPERSEDE_GRACE, Settings, Stream};
use crate::model::{Device, Millis, StreamId};
use crate::policy::{Decision, Policy, Standing, evaluate};

/// So many streams that a device has just left may go on without a slot for that time. More would be a way to watch more
/// than one at once.
const LATE_STREAMS: usize = 3;
/// So many streams without a slot are kept at most; the one that has been without for longest goes first.
const MOST_WITHOUT_SLOT: usize = 32;

/// The memory of a terminated stream.
#[derive(Clone, Debug)]
pub struct Tombstone {
    /// The stream as it was.
    pub stream: Arc<Stream>,
    /// Why it ended.
    pub cause: Cause,
    /// Until when it is remembered; every refused request renews it.
    pub until: Millis,
    /// Whether its player has been refused already.
    pub told: bool,
}

/// What has changed with time alone.
#[derive(Clone, Debug)]
pub enum Transition {
    /// Silence freed the slot.
    Idle(Arc<Stream>),
    /// The place in the record was given up.
    Forgotten(Arc<Stream>),
}

/// A set of changes to commit in one piece. The order of application is: end, supersede, add.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Streams to terminate, and why.
    pub terminate: Vec<(StreamId, Cause)>,
    /// Streams that the same device leaves.
    pub supersede: Vec<StreamId>,
    /// A stream that takes a slot: a new one, or one in the record that resumes.
    pub admit: Option<Arc<Stream>>,
}

/// How a start is to be answered.
#[derive(Debug)]
pub enum Plan {
    /// It goes on with a stream that is there.
    Continue(Arc<Stream>),
    /// This stream was terminated and stays out.
    Terminated(StreamId, Cause),
    /// The policies refuse it.
    Refuse(Decision),
    /// Commit this, then it may.
    Admit(Decision, Change),
}

/// The streams of one account.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// Rises with every change of the set of streams.
    pub version: u64,
    streams: SmallVec<[Arc<Stream>; 2]>,
    /// Most accounts have none: it costs them a pointer.
    #[allow(clippy::box_collection)]
    tombstones: Option<Box<Vec<Tombstone>>>,
}

impl Record {
    /// The streams in the record, in the order in which they came.
    pub fn streams(&self) -> &[Arc<Stream>] {
        &self.streams
    }

    /// The terminated streams that are remembered.
    pub fn tombstones(&self) -> &[Tombstone] {
        self.tombstones.as_deref().map_or(&[], Vec::as_slice)
    }

    /// The stream of that name.
    pub fn find(&self, id: StreamId) -> Option<&Arc<Stream>> {
        self.streams.iter().find(|stream| stream.id == id)
    }

    /// Whether nothing is left to remember.
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty() && self.tombstones().is_empty()
    }

    /// Brings every stream up to `now`: silent ones fall idle, idle ones are forgotten, tombstones crumble.
    pub fn settle(&mut self, settings: &Settings, now: Millis, mut on: impl FnMut(Transition)) {
        let before = self.streams.len();
        self.streams.retain(|stream| {
            if stream.settle(settings, now) {
                self.version += 1;
                on(Transition::Idle(stream.clone()));
            }
            let forgotten = stream.slot_until(settings, now).is_none()
                && now.since(stream.last_seen().max(stream.since())) >= settings.forget;
            if forgotten {
                stream.end(now);
                on(Transition::Forgotten(stream.clone()));
            }
            !forgotten
        });
        while self.streams.iter().filter(|stream| !stream.has_slot()).count() > MOST_WITHOUT_SLOT {
            let without = self.streams.iter().enumerate().filter(|(_, stream)| !stream.has_slot());
            let Some((at, _)) = without.min_by_key(|(_, stream)| stream.since()) else { break };
            let stream = self.streams.remove(at);
            stream.end(now);
            on(Transition::Forgotten(stream));
        }
        self.version += u64::from(before != self.streams.len());
        if let Some(tombstones) = &mut self.tombstones {
            tombstones.retain(|tombstone| now < tombstone.until);
        }
        self.tombstones.take_if(|tombstones| tombstones.is_empty());
    }

    /// When [`settle`](Self::settle) has something to do next, if nothing is heard until then.
    pub fn next_deadline(&self, settings: &Settings, now: Millis) -> Option<Millis> {
        let streams = self.streams.iter().map(|stream| {
            let forget = stream.last_seen().max(stream.since()) + settings.forget;
            stream.slot_until(settings, now).unwrap_or(forget)
        });
        streams.chain(self.tombstones().iter().map(|tombstone| tombstone.until)).min()
    }

    /// Decides a start at an entry manifest. The record must be settled.
    pub fn plan_start(
        &self,
        candidate: &Candidate,
        policies: &[Arc<Policy>],
        settings: &Settings,
        now: Millis,
    ) -> Plan {
        let same_play = |stream: &Stream| {
            stream.application == candidate.application
                && stream.device == candidate.device
                && stream.asset == candidate.asset
                && stream.continues_from_entry(now)
        };
        // Where a token names the play session, another asset under the same name is still the same stream.
        let known = self.find(candidate.stream).or_else(|| self.streams.iter().find(|stream| same_play(stream)));
        if let Some(stream) = known
            && (stream.has_slot() || stream.refreshes_entry())
        {
            // A refresh by a live player whose pause has lasted too long is not yet a wish to play.
            let polls = stream.is_idle_without_media();
            return if polls {
                Plan::Continue(stream.clone())
            } else {
                self.plan_resume(stream, policies, settings, now)
            };
        }
        // A player that refreshes its entry manifest comes back here by itself after its stream was terminated.
        let stays_out =
            |stream: &Stream| stream.id == candidate.stream || stream.refreshes_entry() && same_play(stream);
        if let Some(tombstone) = self.tombstones().iter().find(|tombstone| stays_out(&tombstone.stream)) {
            return Plan::Terminated(tombstone.stream.id, tombstone.cause.clone());
        }
        let supersede: Vec<StreamId> = match &candidate.device {
            // A hint is not enough to end a stream: two televisions behind one router share it.
            Device::Hint(_) => Vec::new(),
            named @ Device::Named(_) => {
                let same_device = self.streams.iter().filter(|s| s.device == *named && s.has_slot());
                same_device.map(|stream| stream.id).collect()
            }
        };
        // Somebody who zaps away and back within the window finds the stream that they left.
        let stream = known.cloned().unwrap_or_else(|| Arc::new(Stream::reserve(candidate, settings, now)));
        self.plan(&stream, supersede, policies, settings, now)
    }

    /// Decides whether a stream of the record that has lost its slot gets one again. The record must be settled.
    pub fn plan_resume(
        &self,
        stream: &Arc<Stream>,
        policies: &[Arc<Policy>],
        settings: &Settings,
        now: Millis,
    ) -> Plan {
        if stream.has_slot() {
            return Plan::Continue(stream.clone());
        }
        if self.is_late(stream, now) {
            return Plan::Continue(stream.clone());
        }
        // A live player whose pause has lasted too long goes on polling without a slot; its next media competes.
        if stream.is_idle_without_media() && stream.last_seen() >= stream.since() {
            return Plan::Continue(stream.clone());
        }
        // What its device has only looked at since (the next episode, fetched ahead) gives the slot back.
        let looked_at = self
            .streams
            .iter()
            .filter(|other| other.is_reserved() && other.device == stream.device && stream.device.name().is_some());
        let looked_at = looked_at.map(|other| other.id).collect();
        self.plan(stream, looked_at, policies, settings, now)
    }

    /// Whether a request of the stream is one that was under way when its device left it.
    fn is_late(&self, stream: &Stream, now: Millis) -> bool {
        let left_since = |other: &&Arc<Stream>| {
            other.is_superseded() && other.device == stream.device && other.since() > stream.since()
        };
        stream.is_superseded()
            && now.since(stream.since()) < SUPERSEDE_GRACE
            && self.streams.iter().filter(left_since).count() < LATE_STREAMS
    }

    /// Whether the stream that another one gave way to may still come to nothing.
    fn is_provisional(&self, tombstone: &Tombstone) -> bool {
        let Cause::Evicted { by, .. } = &tombstone.cause else { return false };
        !tombstone.told && self.find(*by).is_some_and(|stream| stream.is_reserved() && !stream.was_followed())
    }

    /// The memory of a stream that was terminated for good, and whose player may be told.
    pub fn terminated(&self, id: StreamId) -> Option<&Tombstone> {
        let tombstone = self.tombstones().iter().find(|tombstone| tombstone.stream.id == id)?;
        (!self.is_provisional(tombstone)).then_some(tombstone)
    }

    /// Decides whether a stream that this record does not know, but whose play session is genuine, may go on.
    pub fn plan_reattach(
        &self,
        candidate: &Candidate,
        policies: &[Arc<Policy>],
        settings: &Settings,
        now: Millis,
    ) -> Plan {
        if let Some(stream) = self.find(candidate.stream) {
            return self.plan_resume(stream, policies, settings, now);
        }
        if let Some(tombstone) = self.tombstones().iter().find(|t| t.stream.id == candidate.stream) {
            // It gave way to a start that the origin has not answered yet. Until then it plays on, without a slot.
            return if self.is_provisional(tombstone) {
                Plan::Continue(tombstone.stream.clone())
            } else {
                Plan::Terminated(candidate.stream, tombstone.cause.clone())
            };
        }
        let stream = Arc::new(Stream::reattach(candidate, settings, now));
        self.plan(&stream, Vec::new(), policies, settings, now)
    }

    fn plan(
        &self,
        stream: &Arc<Stream>,
        supersede: Vec<StreamId>,
        policies: &[Arc<Policy>],
        settings: &Settings,
        now: Millis,
    ) -> Plan {
        let running: SmallVec<[Standing<'_>; 8]> = self
            .streams
            .iter()
            .filter(|other| other.id != stream.id && !supersede.contains(&other.id) && other.has_slot())
            .map(|other| standing(other, other.since()))
            .collect();
        let decision = evaluate(policies, &running, &standing(stream, now), settings.min_tenure, now);
        if decision.refuses() {
            return Plan::Refuse(decision);
        }
        let terminate = decision.terminations().into_iter().map(|(ending, violation)| {
            let cause =
                Cause::Evicted { policy: violation.policy.clone(), rule: violation.rule.clone(), by: stream.id };
            (ending, cause)
        });
        let change = Change { terminate: terminate.collect(), supersede, admit: Some(stream.clone()) };
        Plan::Admit(decision, change)
    }

    /// Applies a change. Streams that are no longer there are passed over: they have ended already.
    pub fn apply(&mut self, change: &Change, settings: &Settings, now: Millis) {
        self.version += 1;
        for (id, cause) in &change.terminate {
            if let Some(at) = self.streams.iter().position(|stream| stream.id == *id) {
                let stream = self.streams.remove(at);
                stream.end(now);
                let until = now + settings.tombstone;
                self.bury(Tombstone { stream, cause: cause.clone(), until, told: false });
            }
        }
        for id in &change.supersede {
            if let Some(stream) = self.find(*id) {
                stream.supersede(now);
            }
        }
        if let Some(stream) = &change.admit {
            if self.find(stream.id).is_some() {
                stream.resume(now);
            } else {
                self.streams.push(stream.clone());
            }
        }
    }

    /// Renews the tombstone of a stream whose player has just been refused.
    pub fn told(&mut self, id: StreamId, settings: &Settings, now: Millis) {
        if let Some(tombstone) =
            self.tombstones.iter_mut().flat_map(|all| all.iter_mut()).find(|tombstone| tombstone.stream.id == id)
        {
            tombstone.until = now + settings.tombstone;
            tombstone.told = true;
            if tombstone.stream.refreshes_entry() {
                tombstone.stream.entered(now);
            }
        }
    }

    /// Takes back a start that nothing has followed. Streams that gave way to it, and whose players have not been told
    /// yet, may compete again. Returns the stream that left.
    pub fn roll_back(&mut self, id: StreamId, now: Millis) -> Option<Arc<Stream>> {
        let at = self.streams.iter().position(|s| s.id == id && s.is_reserved() && !s.was_followed())?;
        let stream = self.streams.remove(at);
        stream.end(now);
        self.version += 1;
        let gave_way = |t: &Tombstone| !t.told && matches!(&t.cause, Cause::Evicted { by, .. } if *by == id);
        for tombstone in self.tombstones.take().into_iter().flat_map(|all| *all) {
            if gave_way(&tombstone) {
                tombstone.stream.set_idle(now);
                self.streams.push(tombstone.stream);
            } else {
                self.bury(tombstone);
            }
        }
        Some(stream)
    }

    /// Puts a stream back that a snapshot has kept.
    pub fn restore(&mut self, stream: Arc<Stream>) {
        if self.find(stream.id).is_none() {
            self.version += 1;
            self.streams.push(stream);
        }
    }

    /// Puts a tombstone back that a snapshot has kept.
    pub fn restore_tombstone(&mut self, tombstone: Tombstone) {
        tombstone.stream.end(Millis(0));
        self.version += 1;
        self.bury(tombstone);
    }

    fn bury(&mut self, tombstone: Tombstone) {
        self.tombstones.get_or_insert_default().push(tombstone);
    }
}

fn standing(stream: &Stream, tenure: Millis) -> Standing<'_> {
    Standing { stream: stream.id, application: &stream.application, started: stream.started, tenure }
}

#[cfg(test)]
mod tests;
