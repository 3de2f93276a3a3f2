//! What happens to streams, noted down.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use streamgate::model::{Account, StreamId};
use streamgate::streams::{Cause, Event, Observer};

/// What has happened to a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Idle,
    Superseded,
    /// Admitted provisionally in the place of another.
    TookOver {
        taken: StreamId,
        reason: &'static str,
    },
    /// What that came to.
    TakeoverSettled {
        taken: StreamId,
        result: &'static str,
    },
    Leaving(Cause),
    /// There was room again when its grace was over.
    Stays,
    Terminated(Cause),
    Forgotten,
}

/// By `POLICY/RULE`: how many starts and returns needed which limit.
pub(super) type Needed = BTreeMap<String, BTreeMap<u16, u32>>;

/// Hears of everything and keeps what a timeline tells.
#[derive(Default)]
pub(super) struct Hearing {
    changes: Mutex<Vec<(StreamId, Change)>>,
    needed: Mutex<Needed>,
}

impl Hearing {
    /// What has happened since this was last asked.
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
            // Steps tell themselves what comes of their requests.
            _ => return,
        };
        self.changes.lock().push((stream.id, change));
    }
}
