//! Timeouts and limits of streams.

use std::time::Duration;

/// All are configurable; the defaults suit most origins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long an admitted stream holds a slot before the first media request.
    pub reserve: Duration,
    /// Minimum idle timeout derived from a manifest.
    pub idle_min: Duration,
    /// Maximum idle timeout.
    pub idle_max: Duration,
    /// How long a live player that polls without media keeps its slot.
    pub paused_timeout: Duration,
    /// How long an idle stream is kept in the record.
    pub idle_retention: Duration,
    /// How long a tombstone is kept after the last refused request.
    pub tombstone: Duration,
    /// Minimum tenure of a slot before a policy may terminate the stream.
    pub min_tenure: Duration,
    /// How long two clients must use one stream concurrently to count as sharing. Casting overlaps for up to a minute.
    pub sharing_overlap: Duration,
    /// Heartbeat interval of declared streams.
    pub interval: Duration,
    /// How long a declared stream with a late heartbeat keeps its slot.
    pub grace: Duration,
    /// Which streams a start may take over.
    pub takeover: TakeoverSettings,
    /// Maximum number of accounts.
    pub capacity: u64,
}

/// Which streams a start that would be refused may take over provisionally.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "one for each kind of evidence")]
pub struct TakeoverSettings {
    /// Those on the device in the start's token.
    pub device: bool,
    /// Those that were started with the same token.
    pub token: bool,
    /// Those from the same network, with the same user agent or a token that was issued together with the start's.
    pub client: bool,
    /// Those whose next request is overdue, or whose client has closed all connections.
    pub overdue: bool,
    /// How long the other stream must be silent after the new one's first media to count as left. Zero disables
    /// takeovers.
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
