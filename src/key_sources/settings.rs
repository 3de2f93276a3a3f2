//! What the room is given.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::identity::{CallbackSource, KeyFiles, KeySource};
use crate::model::Clock;

/// Is told of everything that is fetched. Labels come from closed sets.
pub trait Observer: Send + Sync {
    /// A place of keys of that source was read: `changed`, `unchanged` or `failed`.
    fn keys_fetched(&self, source: &str, result: &'static str);

    /// That authorization service was asked: `allowed`, `refused`; or it did not answer and its word of before goes on
    /// (`stale`) or the configured answer serves (`away`); or too many questions were under way (`busy`).
    fn callback(&self, service: &str, result: &'static str);
}

/// What is to be kept fresh.
pub struct KeySourceSettings {
    /// Keys, and where they are.
    pub key_sources: Vec<KeySource>,
    /// Files with keys of formats that have sets of their own kinds.
    pub key_files: Vec<KeyFiles>,
    /// Authorization services.
    pub callbacks: Vec<CallbackSource>,
    /// The file of those who are shut out.
    pub blocks_file: Option<PathBuf>,
    /// Certificates (PEM) of authorities that are trusted besides those of the system.
    pub ca_file: Option<PathBuf>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Who is told.
    pub observer: Arc<dyn Observer>,
    /// How often things are looked at.
    pub pace: Pace,
}

/// How often things are looked at.
#[derive(Clone, Debug)]
pub struct Pace {
    /// Between two looks at files.
    pub files: Duration,
    /// Between the start of a fetch and the next that an unknown key may cause.
    pub refetch: Duration,
    /// From a failed fetch to the next; doubled with each further failure, up to a minute or the usual interval.
    pub retry: Duration,
}

impl Default for Pace {
    /// Files every second, unknown keys every 10 s, a failed fetch after a second.
    fn default() -> Self {
        Self { files: Duration::from_secs(1), refetch: Duration::from_secs(10), retry: Duration::from_secs(1) }
    }
}
