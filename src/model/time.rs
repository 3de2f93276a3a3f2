//! Time and randomness, which come in as arguments everywhere below the edges.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A point in time: milliseconds since the Unix epoch.
///
/// Arithmetic saturates: a clock that is wrong must never panic a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl Millis {
    /// The time that has passed since `earlier`; zero if `earlier` lies in the future.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// So many milliseconds later, or earlier where they are negative.
    #[must_use]
    pub fn shifted(self, by: i64) -> Self {
        Self(self.0.saturating_add_signed(by))
    }

    /// Whole seconds since the Unix epoch, as tokens and HTTP dates count them.
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

/// Where time comes from. The edges hand it down; only they own one.
///
/// There are two times. *One-way time* goes as fast as time does, whatever anybody makes of the system's clock: all windows are
/// judged by it. *Wall time* is what the system's clock shows: all that others have written down with a time of their own
/// is judged by it (`exp`, `nbf`, blocks, the age of a play session), and all that others read is written in it.
pub trait Clock: Send + Sync {
    /// One-way time. Never runs backwards and never jumps within one process; begins with the wall time of its start.
    fn now(&self) -> Millis;

    /// Wall time. It jumps where the system's clock is set.
    fn wall(&self) -> Millis {
        self.now()
    }

    /// Both, read at once.
    fn moment(&self) -> Moment {
        Moment { now: self.now(), wall: self.wall() }
    }
}

/// One moment by both times, and so how far they are from each other.
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

    /// By how much wall time is ahead of one-way time, in milliseconds.
    pub fn offset(self) -> i64 {
        let ahead = i128::from(self.wall.0) - i128::from(self.now.0);
        i64::try_from(ahead).unwrap_or(if ahead < 0 { i64::MIN } else { i64::MAX })
    }

    /// What the clock on the wall shows at a one-way time.
    pub fn to_wall(self, at: Millis) -> Millis {
        at.shifted(self.offset())
    }

    /// The one-way time at which the clock on the wall shows `at`. What lies in the future is of a clock that goes ahead of
    /// ours: it is now.
    pub fn past(self, at: Millis) -> Millis {
        at.shifted(self.offset().saturating_neg()).min(self.now)
    }
}

/// Where randomness comes from, for the same reason.
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
