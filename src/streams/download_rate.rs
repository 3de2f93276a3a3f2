//! Detects media that is downloaded much faster than it plays.
//!
//! A viewer first fills a buffer, then downloads as fast as playback; a ripper does not slow down. Each segment adds
//! its duration to a bucket that drains at a multiple of real time. More than [`ALLOWANCE`] in it is too fast. All
//! renditions that are fetched separately (video, audio, subtitles) share the bucket.
//!
//! The allowance fits the deepest buffer of a known player at any speed: 600 s of video, the same of audio, and the
//! segments that overshoot. With a multiple of 4, a ripper at twenty times real time is detected after 78 s for one
//! rendition, after 34 s for two.
//!
//! Not detected: less than the allowance, so assets shorter than 21 min (10 min with separate audio); downloads below
//! the multiple; frequent new streams; partial segments; manifests without segment durations. False positives: three
//! renditions at double speed after 9 min, if subtitles are segmented (a multiple of 6 avoids this); very frequent
//! seeking with a deep buffer on a fast line, such as 50 s in three renditions ten times a minute.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::model::Millis;

/// Media that may be downloaded ahead of the permitted rate.
pub const ALLOWANCE: Duration = Duration::from_mins(21);

/// Download rate of one stream: the generic cell rate algorithm of ITU-T I.371, with durations as cells.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When the bucket will be empty, in milliseconds since the epoch.
    clear: AtomicU64,
    told: AtomicBool,
}

impl Pace {
    /// Adds requested media. Returns true if the bucket exceeds the allowance.
    pub(super) fn add(&self, media: Duration, multiple: u32, now: Millis) -> bool {
        let cost = media / multiple.max(1);
        let after = |clear: u64| Millis(clear).max(now) + cost;
        // No other memory depends on the value.
        let before = self.clear.fetch_update(Relaxed, Relaxed, |clear| Some(after(clear).0));
        after(before.unwrap_or_else(|same| same)).since(now) > ALLOWANCE / multiple.max(1)
    }

    /// True while the bucket exceeds the allowance.
    pub(super) fn exceeds(&self, multiple: u32, now: Millis) -> bool {
        Millis(self.clear.load(Relaxed)).since(now) > ALLOWANCE / multiple.max(1)
    }

    /// True on the first call.
    pub(super) fn is_news(&self) -> bool {
        !self.told.load(Relaxed) && !self.told.swap(true, Relaxed)
    }
}

#[cfg(test)]
mod tests;
