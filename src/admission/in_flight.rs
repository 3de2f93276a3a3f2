//! Requests that are being answered. What they hold is given back by `Drop`: a framework may skip its last hook when another
//! one panics.

use std::sync::Arc;

use crate::model::Clock;
use crate::streams::{Signal, Stream};

/// A request of a stream that is being answered. While media is sent the stream counts as played. A playlist that a player
/// waits for counts when it is requested and when it arrives, no more: a low-latency player that is paused always waits for one.
pub(crate) struct InFlightGuard {
    stream: Arc<Stream>,
    signal: Signal,
    /// The origin answered with an error: the end of this request is no heartbeat.
    failed: bool,
    clock: Arc<dyn Clock>,
}

impl InFlightGuard {
    /// The stream's request begins to be answered.
    pub(crate) fn new(stream: Arc<Stream>, signal: Signal, clock: &Arc<dyn Clock>) -> Self {
        if signal == Signal::Playback {
            stream.opened();
        }
        Self { stream, signal, failed: false, clock: clock.clone() }
    }

    /// True if what is being sent has to stop, because its stream was terminated.
    pub(crate) fn is_terminated(&self) -> bool {
        self.signal == Signal::Playback && !self.stream.is_playing() && self.stream.is_terminated(self.clock.now())
    }

    /// The origin answered with an error.
    pub(crate) fn fail(&mut self) {
        self.failed = true;
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        match (self.signal, self.failed) {
            (Signal::Playback, true) => self.stream.abandoned(),
            (Signal::Playback, false) => self.stream.closed(Signal::Playback, self.clock.now()),
            (Signal::Presence, true) => {}
            (Signal::Presence, false) => {
                // The next request finds out whether it still holds its slot.
                let _ = self.stream.heartbeat(Signal::Presence, self.clock.now());
            }
        }
    }
}
