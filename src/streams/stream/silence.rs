//! Whether a stream's silence means that its viewer has left.

use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::Duration;

use super::{IDLE, PLAYING, RESERVED, Stream};
use crate::model::Millis;
use crate::streams::Settings;
use crate::streams::admission_request::Signal;

/// The stream is part of an open takeover, so its media requests matter.
pub(super) const CONTESTED: u8 = 8;
/// A player requests more within this time after its entry manifest.
const FOLLOWS_WITHIN: Duration = Duration::from_secs(5);
/// Maximum gap between requests of a player that opens a connection for each.
const BETWEEN_CONNECTIONS: Duration = Duration::from_secs(1);

impl Stream {
    /// The last media request or media response. Zero if never.
    pub(in crate::streams) fn last_media(&self) -> Millis {
        Millis(self.playback.load(SeqCst))
    }

    /// The idle timeout.
    pub(in crate::streams) fn idle_window(&self) -> Duration {
        Duration::from_millis(u64::from(self.idle_ms.load(SeqCst)))
    }

    /// True if requests are in flight.
    pub(in crate::streams) fn is_being_sent(&self) -> bool {
        self.open.load(SeqCst) > 0
    }

    /// True if it has lost its slot for lack of heartbeats.
    pub(in crate::streams) fn is_idle(&self) -> bool {
        self.phase.load(SeqCst) == IDLE
    }

    /// True if its next request is overdue by its own cadence, so that its viewer may have left.
    pub(in crate::streams) fn is_overdue(&self, settings: &Settings, now: Millis) -> bool {
        if self.is_being_sent() || self.is_declared() {
            return false;
        }
        let silent = now.since(self.last_request());
        match self.phase.load(SeqCst) {
            RESERVED => silent >= FOLLOWS_WITHIN.min(settings.reserve),
            PLAYING => {
                let played = now.since(self.since());
                let patience = self.rhythm.timeout(self.segment_ms.load(Relaxed), self.slack(), played, silent);
                patience.is_some_and(|patience| silent >= patience)
            }
            _ => false,
        }
    }

    /// The divisor of the usual pause for extra time: less where starts can be distinguished without it.
    fn slack(&self) -> u32 {
        if self.device.name().is_some() { 2 } else { 4 }
    }

    /// When its next request is due, by its own cadence.
    pub(in crate::streams) fn due_back(&self) -> Option<Millis> {
        let last = self.last_request();
        let patience = self.rhythm.timeout(
            self.segment_ms.load(Relaxed),
            self.slack(),
            last.since(self.since()),
            Duration::ZERO,
        )?;
        Some(last + patience)
    }

    /// True if its client has closed all connections.
    pub(in crate::streams) fn has_hung_up(&self, now: Millis) -> bool {
        !self.is_being_sent()
            && !self.is_declared()
            && self.rhythm.has_hung_up()
            && now.since(self.last_request()) >= BETWEEN_CONNECTIONS
    }

    /// A connection carries its requests.
    pub fn connected(&self) {
        self.rhythm.connected();
    }

    /// That connection was closed, or carries another stream's requests.
    pub fn disconnected(&self) {
        self.rhythm.disconnected();
    }

    /// Frees the slot of an abandoned stream. Returns false if a concurrent media request keeps it.
    pub(in crate::streams) fn fall_silent(&self, now: Millis) -> bool {
        let (before, media) = (self.phase.load(SeqCst), self.last_media());
        if before > PLAYING || self.is_being_sent() {
            return false;
        }
        self.phase.store(IDLE, SeqCst);
        // See [`Stream::expire`]: a heartbeat stores its time, then reads the phase.
        if self.last_media() != media || self.is_being_sent() {
            let reserved = before == RESERVED && self.last_media().0 == 0;
            self.phase.store(if reserved { RESERVED } else { PLAYING }, SeqCst);
            return false;
        }
        self.since.store(now.0, SeqCst);
        true
    }

    /// True if its media requests decide a takeover. Hot path: one load.
    #[inline]
    pub fn is_contested(&self, signal: Signal) -> bool {
        signal == Signal::Playback && self.pending.load(Relaxed) & CONTESTED != 0
    }

    pub(in crate::streams) fn set_contested(&self, contested: bool) {
        if contested {
            self.pending.fetch_or(CONTESTED, SeqCst);
        } else if self.pending.load(SeqCst) & CONTESTED != 0 {
            self.pending.fetch_and(!CONTESTED, SeqCst);
        }
    }
}
