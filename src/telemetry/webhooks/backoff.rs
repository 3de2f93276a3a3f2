//! Retry delays.

use std::time::Duration;

use crate::model::Millis;

/// The delay after the first failure; doubles with each further one.
const FIRST: Duration = Duration::from_millis(500);
/// The maximum delay.
const LONGEST: Duration = Duration::from_mins(1);

#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff {
    until: Millis,
    failures: u32,
}

impl Backoff {
    /// A batch first sent at `now` and dropped after `max_retry_duration`.
    pub(super) fn new(now: Millis, max_retry_duration: Duration) -> Self {
        Self { until: now + max_retry_duration, failures: 0 }
    }

    /// Returns the delay before the next attempt, with random jitter of up to half so that gateways do not retry at
    /// once. `asked` is the receiver's `Retry-After`. `None` if the time is over.
    pub(super) fn wait(&mut self, now: Millis, asked: Option<Duration>, random: [u8; 16]) -> Option<Duration> {
        let left = self.until.since(now);
        let whole = FIRST.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        if left.is_zero() || asked.is_some_and(|asked| asked > left) {
            return None;
        }
        let [high, low, ..] = random;
        let wait = whole / 2 + whole / 2 * u32::from(u16::from_be_bytes([high, low])) / u32::from(u16::MAX);
        // The last attempt happens when the time is over, not before.
        Some(wait.max(asked.unwrap_or_default()).min(left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const LOWEST: [u8; 16] = [0; 16];
    const HIGHEST: [u8; 16] = [255; 16];

    #[test]
    fn waits_double_up_to_a_minute_and_vary_by_half() {
        let (mut short, mut long) = [(); 2].map(|()| Backoff::new(Millis(0), 3600 * SECOND)).into();
        let waits: Vec<(u128, u128)> = (0..10)
            .map(|_| {
                let wait = |backoff: &mut Backoff, random| backoff.wait(Millis(0), None, random).unwrap().as_millis();
                (wait(&mut short, LOWEST), wait(&mut long, HIGHEST))
            })
            .collect();
        assert_eq!(waits[..4], [(250, 500), (500, 1000), (1000, 2000), (2000, 4000)]);
        assert_eq!(waits[7..], [(30_000, 60_000); 3]);
    }

    #[test]
    fn the_last_attempt_is_made_when_the_time_is_over_and_then_it_is_too_late() {
        let mut backoff = Backoff::new(Millis(1000), 10 * SECOND);
        let mut now = Millis(1000);
        let mut attempts = 1;
        while let Some(wait) = backoff.wait(now, None, HIGHEST) {
            now = now + wait;
            attempts += 1;
        }
        assert_eq!((now, attempts), (Millis(11_000), 6), "after 0, 0.5, 1.5, 3.5, 7.5 and 10 seconds");
        assert_eq!(backoff.wait(Millis(999_000), None, HIGHEST), None);
    }

    #[test]
    fn a_receiver_that_asks_for_more_time_gets_it_as_long_as_there_is_any() {
        let mut backoff = Backoff::new(Millis(0), 60 * SECOND);
        assert_eq!(backoff.wait(Millis(0), Some(20 * SECOND), HIGHEST), Some(20 * SECOND));
        let sooner = backoff.wait(Millis(20_000), Some(Duration::ZERO), HIGHEST);
        assert_eq!(sooner, Some(SECOND), "it gets no less than others");
        assert_eq!(backoff.wait(Millis(50_000), Some(11 * SECOND), HIGHEST), None, "that would be too late");
    }
}
