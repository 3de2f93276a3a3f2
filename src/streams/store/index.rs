//! Accounts in key order, which the table's map does not provide.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::model::AccountKey;

/// One part per first byte of a key: little contention, and overall order.
const PARTS: usize = 256;

type Part<T> = Mutex<BTreeMap<AccountKey, Arc<T>>>;

/// Looks up accounts, and lists them in order.
#[derive(Debug)]
pub(super) struct Index<T>(Box<[Part<T>]>);

impl<T> Default for Index<T> {
    fn default() -> Self {
        Self((0..PARTS).map(|_| Part::default()).collect())
    }
}

impl<T> Index<T> {
    pub(super) fn insert(&self, key: AccountKey, one: Arc<T>) {
        if let Some(part) = self.0.get(part_of(key)) {
            part.lock().insert(key, one);
        }
    }

    /// Removes this entry, unless it was replaced.
    pub(super) fn remove(&self, key: AccountKey, one: &Arc<T>) {
        let Some(part) = self.0.get(part_of(key)) else { return };
        let mut part = part.lock();
        if part.get(&key).is_some_and(|found| Arc::ptr_eq(found, one)) {
            part.remove(&key);
        }
    }

    pub(super) fn get(&self, key: AccountKey) -> Option<Arc<T>> {
        self.0.get(part_of(key))?.lock().get(&key).cloned()
    }

    /// The first `most` after `after`, or from the beginning.
    pub(super) fn behind(&self, after: Option<AccountKey>, most: usize) -> Vec<(AccountKey, Arc<T>)> {
        let mut found = Vec::new();
        let from = after.map_or(Unbounded, Excluded);
        for part in self.0.iter().skip(after.map_or(0, part_of)) {
            let wanted = most - found.len();
            if wanted == 0 {
                break;
            }
            found.extend(part.lock().range((from, Unbounded)).take(wanted).map(|(key, one)| (*key, one.clone())));
        }
        found
    }
}

fn part_of(AccountKey(key): AccountKey) -> usize {
    usize::from(key[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(first: u8, last: u8) -> AccountKey {
        let mut key = [0; 16];
        (key[0], key[15]) = (first, last);
        AccountKey(key)
    }

    #[test]
    fn pages_follow_each_other_in_order_whatever_comes_and_goes() {
        let index = Index::default();
        let keys = [key(0, 0), key(0, 1), key(0, 9), key(7, 0), key(255, 0), key(255, 255)];
        for key in keys.iter().rev() {
            index.insert(*key, Arc::new(()));
        }
        let page = |after, most| index.behind(after, most).into_iter().map(|(key, _)| key).collect::<Vec<_>>();
        assert_eq!(page(None, 10), keys);
        assert_eq!(page(None, 2), keys[..2]);
        assert_eq!(page(Some(key(0, 1)), 3), keys[2..5]);
        assert_eq!(page(Some(key(0, 5)), 1), keys[2..3], "the one that it goes on behind has left");
        assert!(page(Some(key(255, 255)), 3).is_empty());
    }

    #[test]
    fn only_the_one_that_is_there_is_removed() {
        let (index, one, other) = (Index::default(), Arc::new(1), Arc::new(2));
        index.insert(key(3, 3), one.clone());
        index.insert(key(3, 3), other.clone());
        index.remove(key(3, 3), &one);
        assert_eq!(index.get(key(3, 3)), Some(other.clone()));
        index.remove(key(3, 3), &other);
        assert_eq!(index.get(key(3, 3)), None);
    }
}
