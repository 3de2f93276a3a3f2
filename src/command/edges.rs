//! The edges where time and randomness come in.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand;
use streamgate::model::{Clock, Entropy, Millis};

/// The system's time as it was at the start, moved on by a clock that never runs backwards.
pub(crate) struct SystemClock {
    started: Millis,
    since: Instant,
}

impl SystemClock {
    pub(crate) fn new() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { started: Millis(0) + wall, since: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Millis {
        self.started + self.since.elapsed()
    }
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
