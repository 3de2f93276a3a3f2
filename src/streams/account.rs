//! One account's streams: a pure state machine. Time comes in, transitions come out.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::{Cause, SUPERSEDE_GRACE, Settings, Stream};
use crate::model::{Attributes, Millis, StreamId};
use crate::policy::{Decision, Explanation, Policy};

/// So many streams without a slot are kept at most; the one that has been without for longest goes first.
const MAX_WITHOUT_SLOT: usize = 32;

/// So many terminated streams are remembered at most; the one whose memory would end first goes first, and those that
/// applications declared before those whose players could come back. Who starts and ends streams by the hundred must neither
/// fill the table nor have it forget who was killed.
const MAX_TOMBSTONES: usize = 256;

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

impl Tombstone {
    /// Whether its player could come back if it were forgotten. What an application declared, and no player asked for, needs a
    /// start.
    pub fn keeps_out(&self) -> bool {
        self.stream.was_followed() || !self.stream.is_declared()
    }

    /// Whether its viewer stopped it, long enough ago for what was under way then to have arrived: the same may be started
    /// again under another name.
    pub fn may_be_started_again(&self, now: Millis) -> bool {
        self.cause == Cause::Stopped && now.since(self.stream.since()) >= SUPERSEDE_GRACE
    }
}

/// What has changed with time alone.
#[derive(Clone, Debug)]
pub enum Transition {
    /// Silence freed the slot.
    Idle(Arc<Stream>),
    /// The place in the record was given up.
    Forgotten(Arc<Stream>),
    /// It stayed silent, and the stream that stood for it has replaced it.
    Replaced {
        /// The stream that was left.
        stream: Arc<Stream>,
        /// The one that plays in its place.
        by: Arc<Stream>,
        /// Whether it loses its slot by that. Else silence has taken it before.
        held: bool,
    },
}

/// A stream that plays on for a time before it is terminated. It counts no more: what took its place does.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PendingTermination {
    /// Which stream.
    pub stream: StreamId,
    /// Why it will end, unless there is room again by then.
    pub cause: Cause,
    /// When.
    pub due: Millis,
}

/// A set of changes to commit in one piece. The order of application is: set, end, leave, stay, supersede, bury, add, take-overs.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// What is known of a stream from now on.
    pub set: Option<(StreamId, Attributes)>,
    /// Streams to terminate, and why.
    pub terminate: Vec<(StreamId, Cause)>,
    /// Streams to terminate later.
    pub leave: Vec<PendingTermination>,
    /// Streams that were to leave and may stay.
    pub stay: Vec<StreamId>,
    /// Streams that the same device leaves.
    pub supersede: Vec<StreamId>,
    /// A stream that was refused and is remembered, because its application goes on asking for it.
    pub bury: Option<(Arc<Stream>, Cause)>,
    /// A stream that takes a slot: a new one, or one in the record that resumes.
    pub admit: Option<Arc<Stream>>,
    /// On what the end of streams rests whose players could not guess it.
    pub explained: Vec<(StreamId, Explanation)>,
    /// Take-overs that begin, or of which something has become known.
    pub takeovers: Vec<Takeover>,
    /// Pairs of clients that turned out to be two.
    pub disputes: Vec<Dispute>,
    /// Take-overs that are decided: the taker and the stream that it stood for.
    pub settled: Vec<(StreamId, StreamId)>,
}

impl Change {
    /// Whether there is nothing to commit.
    pub fn is_empty(&self) -> bool {
        let Self { set, terminate, leave, stay, supersede, bury, admit, takeovers, disputes, settled, explained: _ } =
            self;
        set.is_none()
            && bury.is_none()
            && admit.is_none()
            && [terminate.len(), leave.len(), stay.len(), supersede.len()] == [0; 4]
            && [takeovers.len(), disputes.len(), settled.len()] == [0; 3]
    }
}

/// How a start is to be answered.
#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "it lives on the stack for a moment, and a box would cost more than a copy"
)]
pub enum Plan {
    /// It goes on with a stream that is there.
    Continue(Arc<Stream>),
    /// This stream was terminated and stays out.
    Terminated(StreamId, Cause),
    /// The policies refuse it.
    Refuse(Box<Refused>),
    /// Commit this, then it may.
    Admit(Decision, Change),
}

/// A refusal by policy.
#[derive(Debug)]
pub struct Refused {
    /// What the policies decided.
    pub decision: Decision,
    /// On what, and why.
    pub explanation: Explanation,
}

/// What is to be done about a stream that plays.
#[derive(Debug)]
pub struct Judgement {
    /// What the policies decided; `None` where there is only something to note.
    pub decision: Option<Decision>,
    /// On what, and why, where they end the stream, or would if all rules were enforced.
    pub explanation: Option<Explanation>,
    /// What is to be committed.
    pub change: Change,
}

/// What starts and returns are judged by.
#[derive(Clone, Copy, Debug)]
pub struct PolicyContext<'a> {
    /// The policies of the stream's application.
    pub policies: &'a [Arc<Policy>],
    /// The windows.
    pub settings: &'a Settings,
    /// The account's identity provider.
    pub idp: &'a str,
}

