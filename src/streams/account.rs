//! One account's streams: a pure state machine with time as input and transitions as output.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::{Cause, SUPERSEDE_GRACE, Settings, Stream};
use crate::model::{Attributes, Millis, StreamId};
use crate::policy::{Decision, Explanation, Policy};

/// Maximum streams without a slot; the one without a slot for longest is removed first.
const MAX_WITHOUT_SLOT: usize = 32;

/// Maximum tombstones. The one that expires first is removed first, and declared streams before those whose players
/// could return. Starting and ending hundreds of streams must neither fill the table nor displace the tombstones of
/// killed streams.
const MAX_TOMBSTONES: usize = 256;

/// The tombstone of a terminated stream.
#[derive(Clone, Debug)]
pub struct Tombstone {
    /// Its last state.
    pub stream: Arc<Stream>,
    /// Why it was terminated.
    pub cause: Cause,
    /// When the tombstone expires; each refused request renews it.
    pub until: Millis,
    /// True if its player has already been refused.
    pub told: bool,
}

impl Tombstone {
    /// True if its player could return without the tombstone. A declared stream without player requests needs a new
    /// start.
    pub fn keeps_out(&self) -> bool {
        self.stream.was_followed() || !self.stream.is_declared()
    }

    /// True if its viewer stopped it, and requests in flight at that time have arrived since. The same play may then
    /// start again under another id.
    pub fn may_be_started_again(&self, now: Millis) -> bool {
        self.cause == Cause::Stopped && now.since(self.stream.since()) >= SUPERSEDE_GRACE
    }
}

/// A change caused by time alone.
#[derive(Clone, Debug)]
pub enum Transition {
    /// Lost its slot for lack of heartbeats.
    Idle(Arc<Stream>),
    /// Removed from the record.
    Forgotten(Arc<Stream>),
    /// Stayed silent and was replaced by the stream that took it over.
    Replaced {
        /// The abandoned stream.
        stream: Arc<Stream>,
        /// The stream that replaced it.
        by: Arc<Stream>,
        /// True if it loses its slot by this; false if it was already idle.
        held: bool,
    },
}

/// A stream in grace before its termination. It no longer counts; its replacement does.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PendingTermination {
    /// The stream.
    pub stream: StreamId,
    /// Why it will be terminated, unless there is room by then.
    pub cause: Cause,
    /// When.
    pub due: Millis,
}

/// Changes that are committed together. Applied in this order: set, terminate, leave, stay, supersede, bury, admit,
/// takeovers.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// New attributes of a stream.
    pub set: Option<(StreamId, Attributes)>,
    /// Streams to terminate, and why.
    pub terminate: Vec<(StreamId, Cause)>,
    /// Streams to terminate after a grace.
    pub leave: Vec<PendingTermination>,
    /// Streams in grace that may stay.
    pub stay: Vec<StreamId>,
    /// Streams superseded on the same device.
    pub supersede: Vec<StreamId>,
    /// A refused stream that gets a tombstone, because its application keeps asking for it.
    pub bury: Option<(Arc<Stream>, Cause)>,
    /// A stream that takes a slot: a new one, or a resumed one of the record.
    pub admit: Option<Arc<Stream>>,
    /// Explanations of terminations that their players could not foresee.
    pub explained: Vec<(StreamId, Explanation)>,
    /// Takeovers that begin or change.
    pub takeovers: Vec<Takeover>,
    /// Pairs of clients that turned out to be two.
    pub disputes: Vec<Dispute>,
    /// Settled takeovers: the taker and the stream that it had taken over.
    pub settled: Vec<(StreamId, StreamId)>,
}

impl Change {
    /// True if there is nothing to commit.
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

/// The answer to a start.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "short-lived on the stack; a box would cost more than a copy")]
pub enum Plan {
    /// Continues an existing stream.
    Continue(Arc<Stream>),
    /// The stream was terminated and stays out.
    Terminated(StreamId, Cause),
    /// The policies refuse it.
    Refuse(Box<Refused>),
    /// Admitted, once this change is committed.
    Admit(Decision, Change),
}

/// A refusal by policy.
#[derive(Debug)]
pub struct Refused {
    /// The decision.
    pub decision: Decision,
    /// Its explanation.
    pub explanation: Explanation,
}

/// The result of evaluating a running stream again.
#[derive(Debug)]
pub struct Judgement {
    /// The decision; `None` if there are only attributes to store.
    pub decision: Option<Decision>,
    /// The explanation, if the stream is terminated, or would be if all rules were enforced.
    pub explanation: Option<Explanation>,
    /// The change to commit.
    pub change: Change,
}

/// Input of an evaluation.
#[derive(Clone, Copy, Debug)]
pub struct PolicyContext<'a> {
    /// The policies of the stream's application.
    pub policies: &'a [Arc<Policy>],
    /// The timeouts.
    pub settings: &'a Settings,
    /// The account's identity provider.
    pub idp: &'a str,
}

/// The streams of one account.
#[derive(Clone, Debug, Default)]
pub struct AccountState {
    /// Increases with every change of the set of streams.
    pub version: u64,
    streams: SmallVec<[Arc<Stream>; 2]>,
    /// Most accounts have none; this costs them only a pointer.
    #[allow(clippy::box_collection)]
    tombstones: Option<Box<Vec<Tombstone>>>,
    /// Same.
    #[allow(clippy::box_collection)]
    leaving: Option<Box<Vec<PendingTermination>>>,
    /// Same.
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
    /// The streams in the record, in order of arrival.
    pub fn streams(&self) -> &[Arc<Stream>] {
        &self.streams
    }

