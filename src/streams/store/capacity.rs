//! Capacity of the table, and the eviction order when it is full.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};

use parking_lot::Mutex;

use crate::model::AccountKey;

/// Shards of the eviction list, so that different accounts seldom contend.
const SHARDS: usize = 64;

/// What is lost by evicting an account without a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Worth {
    /// Idle streams or refused starts. They compete again anyway when they return.
    Little,
    /// Tombstones, which keep terminated streams out.
    Tombstones,
}

/// Position in the eviction order: lower worth first, then longest without a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(NonZeroU32);

const RANK: u32 = 1 << 31;

impl Place {
    /// The worth encoded in the position.
    pub(super) fn worth(self) -> Worth {
        if self.0.get() & RANK == 0 { Worth::Little } else { Worth::Tombstones }
    }
}

/// The evictable accounts, and the number of all.
pub(super) struct Room<T> {
    taken: AtomicU64,
    /// Number by worth, so that a full table without evictable accounts costs a start only two checks.
    listed: [AtomicUsize; 2],
    shards: Box<[Shard<T>]>,
}

struct Shard<T> {
    /// A counter that wraps after two billion: then a few accounts are evicted out of order.
    next: AtomicU32,
    list: Mutex<BTreeMap<Place, Arc<T>>>,
}

impl<T> Default for Room<T> {
    fn default() -> Self {
        let shard = || Shard { next: AtomicU32::new(0), list: Mutex::default() };
        Self { taken: AtomicU64::new(0), listed: Default::default(), shards: (0..SHARDS).map(|_| shard()).collect() }
    }
}

impl<T> Room<T> {
    /// Number of accounts.
    pub(super) fn taken(&self) -> u64 {
        self.taken.load(Relaxed)
    }

    /// Reserves room for one account if there are fewer than `capacity`.
    pub(super) fn take(&self, capacity: u64) -> bool {
        self.taken.fetch_update(Relaxed, Relaxed, |taken| (taken < capacity).then_some(taken + 1)).is_ok()
    }

    /// Frees the room of one account.
    pub(super) fn give_back(&self) {
        let _ = self.taken.fetch_update(Relaxed, Relaxed, |taken| Some(taken.saturating_sub(1)));
    }

    /// Makes the account evictable. Returns its position.
    pub(super) fn list(&self, key: AccountKey, worth: Worth, account: Arc<T>) -> Option<Place> {
        let shard = self.shard(key)?;
        let mut list = shard.list.lock();
        let rank = if worth == Worth::Tombstones { RANK } else { 0 };
        let place = loop {
            let number = shard.next.fetch_add(1, Relaxed) & !RANK | rank;
            // Zero is not a valid position.
            let Some(place) = NonZeroU32::new(number).map(Place) else { continue };
            if !list.contains_key(&place) {
                break place;
            }
        };
        list.insert(place, account);
        self.counter(worth).fetch_add(1, Relaxed);
        Some(place)
    }

    /// Makes the account not evictable. No effect if it was already removed from the list.
    pub(super) fn unlist(&self, key: AccountKey, place: Place) {
        let Some(shard) = self.shard(key) else { return };
        if shard.list.lock().remove(&place).is_some() {
            self.counter(place.worth()).fetch_sub(1, Relaxed);
        }
    }

    /// Removes and returns the next account to evict, with its position. The search starts near the new account's
    /// shard, to avoid contention.
    pub(super) fn next(&self, near: AccountKey) -> Option<(Place, Arc<T>)> {
        for worth in [Worth::Little, Worth::Tombstones] {
            let first = usize::from(near.0[1]) % SHARDS;
            for shard in self.shards.iter().cycle().skip(first).take(SHARDS) {
                if self.counter(worth).load(Relaxed) == 0 {
                    break;
                }
                let mut list = shard.list.lock();
                let Some(entry) = list.first_entry().filter(|entry| entry.key().worth() <= worth) else { continue };
                let (place, account) = entry.remove_entry();
                drop(list);
                self.counter(place.worth()).fetch_sub(1, Relaxed);
                return Some((place, account));
            }
        }
        None
    }

    fn counter(&self, worth: Worth) -> &AtomicUsize {
        let [little, tombstones] = &self.listed;
        if worth == Worth::Little { little } else { tombstones }
    }

    fn shard(&self, AccountKey(key): AccountKey) -> Option<&Shard<T>> {
        self.shards.get(usize::from(key[1]) % SHARDS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(shard: u8) -> AccountKey {
        let mut key = [0; 16];
        key[1] = shard;
        AccountKey(key)
    }

    fn take_all(room: &Room<u32>, near: AccountKey) -> Vec<u32> {
        std::iter::from_fn(|| room.next(near)).map(|(_, one)| *one).collect()
    }

    #[test]
    fn room_is_taken_up_to_the_capacity_and_given_back() {
        let room = Room::<()>::default();
        assert!(room.take(2) && room.take(2) && !room.take(2));
        room.give_back();
        assert!(room.take(2) && !room.take(1));
        assert_eq!(room.taken(), 2);
        for _ in 0..5 {
            room.give_back();
        }
        assert_eq!(room.taken(), 0);
    }

    #[test]
    fn what_is_worth_less_goes_first_wherever_it_stands_and_then_what_was_listed_first() {
        let room = Room::default();
        for (one, worth) in [(1, Worth::Tombstones), (2, Worth::Little), (3, Worth::Tombstones), (4, Worth::Little)] {
            room.list(key(5), worth, Arc::new(one));
        }
        room.list(key(40), Worth::Little, Arc::new(5));
        assert_eq!(take_all(&room, key(5)), [2, 4, 5, 1, 3]);
        assert!(room.next(key(5)).is_none());
    }

    #[test]
    fn what_is_taken_off_the_list_does_not_go() {
        let room = Room::default();
        let first = room.list(key(1), Worth::Little, Arc::new(1)).unwrap();
        room.list(key(1), Worth::Little, Arc::new(2));
        room.unlist(key(1), first);
        room.unlist(key(1), first);
        assert_eq!(take_all(&room, key(63)), [2]);
    }

    #[test]
    fn numbers_that_begin_anew_meet_nobody() {
        let room = Room::default();
        let shard = room.shard(key(0)).unwrap();
        room.list(key(0), Worth::Little, Arc::new(0));
        shard.next.store(RANK - 1, Relaxed);
        for one in 1..4 {
            room.list(key(0), Worth::Little, Arc::new(one));
        }
        let mut all = take_all(&room, key(0));
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2, 3]);
    }
}
