//! The in-memory store: a moka map of accounts, each with a short lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use moka::ops::compute::Op;
use moka::sync::Cache;
use parking_lot::{Mutex, MutexGuard};

use super::capacity::{Place, Room, Worth};
use super::index::Index;
use super::{AccountSnapshot, AccountStore, Commit, Unavailable};
use crate::model::{Account, AccountKey, ApplicationId, Device, Millis, StreamId};
use crate::streams::account::{AccountState, Change, GivenBack, Tombstone, Transition};
use crate::streams::wheel::{Tick, Wheel, second};
use crate::streams::{Event, Observer, Settings, Stream, TakeoverResult};

/// Maximum evictions per start: more than one only under contention.
const MAX_EVICTIONS: usize = 8;
/// Minimum interval between warnings that the table is full.
const WARN_INTERVAL: Duration = Duration::from_mins(1);

/// One account. There may be a million of them: its size matters.
struct AccountEntry {
    account: Account,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    record: AccountState,
    /// The tick of the wheel that visits this entry next; zero if none.
    scheduled: Tick,
    /// Its position in the eviction order, if evictable.
    place: Option<Place>,
}

impl Inner {
    /// Marks an entry that was removed from the table; holders must look it up again.
    const GONE: Tick = Tick::MAX;

    fn is_gone(&self) -> bool {
        self.scheduled == Self::GONE
    }

    /// What is lost with the account; `None` if a stream holds a slot, and the account stays.
    fn worth(&self) -> Option<Worth> {
        if self.record.streams().iter().any(|stream| stream.has_slot()) {
            return None;
        }
        let keeps_out = self.record.tombstones().iter().any(Tombstone::keeps_out);
        Some(if keeps_out { Worth::Tombstones } else { Worth::Little })
    }
}

/// The in-memory store of account records.
///
/// A full table evicts only accounts without a slot, so that made-up accounts cannot displace playing ones. moka would
/// evict by use alone, so it has no capacity here.
pub struct InMemoryStore {
    cells: Cache<AccountKey, Arc<AccountEntry>>,
    /// The same in key order, for listings.
    index: Index<AccountEntry>,
    room: Room<AccountEntry>,
    wheel: Wheel<Arc<AccountEntry>>,
    /// Streams whose grace is over.
    due: Mutex<Vec<(Account, StreamId)>>,
    /// Starts and returns without room since the last warning.
    unaccounted: AtomicU64,
    /// Time of the last warning.
    warned: Mutex<Millis>,
    settings: ArcSwap<Settings>,
    observer: Arc<dyn Observer>,
}

impl InMemoryStore {
    /// Creates an empty table.
    pub fn new(settings: Settings, observer: Arc<dyn Observer>) -> Self {
        Self {
            cells: Cache::builder().build(),
            index: Index::default(),
            room: Room::default(),
            wheel: Wheel::new(),
            due: Mutex::default(),
            unaccounted: AtomicU64::new(0),
            warned: Mutex::default(),
            settings: ArcSwap::from_pointee(settings),
            observer,
        }
    }

    /// Number of accounts.
    pub fn accounts(&self) -> u64 {
        self.room.taken()
    }

    /// Runs `action` on the up-to-date record of an account in the table, and schedules its next deadline.
    fn with_known<T>(
        &self,
        key: AccountKey,
        now: Millis,
        action: impl FnOnce(&mut AccountState, &Settings) -> T,
    ) -> Option<T> {
        let settings = self.settings.load();
        loop {
            let cell = self.cells.get(&key)?;
            let mut inner = cell.inner.lock();
            if inner.is_gone() {
                // Between the mark and the removal, which follows immediately.
                drop(inner);
                std::thread::yield_now();
                continue;
            }
            self.expire(&cell, &mut inner, &settings, now);
            let result = action(&mut inner.record, &settings);
            self.list(&cell, &mut inner);
            self.watch(&cell, &mut inner, &settings, now);
            return Some(result);
        }
    }

