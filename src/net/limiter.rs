//! Limits the open connections of a port.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Counts the open connections of one port.
#[derive(Debug, Default)]
pub struct ConnectionLimiter {
    open: AtomicUsize,
}

/// An open connection. Dropping it releases its place, however its task ends.
#[derive(Debug)]
pub struct OpenConnection(Arc<ConnectionLimiter>);

impl ConnectionLimiter {
    /// Counts one more; `None` if `max` are open already.
    pub fn try_open(self: &Arc<Self>, max: usize) -> Option<OpenConnection> {
        let one = OpenConnection(self.clone());
        (self.open.fetch_add(1, Relaxed) < max).then_some(one)
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_as_may_be_are_open_and_one_that_closes_makes_room() {
        let limiter = Arc::new(ConnectionLimiter::default());
        let first = limiter.try_open(2);
        let second = limiter.try_open(2);
        assert!(first.is_some() && second.is_some());
        assert!(limiter.try_open(2).is_none());
        assert!(limiter.try_open(2).is_none(), "one that was refused does not count");
        drop(first);
        let third = limiter.try_open(2);
        assert!(third.is_some());
        // A lower limit, as after a reload, closes nothing that is open.
        assert!(limiter.try_open(1).is_none());
        drop((second, third));
        assert!(limiter.try_open(1).is_some());
    }
}
