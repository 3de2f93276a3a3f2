//! Warns if the system clock is set while the gateway runs.

use std::time::Duration;

use super::LogLimit;
use crate::model::Moment;

/// Minimum offset in milliseconds for a warning: far beyond clock drift, and enough to invalidate tokens.
const TOLD: u64 = 5000;
/// Interval between warnings while the offset lasts.
const EVERY: Duration = Duration::from_hours(1);

/// Compares wall-clock and monotonic time.
#[derive(Debug)]
pub struct ClockWatch {
    limit: LogLimit,
}

impl Default for ClockWatch {
    fn default() -> Self {
        Self { limit: LogLimit::new(EVERY) }
    }
}

impl ClockWatch {
    /// True if the times differ enough for a warning and none was logged recently.
    pub fn is_to_be_told(&self, moment: Moment) -> bool {
        moment.offset().unsigned_abs() >= TOLD && self.limit.admits(moment.now).is_some()
    }

    /// Logs a warning if needed.
    pub fn look(&self, moment: Moment) {
        if self.is_to_be_told(moment) {
            tracing::warn!(
                offset_seconds = moment.offset() / 1000,
                "the system clock was set while the gateway runs: tokens and blocks use the new time, stream timeouts do \
                 not; start the gateway after time synchronisation (time-sync.target)"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Millis;

    #[test]
    fn an_offset_is_told_once_an_hour_in_either_direction() {
        let watch = ClockWatch::default();
        let at = |seconds: u64, offset: i64| {
            let now = Millis(1_793_500_000_000 + seconds * 1000);
            watch.is_to_be_told(Moment { now, wall: now.shifted(offset * 1000) })
        };
        assert!(!at(0, 0) && !at(1, 4) && !at(2, -4));
        assert!(at(3, -3600));
        assert!(!at(4, -3600) && !at(3000, 3600));
        assert!(at(3603, 5));
    }
}