    /// Same, if the account may not be in the table. `Err` if there is no room.
    fn with<T>(
        &self,
        account: &Account,
        now: Millis,
        action: impl FnOnce(&mut AccountState, &Settings) -> T,
    ) -> Result<T, Unavailable> {
        let key = account.key();
        let mut action = Some(action);
        loop {
            let run =
                |record: &mut AccountState, settings: &Settings| action.take().map(|action| action(record, settings));
            if let Some(result) = self.with_known(key, now, run).flatten() {
                return Ok(result);
            }
            self.enter(key, account, now)?;
        }
    }

    /// Inserts an account into the table.
    fn enter(&self, key: AccountKey, account: &Account, now: Millis) -> Result<(), Unavailable> {
        let settings = self.settings.load();
        let mut evictions = 0;
        while !self.room.take(settings.capacity) {
            if evictions == MAX_EVICTIONS || !self.evict_one(key, &settings, now) {
                return Err(Unavailable);
            }
            evictions += 1;
        }
        let mut is_new = false;
        self.cells.get_with(key, || {
            is_new = true;
            let cell = Arc::new(AccountEntry { account: account.clone(), inner: Mutex::default() });
            self.index.insert(key, cell.clone());
            cell
        });
        if !is_new {
            self.room.give_back();
        }
        Ok(())
    }

    /// Evicts one account. Returns false if none may be evicted.
    fn evict_one(&self, near: AccountKey, settings: &Settings, now: Millis) -> bool {
        while let Some((place, cell)) = self.room.next(near) {
            let mut inner = cell.inner.lock();
            // It has taken a slot or was removed since.
            if inner.place != Some(place) {
                continue;
            }
            inner.place = None;
            self.expire(&cell, &mut inner, settings, now);
            for stream in std::mem::take(&mut inner.record).streams() {
                stream.set_idle(now);
                self.observer.observe(&cell.account, &Event::CapacityEvicted(stream));
            }
            self.remove(&cell, inner);
            return true;
        }
        false
    }

    fn remove(&self, cell: &Arc<AccountEntry>, mut inner: MutexGuard<'_, Inner>) {
        let key = cell.account.key();
        if let Some(place) = inner.place.take() {
            self.room.unlist(key, place);
        }
        inner.scheduled = Inner::GONE;
        drop(inner);
        self.index.remove(key, cell);
        self.cells.entry(key).and_compute_with(|entry| match entry {
            Some(found) if Arc::ptr_eq(found.value(), cell) => Op::Remove,
            _ => Op::Nop,
        });
        self.room.give_back();
    }

    fn expire(&self, cell: &AccountEntry, inner: &mut MutexGuard<'_, Inner>, settings: &Settings, now: Millis) {
        inner.record.expire(settings, now, |transition| {
            let event = match &transition {
                Transition::Idle(stream) => Event::Idle(stream),
                Transition::Forgotten(stream) => Event::Expired(stream),
                Transition::Replaced { stream, by, held } => {
                    if *held {
                        self.observer.observe(&cell.account, &Event::Idle(stream));
                    }
                    let result = TakeoverResult::Replaced;
                    Event::TakeoverSettled { stream: by, taken: stream, result }
                }
            };
            self.observer.observe(&cell.account, &event);
        });
    }

    /// Updates the account's position in the eviction order.
    fn list(&self, cell: &Arc<AccountEntry>, inner: &mut MutexGuard<'_, Inner>) {
        let worth = inner.worth();
        if worth == inner.place.map(Place::worth) {
            return;
        }
        let key = cell.account.key();
        if let Some(place) = inner.place.take() {
            self.room.unlist(key, place);
        }
        inner.place = worth.and_then(|worth| self.room.list(key, worth, cell.clone()));
    }

    /// Schedules the entry's next visit, unless an earlier one is scheduled.
    fn watch(&self, cell: &Arc<AccountEntry>, inner: &mut MutexGuard<'_, Inner>, settings: &Settings, now: Millis) {
        // An empty record is visited too, to be removed.
        let deadline = inner.record.next_deadline(settings, now).unwrap_or(now);
        let tick = Wheel::<Arc<AccountEntry>>::tick_for(deadline);
        if inner.scheduled == 0 || tick < inner.scheduled {
            // Its address serves as a random lane without a hash of the account.
            let [_, lane, ..] = Arc::as_ptr(cell).addr().to_le_bytes();
            inner.scheduled = self.wheel.schedule(tick, lane, cell.clone());
        }
    }

