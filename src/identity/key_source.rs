//! Sources of an issuer's keys, for the tasks that reload them.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::algorithm::Algorithm;
use super::key::Key;
use super::keys::Keys;

/// One issuer's keys and their sources. A reload of one source replaces the whole set.
#[derive(Clone, Debug)]
pub struct KeySource {
    /// Owner of the keys, for the log: `application tv`.
    pub name: Arc<str>,
    /// The current set.
    pub keys: Arc<Keys>,
    /// The sources, in configuration order.
    pub places: Vec<KeyPlace>,
}

/// One source of keys.
#[derive(Clone, Debug)]
pub enum KeyPlace {
    /// From the environment; never changes.
    Fixed(Arc<Key>),
    /// A file with one key.
    File {
        /// Path of the file.
        path: PathBuf,
        /// Algorithm of the key.
        algorithm: Algorithm,
        /// The key's id in the configuration.
        kid: Option<Box<str>>,
        /// The key at the start.
        key: Arc<Key>,
    },
    /// A JSON Web Key Set (RFC 7517 §5) in a file.
    SetFile {
        /// Path of the file.
        path: PathBuf,
        /// Algorithm of RSA keys without `alg`.
        rsa: Algorithm,
        /// The keys at the start.
        keys: Vec<Arc<Key>>,
    },
    /// A JSON Web Key Set at a URL.
    SetUrl {
        /// URL; `https`, or `http` in a trusted network.
        url: Box<str>,
        /// Algorithm of RSA keys without `alg`.
        rsa: Algorithm,
        /// Interval between fetches.
        refresh: Duration,
        /// Time limit of a fetch.
        timeout: Duration,
    },
}

impl KeySource {
    /// The keys at the start.
    pub fn known(&self) -> Vec<Arc<Key>> {
        let known = self.places.iter().flat_map(|place| match place {
            KeyPlace::Fixed(key) | KeyPlace::File { key, .. } => std::slice::from_ref(key),
            KeyPlace::SetFile { keys, .. } => keys.as_slice(),
            KeyPlace::SetUrl { .. } => &[],
        });
        known.cloned().collect()
    }
}

/// Key files of formats with their own kind of key set.
#[derive(Clone)]
pub struct KeyFiles {
    /// Owner of the keys, for the log.
    pub name: Arc<str>,
    /// Paths of the files.
    pub files: Vec<PathBuf>,
    /// Reloads all files and replaces the set. On error, returns why the set stays unchanged.
    pub read: Arc<dyn Fn() -> Result<(), String> + Send + Sync>,
}

impl fmt::Debug for KeyFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyFiles").field("name", &self.name).field("files", &self.files).finish_non_exhaustive()
    }
}