/// The streams of one account.
#[derive(Clone, Debug, Default)]
pub struct AccountState {
    /// Rises with every change of the set of streams.
    pub version: u64,
    streams: SmallVec<[Arc<Stream>; 2]>,
    /// Most accounts have none: it costs them a pointer.
    #[allow(clippy::box_collection)]
    tombstones: Option<Box<Vec<Tombstone>>>,
    /// Likewise.
    #[allow(clippy::box_collection)]
    leaving: Option<Box<Vec<PendingTermination>>>,
    /// Likewise.
    takeovers: Option<Box<Takeovers>>,
}

mod declared;
mod give_back;
mod plan;
mod seniority;
mod takeover;

pub use declared::{Kill, killed_by};
pub use give_back::GivenBack;
pub use takeover::{Dispute, Takeover, Takeovers, Verdict, Verification};

impl AccountState {
    /// The streams in the record, in the order in which they came.
    pub fn streams(&self) -> &[Arc<Stream>] {
        &self.streams
    }

    /// The terminated streams that are remembered.
    pub fn tombstones(&self) -> &[Tombstone] {
        self.tombstones.as_deref().map_or(&[], Vec::as_slice)
    }

    /// The streams that are about to be terminated.
    pub fn leaving(&self) -> &[PendingTermination] {
        self.leaving.as_deref().map_or(&[], Vec::as_slice)
    }

    /// The streams about which has to be decided now, without a request: their time to leave has come, or that of a take-over.
    pub fn due(&self, settings: &Settings, now: Millis) -> impl Iterator<Item = StreamId> {
        let leaving = self.leaving().iter().filter(move |leaving| leaving.due <= now).map(|leaving| leaving.stream);
        leaving.chain(self.due_takers(settings, now))
    }

    /// Whether the stream holds a slot and counts: one that is about to leave does not, nor one for which another stands.
    fn counts(&self, stream: &Stream) -> bool {
        self.counts_without(stream, &[])
    }

    /// The same once the streams in `gone` have ended: those for which they stand count again.
    fn counts_without(&self, stream: &Stream, gone: &[StreamId]) -> bool {
        stream.has_slot()
            && !self.leaving().iter().any(|leaving| leaving.stream == stream.id)
            && self.taken_over_without(stream.id, gone).is_none()
    }

    /// How many streams hold a slot once `change` is in force.
    pub fn level_after(&self, change: &Change) -> usize {
        let ends = |id| change.supersede.contains(&id) || change.terminate.iter().any(|(ended, _)| *ended == id);
        let stays = self.streams.iter().filter(|stream| stream.has_slot() && !ends(stream.id)).count();
        stays + usize::from(change.admit.is_some())
    }

    /// When a stream starts that wants to start at `wanted`: after all others of the account, so that the order of starts is the
    /// order of admission, whatever the clock did. The start is sealed into the play session and kept by snapshots, and so is the
    /// order.
    pub(in crate::streams) fn next_start(&self, wanted: Millis) -> Millis {
        let ended = self.tombstones().iter().map(|tombstone| tombstone.stream.started);
        let newest = self.streams.iter().map(|stream| stream.started).chain(ended).max();
        newest.map_or(wanted, |newest| wanted.max(newest + Duration::from_millis(1)))
    }

    /// The stream of that name.
    pub fn find(&self, id: StreamId) -> Option<&Arc<Stream>> {
        self.streams.iter().find(|stream| stream.id == id)
    }

