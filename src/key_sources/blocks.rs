//! Blocks from a file, and blocks added by operators.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::identity::{Block, Blocks, MAX_BLOCKS, parse_blocks};

use crate::net::{Seen, WatchedFile};

pub(super) struct BlocksFile {
    file: Option<Mutex<WatchedFile>>,
    /// Its path, available while the file is read.
    path: Option<PathBuf>,
    /// The blocks of the file, as last read.
    said: ArcSwap<Blocks>,
    /// Added blocks, shared with later configurations.
    added: Arc<ArcSwap<Vec<Block>>>,
    /// Those of them that are in `current`.
    merged: Mutex<Arc<Vec<Block>>>,
    current: Arc<ArcSwap<Blocks>>,
}

impl BlocksFile {
    /// A file that has not been read. Until then, the blocks that `before` read from the same file apply.
    pub(super) fn new(path: Option<PathBuf>, before: Option<&Self>) -> Self {
        let known = before.filter(|before| before.path == path).map(|before| before.said.load_full());
        let said = ArcSwap::new(known.unwrap_or_default());
        let added = before.map(|before| before.added.clone()).unwrap_or_default();
        let file = path.clone().map(|path| Mutex::new(WatchedFile::new(path, MAX_BLOCKS)));
        let blocks = Self { file, path, said, added, merged: Mutex::default(), current: Arc::default() };
        blocks.merge();
        blocks
    }

    pub(super) fn current(&self) -> Arc<ArcSwap<Blocks>> {
        self.current.clone()
    }

    /// Sets the blocks in addition to those of the file. Replaces those added before.
    pub(super) fn add(&self, blocks: Vec<Block>) {
        self.added.store(Arc::new(blocks));
        self.merge();
    }

    fn merge(&self) {
        let mut merged = self.merged.lock();
        let (said, added) = (self.said.load_full(), self.added.load_full());
        self.current.store(if added.is_empty() { said } else { Arc::new(said.with(added.iter().cloned())) });
        *merged = added;
    }

    pub(super) fn reread(&self) {
        // Blocks may have been added to the previous configuration while this one was prepared. Applied before the file
        // is read.
        let is_late = !Arc::ptr_eq(&self.merged.lock(), &self.added.load());
        if is_late {
            self.merge();
        }
        if self.file.as_ref().is_some_and(|file| self.look(&mut file.lock())) {
            self.merge();
        }
    }

    /// True if the file has changed and is valid.
    fn look(&self, file: &mut WatchedFile) -> bool {
        let seen = file.look();
        let file = file.path().display();
        match seen {
            Seen::Same => false,
            Seen::New(bytes) => match parse_blocks(&bytes) {
                Ok(blocks) => {
                    tracing::info!(%file, entries = blocks.len(), "blocks read");
                    self.said.store(Arc::new(blocks));
                    true
                }
                Err(error) => {
                    tracing::error!(%file, %error, "block file is invalid; keeping the previous blocks");
                    false
                }
            },
            Seen::Gone => {
                tracing::warn!(%file, "block file does not exist; it blocks nobody");
                self.said.store(Arc::default());
                true
            }
            Seen::Unreadable(error) => {
                tracing::error!(%file, %error, "cannot read block file; keeping the previous blocks");
                false
            }
        }
    }
}
