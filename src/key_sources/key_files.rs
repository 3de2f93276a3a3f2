//! Key files of formats with their own kinds of key sets.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::identity::{KeyFiles, MAX_SET};

use super::settings::Observer;
use crate::net::{Seen, WatchedFile};

/// Why the last read failed, if it did.
type Failure = Option<String>;

/// Files that are read together.
pub(super) struct KeyFileGroup {
    keys: KeyFiles,
    files: Mutex<(Vec<WatchedFile>, Failure)>,
    observer: Arc<dyn Observer>,
}

impl KeyFileGroup {
    /// Files that have not been read; the first look reads them.
    pub(super) fn new(keys: KeyFiles, observer: &Arc<dyn Observer>) -> Self {
        let files = keys.files.iter().map(|path| WatchedFile::new(path.clone(), MAX_SET)).collect();
        Self { keys, files: Mutex::new((files, None)), observer: observer.clone() }
    }

    /// Reads all files again if one has changed, or if the last read failed: the cause may lie outside the files, so
    /// that no change follows.
    pub(super) fn reread(&self) {
        let (files, failure) = &mut *self.files.lock();
        // Looks at every file: each change is reported only once.
        let changed = files.iter_mut().map(WatchedFile::look).filter(|seen| !matches!(seen, Seen::Same)).count();
        if changed == 0 && failure.is_none() {
            return;
        }
        let KeyFiles { name, read, .. } = &self.keys;
        // Only plain files are opened: opening a pipe would block until it has a writer.
        let unreadable = files.iter().find_map(|file| Some((file.path(), file.trouble()?)));
        let keys = unreadable.map_or_else(|| read(), |(path, why)| Err(format!("`{}`: {why}", path.display())));
        match keys {
            Ok(()) => {
                *failure = None;
                tracing::info!(keys = %name, "keys read");
                self.observer.keys_fetched(name, "changed");
            }
            Err(why) => {
                if changed > 0 || failure.as_ref() != Some(&why) {
                    tracing::error!(keys = %name, %why, "cannot use the key files; keeping the previous keys");
                    self.observer.keys_fetched(name, "failed");
                }
                *failure = Some(why);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

    use super::*;

    #[derive(Default)]
    struct Counts([AtomicU32; 2]);

    impl Observer for Counts {
        fn keys_fetched(&self, _: &str, result: &'static str) {
            self.0[usize::from(result == "failed")].fetch_add(1, SeqCst);
        }

        fn callback(&self, _: &str, _: &'static str) {}
    }

    #[test]
    fn files_that_could_not_be_used_for_something_else_than_their_content_are_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, "one").unwrap();
        let tries = Arc::new(AtomicU32::new(0));
        let counted = tries.clone();
        // Another file takes the last descriptor between look and read.
        let read = move || match counted.fetch_add(1, SeqCst) {
            1 | 2 => Err("Too many open files (os error 24)".to_owned()),
            _ => Ok(()),
        };
        let keys = KeyFiles { name: "tv".into(), files: vec![path.clone()], read: Arc::new(read) };
        let counts = Arc::new(Counts::default());
        let observer: Arc<dyn Observer> = counts.clone();
        let group = KeyFileGroup::new(keys, &observer);
        let told = || counts.0.each_ref().map(|count| count.load(SeqCst));
        group.reread();
        assert_eq!(told(), [1, 0]);
        std::fs::write(&path, "two").unwrap();
        group.reread();
        group.reread();
        assert_eq!((told(), tries.load(SeqCst)), ([1, 1], 3), "told once, tried each time");
        group.reread();
        assert_eq!(told(), [2, 1], "without another change");
        group.reread();
        assert_eq!((told(), tries.load(SeqCst)), ([2, 1], 4));
    }
}
