//! Time and randomness. Only the program reads the system's; everything else takes them as arguments.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A point in time: milliseconds since the Unix epoch.
///
/// Arithmetic saturates: a wrong clock must never cause a panic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl Millis {
    /// Time since `earlier`; zero if `earlier` is in the future.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// This time plus `by` milliseconds, which may be negative.
    #[must_use]
    pub fn shifted(self, by: i64) -> Self {
        Self(self.0.saturating_add_signed(by))
    }

    /// Whole seconds since the Unix epoch, as in tokens and HTTP dates.
    pub fn seconds(self) -> u64 {
        self.0 / 1000
    }
}

impl Add<Duration> for Millis {
    type Output = Self;

    fn add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX)))
    }
}

impl Sub<Duration> for Millis {
    type Output = Self;

    fn sub(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(by.as_millis()).unwrap_or(u64::MAX)))
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}

/// The source of time.
///
/// There are two times. *One-way time* is independent of changes to the system's clock and is used for all timeouts.
/// *Wall time* is the system's clock. It is used for times that others write (`exp`, `nbf`, blocks, the age of a play
/// session) and for all output.
pub trait Clock: Send + Sync {
    /// One-way time. Never runs backwards or jumps within a process; starts with the wall time of the process start.
    fn now(&self) -> Millis;

    /// Wall time. Jumps when the system's clock is set.
    fn wall(&self) -> Millis {
        self.now()
    }

    /// Both times, read together.
    fn moment(&self) -> Moment {
        Moment { now: self.now(), wall: self.wall() }
    }
}

/// One moment in both times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// One-way time.
    pub now: Millis,
    /// Wall time.
    pub wall: Millis,
}

impl Moment {
    /// A moment at which both times are the same.
    pub fn of_one_clock(now: Millis) -> Self {
        Self { now, wall: now }
    }

    /// How far wall time is ahead of one-way time, in milliseconds.
    pub fn offset(self) -> i64 {
        let ahead = i128::from(self.wall.0) - i128::from(self.now.0);
        i64::try_from(ahead).unwrap_or(if ahead < 0 { i64::MIN } else { i64::MAX })
    }

    /// Converts one-way time to wall time.
    pub fn to_wall(self, at: Millis) -> Millis {
        at.shifted(self.offset())
    }

    /// Converts a past wall time to one-way time. A future time comes from a clock that is ahead, and counts as now.
    pub fn past(self, at: Millis) -> Millis {
        at.shifted(self.offset().saturating_neg()).min(self.now)
    }
}

/// The source of randomness.
pub trait Entropy: Send + Sync {
    /// Sixteen unguessable bytes.
    fn bytes(&self) -> [u8; 16];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_leads_from_one_time_to_the_other_and_back() {
        for (now, wall, offset) in [(5000, 5000, 0), (5000, 9000, 4000), (9000, 5000, -4000)] {
            let moment = Moment { now: Millis(now), wall: Millis(wall) };
            assert_eq!(moment.offset(), offset);
            assert_eq!(moment.to_wall(moment.now), moment.wall);
            for at in [4100, 4500, 5000] {
                let at = Millis(at);
                assert_eq!(moment.past(moment.to_wall(at)), at, "{moment:?}");
            }
            assert_eq!(moment.past(moment.wall + Duration::from_hours(1)), moment.now, "the future is now");
        }
        let ends = Moment { now: Millis(0), wall: Millis(u64::MAX) };
        assert_eq!(
            (ends.offset(), ends.past(Millis(5)), ends.to_wall(Millis(0))),
            (i64::MAX, Millis(0), Millis(u64::MAX / 2))
        );
    }
}