    /// Visits an entry: advances its expiry and removes it if empty.
    fn visit(&self, cell: &Arc<AccountEntry>, settings: &Settings, now: Millis) {
        let mut inner = cell.inner.lock();
        // A rescheduled entry leaves its former position in the wheel behind.
        if inner.is_gone() || inner.scheduled > second(now) {
            return;
        }
        inner.scheduled = 0;
        self.expire(cell, &mut inner, settings, now);
        if !inner.record.leaving().is_empty() {
            self.due.lock().extend(inner.record.due(settings, now).map(|stream| (cell.account.clone(), stream)));
        }
        if inner.record.is_empty() {
            self.remove(cell, inner);
        } else {
            self.list(cell, &mut inner);
            self.watch(cell, &mut inner, settings, now);
        }
    }

    /// Warns if the table is full.
    fn warn(&self, settings: &Settings, now: Millis) {
        if self.unaccounted.load(Relaxed) == 0 {
            return;
        }
        let mut warned = self.warned.lock();
        if now.since(*warned) < WARN_INTERVAL && *warned != Millis(0) {
            return;
        }
        *warned = now;
        let starts = self.unaccounted.swap(0, Relaxed);
        tracing::warn!(
            starts,
            accounts = self.accounts(),
            capacity = settings.capacity,
            "the stream table is full of accounts that play; these starts and returns were admitted without being counted: \
             raise streams.capacity, or check who starts streams under so many accounts"
        );
    }
}

#[async_trait]
impl AccountStore for InMemoryStore {
    fn find(&self, account: &AccountKey, stream: StreamId) -> Option<Arc<Stream>> {
        let cell = self.cells.get(account)?;
        let inner = cell.inner.lock();
        inner.record.find(stream).cloned()
    }

    fn find_of_device(
        &self,
        account: &AccountKey,
        application: &ApplicationId,
        device: &Device,
    ) -> Option<Arc<Stream>> {
        let cell = self.cells.get(account)?;
        let inner = cell.inner.lock();
        let of_device = |s: &&Arc<Stream>| s.has_slot() && s.is_on(device) && s.application == *application;
        inner.record.streams().iter().filter(of_device).max_by_key(|stream| stream.since()).cloned()
    }

    fn streams_of(&self, account: &AccountKey) -> usize {
        self.cells.get(account).map_or(0, |cell| cell.inner.lock().record.streams().len())
    }

    fn timeout(&self) -> Option<Duration> {
        None
    }

    async fn load(&self, account: &Account, now: Millis) -> Result<AccountState, Unavailable> {
        // Reading or refusing an unknown account takes no room.
        Ok(self.with_known(account.key(), now, |record, _| record.clone()).unwrap_or_default())
    }

    async fn commit(
        &self,
        account: &Account,
        expected: u64,
        change: &Change,
        now: Millis,
    ) -> Result<Commit, Unavailable> {
        let committed = self.with(account, now, |record, settings| {
            if record.version != expected {
                return Commit::Conflict(record.clone());
            }
            let ending = change.terminate.iter().filter_map(|(id, cause)| {
                let stream = record.find(*id)?;
                Some((stream.clone(), stream.has_slot(), cause))
            });
            let ending: Vec<_> = ending.collect();
            let leaving: Vec<_> = change.supersede.iter().filter_map(|id| record.find(*id).cloned()).collect();
            let resumes = change.admit.as_ref().is_some_and(|stream| record.find(stream.id).is_some());
            let told = change.leave.iter().filter_map(|one| Some((record.find(one.stream).cloned()?, &one.cause)));
            let told: Vec<_> = told.collect();
            record.apply(change, settings, now);
            for (stream, cause) in &told {
                self.observer.observe(account, &Event::Terminating(stream, cause));
            }
            for (stream, held, cause) in &ending {
                // Observers that count slots already know that an idle stream holds none.
                let event = if *held { Event::Terminated(stream, cause) } else { Event::TerminatedIdle(stream, cause) };
                self.observer.observe(account, &event);
                let mut explained = change.explained.iter().filter(|(id, _)| *id == stream.id);
                if let Some((_, explanation)) = explained.next() {
                    self.observer.observe(account, &Event::Explained(stream, explanation));
                }
            }
            for stream in &leaving {
                self.observer.observe(account, &Event::Superseded(stream));
            }
            if let Some(stream) = &change.admit {
                let returns = resumes || stream.was_followed();
                let event = if returns { Event::Resumed(stream) } else { Event::Admitted(stream) };
                self.observer.observe(account, &event);
            }
            Commit::Done
        });
        if committed.is_err() {
            self.unaccounted.fetch_add(1, Relaxed);
            if let Some(stream) = &change.admit {
                self.observer.observe(account, &Event::CapacityExceeded(stream));
            }
        }
        committed
    }

