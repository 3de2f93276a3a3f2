//! Where an issuer's keys come from, for whoever reads them again when they change.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::algorithm::Algorithm;
use super::key::Key;
use super::keys::Keys;

/// One issuer's keys and the places that they are read from. Whoever reads a place anew replaces the whole set.
#[derive(Clone, Debug)]
pub struct KeySource {
    /// Whose keys they are, for the log: `application tv`.
    pub name: Arc<str>,
    /// The set that verifies.
    pub keys: Arc<Keys>,
    /// The places, in the order of the configuration.
    pub places: Vec<KeyPlace>,
}

/// One place of keys.
#[derive(Clone, Debug)]
pub enum KeyPlace {
    /// It never changes: from the environment.
    Fixed(Arc<Key>),
    /// A file with one key.
    File {
        /// Where it is.
        path: PathBuf,
        /// The one algorithm that the key serves.
        algorithm: Algorithm,
        /// The key's id, where the configuration gives one.
        kid: Option<Box<str>>,
        /// As it was read at the start.
        key: Arc<Key>,
    },
    /// A JSON Web Key Set (RFC 7517 §5) in a file.
    SetFile {
        /// Where it is.
        path: PathBuf,
        /// What its RSA keys without `alg` are for.
        rsa: Algorithm,
        /// As they were read at the start.
        keys: Vec<Arc<Key>>,
    },
    /// A JSON Web Key Set at a URL.
    SetUrl {
        /// Where it is; `https`, or `http` to a host that the operator trusts the way to.
        url: Box<str>,
        /// What its RSA keys without `alg` are for.
        rsa: Algorithm,
        /// How often it is fetched again.
        refresh: Duration,
        /// How long a fetch may take.
        timeout: Duration,
    },
}

impl KeySource {
    /// The keys that were read at the start.
    pub fn known(&self) -> Vec<Arc<Key>> {
        let known = self.places.iter().flat_map(|place| match place {
            KeyPlace::Fixed(key) | KeyPlace::File { key, .. } => std::slice::from_ref(key),
            KeyPlace::SetFile { keys, .. } => keys.as_slice(),
            KeyPlace::SetUrl { .. } => &[],
        });
        known.cloned().collect()
    }
}

/// Files with keys of formats that have a set of their own kind.
#[derive(Clone)]
pub struct KeyFiles {
    /// Whose keys they are, for the log.
    pub name: Arc<str>,
    /// Where they are.
    pub files: Vec<PathBuf>,
    /// Reads them all again and swaps the set; or says in a sentence why it stays as it is.
    pub read: Arc<dyn Fn() -> Result<(), String> + Send + Sync>,
}

impl fmt::Debug for KeyFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyFiles").field("name", &self.name).field("files", &self.files).finish_non_exhaustive()
    }
}
