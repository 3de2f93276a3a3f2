//! Segments that recent manifests list under names that do not count.

use std::collections::HashSet;

use parking_lot::Mutex;

use crate::media::{Disguised, marks_of};

/// Maximum entries of each of the two generations.
const MAX_FOLDERS: usize = 4096;

/// Folders and extensions under which manifests list segments. Bounded; the least recently used are dropped.
#[derive(Debug, Default)]
pub struct ListedSegments {
    known: Mutex<Generations>,
}

#[derive(Debug, Default)]
struct Generations {
    recent: HashSet<u64>,
    older: HashSet<u64>,
}

impl ListedSegments {
    /// Records what a manifest lists.
    pub(crate) fn note(&self, application: &str, disguised: &Disguised) {
        let mut marks = disguised.marks(application).peekable();
        if marks.peek().is_some() {
            let mut known = self.known.lock();
            marks.for_each(|mark| known.insert(mark));
        }
    }

    /// True if a manifest listed such a path as a segment. Returns at once for names that count.
    pub(crate) fn lists(&self, application: &str, path: &str) -> bool {
        let marks = marks_of(application, path);
        if marks.is_empty() {
            return false;
        }
        let mut known = self.known.lock();
        let found = marks.into_iter().find(|mark| known.recent.contains(mark) || known.older.contains(mark));
        found.is_some_and(|mark| {
            known.insert(mark);
            true
        })
    }
}

impl Generations {
    fn insert(&mut self, mark: u64) {
        if self.recent.len() >= MAX_FOLDERS && !self.recent.contains(&mark) {
            self.older = std::mem::take(&mut self.recent);
        }
        self.recent.insert(mark);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stays_while_others_come_and_the_set_stays_small() {
        let mut known = Generations::default();
        known.insert(0);
        for mark in 1..100_000 {
            known.insert(mark);
            if mark % 1000 == 0 {
                assert!(known.recent.contains(&0) || known.older.contains(&0));
                known.insert(0);
            }
        }
        assert!(known.recent.len() + known.older.len() <= 2 * MAX_FOLDERS);
    }
}