    async fn acknowledge(&self, account: &Account, stream: StreamId, now: Millis) -> Result<(), Unavailable> {
        self.with_known(account.key(), now, |record, settings| record.acknowledge(stream, settings, now));
        Ok(())
    }

    async fn roll_back(&self, account: &Account, stream: StreamId, now: Millis) -> Result<(), Unavailable> {
        self.with_known(account.key(), now, |record, _| {
            if let Some(stream) = record.roll_back(stream, now) {
                self.observer.observe(account, &Event::RolledBack(&stream));
            }
        });
        Ok(())
    }

    async fn give_back(&self, account: &Account, stream: StreamId, now: Millis) -> Result<(), Unavailable> {
        self.with_known(account.key(), now, |record, _| match record.give_back(stream, now) {
            Some(GivenBack::Removed(stream, restored)) => {
                self.observer.observe(account, &Event::RolledBack(&stream));
                for stream in &restored {
                    self.observer.observe(account, &Event::Resumed(stream));
                }
            }
            Some(GivenBack::Idle(stream)) => self.observer.observe(account, &Event::Idle(&stream)),
            None => {}
        });
        Ok(())
    }

    fn reschedule(&self, account: &AccountKey, now: Millis) {
        let settings = self.settings.load();
        if let Some(cell) = self.cells.get(account) {
            let mut inner = cell.inner.lock();
            if !inner.is_gone() {
                self.watch(&cell, &mut inner, &settings, now);
            }
        }
    }

    fn tick(&self, now: Millis) {
        let settings = self.settings.load();
        for cell in self.wheel.take_due(now) {
            self.visit(&cell, &settings, now);
        }
        self.cells.run_pending_tasks();
        self.warn(&settings, now);
    }

    fn take_due(&self) -> Vec<(Account, StreamId)> {
        std::mem::take(&mut *self.due.lock())
    }

    fn configure(&self, settings: Settings) {
        self.settings.store(Arc::new(settings));
    }

    fn page(&self, after: Option<AccountKey>, most: usize) -> Vec<(AccountKey, Account, AccountState)> {
        let cells = self.index.behind(after, most).into_iter();
        let records = cells.map(|(key, cell)| (key, cell.account.clone(), cell.inner.lock().record.clone()));
        records.collect()
    }

    fn peek(&self, account: &AccountKey) -> Option<(Account, AccountState)> {
        let cell = self.index.get(*account)?;
        let record = cell.inner.lock().record.clone();
        Some((cell.account.clone(), record))
    }

    fn restore(&self, kept: AccountSnapshot, now: Millis) -> bool {
        let account = kept.account.clone();
        let restored = self.with(&account, now, |record, settings| {
            let before = record.streams().len();
            kept.restore_into(record, settings, now);
            for stream in record.streams().get(before..).unwrap_or_default() {
                if stream.has_slot() {
                    self.observer.observe(&account, &Event::Resumed(stream));
                }
            }
        });
        if restored.is_err() {
            self.unaccounted.fetch_add(1, Relaxed);
        }
        restored.is_ok()
    }
}
