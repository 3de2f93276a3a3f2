//! The system's clock and random numbers.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand;
use streamgate::model::{Clock, Entropy, Millis, Moment};

/// The system's clock, with two times.
///
/// One-way time starts with the system's clock and continues with the monotonic clock. Wall time follows the system's
/// clock, but ignores a drift of up to a second between the two, so that conversions between them give the same result
/// each time.
pub(crate) struct SystemClock {
    started: Millis,
    since: Instant,
    /// How far wall time is ahead, in milliseconds.
    offset: AtomicI64,
    /// The system's clock; in tests, one set manually.
    system: fn() -> Millis,
}

/// Wall time follows the system's clock if they differ by this much.
const DRIFT: u64 = 1000;

/// Earliest accepted start (2026-01-01). A machine without a clock battery starts in 1970, which leaves no room for
/// earlier times in play sessions.
const EARLIEST: Millis = Millis(1_767_225_600_000);

impl SystemClock {
    pub(crate) fn new() -> Self {
        Self::with(system)
    }

    fn with(system: fn() -> Millis) -> Self {
        let clock = Self { started: system().max(EARLIEST), since: Instant::now(), offset: AtomicI64::new(0), system };
        // If the start was corrected, wall time differs from the beginning.
        let _ = clock.moment();
        clock
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Millis {
        self.started + self.since.elapsed()
    }

    fn wall(&self) -> Millis {
        self.moment().wall
    }

    fn moment(&self) -> Moment {
        let (now, wall) = (self.now(), (self.system)());
        let known = now.shifted(self.offset.load(Relaxed));
        if known.0.abs_diff(wall.0) <= DRIFT {
            return Moment { now, wall: known };
        }
        let moment = Moment { now, wall };
        self.offset.store(moment.offset(), Relaxed);
        moment
    }
}

fn system() -> Millis {
    Millis(0) + SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The operating system's random numbers.
pub(crate) struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn bytes(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        if rand::fill(&mut bytes).is_err() {
            // With guessable stream ids viewers could end each other's streams. Rather stop the gateway.
            tracing::error!("cannot get random numbers from the operating system");
            std::process::abort();
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    thread_local! {
        static SHOWN: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
    }

    fn shown() -> Millis {
        Millis(SHOWN.get())
    }

    fn set(millis: u64) {
        SHOWN.set(millis);
    }

    const NOON: u64 = 1_793_500_000_000;
    const HOUR: u64 = 3_600_000;

    #[test]
    fn wall_time_follows_the_systems_clock_at_once_and_one_way_time_never_does() {
        set(NOON);
        let clock = SystemClock::with(shown);
        assert_eq!(clock.wall(), Millis(NOON).max(clock.moment().wall));
        let mut before = clock.now();
        for wall in [NOON + HOUR, NOON - HOUR, NOON, NOON + 30 * 24 * HOUR, 0] {
            set(wall);
            let moment = clock.moment();
            assert_eq!((moment.wall, clock.wall()), (Millis(wall), clock.moment().wall), "it is set");
            assert!(moment.now >= before && moment.now.since(before) < Duration::from_secs(30), "windows go on");
            assert!(moment.now >= Millis(NOON) && moment.now < Millis(NOON + HOUR));
            before = moment.now;
        }
    }

    #[test]
    fn what_is_translated_comes_out_the_same_as_long_as_nobody_sets_the_clock() {
        set(NOON);
        let clock = SystemClock::with(shown);
        let started = clock.now();
        let first = clock.moment().to_wall(started);
        for drift in [0, 1, 400, 900] {
            set(NOON + drift);
            assert_eq!(clock.moment().to_wall(started), first, "{drift} ms");
        }
        set(NOON + 2 * HOUR);
        assert!(clock.moment().to_wall(started).0.abs_diff(first.0 + 2 * HOUR) < 30_000);
    }

    #[test]
    fn a_machine_that_begins_in_1970_has_room_for_what_was_before_its_start() {
        set(5000);
        let clock = SystemClock::with(shown);
        assert!(clock.now() >= EARLIEST);
        assert_eq!(clock.wall(), Millis(5000), "a token of 1970 would be good");
        set(NOON);
        let moment = clock.moment();
        assert_eq!(moment.wall, Millis(NOON));
        let an_hour_ago = moment.past(Millis(NOON - HOUR));
        assert_eq!(moment.now.since(an_hour_ago), Duration::from_hours(1), "play sessions keep their age");
    }
}
