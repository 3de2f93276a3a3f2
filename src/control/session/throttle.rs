//! How often the session API answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use moka::Expiry;
use moka::sync::Cache;

use crate::config::SessionApi;
use crate::model::{AccountKey, Millis, StreamId};

/// Windows that are counted at once. Who calls for more sessions than this is counted from anew now and then.
const MOST: u64 = 250_000;

/// The bits of a window that count its calls; those above are the second in which it began.
const CALLS: u32 = 24;

/// What calls are counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Counted {
    /// Heartbeats and stops of one session.
    Session(AccountKey, StreamId),
    /// Starts of one account.
    Subject(AccountKey),
}

/// Counts calls in fixed windows, each of which its first call opens.
///
/// A window begins with the whole second that the call's `Date` shows, so that the `Expires` of a refusal is exact.
pub struct Throttle {
    windows: Cache<Counted, Arc<Window>>,
}

#[derive(Debug)]
struct Window {
    state: AtomicU64,
    lasts: Duration,
}

impl Default for Throttle {
    fn default() -> Self {
        Self::with_room(MOST)
    }
}

impl Throttle {
    fn with_room(most: u64) -> Self {
        Self { windows: Cache::builder().max_capacity(most).expire_after(Forgetting).build() }
    }

    /// Counts a call that is answered.
    ///
    /// # Errors
    /// There were too many, and this one is not counted: when the window is over.
    pub(super) fn count(&self, counted: Counted, limits: &SessionApi, now: Millis) -> Result<(), Millis> {
        let open = || Arc::new(Window { state: AtomicU64::new(0), lasts: limits.window });
        // A call for what is known is a look-up without any lock.
        let window = self.windows.get(&counted).unwrap_or_else(|| self.windows.get_with(counted, open));
        let end = |state: u64| Millis((state >> CALLS) * 1000) + whole_seconds(limits.window);
        let counted = window.state.fetch_update(Relaxed, Relaxed, |state| {
            let calls = state & ((1 << CALLS) - 1);
            if state == 0 || now >= end(state) {
                Some(now.seconds() << CALLS | 1)
            } else {
                (calls < u64::from(limits.calls)).then_some(state + 1)
            }
        });
        counted.map(drop).map_err(end)
    }
}

/// HTTP-dates know no fractions.
fn whole_seconds(window: Duration) -> Duration {
    Duration::from_secs(window.as_secs() + u64::from(window.subsec_nanos() > 0))
}

/// A window in which nobody has called for as long as it lasts is over.
struct Forgetting;

impl Expiry<Counted, Arc<Window>> for Forgetting {
    fn expire_after_create(&self, _: &Counted, window: &Arc<Window>, _: Instant) -> Option<Duration> {
        Some(window.lasts)
    }

    fn expire_after_read(
        &self,
        _: &Counted,
        window: &Arc<Window>,
        _: Instant,
        _: Option<Duration>,
        _: Instant,
    ) -> Option<Duration> {
        Some(window.lasts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Account;

    fn limits() -> SessionApi {
        SessionApi { calls: 200, window: Duration::from_mins(1), origins: Vec::new() }
    }

    fn calls(throttle: &Throttle, counted: Counted, count: usize, second: u64) -> (usize, Option<Millis>) {
        // Some way into the second: windows begin with it.
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
    fn no_more_windows_are_kept_than_there_is_room_for() {
        let throttle = Throttle::with_room(100);
        for nth in 0..10_000_u64 {
            let stream = StreamId(u128::from(nth).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
            let _ = throttle.count(Counted::Session(AccountKey([0; 16]), stream), &limits(), Millis(1000));
        }
        throttle.windows.run_pending_tasks();
        assert!(throttle.windows.entry_count() <= 100);
    }
}
