//! Requests in flight. `Drop` gives back what they hold: the framework may skip its last hook when another one panics.

use std::sync::Arc;

use crate::model::Clock;
use crate::streams::{Signal, Stream};

/// A request of a stream in flight. While media is sent, the stream counts as playing. A playlist counts when it is
/// requested and when it is answered, not in between: a paused low-latency player always waits for one.
pub(crate) struct InFlightGuard {
    stream: Arc<Stream>,
    signal: Signal,
    /// The origin answered with an error: the end of this request is no heartbeat.
    failed: bool,
    clock: Arc<dyn Clock>,
}

impl InFlightGuard {
    /// Begins a request of the stream.
    pub(crate) fn new(stream: Arc<Stream>, signal: Signal, clock: &Arc<dyn Clock>) -> Self {
        if signal == Signal::Playback {
            stream.opened();
        }
        Self { stream, signal, failed: false, clock: clock.clone() }
    }

    /// True if the transfer must stop because the stream was terminated.
    pub(crate) fn is_terminated(&self) -> bool {
        self.signal == Signal::Playback && !self.stream.is_playing() && self.stream.is_terminated(self.clock.now())
    }

    /// Records that the origin answered with an error.
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
                // If the stream has lost its slot, the next request handles it.
                let _ = self.stream.heartbeat(Signal::Presence, self.clock.now());
            }
        }
    }
}
