//! Expected request intervals of players, and the idle timeouts derived from them.

use std::time::Duration;

use super::Settings;

/// Late requests of a superseded stream pass without a slot for this long. After a zap, requests of the old channel are
/// still in flight; they must neither be refused nor count.
pub const SUPERSEDE_GRACE: Duration = Duration::from_secs(10);

/// What a manifest shows about its players' request intervals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cadence {
    /// True if the player refreshes a manifest while it plays.
    pub live: bool,
    /// True if it does so per partial segment.
    pub low_latency: bool,
    /// The larger of the target duration and the longest segment; `None` if unknown.
    pub segment: Option<Duration>,
    /// The longest segment.
    pub longest: Option<Duration>,
    /// Refresh interval of the entry manifest, if players refresh it.
    pub refresh: Option<Duration>,
}

impl Cadence {
    /// The idle timeout: without a heartbeat for this long, the stream loses its slot.
    ///
    /// Three segments and a margin: live players request once per segment, low-latency ones more often. VOD players
    /// fetch in bursts and are silent while their buffer drains.
    pub fn idle(&self, settings: &Settings) -> Duration {
        let window = match (self.segment, self.live) {
            (None, true) => secs(30),
            (None, false) => secs(60),
            (Some(d), true) if self.low_latency => (d * 3 + secs(5)).clamp(secs(10), secs(60)),
            (Some(d), true) => (d * 3 + secs(10)).clamp(secs(20), secs(90)),
            (Some(d), false) => (d * 3 + secs(15)).clamp(secs(45), secs(90)),
        };
        window.clamp(settings.idle_min, settings.idle_max.max(settings.idle_min))
    }

    /// A live player that polls without requesting media for this long is paused.
    pub fn paused_after(&self) -> Option<Duration> {
        self.live.then(|| self.segment.map_or(secs(20), |d| d * 2))
    }

    /// A device that requests the same entry manifest within this time continues its stream.
    ///
    /// Longer if the entry manifest itself is refreshed (a live MPD, a media playlist without a multivariant one), so
    /// that a refresh is not taken for a new start.
    pub fn entry_window(&self) -> Duration {
        self.refresh.map_or(secs(5), |refresh| (refresh * 3).clamp(secs(5), secs(120)))
    }
}

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(live: bool, low_latency: bool, segment: Option<u64>) -> u64 {
        let cadence = Cadence { live, low_latency, segment: segment.map(secs), ..Cadence::default() };
        let wide = Settings { idle_min: secs(1), ..Settings::default() };
        cadence.idle(&wide).as_secs()
    }

    #[test]
    fn idle_windows_follow_the_segment_duration() {
        let table = |live, ll| [Some(2), Some(4), Some(6), Some(10), None].map(|d| seconds(live, ll, d));
        assert_eq!(table(true, false), [20, 22, 28, 40, 30]);
        assert_eq!(table(true, true), [11, 17, 23, 35, 30]);
        assert_eq!(table(false, false), [45, 45, 45, 45, 60]);
    }

    #[test]
    fn the_configured_bounds_have_the_last_word() {
        let tight = Settings { idle_min: secs(2), idle_max: secs(5), ..Settings::default() };
        assert_eq!(Cadence::default().idle(&tight), secs(5));
        let ll = Cadence { live: true, low_latency: true, segment: Some(secs(1)), ..Cadence::default() };
        assert_eq!(ll.idle(&Settings::default()), secs(20));
    }
}
