//! Play sessions, and the windows of a stream's life.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::scalar_formats::Written;
use crate::streams;

use super::material::Material;

/// How play sessions are sealed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Sessions {
    /// The first seals; all open, so that keys can be changed without a break. The same on every gateway.
    #[schemars(length(min = 1))]
    pub(in crate::config) keys: Vec<SealingKey>,
    /// How long a play session is good for. Longer than the longest programme.
    #[serde(default = "max_age")]
    pub(in crate::config) max_age: Written<Duration>,
}

fn max_age() -> Written<Duration> {
    Duration::from_hours(12).into()
}

/// One key that seals play sessions.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct SealingKey {
    /// Its number, written into each play session. Never use one again for another secret.
    #[schemars(range(min = 1, max = 255))]
    pub(in crate::config) id: u8,
    /// At least 32 bytes that nobody can guess.
    pub(in crate::config) secret: Material,
}

/// How long things last in a stream's life.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Streams {
    /// How long an admitted start holds its slot before any media is asked for.
    pub(in crate::config) reserve: Written<Duration>,
    /// How long a stream that asks for nothing keeps its slot; derived from its manifest within these.
    pub(in crate::config) idle: Idle,
    /// How long a live player that polls without fetching media keeps its slot.
    pub(in crate::config) paused_timeout: Written<Duration>,
    /// How long an idle stream keeps its place in the record.
    pub(in crate::config) idle_retention: Written<Duration>,
    /// How long a terminated stream is remembered after its last refused request.
    pub(in crate::config) tombstone: Written<Duration>,
    /// How long a stream holds its slot before a policy may terminate it.
    pub(in crate::config) min_tenure: Written<Duration>,
    /// How long two clients must use one stream at the same time before that is sharing. A hand-over overlaps for a moment.
    pub(in crate::config) sharing_overlap: Written<Duration>,
    /// A start that would be refused may take the place of a stream that its viewer seems to have left, until it shows which
    /// of them is played.
    pub(in crate::config) takeover: Takeover,
    /// Accounts kept at most.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub(in crate::config) capacity: u64,
    /// File where streams are kept over a restart. Left out: they are rebuilt from their play sessions.
    #[schemars(length(min = 1))]
    pub(in crate::config) snapshot: Option<String>,
    /// How often the snapshot is also written while the gateway runs. Left out: only at shutdown.
    pub(in crate::config) snapshot_interval: Option<Written<Duration>>,
}

/// Bounds of the idle window.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Idle {
    /// The shortest.
    pub(in crate::config) min: Written<Duration>,
    /// The longest.
    pub(in crate::config) max: Written<Duration>,
}

/// Which streams a start may take over, and how that is verified.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Takeover {
    /// What shows that a stream and the start come from one client. Empty: nothing does.
    #[serde(rename = "match")]
    pub(in crate::config) evidence: Vec<Evidence>,
    /// Whether any start of the account may take over a stream whose next request is overdue, or whose client has closed all
    /// its connections.
    pub(in crate::config) overdue: bool,
    /// How long the other stream must stay silent after the new one's first media. 0s: there are no take-overs.
    pub(in crate::config) verify: Written<Duration>,
}

/// What shows that two streams come from one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Evidence {
    /// Their tokens name the same device.
    Device,
    /// They were started with the same token.
    Token,
    /// They come from the same network, with the same user agent or with tokens that were issued together.
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
