//! Rate limits of the session API.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use parking_lot::Mutex;

use crate::config::SessionApi;
use crate::model::{AccountKey, Millis, StreamId};

/// Number and size of buckets: 256Ki windows in 4 MiB, so that none needs to be evicted. A cache with per-entry
/// expiry took a third of a heartbeat's time.
const BUCKETS: usize = 32_768;
const ROOM: usize = 8;

/// What calls are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Counted {
    /// Heartbeats and stops of one session.
    Session(AccountKey, StreamId),
    /// Starts of one account.
    Subject(AccountKey),
}

/// Counts calls in fixed windows. The first call opens a window.
///
/// A window starts at the whole second of the call's `Date`, so that the `Expires` of a refusal is exact. A window that
/// starts in the future, because the clock was set back, is expired. A full bucket replaces an expired window, else the
/// one with the fewest calls.
pub struct Throttle {
    buckets: Box<[Mutex<[Window; ROOM]>]>,
    hasher: RandomState,
}

/// One window; unused if `of` is zero.
#[derive(Clone, Copy, Default)]
struct Window {
    /// Hash of what is counted, under a secret key.
    of: u64,
    /// Start, in seconds.
    began: u32,
    calls: u32,
}

impl Default for Throttle {
    fn default() -> Self {
        Self::with_room(BUCKETS)
    }
}

impl Throttle {
    fn with_room(buckets: usize) -> Self {
        Self { buckets: (0..buckets).map(|_| Mutex::default()).collect(), hasher: RandomState::new() }
    }

    /// Counts a call.
    ///
    /// # Errors
    /// Over the limit; the call is not counted. Contains the end of the window.
    pub(super) fn count(&self, counted: Counted, limits: &SessionApi, now: Millis) -> Result<(), Millis> {
        let of = self.hasher.hash_one(counted).max(1);
        let at = usize::try_from(of % self.buckets.len() as u64).unwrap_or_default();
        let Some(bucket) = self.buckets.get(at) else { return Ok(()) };
        let mut windows = bucket.lock();
        let second = u32::try_from(now.seconds()).unwrap_or(u32::MAX);
        let end = |window: &Window| Millis(u64::from(window.began) * 1000) + whole_seconds(limits.window);
        // Concurrent calls may read the clock one second apart.
        let lasts = |window: &Window| now < end(window) && window.began <= second.saturating_add(1);
        if let Some(window) = windows.iter_mut().find(|window| window.of == of && lasts(window)) {
            if window.calls >= limits.calls {
                return Err(end(window));
            }
            window.calls += 1;
            return Ok(());
        }
        let own = windows.iter().position(|window| window.of == of);
        let least = |window: &Window| (lasts(window), window.calls, window.began);
        let first = || windows.iter().enumerate().min_by_key(|(_, window)| least(window)).map(|(at, _)| at);
        if let Some(window) = own.or_else(first).and_then(|at| windows.get_mut(at)) {
            *window = Window { of, began: second, calls: 1 };
        }
        Ok(())
    }
}

/// HTTP-dates have no fractions.
fn whole_seconds(window: Duration) -> Duration {
    Duration::from_secs(window.as_secs() + u64::from(window.subsec_nanos() > 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Account;

    fn limits() -> SessionApi {
        SessionApi { calls: 200, window: Duration::from_mins(1), origins: Vec::new() }
    }

    fn calls(throttle: &Throttle, counted: Counted, count: usize, second: u64) -> (usize, Option<Millis>) {
        // Within the second: windows start at its beginning.
        let answers = (0..count).map(|_| throttle.count(counted, &limits(), Millis(second * 1000 + 700)));
        let answers: Vec<_> = answers.collect();
        (answers.iter().filter(|answer| answer.is_ok()).count(), answers.into_iter().find_map(Result::err))
    }

    #[test]
    fn two_hundred_calls_pass_in_the_minute_that_the_first_one_opens() {
        let subject = Account::new("i1", "alice").key();
        for counted in [Counted::Session(subject, StreamId([1; 16])), Counted::Subject(subject)] {
            let throttle = Throttle::default();
            assert_eq!(calls(&throttle, counted, 50, 10), (50, None));
            assert_eq!(calls(&throttle, counted, 151, 50), (150, Some(Millis(70_000))));
            assert_eq!(calls(&throttle, counted, 1, 61), (0, Some(Millis(70_000))), "a refusal prolongs nothing");
            assert_eq!(throttle.count(counted, &limits(), Millis(69_999)), Err(Millis(70_000)));
            assert_eq!(throttle.count(counted, &limits(), Millis(70_000)), Ok(()));
        }
    }

    #[test]
    fn each_session_and_each_account_is_counted_by_itself() {
        let throttle = Throttle::default();
        let (alice, bob) = (Account::new("i1", "alice").key(), Account::new("i2", "alice").key());
        let all = [
            Counted::Session(alice, StreamId([1; 16])),
            Counted::Session(alice, StreamId([2; 16])),
            Counted::Session(bob, StreamId([1; 16])),
            Counted::Subject(alice),
            Counted::Subject(bob),
        ];
        for counted in all {
            assert_eq!(calls(&throttle, counted, 201, 1).0, 200, "{counted:?}");
        }
    }

    #[test]
    fn a_clock_that_is_set_back_shuts_nobody_out() {
        let throttle = Throttle::default();
        let counted = Counted::Subject(Account::new("i1", "alice").key());
        assert_eq!(calls(&throttle, counted, 201, 10_000), (200, Some(Millis(10_060_000))));
        assert_eq!(calls(&throttle, counted, 201, 6_400), (200, Some(Millis(6_460_000))), "an hour earlier");
        assert_eq!(calls(&throttle, counted, 201, 10_000), (200, Some(Millis(10_060_000))), "and there again");
    }

    #[test]
    fn calls_that_come_at_the_same_time_are_counted_once_each() {
        let throttle = Throttle::default();
        let counted = Counted::Subject(Account::new("i1", "alice").key());
        let passed: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| calls(&throttle, counted, 100, 1).0)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(passed, 200);
    }

    #[test]
    fn where_there_is_no_room_the_window_with_the_fewest_calls_gives_way() {
        let throttle = Throttle::with_room(1);
        let session = |nth: u8| Counted::Session(AccountKey([0; 16]), StreamId([nth; 16]));
        assert_eq!(calls(&throttle, session(0), 1, 100).0, 1);
        for nth in 1..8 {
            assert_eq!(calls(&throttle, session(nth), 201, 100).0, 200);
        }
        for nth in 8..100 {
            assert_eq!(calls(&throttle, session(nth), 1, 110).0, 1);
        }
        assert_eq!(calls(&throttle, session(1), 1, 110).0, 0, "who calls too often is counted still");
        assert_eq!(calls(&throttle, session(0), 200, 110).0, 200, "it is counted from anew");
    }
}
