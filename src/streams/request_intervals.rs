//! When the next request of a stream is overdue, going by its own requests.
//!
//! A player that plays asks at a steady pace once its buffer is full: a live one for each segment, one of recorded content
//! each time a segment has been played. The longest of its recent pauses, a part of that again, and a second are what it is
//! given: half of it where tokens name devices, so that few starts need to guess, and a quarter elsewhere. Until three pauses have been seen nothing is known of its buffer, which may be deep: then it is given as long as
//! all media that it has asked for takes to play.
//!
//! Overdue is a reason to look twice, never to end a stream: a stream that is taken over and asks again is heard.

use std::sync::atomic::{AtomicU8, AtomicU32, Ordering::Relaxed};
use std::time::Duration;

/// So many pauses make a rhythm.
const LEARNED: u8 = 3;
/// A pause this short is part of a burst where no manifest has told how long a segment is.
const BURST_MS: u32 = 400;
/// Nobody is overdue sooner.
const MIN_WINDOW: Duration = Duration::from_secs(3);
/// What every request may be late, for the network's sake.
const MARGIN: Duration = Duration::from_secs(1);

/// Connections that are open.
const OPEN: u32 = 0xffff;
/// There has been one.
const EVER: u32 = 1 << 30;
/// Its client closes connections while it plays: that they are closed says nothing.
const RECONNECTS: u32 = 1 << 31;

/// How a stream's requests follow each other, and the connections that carry them.
#[derive(Debug, Default)]
pub(super) struct Rhythm {
    /// The longest recent pause between two requests, in milliseconds.
    pause_ms: AtomicU32,
    /// Media that was asked for before the rhythm was known.
    asked: AtomicU32,
    /// Pauses seen, up to [`LEARNED`].
    pauses: AtomicU8,
    /// Kept connections, and [`EVER`] and [`RECONNECTS`].
    connections: AtomicU32,
}

impl Rhythm {
    /// A request came `pause` milliseconds after the last sign of life. `segment_ms` is zero where no manifest has told it.
    #[inline]
    pub(super) fn note(&self, pause: u64, is_media: bool, segment_ms: u32, live: bool) {
        let pauses = self.pauses.load(Relaxed);
        if is_media && pauses < LEARNED {
            self.asked.fetch_add(1, Relaxed);
        }
        let pause = u32::try_from(pause).unwrap_or(u32::MAX);
        let known = self.pause_ms.load(Relaxed);
        // What is short of a segment by much is a buffer that fills.
        let least = match (segment_ms, live) {
            (0, _) => BURST_MS,
            (segment, true) => segment / 10 * 3,
            (segment, false) => segment / 10 * 7,
        };
        // A viewer's pause is not the player's rhythm; one that has changed is learnt step by step.
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

    /// How long the stream may be silent before its next request is overdue; `None` where nothing is known yet. `played` is
    /// the time since it took its slot, `silent` the part of it since its last sign of life. `slack`: what part of a pause it may
    /// take longer.
    pub(super) fn timeout(&self, segment_ms: u32, slack: u32, played: Duration, silent: Duration) -> Option<Duration> {
        if self.pauses.load(Relaxed) >= LEARNED {
            let pause = Duration::from_millis(u64::from(self.pause_ms.load(Relaxed)));
            return Some((pause + pause / slack.max(1) + MARGIN).max(MIN_WINDOW));
        }
        if segment_ms == 0 {
            return None;
        }
        let media = Duration::from_millis(u64::from(segment_ms)) * self.asked.load(Relaxed).saturating_add(1);
        // What it had asked for when it was last heard of, less what had been played by then.
        Some((media.saturating_sub(played.saturating_sub(silent)) + MARGIN).max(MIN_WINDOW))
    }

    /// A kept connection carries the stream's requests from now on.
    pub(super) fn connected(&self) {
        let add = |state: u32| {
            let again = state & EVER != 0 && state & OPEN == 0;
            let open = (state & OPEN).saturating_add(1).min(OPEN);
            Some(state & RECONNECTS | if again { RECONNECTS } else { 0 } | EVER | open)
        };
        let _ = self.connections.fetch_update(Relaxed, Relaxed, add);
    }

    /// It does so no more: it was closed, or carries another stream's.
    pub(super) fn disconnected(&self) {
        let take = |state: u32| (state & OPEN != 0).then(|| state - 1);
        let _ = self.connections.fetch_update(Relaxed, Relaxed, take);
    }

    /// Whether its client has closed all connections, and has not been seen to do so while it plays.
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
        // Ten segments of 4 s in 15 s, and the one that may be asked for before the buffer has run dry.
        assert_eq!(rhythm.timeout(SEGMENT, 2, secs(15), secs(0)), Some(secs(44 - 15 + 1)));
        // The same a while later: silence does not shorten it.
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
