//! Lists that are replaced as a whole at runtime.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use arc_swap::{ArcSwap, Guard};

/// A list, such as of keys, that its owner replaces when its source changes.
#[derive(Debug)]
pub struct Rotating<T> {
    list: ArcSwap<Vec<Arc<T>>>,
    version: AtomicU64,
}

impl<T> Rotating<T> {
    /// Creates a list.
    pub fn new(list: impl IntoIterator<Item = T>) -> Self {
        let list: Vec<Arc<T>> = list.into_iter().map(Arc::new).collect();
        Self { list: ArcSwap::from_pointee(list), version: AtomicU64::new(0) }
    }

    /// Replaces the list.
    pub fn replace(&self, list: Vec<Arc<T>>) {
        self.list.store(Arc::new(list));
        self.version.fetch_add(1, SeqCst);
    }

    /// Increases whenever the list is replaced, which invalidates earlier results.
    pub fn version(&self) -> u64 {
        self.version.load(SeqCst)
    }

    /// The current list.
    pub(super) fn load(&self) -> Guard<Arc<Vec<Arc<T>>>> {
        self.list.load()
    }
}

impl<T> Default for Rotating<T> {
    fn default() -> Self {
        Self::new([])
    }
}
