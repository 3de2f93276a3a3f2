//! The table in this process: moka keeps the accounts, a short lock guards each.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use moka::notification::RemovalCause;
use moka::ops::compute::Op;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use parking_lot::{Mutex, MutexGuard};

use super::index::Index;
use super::{AccountStore, Commit, Kept, Unavailable};
use crate::model::{Account, AccountKey, ApplicationId, Device, Millis, StreamId};
use crate::streams::account::{Change, Record, Transition};
use crate::streams::wheel::{Tick, Wheel, second};
use crate::streams::{Event, Observer, Settings, Stream};

/// One account in the table. There are a million of them: its size counts.
struct Cell {
    account: Account,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    record: Record,
    /// The second of the wheel in which this cell is looked at next; zero if in none.
    scheduled: Tick,
    /// The cell is out of the table; whoever still holds it has to look again.
    gone: bool,
}

/// The embedded home of the accounts' records.
pub struct Embedded {
    cells: Cache<AccountKey, Arc<Cell>>,
    /// The same in order, for listings, which do not make an account look used.
    index: Index<Cell>,
    /// Cells that moka gave up because the table was full; their streams still have to be told.
    evacuated: Arc<Mutex<Vec<Arc<Cell>>>>,
    wheel: Wheel<Arc<Cell>>,
    /// Streams whose time to leave has come.
    due: Mutex<Vec<(Account, StreamId)>>,
    settings: ArcSwap<Settings>,
    observer: Arc<dyn Observer>,
}

impl Embedded {
    /// An empty table.
    pub fn new(settings: Settings, observer: Arc<dyn Observer>) -> Self {
        let evacuated = Arc::new(Mutex::new(Vec::new()));
        let listener = evacuated.clone();
        let cells = Cache::builder()
            .max_capacity(settings.capacity)
            // The default policy may turn a newcomer away to keep what is popular; a limit must hold for newcomers first.
            .eviction_policy(EvictionPolicy::lru())
            .eviction_listener(move |_, cell: Arc<Cell>, cause| {
                if cause == RemovalCause::Size {
                    // Runs inside moka, perhaps while another account is locked: only note it here.
                    listener.lock().push(cell);
                }
            })
            .build();
        Self {
            cells,
            index: Index::default(),
            evacuated,
            wheel: Wheel::new(),
            due: Mutex::default(),
            settings: ArcSwap::from_pointee(settings),
            observer,
        }
    }

    /// How many accounts are kept, as of the last house-keeping.
    pub fn accounts(&self) -> u64 {
        self.cells.entry_count()
    }

    /// Runs `action` on the account's settled record, and makes sure that its next deadline is watched.
    fn with<T>(&self, account: &Account, now: Millis, action: impl FnOnce(&mut Record, &Settings) -> T) -> T {
        let key = account.key();
        let settings = self.settings.load();
        loop {
            let fresh = || {
                let cell = Arc::new(Cell { account: account.clone(), inner: Mutex::default() });
                self.index.insert(key, cell.clone());
                cell
            };
            let cell = self.cells.get_with(key, fresh);
            // This cell may follow one that moka has given up, whose streams must not go on beside the new ones.
            self.evacuate_all(&settings, now);
            let mut inner = cell.inner.lock();
            if inner.gone {
                // Between its mark and its removal; the remover is a few instructions away.
                drop(inner);
                std::thread::yield_now();
                continue;
            }
            self.settle(&cell, &mut inner, &settings, now);
            let result = action(&mut inner.record, &settings);
            self.watch(&cell, &mut inner, &settings, now);
            return result;
        }
    }

    fn settle(&self, cell: &Cell, inner: &mut MutexGuard<'_, Inner>, settings: &Settings, now: Millis) {
        inner.record.settle(settings, now, |transition| {
            let event = match &transition {
                Transition::Idle(stream) => Event::Idle(stream),
                Transition::Forgotten(stream) => Event::Forgotten(stream),
            };
            self.observer.observe(&cell.account, &event);
        });
    }

    /// Schedules the cell's next look, unless an earlier one is.
    fn watch(&self, cell: &Arc<Cell>, inner: &mut MutexGuard<'_, Inner>, settings: &Settings, now: Millis) {
        // An empty record is looked at as well, to be removed.
        let deadline = inner.record.next_deadline(settings, now).unwrap_or(now);
        let tick = Wheel::<Arc<Cell>>::tick_for(deadline);
        if inner.scheduled == 0 || tick < inner.scheduled {
            inner.scheduled = self.wheel.schedule(tick, cell.clone());
        }
    }