    /// The tombstones.
    pub fn tombstones(&self) -> &[Tombstone] {
        self.tombstones.as_deref().map_or(&[], Vec::as_slice)
    }

    /// The streams in grace.
    pub fn leaving(&self) -> &[PendingTermination] {
        self.leaving.as_deref().map_or(&[], Vec::as_slice)
    }

    /// The streams that need a decision now, without a request: their grace is over, or their takeover is due.
    pub fn due(&self, settings: &Settings, now: Millis) -> impl Iterator<Item = StreamId> {
        let leaving = self.leaving().iter().filter(move |leaving| leaving.due <= now).map(|leaving| leaving.stream);
        leaving.chain(self.due_takers(settings, now))
    }

    /// True if the stream holds a slot and counts. Streams in grace and taken-over streams do not count.
    fn counts(&self, stream: &Stream) -> bool {
        self.counts_without(stream, &[])
    }

    /// Same, after the streams in `gone` have ended: those that they took over count again.
    fn counts_without(&self, stream: &Stream, gone: &[StreamId]) -> bool {
        stream.has_slot()
            && !self.leaving().iter().any(|leaving| leaving.stream == stream.id)
            && self.taken_over_without(stream.id, gone).is_none()
    }

    /// Number of streams that hold a slot once `change` is committed.
    pub fn level_after(&self, change: &Change) -> usize {
        let ends = |id| change.supersede.contains(&id) || change.terminate.iter().any(|(ended, _)| *ended == id);
        let stays = self.streams.iter().filter(|stream| stream.has_slot() && !ends(stream.id)).count();
        stays + usize::from(change.admit.is_some())
    }

    /// The start time of a stream that starts at `wanted`: later than all other streams of the account, so that the
    /// order of starts is the order of admission, whatever the clock does. It is sealed into the play session and kept
    /// in snapshots, and so is the order.
    pub(in crate::streams) fn next_start(&self, wanted: Millis) -> Millis {
        let ended = self.tombstones().iter().map(|tombstone| tombstone.stream.started);
        let newest = self.streams.iter().map(|stream| stream.started).chain(ended).max();
        newest.map_or(wanted, |newest| wanted.max(newest + Duration::from_millis(1)))
    }

    /// The stream with that id.
    pub fn find(&self, id: StreamId) -> Option<&Arc<Stream>> {
        self.streams.iter().find(|stream| stream.id == id)
    }

    /// True if the record can be removed.
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty() && self.tombstones().is_empty() && self.takeovers.is_none()
    }

    /// Advances expiry: streams without a heartbeat become idle, idle streams are removed, tombstones expire.
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

    /// Streams without a slot need no termination.
    fn drop_leaving(&mut self) {
        if let Some(leaving) = &mut self.leaving {
            let streams = &self.streams;
            leaving.retain(|leaving| streams.iter().any(|stream| stream.id == leaving.stream && stream.has_slot()));
        }
        self.leaving.take_if(|leaving| leaving.is_empty());
    }

    /// When [`expire`](Self::expire) has something to do next, if no request comes until then.
    pub fn next_deadline(&self, settings: &Settings, now: Millis) -> Option<Millis> {
        let streams = self.streams.iter().map(|stream| {
            let retained = stream.last_seen().max(stream.since()) + settings.idle_retention;
            stream.slot_until(settings, now).unwrap_or(retained)
        });
        let tombstones = self.tombstones().iter().map(|tombstone| tombstone.until);
        let leaving = self.leaving().iter().map(|leaving| leaving.due);
        streams.chain(tombstones).chain(leaving).chain(self.takeover_deadline(settings)).min()
    }

    /// True if the stream that evicted this one may still be rolled back. Never for declared streams: their
    /// applications ask so rarely that they must be answered at once.
    fn is_provisional(&self, tombstone: &Tombstone) -> bool {
        let Cause::Evicted { by, .. } = &tombstone.cause else { return false };
        if tombstone.stream.is_declared() {
            return false;
        }
        !tombstone.told && self.find(*by).is_some_and(|stream| stream.is_reserved() && !stream.was_followed())
    }

    /// The tombstone of a stream whose termination is final.
    pub fn terminated(&self, id: StreamId) -> Option<&Tombstone> {
        let tombstone = self.tombstones().iter().find(|tombstone| tombstone.stream.id == id)?;
        (!self.is_provisional(tombstone)).then_some(tombstone)
    }

    /// Applies a change. Ignores streams that are no longer in the record.
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

    /// Rolls back a start without any further request. Streams that it evicted, and whose players have not been refused
    /// yet, may compete again. Returns the removed stream.
    pub fn roll_back(&mut self, id: StreamId, now: Millis) -> Option<Arc<Stream>> {
        let at = self.streams.iter().position(|s| s.id == id && s.is_reserved() && !s.was_followed())?;
        let stream = self.streams.remove(at);
        stream.end(now);
        self.version += 1;
        self.lift_tombstones(id, now);
        Some(stream)
    }

    /// Streams evicted by this one, and whose players have not been refused yet, may compete again.
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

    /// Restores a stream from a snapshot.
    pub fn restore(&mut self, stream: Arc<Stream>) {
        if self.find(stream.id).is_none() {
            self.version += 1;
            self.streams.push(stream);
        }
    }

    /// Restores streams in grace.
    pub fn restore_leaving(&mut self, leaving: Vec<PendingTermination>) {
        if !leaving.is_empty() {
            self.leaving.get_or_insert_default().extend(leaving);
            self.drop_leaving();
        }
    }

    /// Restores a tombstone from a snapshot.
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
