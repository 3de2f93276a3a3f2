//! Rate limits for log lines that anyone can cause or that repeat. Suppressed lines are counted.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::model::Millis;

/// Allows one line per interval.
#[derive(Debug)]
pub struct LogLimit {
    every: Duration,
    /// When the next line may be written, in milliseconds.
    next: AtomicU64,
    /// Lines suppressed since the last one written.
    held_back: AtomicU64,
}

impl LogLimit {
    /// One line per interval.
    pub const fn new(every: Duration) -> Self {
        Self { every, next: AtomicU64::new(0), held_back: AtomicU64::new(0) }
    }

    /// Returns the number of suppressed lines if a line may be written now. `now` is monotonic.
    pub fn admits(&self, now: Millis) -> Option<u64> {
        let next = self.next.load(Relaxed);
        let is_due = now.0 >= next && self.next.compare_exchange(next, (now + self.every).0, Relaxed, Relaxed).is_ok();
        if is_due {
            return Some(self.held_back.swap(0, Relaxed));
        }
        self.held_back.fetch_add(1, Relaxed);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_is_written_in_each_interval_and_tells_of_those_before_it() {
        let limit = LogLimit::new(Duration::from_secs(10));
        let at = |seconds: u64| limit.admits(Millis(seconds * 1000));
        assert_eq!([at(0), at(0), at(9)], [Some(0), None, None]);
        assert_eq!([at(10), at(11), at(100), at(101)], [Some(2), None, Some(1), None]);
    }

    #[test]
    fn of_several_threads_one_writes_the_line() {
        let limit = LogLimit::new(Duration::from_secs(10));
        // The result depends on how many calls fall between the winner's two steps.
        let told: Vec<u64> = std::thread::scope(|scope| {
            let ask = || (0..1000).filter_map(|_| limit.admits(Millis(5))).collect::<Vec<_>>();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(told.len(), 1);
        assert_eq!(limit.admits(Millis(20_000)).map(|later| told[0] + later), Some(3999));
    }
}
