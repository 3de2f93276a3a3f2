//! Settings of the key sources.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::identity::{CallbackSource, KeyFiles, KeySource};
use crate::model::Clock;

/// Observes every refresh. Labels come from closed sets.
pub trait Observer: Send + Sync {
    /// A place of that source was read: `changed`, `unchanged` or `failed`.
    fn keys_fetched(&self, source: &str, result: &'static str);

    /// Result of a callback: `allowed`, `refused`; without an answer, `stale` (the previous answer applies) or `away`
    /// (the failure mode applies); or `busy` (too many requests in flight).
    fn callback(&self, service: &str, result: &'static str);
}

/// The sources to keep fresh.
pub struct KeySourceSettings {
    /// Keys and their places.
    pub key_sources: Vec<KeySource>,
    /// Key files of formats with their own kinds of key sets.
    pub key_files: Vec<KeyFiles>,
    /// Authorization callbacks.
    pub callbacks: Vec<CallbackSource>,
    /// The file of blocks.
    pub blocks_file: Option<PathBuf>,
    /// Certificates (PEM) of authorities trusted in addition to the system's.
    pub ca_file: Option<PathBuf>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Observes every refresh.
    pub observer: Arc<dyn Observer>,
    /// Intervals of checks.
    pub pace: Pace,
}

/// Intervals of checks.
#[derive(Clone, Debug)]
pub struct Pace {
    /// Between two checks of the files.
    pub files: Duration,
    /// Minimum interval between fetches caused by unknown keys.
    pub refetch: Duration,
    /// Delay after a failed fetch; doubled with each further failure, up to a minute or the usual interval.
    pub retry: Duration,
}

impl Default for Pace {
    /// Files every second, unknown keys every 10 s, retry after one second.
    fn default() -> Self {
        Self { files: Duration::from_secs(1), refetch: Duration::from_secs(10), retry: Duration::from_secs(1) }
    }
}
