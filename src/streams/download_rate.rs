//! Whether media is pulled much faster than it plays.
//!
//! A viewer pulls ahead of what plays, and then as fast as it plays; a ripper goes on. So every segment adds its duration to
//! an account that real time, times a multiple, works off; more than [`ALLOWANCE`] on it is too fast. All renditions that
//! are fetched apart (picture, sound, subtitles) add to the same account.
//!
//! The allowance lets the deepest buffer of a known player fill at any speed: 600 s of picture, as much sound, and the
//! segments that overshoot. At a multiple of 4, a ripper at twenty times real time is noticed after 78 s if it fetches one
//! rendition and after 34 s if it fetches two.
//!
//! Not noticed are: less than the allowance of anything, so assets shorter than 21 min (10 min with sound apart); whoever
//! stays below the multiple; whoever starts a new stream often enough; parts of segments; and content whose manifests do
//! not tell the duration of segments. Noticed, wrongly, are: three renditions at twice the speed after 9 min, if the
//! subtitles come in segments too (a multiple of 6 lets them pass); and who skips about so often, with so deep a buffer
//! on so fast a line, that it is as much media as a ripper gets, such as 50 s in three renditions ten times in a minute.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::model::Millis;

/// So much media may be pulled ahead of the permitted pace.
pub const ALLOWANCE: Duration = Duration::from_mins(21);

/// How fast one stream is pulled: the generic cell rate algorithm of ITU-T I.371, with durations for cells.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When real time will have worked off everything that was pulled, milliseconds since the epoch.
    clear: AtomicU64,
    told: AtomicBool,
}

impl Pace {
    /// Adds media that was asked for. Returns whether it was pulled faster than `multiple` times real time for too long.
    pub(super) fn add(&self, media: Duration, multiple: u32, now: Millis) -> bool {
        let cost = media / multiple.max(1);
        let after = |clear: u64| Millis(clear).max(now) + cost;
        // No other memory hangs on the value.
        let before = self.clear.fetch_update(Relaxed, Relaxed, |clear| Some(after(clear).0));
        after(before.unwrap_or_else(|same| same)).since(now) > ALLOWANCE / multiple.max(1)
    }

    /// Whether it has been pulled too fast and real time has not caught up yet.
    pub(super) fn exceeds(&self, multiple: u32, now: Millis) -> bool {
        Millis(self.clear.load(Relaxed)).since(now) > ALLOWANCE / multiple.max(1)
    }

    /// Whether this is the first time that it is told.
    pub(super) fn is_news(&self) -> bool {
        !self.told.load(Relaxed) && !self.told.swap(true, Relaxed)
    }
}

#[cfg(test)]
mod tests;
