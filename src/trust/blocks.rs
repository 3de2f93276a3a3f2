//! The file of those who are shut out.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::identity::{BLOCKS_MAX, Blocks, parse_blocks};

use super::file::{Seen, Watched};

/// The file, if there is one, and what it said last.
pub(super) struct BlocksFile {
    file: Option<Mutex<Watched>>,
    current: Arc<ArcSwap<Blocks>>,
}

impl BlocksFile {
    /// A file that nobody has looked at yet. What the same file said `before` counts until it has been read.
    pub(super) fn new(path: Option<PathBuf>, before: Option<&Self>) -> Self {
        let known = before.filter(|before| before.path() == path).map(|before| before.current.load_full());
        let current = ArcSwap::new(known.unwrap_or_default()).into();
        Self { file: path.map(|path| Mutex::new(Watched::new(path, BLOCKS_MAX))), current }
    }

    fn path(&self) -> Option<PathBuf> {
        self.file.as_ref().map(|file| file.lock().path().to_owned())
    }

    pub(super) fn current(&self) -> Arc<ArcSwap<Blocks>> {
        self.current.clone()
    }

    pub(super) fn reread(&self) {
        let Some(file) = &self.file else { return };
        let mut file = file.lock();
        let seen = file.look();
        let file = file.path().display();
        match seen {
            Seen::Same => {}
            Seen::New(bytes) => match parse_blocks(&bytes) {
                Ok(blocks) => {
                    tracing::info!(%file, entries = blocks.len(), "blocks read");
                    self.current.store(Arc::new(blocks));
                }
                Err(error) => tracing::error!(%file, %error, "the blocks cannot be used; those of before stay"),
            },
            Seen::Gone => {
                tracing::warn!(%file, "there is no file of blocks; nobody is shut out");
                self.current.store(Arc::default());
            }
            Seen::Unreadable(error) => {
                tracing::error!(%file, %error, "the blocks cannot be read; those of before stay");
            }
        }
    }
}
