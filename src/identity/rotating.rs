//! Lists that are swapped whole while requests go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use arc_swap::{ArcSwap, Guard};

/// A list, of keys say, whose owner replaces it whenever the place that it was read from changes.
#[derive(Debug)]
pub struct Rotating<T> {
    list: ArcSwap<Vec<Arc<T>>>,
    version: AtomicU64,
}

impl<T> Rotating<T> {
    /// These.
    pub fn new(list: impl IntoIterator<Item = T>) -> Self {
        let list: Vec<Arc<T>> = list.into_iter().map(Arc::new).collect();
        Self { list: ArcSwap::from_pointee(list), version: AtomicU64::new(0) }
    }

    /// These and no others, from now on.
    pub fn replace(&self, list: Vec<Arc<T>>) {
        self.list.store(Arc::new(list));
        self.version.fetch_add(1, SeqCst);
    }

    /// Rises whenever the list is replaced: what was found out with the old one no longer counts.
    pub fn version(&self) -> u64 {
        self.version.load(SeqCst)
    }

    /// The list as it is now.
    pub(super) fn load(&self) -> Guard<Arc<Vec<Arc<T>>>> {
        self.list.load()
    }
}

impl<T> Default for Rotating<T> {
    fn default() -> Self {
        Self::new([])
    }
}
