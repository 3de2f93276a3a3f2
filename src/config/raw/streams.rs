//! Play sessions, and timeouts of streams.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::scalar_formats::Written;
use crate::streams;

use super::material::Material;

/// Keys and lifetime of play sessions.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Sessions {
    /// The first key seals; all open, which allows key rotation. Use the same keys on every gateway.
    #[schemars(length(min = 1))]
    pub(in crate::config) keys: Vec<SealingKey>,
    /// Lifetime of a play session. Must exceed the longest programme.
    #[serde(default = "max_age")]
    pub(in crate::config) max_age: Written<Duration>,
}

fn max_age() -> Written<Duration> {
    Duration::from_hours(12).into()
}

/// One key for play sessions.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct SealingKey {
    /// Number that each play session contains. Never reuse one for another secret.
    #[schemars(range(min = 1, max = 255))]
    pub(in crate::config) id: u8,
    /// At least 32 random bytes.
    pub(in crate::config) secret: Material,
}

/// Timeouts and limits of the stream table.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Streams {
    /// How long an admitted stream holds its slot before its first media request.
    pub(in crate::config) reserve: Written<Duration>,
    /// How long a stream without a heartbeat keeps its slot; derived from its manifest within these bounds.
    pub(in crate::config) idle: Idle,
    /// How long a live stream with presence but no playback keeps its slot.
    pub(in crate::config) paused_timeout: Written<Duration>,
    /// How long an idle stream is kept.
    pub(in crate::config) idle_retention: Written<Duration>,
    /// How long a tombstone is kept after the last refused request.
    pub(in crate::config) tombstone: Written<Duration>,
    /// Minimum tenure before a policy may terminate a stream.
    pub(in crate::config) min_tenure: Written<Duration>,
    /// How long two clients must use one stream at the same time to count as sharing. A hand-over overlaps briefly.
    pub(in crate::config) sharing_overlap: Written<Duration>,
    /// A start that would be refused may provisionally take the slot of a stream that its viewer seems to have left,
    /// until it is clear which one plays.
    pub(in crate::config) takeover: Takeover,
    /// Maximum accounts in memory.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub(in crate::config) capacity: u64,
    /// File that keeps streams across a restart. Default: streams are rebuilt from their play sessions.
    #[schemars(length(min = 1))]
    pub(in crate::config) snapshot: Option<String>,
    /// Interval of snapshots while the gateway runs. Default: only at shutdown.
    pub(in crate::config) snapshot_interval: Option<Written<Duration>>,
}

/// Bounds of the idle timeout.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Idle {
    /// The shortest.
    pub(in crate::config) min: Written<Duration>,
    /// The longest.
    pub(in crate::config) max: Written<Duration>,
}

/// Which streams a start may take over, and how long to verify.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Takeover {
    /// Evidence that a stream and the start come from one client. Empty: none is accepted.
    #[serde(rename = "match")]
    pub(in crate::config) evidence: Vec<Evidence>,
    /// Any start of the account may take over a stream whose next request is overdue, or whose client has closed all
    /// connections.
    pub(in crate::config) overdue: bool,
    /// How long the other stream must request no media after the new one's first media. 0s: disables take-overs.
    pub(in crate::config) verify: Written<Duration>,
}

/// Evidence that two streams come from one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Evidence {
    /// Their tokens contain the same device.
    Device,
    /// They were started with the same token.
    Token,
    /// They have the same network, and the same user agent or tokens that were issued together.
    Client,
}

impl Default for Takeover {
    fn default() -> Self {
        let streams::TakeoverSettings { overdue, verify, .. } = streams::TakeoverSettings::default();
        let evidence = vec![Evidence::Device, Evidence::Token, Evidence::Client];
        Self { evidence, overdue, verify: verify.into() }
    }
}

impl Default for Idle {
    fn default() -> Self {
        let streams::Settings { idle_min, idle_max, .. } = streams::Settings::default();
        Self { min: idle_min.into(), max: idle_max.into() }
    }
}

impl Default for Streams {
    fn default() -> Self {
        let of = streams::Settings::default();
        Self {
            reserve: of.reserve.into(),
            idle: Idle::default(),
            paused_timeout: of.paused_timeout.into(),
            idle_retention: of.idle_retention.into(),
            tombstone: of.tombstone.into(),
            min_tenure: of.min_tenure.into(),
            sharing_overlap: of.sharing_overlap.into(),
            takeover: Takeover::default(),
            capacity: of.capacity,
            snapshot: None,
            snapshot_interval: None,
        }
    }
}
