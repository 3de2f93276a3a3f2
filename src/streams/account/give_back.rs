//! Returns a slot when the origin failed or redirected the request that took it.

use std::sync::Arc;

use super::AccountState;
use crate::model::{Device, Millis, StreamId};
use crate::streams::Stream;

/// What was given back.
#[derive(Debug)]
pub enum GivenBack {
    /// The stream, which began with the request, is removed. The streams superseded by it hold their slots again.
    Removed(Arc<Stream>, Vec<Arc<Stream>>),
    /// The stream, which had resumed with the request, is idle again.
    Idle(Arc<Stream>),
}

impl AccountState {
    /// Gives back what a request took: its slot, and what other streams lost to it. `None` if the stream has had a
    /// heartbeat since, and keeps its slot.
    pub fn give_back(&mut self, id: StreamId, now: Millis) -> Option<GivenBack> {
        let stream = self.find(id)?.clone();
        let taken = stream.since();
        if stream.is_only_returned() {
            self.version += 1;
            self.lift_tombstones(id, now);
            if stream.started < taken {
                stream.set_idle(now);
                return Some(GivenBack::Idle(stream));
            }
            self.streams.retain(|other| other.id != id);
            stream.end(now);
            return Some(GivenBack::Removed(stream, Vec::new()));
        }
        let stream = self.roll_back(id, now)?;
        let left_for_it =
            |other: &&Arc<Stream>| other.is_superseded() && other.since() == taken && other.device == stream.device;
        let left: Vec<Arc<Stream>> = match &stream.device {
            Device::Named(_) => self.streams.iter().filter(left_for_it).cloned().collect(),
            Device::Hint(_) => Vec::new(),
        };
        for other in &left {
            other.restore();
        }
        Some(GivenBack::Removed(stream, left))
    }
}
