//! Play sessions, and the windows of a stream's life.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::grammar::Written;
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
    pub(in crate::config) paused_holds_slot: Written<Duration>,
    /// How long an idle stream keeps its place in the record.
    pub(in crate::config) forget: Written<Duration>,
    /// How long a terminated stream is remembered after its last refused request.
    pub(in crate::config) tombstone: Written<Duration>,
    /// How long a stream holds its slot before a policy may terminate it.
    pub(in crate::config) min_tenure: Written<Duration>,
    /// How long two clients must use one stream at the same time before that is sharing. A hand-over overlaps for a moment.
    pub(in crate::config) sharing_overlap: Written<Duration>,
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
            paused_holds_slot: of.paused_holds_slot.into(),
            forget: of.forget.into(),
            tombstone: of.tombstone.into(),
            min_tenure: of.min_tenure.into(),
            sharing_overlap: of.sharing_overlap.into(),
            capacity: of.capacity,
            snapshot: None,
            snapshot_interval: None,
        }
    }
}
