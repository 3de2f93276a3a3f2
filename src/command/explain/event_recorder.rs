//! Records what happens to streams.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use streamgate::model::{Account, StreamId};
use streamgate::streams::{Cause, Event, Observer};

/// A change of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Idle,
    Superseded,
    /// Provisionally admitted in place of another stream.
    TookOver {
        taken: StreamId,
        reason: &'static str,
    },
    /// Result of a take-over.
    TakeoverSettled {
        taken: StreamId,
        result: &'static str,
    },
    Leaving(Cause),
    /// There was room again at the end of its grace.
    Stays,
    Terminated(Cause),
    Forgotten,
}

/// By `POLICY/RULE`: how many starts and returns needed which limit.
pub(super) type Needed = BTreeMap<String, BTreeMap<u16, u32>>;

/// Receives all events and keeps those for the timeline.
#[derive(Default)]
pub(super) struct Hearing {
    changes: Mutex<Vec<(StreamId, Change)>>,
    needed: Mutex<Needed>,
}

impl Hearing {
    /// Returns the changes since the last call.
    pub(super) fn take(&self) -> Vec<(StreamId, Change)> {
        std::mem::take(&mut self.changes.lock())
    }

    pub(super) fn needed(&self) -> Needed {
        self.needed.lock().clone()
    }
}

impl Observer for Hearing {
    fn observe(&self, _: &Account, event: &Event<'_>) {
        let (stream, change) = match event {
            Event::Idle(stream) => (stream, Change::Idle),
            Event::Superseded(stream) => (stream, Change::Superseded),
            Event::TakenOver { stream, taken, reason } => {
                (stream, Change::TookOver { taken: taken.id, reason: reason.label() })
            }
            Event::TakeoverSettled { stream, taken, result } => {
                (stream, Change::TakeoverSettled { taken: taken.id, result: result.label() })
            }
            Event::Terminating(stream, cause) => (stream, Change::Leaving((*cause).clone())),
            Event::Terminated(stream, cause) | Event::TerminatedIdle(stream, cause) => {
                (stream, Change::Terminated((*cause).clone()))
            }
            Event::Expired(stream) => (stream, Change::Forgotten),
            Event::RequiredLimit(demand) => {
                let rule = format!("{}/{}", demand.policy, demand.rule);
                *self.needed.lock().entry(rule).or_default().entry(demand.limit).or_default() += 1;
                return;
            }
            // Steps report the results of their requests themselves.
            _ => return,
        };
        self.changes.lock().push((stream.id, change));
    }
}
