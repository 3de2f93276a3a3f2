//! How often a healthy player of this content is heard of, and so how long silence means nothing.

use std::time::Duration;

use super::Settings;

/// Late requests of a superseded stream pass without a slot for this long: a player that zaps still has fetches of the
/// old channel under way, and they must neither be refused nor count.
pub const SUPERSEDE_GRACE: Duration = Duration::from_secs(10);

/// What a manifest says about the rhythm of its players.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cadence {
    /// Whether the player refreshes a manifest while it plays.
    pub live: bool,
    /// Whether it does so in steps of partial segments.
    pub low_latency: bool,
    /// The larger of the target duration and the longest segment; `None` where nothing says.
    pub segment: Option<Duration>,
    /// The longest segment alone.
    pub longest: Option<Duration>,
    /// How often players refresh the entry manifest, where it is the entry manifest that they refresh.
    pub refresh: Option<Duration>,
}

impl Cadence {
    /// Silence longer than this frees the slot.
    ///
    /// Three segments and a margin: live players ask once a segment; low-latency ones more often; those of recorded
    /// content fetch in bursts and are silent while their buffer drains.
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

    /// A live player that has not asked for media for this long, while it polls, is paused.
    pub fn paused_after(&self) -> Option<Duration> {
        self.live.then(|| self.segment.map_or(secs(20), |d| d * 2))
    }

    /// The same device asking for the same entry manifest within this time goes on with the stream that it has.
    ///
    /// Content whose entry manifest is itself refreshed (a live MPD, a media playlist without a multivariant one) stretches
    /// it, so that a refresh is not taken for another start.
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
