//! How long things last.

use std::time::Duration;

/// The windows of a stream's life. All of them are configuration; the defaults suit most origins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long an admitted entry manifest holds a slot before any media is asked for.
    pub reserve: Duration,
    /// The shortest idle window that a manifest may lead to.
    pub idle_min: Duration,
    /// The longest.
    pub idle_max: Duration,
    /// How long a live player that polls without fetching media keeps its slot.
    pub paused_holds_slot: Duration,
    /// How long an idle stream's place in the record is kept.
    pub forget: Duration,
    /// How long a terminated stream is remembered after its last refused request.
    pub tombstone: Duration,
    /// How long a stream holds its slot before a policy may terminate it.
    pub min_tenure: Duration,
    /// How long two clients must use one stream at the same time before that is sharing. Casting overlaps for up to a minute.
    pub sharing_overlap: Duration,
    /// How often a declared stream has to be heard of through the session API.
    pub interval: Duration,
    /// How long one that is late keeps its slot.
    pub grace: Duration,
    /// How many accounts are kept at most.
    pub capacity: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            reserve: Duration::from_secs(20),
            idle_min: Duration::from_secs(20),
            idle_max: Duration::from_secs(90),
            paused_holds_slot: Duration::from_mins(2),
            forget: Duration::from_mins(10),
            tombstone: Duration::from_mins(3),
            min_tenure: Duration::from_secs(30),
            sharing_overlap: Duration::from_mins(1),
            interval: Duration::from_mins(1),
            grace: Duration::from_secs(30),
            capacity: 1_000_000,
        }
    }
}
