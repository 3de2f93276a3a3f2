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
    pub paused_timeout: Duration,
    /// How long an idle stream's place in the record is kept.
    pub idle_retention: Duration,
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
    /// How a start may stand for a stream that its viewer may have left.
    pub takeover: TakeoverSettings,
    /// How many accounts are kept at most.
    pub capacity: u64,
}

/// Which streams a start that would be refused may take over provisionally.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "one for each kind of evidence")]
pub struct TakeoverSettings {
    /// Those on the device that the start's token names.
    pub device: bool,
    /// Those that were started with the same token.
    pub token: bool,
    /// Those from the same network, with the same user agent or a token that was issued together with the start's.
    pub client: bool,
    /// Those whose next request is overdue, or whose client has closed all connections.
    pub overdue: bool,
    /// How long the other stream must stay silent after the new one's first media to have been left. Zero: there are no
    /// take-overs.
    pub verify: Duration,
}

impl Default for TakeoverSettings {
    fn default() -> Self {
        Self { device: true, token: true, client: true, overdue: true, verify: Duration::from_secs(10) }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            reserve: Duration::from_secs(20),
            idle_min: Duration::from_secs(20),
            idle_max: Duration::from_secs(90),
            paused_timeout: Duration::from_mins(2),
            idle_retention: Duration::from_mins(10),
            tombstone: Duration::from_mins(3),
            min_tenure: Duration::from_secs(30),
            sharing_overlap: Duration::from_mins(1),
            interval: Duration::from_mins(1),
            grace: Duration::from_secs(30),
            takeover: TakeoverSettings::default(),
            capacity: 1_000_000,
        }
    }
}
