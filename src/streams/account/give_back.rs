//! A request took a slot, and the origin did not honour it: it failed, or sent the viewer elsewhere.

use std::sync::Arc;

use super::AccountState;
use crate::model::{Device, Millis, StreamId};
use crate::streams::Stream;

/// What was given back.
#[derive(Debug)]
pub enum GivenBack {
    /// A stream that began with the request is gone. Those that its device had left for it hold their slots again.
    Removed(Arc<Stream>, Vec<Arc<Stream>>),
    /// A stream that had come back with the request has no slot again.
    Idle(Arc<Stream>),
}

impl AccountState {
    /// Gives back what a request took for a stream: its slot, and what others lost to it. `None`: the stream has been heard of
    /// since, so it keeps what it has.
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
