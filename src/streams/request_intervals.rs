//! Determines from a stream's own requests when its next one is overdue.
//!
//! With a full buffer, a player requests at a steady pace: live per segment, VOD whenever a segment has been played.
//! The timeout is its longest recent pause, plus a fraction of that, plus a second. The fraction is a half if tokens
//! name devices, so that few starts need a guess, and a quarter otherwise. Until three pauses were seen, the depth of
//! its buffer is unknown: then the timeout is the duration of all media that it has requested.
//!
//! Overdue alone never ends a stream: a taken-over stream that sends another request is still served.

use std::sync::atomic::{AtomicU8, AtomicU32, Ordering::Relaxed};
use std::time::Duration;

/// Pauses needed for an estimate.
const LEARNED: u8 = 3;
/// Maximum pause within a burst, if the segment duration is unknown.
const BURST_MS: u32 = 400;
/// Minimum timeout.
const MIN_WINDOW: Duration = Duration::from_secs(3);
/// Tolerance for network delays.
const MARGIN: Duration = Duration::from_secs(1);

/// Bits that count open connections.
const OPEN: u32 = 0xffff;
/// Set once there was a connection.
const EVER: u32 = 1 << 30;
/// Set if the client closes connections while it plays: closed connections are then no evidence.
const RECONNECTS: u32 = 1 << 31;

/// The request intervals of a stream, and the connections that carry them.
#[derive(Debug, Default)]
pub(super) struct Rhythm {
    /// Longest recent pause between two requests, in milliseconds.
    pause_ms: AtomicU32,
    /// Media requests before the pauses are known.
    asked: AtomicU32,
    /// Pauses seen, up to [`LEARNED`].
    pauses: AtomicU8,
    /// Open connections, and [`EVER`] and [`RECONNECTS`].
    connections: AtomicU32,
}

impl Rhythm {
    /// Records a request `pause` milliseconds after the last heartbeat. `segment_ms` is zero if unknown.
    #[inline]
    pub(super) fn note(&self, pause: u64, is_media: bool, segment_ms: u32, live: bool) {
        let pauses = self.pauses.load(Relaxed);
        if is_media && pauses < LEARNED {
            self.asked.fetch_add(1, Relaxed);
        }
        let pause = u32::try_from(pause).unwrap_or(u32::MAX);
        let known = self.pause_ms.load(Relaxed);
        // Pauses much shorter than a segment mean that the buffer is filling.
        let least = match (segment_ms, live) {
            (0, _) => BURST_MS,
            (segment, true) => segment / 10 * 3,
            (segment, false) => segment / 10 * 7,
        };
        // A viewer's pause is not the player's interval; a changed interval is adopted step by step.
        let pause = if pauses >= LEARNED { pause.min(known.saturating_add(known / 2)) } else { pause };
        if pause >= least.max(1) {
            self.pause_ms.store(pause.max(known - known / 8), Relaxed);
            if pauses < LEARNED {
                self.pauses.store(pauses + 1, Relaxed);
            }
        } else if pause > known {
            self.pause_ms.store(pause, Relaxed);
        }
    }

    /// How long the stream may be silent before its next request is overdue; `None` if unknown. `played` is the time
    /// since it took its slot, `silent` the part of it since its last heartbeat. `slack` is the divisor of the pause
    /// for the extra time.
    pub(super) fn timeout(&self, segment_ms: u32, slack: u32, played: Duration, silent: Duration) -> Option<Duration> {
        if self.pauses.load(Relaxed) >= LEARNED {
            let pause = Duration::from_millis(u64::from(self.pause_ms.load(Relaxed)));
            return Some((pause + pause / slack.max(1) + MARGIN).max(MIN_WINDOW));
        }
        if segment_ms == 0 {
            return None;
        }
        let media = Duration::from_millis(u64::from(segment_ms)) * self.asked.load(Relaxed).saturating_add(1);
        // Media requested by its last heartbeat, minus what was played by then.
        Some((media.saturating_sub(played.saturating_sub(silent)) + MARGIN).max(MIN_WINDOW))
    }

    /// A connection now carries the stream's requests.
    pub(super) fn connected(&self) {
        let add = |state: u32| {
            let again = state & EVER != 0 && state & OPEN == 0;
            let open = (state & OPEN).saturating_add(1).min(OPEN);
            Some(state & RECONNECTS | if again { RECONNECTS } else { 0 } | EVER | open)
        };
        let _ = self.connections.fetch_update(Relaxed, Relaxed, add);
    }

    /// A connection was closed, or carries another stream's requests.
    pub(super) fn disconnected(&self) {
        let take = |state: u32| (state & OPEN != 0).then(|| state - 1);
        let _ = self.connections.fetch_update(Relaxed, Relaxed, take);
    }

    /// True if its client has closed all connections, and was never seen to do so while playing.
    pub(super) fn has_hung_up(&self) -> bool {
        self.connections.load(Relaxed) == EVER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEGMENT: u32 = 4000;

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn a_steady_player_is_given_half_a_pause_more() {
        let rhythm = Rhythm::default();
        for _ in 0..3 {
            rhythm.note(4000, true, SEGMENT, true);
        }
        assert_eq!(rhythm.timeout(SEGMENT, 2, secs(12), secs(0)), Some(secs(7)));
    }

    #[test]
    fn a_buffer_that_fills_says_nothing_of_the_rhythm() {
        let rhythm = Rhythm::default();
        for _ in 0..10 {
            rhythm.note(1500, true, SEGMENT, false);
        }
        // Ten segments of 4 s in 15 s, and the one that may be requested before the buffer is empty.
        assert_eq!(rhythm.timeout(SEGMENT, 2, secs(15), secs(0)), Some(secs(44 - 15 + 1)));
        // The same later: silence does not shorten it.
        assert_eq!(rhythm.timeout(SEGMENT, 2, secs(25), secs(10)), Some(secs(44 - 15 + 1)));
    }

    #[test]
    fn a_player_that_fetches_in_bursts_is_given_its_longest_pause() {
        let rhythm = Rhythm::default();
        for _ in 0..3 {
            rhythm.note(30_000, true, SEGMENT, false);
            (0..8).for_each(|_| rhythm.note(100, true, SEGMENT, false));
        }
        assert_eq!(rhythm.timeout(SEGMENT, 2, secs(90), secs(0)), Some(secs(46)));
    }

    #[test]
    fn nothing_is_known_without_a_manifest_and_a_rhythm() {
        assert_eq!(Rhythm::default().timeout(0, 2, secs(5), secs(5)), None);
    }

    #[test]
    fn who_closes_all_connections_has_hung_up_unless_that_is_its_way() {
        let rhythm = Rhythm::default();
        assert!(!rhythm.has_hung_up(), "no connection was ever kept");
        rhythm.connected();
        rhythm.connected();
        rhythm.disconnected();
        assert!(!rhythm.has_hung_up());
        rhythm.disconnected();
        assert!(rhythm.has_hung_up());
        rhythm.disconnected();
        rhythm.connected();
        rhythm.disconnected();
        assert!(!rhythm.has_hung_up(), "it came back on another one");
    }
}