    /// Whether nothing is left to remember.
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty() && self.tombstones().is_empty() && self.takeovers.is_none()
    }

    /// Brings every stream up to `now`: silent ones fall idle, idle ones are forgotten, tombstones crumble.
    pub fn expire(&mut self, settings: &Settings, now: Millis, mut on: impl FnMut(Transition)) {
        let before = self.streams.len();
        self.streams.retain(|stream| {
            if stream.expire(settings, now) {
                self.version += 1;
                on(Transition::Idle(stream.clone()));
            }
            let forgotten = stream.slot_until(settings, now).is_none()
                && now.since(stream.last_seen().max(stream.since())) >= settings.idle_retention;
            if forgotten {
                stream.end(now);
                on(Transition::Forgotten(stream.clone()));
            }
            !forgotten
        });
        while self.streams.iter().filter(|stream| !stream.has_slot()).count() > MAX_WITHOUT_SLOT {
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
        self.drop_leaving();
        self.settle_takeovers(settings, now, &mut on);
    }

    /// Whoever has no slot any more needs not be terminated.
    fn drop_leaving(&mut self) {
        if let Some(leaving) = &mut self.leaving {
            let streams = &self.streams;
            leaving.retain(|leaving| streams.iter().any(|stream| stream.id == leaving.stream && stream.has_slot()));
        }
        self.leaving.take_if(|leaving| leaving.is_empty());
    }

    /// When [`settle`](Self::settle) has something to do next, if nothing is heard until then.
    pub fn next_deadline(&self, settings: &Settings, now: Millis) -> Option<Millis> {
        let streams = self.streams.iter().map(|stream| {
            let retained = stream.last_seen().max(stream.since()) + settings.idle_retention;
            stream.slot_until(settings, now).unwrap_or(retained)
        });
        let tombstones = self.tombstones().iter().map(|tombstone| tombstone.until);
        let leaving = self.leaving().iter().map(|leaving| leaving.due);
        streams.chain(tombstones).chain(leaving).chain(self.takeover_deadline(settings)).min()
    }

    /// Whether the stream that another one gave way to may still come to nothing. Applications are told at once: they ask so
    /// rarely that what is undecided then would be told as nothing at all.
    fn is_provisional(&self, tombstone: &Tombstone) -> bool {
        let Cause::Evicted { by, .. } = &tombstone.cause else { return false };
        if tombstone.stream.is_declared() {
            return false;
        }
        !tombstone.told && self.find(*by).is_some_and(|stream| stream.is_reserved() && !stream.was_followed())
    }

    /// The memory of a stream that was terminated for good, and whose player may be told.
    pub fn terminated(&self, id: StreamId) -> Option<&Tombstone> {
        let tombstone = self.tombstones().iter().find(|tombstone| tombstone.stream.id == id)?;
        (!self.is_provisional(tombstone)).then_some(tombstone)
    }

    /// Applies a change. Streams that are no longer there are passed over: they have ended already.
    pub fn apply(&mut self, change: &Change, settings: &Settings, now: Millis) {
        self.version += 1;
        if let Some((id, attributes)) = &change.set
            && let Some(stream) = self.find(*id)
        {
            stream.set_attributes(attributes.clone());
        }
        for (id, cause) in &change.terminate {
            if let Some(at) = self.streams.iter().position(|stream| stream.id == *id) {
                let stream = self.streams.remove(at);
                stream.end(now);
                let until = now + settings.tombstone;
                self.add_tombstone(Tombstone { stream, cause: cause.clone(), until, told: false });
            }
        }
        if !change.leave.is_empty() {
            self.leaving.get_or_insert_default().extend(change.leave.iter().cloned());
        }
        if let Some(leaving) = &mut self.leaving {
            leaving.retain(|leaving| !change.stay.contains(&leaving.stream));
        }
        for id in &change.supersede {
            if let Some(stream) = self.find(*id) {
                stream.supersede(now);
            }
        }
        if let Some((stream, cause)) = &change.bury {
            stream.end(now);
            stream.acknowledge_end();
            let until = now + settings.tombstone;
            self.add_tombstone(Tombstone { stream: stream.clone(), cause: cause.clone(), until, told: true });
        }
        if let Some(stream) = &change.admit {
            if self.find(stream.id).is_some() {
                stream.resume(now);
            } else {
                self.streams.push(stream.clone());
            }
        }
        self.apply_takeovers(change);
        self.drop_leaving();
        self.mark_contested();
    }

    /// Renews the tombstone of a stream whose player has just been refused.
    pub fn acknowledge(&mut self, id: StreamId, settings: &Settings, now: Millis) {
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
        self.lift_tombstones(id, now);
        Some(stream)
    }

    /// Streams that gave way to this one, and whose players have not been told yet, may compete again.
    fn lift_tombstones(&mut self, id: StreamId, now: Millis) {
        let by_it = |cause: &Cause| matches!(cause, Cause::Evicted { by, .. } if *by == id);
        if let Some(leaving) = &mut self.leaving {
            leaving.retain(|leaving| !by_it(&leaving.cause));
        }
        let gave_way = |tombstone: &Tombstone| !tombstone.told && by_it(&tombstone.cause);
        for tombstone in self.tombstones.take().into_iter().flat_map(|all| *all) {
            if gave_way(&tombstone) {
                tombstone.stream.set_idle(now);
                self.streams.push(tombstone.stream);
            } else {
                self.add_tombstone(tombstone);
            }
        }
    }

    /// Puts a stream back that a snapshot has kept.
    pub fn restore(&mut self, stream: Arc<Stream>) {
        if self.find(stream.id).is_none() {
            self.version += 1;
            self.streams.push(stream);
        }
    }

    /// Puts back which of its streams are about to be terminated.
    pub fn restore_leaving(&mut self, leaving: Vec<PendingTermination>) {
        if !leaving.is_empty() {
            self.leaving.get_or_insert_default().extend(leaving);
            self.drop_leaving();
        }
    }

    /// Puts a tombstone back that a snapshot has kept.
    pub fn restore_tombstone(&mut self, tombstone: Tombstone) {
        tombstone.stream.end(Millis(0));
        self.version += 1;
        self.add_tombstone(tombstone);
    }

    fn add_tombstone(&mut self, tombstone: Tombstone) {
        let tombstones = self.tombstones.get_or_insert_default();
        tombstones.push(tombstone);
        if tombstones.len() > MAX_TOMBSTONES
            && let Some((at, _)) =
                tombstones.iter().enumerate().min_by_key(|(_, tombstone)| (tombstone.keeps_out(), tombstone.until))
        {
            tombstones.remove(at);
        }
    }
}

#[cfg(test)]
mod tests;
