//! Those who are shut out: a file, and what is added to it.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::identity::{Block, Blocks, MAX_BLOCKS, parse_blocks};

use crate::net::{Seen, WatchedFile};

/// Who is shut out: by the file, if there is one, and by what was added to it.
pub(super) struct BlocksFile {
    file: Option<Mutex<WatchedFile>>,
    /// Where it is. It can be asked for while the file is read.
    path: Option<PathBuf>,
    /// What the file said last.
    said: ArcSwap<Blocks>,
    /// Further blocks; whoever follows goes on with them.
    added: Arc<ArcSwap<Vec<Block>>>,
    /// Those of them that are in `current`.
    merged: Mutex<Arc<Vec<Block>>>,
    current: Arc<ArcSwap<Blocks>>,
}

impl BlocksFile {
    /// A file that nobody has looked at yet. What the same file said `before` counts until it has been read.
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

    /// Blocks besides those of the file, in place of those that were added before.
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
        // While another configuration was made ready, something may have been added to the one before it. That does not wait
        // for the file.
        let is_late = !Arc::ptr_eq(&self.merged.lock(), &self.added.load());
        if is_late {
            self.merge();
        }
        if self.file.as_ref().is_some_and(|file| self.look(&mut file.lock())) {
            self.merge();
        }
    }

    /// Whether the file says something else now.
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
                    tracing::error!(%file, %error, "the blocks cannot be used; those of before stay");
                    false
                }
            },
            Seen::Gone => {
                tracing::warn!(%file, "there is no file of blocks; nobody is shut out by it");
                self.said.store(Arc::default());
                true
            }
            Seen::Unreadable(error) => {
                tracing::error!(%file, %error, "the blocks cannot be read; those of before stay");
                false
            }
        }
    }
}
