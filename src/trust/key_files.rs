//! Files with keys of formats that have sets of their own kinds.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::identity::{KeyFiles, SET_MAX};

use super::file::{Seen, Watched};
use super::settings::Observer;

/// Files that are read together.
pub(super) struct KeyFileGroup {
    keys: KeyFiles,
    files: Mutex<Vec<Watched>>,
    observer: Arc<dyn Observer>,
}

impl KeyFileGroup {
    /// Files that nobody has looked at yet: the first look reads them.
    pub(super) fn new(keys: KeyFiles, observer: &Arc<dyn Observer>) -> Self {
        let files = keys.files.iter().map(|path| Watched::new(path.clone(), SET_MAX)).collect();
        Self { keys, files: Mutex::new(files), observer: observer.clone() }
    }

    /// Has them all read again when one has changed.
    pub(super) fn reread(&self) {
        let mut files = self.files.lock();
        // Every file is looked at: what is seen now is not seen again.
        let changed = files.iter_mut().map(Watched::look).filter(|seen| !matches!(seen, Seen::Same)).count();
        if changed == 0 {
            return;
        }
        let KeyFiles { name, read, .. } = &self.keys;
        match read() {
            Ok(()) => {
                tracing::info!(keys = %name, "keys read");
                self.observer.keys_fetched(name, "changed");
            }
            Err(why) => {
                tracing::error!(keys = %name, %why, "the keys cannot be used; those of before serve on");
                self.observer.keys_fetched(name, "failed");
            }
        }
    }
}
