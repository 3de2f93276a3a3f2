//! The edges where time and randomness come in.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand;
use streamgate::model::{Clock, Entropy, Millis};

/// The system's time, which never runs backwards.
///
/// It moves with a clock that nobody sets. Where the system's time turns out to be ahead of that (it was set after the start,
/// or the machine slept) it follows; where the system's time was set back it does not, because windows would never close.
pub(crate) struct SystemClock {
    started: Millis,
    since: Instant,
    /// How far the system's time has gone ahead of ours since the start, in milliseconds.
    ahead: AtomicU64,
    /// When the two were compared last, by our own clock: reading one clock for a request is enough.
    compared: AtomicU64,
}

/// The system's time has to be this far ahead to be followed; less is the drift of two clocks. They are compared as often.
const DRIFT: Duration = Duration::from_secs(1);

impl SystemClock {
    pub(crate) fn new() -> Self {
        Self { started: wall(), since: Instant::now(), ahead: AtomicU64::new(0), compared: AtomicU64::new(0) }
    }

    fn follow(&self, steady: Millis) {
        self.compared.store(steady.0, Relaxed);
        let ours = steady + Duration::from_millis(self.ahead.load(Relaxed));
        let theirs = wall();
        if theirs > ours + DRIFT {
            self.ahead.fetch_max(theirs.0 - steady.0, Relaxed);
        }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Millis {
        let steady = self.started + self.since.elapsed();
        if steady.since(Millis(self.compared.load(Relaxed))) >= DRIFT {
            self.follow(steady);
        }
        steady + Duration::from_millis(self.ahead.load(Relaxed))
    }
}

fn wall() -> Millis {
    Millis(0) + SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The operating system's random numbers.
pub(crate) struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn bytes(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        if rand::fill(&mut bytes).is_err() {
            // Guessable names of streams would let viewers end each other's. Better no gateway than that one.
            tracing::error!("the operating system gives no random numbers");
            std::process::abort();
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_follows_a_system_whose_time_was_set_late_and_never_goes_back() {
        let clock = SystemClock::new();
        let behind = SystemClock { started: wall() - Duration::from_hours(10), ..SystemClock::new() };
        assert!(behind.now() + DRIFT >= clock.now(), "it caught up");
        let first = behind.now();
        let ahead = SystemClock { started: wall() + Duration::from_hours(10), ..SystemClock::new() };
        assert!(ahead.now() >= ahead.started, "set back meanwhile, it goes on from where it was");
        assert!(behind.now() >= first);
    }
}