    /// One cell's turn: settle it, and remove it if nothing is left.
    fn visit(&self, cell: &Arc<Cell>, settings: &Settings, now: Millis) {
        let mut inner = cell.inner.lock();
        // A cell that was put forward leaves its former place in the wheel behind.
        if inner.gone || inner.scheduled > second(now) {
            return;
        }
        inner.scheduled = 0;
        self.settle(cell, &mut inner, settings, now);
        self.due.lock().extend(inner.record.due(now).map(|stream| (cell.account.clone(), stream)));
        if !inner.record.is_empty() {
            self.watch(cell, &mut inner, settings, now);
            let busy = inner.record.streams().iter().any(|stream| stream.has_slot());
            drop(inner);
            if busy {
                // Heartbeats on a kept connection do not touch the cache; this keeps the account from looking unused.
                let _ = self.cells.get(&cell.account.key());
            }
            return;
        }
        inner.gone = true;
        drop(inner);
        let key = cell.account.key();
        self.index.remove(key, cell);
        self.cells.entry(key).and_compute_with(|entry| match entry {
            Some(found) if Arc::ptr_eq(found.value(), cell) => Op::Remove,
            _ => Op::Nop,
        });
    }

    /// Evacuates what moka has given up. The list stays locked until that is done, so that nobody goes on before.
    fn evacuate_all(&self, settings: &Settings, now: Millis) {
        for cell in self.evacuated.lock().drain(..) {
            self.evacuate(&cell, settings, now);
        }
    }

    /// The table was full: the streams of accounts that it gave up lose their slots and have to compete again.
    fn evacuate(&self, cell: &Arc<Cell>, settings: &Settings, now: Millis) {
        self.index.remove(cell.account.key(), cell);
        let mut inner = cell.inner.lock();
        inner.gone = true;
        self.settle(cell, &mut inner, settings, now);
        for stream in std::mem::take(&mut inner.record).streams() {
            let held = stream.has_slot();
            stream.set_idle(now);
            let event = if held { Event::Evacuated(stream) } else { Event::Forgotten(stream) };
            self.observer.observe(&cell.account, &event);
        }
    }
}

#[async_trait]
impl AccountStore for Embedded {
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

    fn patience(&self) -> Option<Duration> {
        None
    }

    async fn load(&self, account: &Account, now: Millis) -> Result<Record, Unavailable> {
        Ok(self.with(account, now, |record, _| record.clone()))
    }

    async fn commit(
        &self,
        account: &Account,
        expected: u64,
        change: &Change,
        now: Millis,
    ) -> Result<Commit, Unavailable> {
        Ok(self.with(account, now, |record, settings| {
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
                self.observer.observe(account, &Event::Leaving(stream, cause));
            }
            for (stream, held, cause) in &ending {
                // Who counts slots has been told already that a silent stream holds none.
                let event = if *held { Event::Terminated(stream, cause) } else { Event::Barred(stream, cause) };
                self.observer.observe(account, &event);
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
        }))
    }

    async fn told(&self, account: &Account, stream: StreamId, now: Millis) -> Result<(), Unavailable> {
        self.with(account, now, |record, settings| record.told(stream, settings, now));
        Ok(())
    }

    async fn roll_back(&self, account: &Account, stream: StreamId, now: Millis) -> Result<(), Unavailable> {
        self.with(account, now, |record, _| {
            if let Some(stream) = record.roll_back(stream, now) {
                self.observer.observe(account, &Event::RolledBack(&stream));
            }
        });
        Ok(())
    }

    fn reschedule(&self, account: &AccountKey, now: Millis) {
        let settings = self.settings.load();
        if let Some(cell) = self.cells.get(account) {
            let mut inner = cell.inner.lock();
            if !inner.gone {
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
        self.evacuate_all(&settings, now);
    }

    fn take_due(&self) -> Vec<(Account, StreamId)> {
        std::mem::take(&mut *self.due.lock())
    }

    fn configure(&self, settings: Settings) {
        self.settings.store(Arc::new(settings));
    }

    fn page(&self, after: Option<AccountKey>, most: usize) -> Vec<(AccountKey, Account, Record)> {
        let cells = self.index.behind(after, most).into_iter();
        let records = cells.map(|(key, cell)| (key, cell.account.clone(), cell.inner.lock().record.clone()));
        records.collect()
    }

    fn peek(&self, account: &AccountKey) -> Option<(Account, Record)> {
        let cell = self.index.get(*account)?;
        let record = cell.inner.lock().record.clone();
        Some((cell.account.clone(), record))
    }

    fn each(&self, visit: &mut dyn FnMut(&Account, &Record)) {
        for (_, cell) in &self.cells {
            let record = cell.inner.lock().record.clone();
            visit(&cell.account, &record);
        }
    }

    fn restore(&self, kept: Kept, now: Millis) {
        let account = kept.account.clone();
        self.with(&account, now, |record, settings| {
            let before = record.streams().len();
            kept.restore_into(record, settings, now);
            for stream in record.streams().get(before..).unwrap_or_default() {
                if stream.has_slot() {
                    self.observer.observe(&account, &Event::Resumed(stream));
                }
            }
        });
    }
}
