//! Overrides: blocks in addition to those of the file, and exemptions from all policies. Each has an end. They are
//! saved to a file of their own and survive restarts.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::identity::{Block, Blocked, TokenId};
use crate::model::{Account, ApplicationId, Millis, StreamId};
use crate::net::is_shortage;
use crate::streams::{Exemptions, StreamTable, durable_file};

/// Maximum overrides of one kind.
const MAX_OVERRIDES: usize = 10_000;

/// The kind of an override.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Blocks its target.
    Block,
    /// Exempts an account from all policies.
    Exemption,
}

/// The target of an override, by the names that people use.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names are those of the block file")]
pub enum Target {
    /// An account.
    Account { idp: Arc<str>, subject: Arc<str> },
    /// A device of an account, by the id in its tokens.
    Device { idp: Arc<str>, subject: Arc<str>, device: Arc<str> },
    /// A token.
    Token { application: Arc<str>, id: Arc<str> },
    /// A play session, by the id of its stream.
    Session(StreamId),
}

impl Target {
    /// The account of the target, if any.
    pub fn account(&self) -> Option<Account> {
        match self {
            Self::Account { idp, subject } | Self::Device { idp, subject, .. } => {
                Some(Account::new(idp.clone(), subject.clone()))
            }
            Self::Token { .. } | Self::Session(_) => None,
        }
    }

    fn blocked(&self) -> Blocked {
        match self {
            Self::Account { idp, subject } => Blocked::Account(Account::new(idp.clone(), subject.clone()).key()),
            Self::Device { idp, subject, device } => {
                Blocked::device(Account::new(idp.clone(), subject.clone()).key(), device)
            }
            Self::Token { application, id } => Blocked::Token(TokenId::named(&ApplicationId(application.clone()), id)),
            Self::Session(stream) => Blocked::Session(*stream),
        }
    }
}

/// An override.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// When it expires.
    pub until: Millis,
    /// The reason, shown to blocked viewers.
    pub reason: Arc<str>,
    /// The operator who set it.
    pub by: Arc<str>,
    /// When it was set.
    pub at: Millis,
    /// Its position in lists: later overrides have higher numbers.
    #[serde(skip)]
    pub number: u64,
}

/// How long a change to an override lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It survives a restart.
    OverRestarts,
    /// Until the restart; it is not saved.
    UntilRestart,
}

/// Why an override was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrdersError {
    /// The maximum is reached.
    #[error(
        "there are already {MAX_OVERRIDES} overrides of this kind: remove some, or move permanent blocks to the `blocks` file"
    )]
    Full,
}

#[derive(Debug, Default)]
struct OverrideStore {
    blocks: BTreeMap<Target, Order>,
    exemptions: BTreeMap<Target, Order>,
    last: u64,
}

/// The overrides as written to disk.
#[derive(Debug, Serialize)]
struct OverridesFile {
    blocks: Vec<Entry>,
    exemptions: Vec<Entry>,
}

/// Same, as read: one damaged entry must not affect the others.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Written {
    blocks: Vec<Value>,
    exemptions: Vec<Value>,
}

/// Result of restoring a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Restored overrides.
    pub orders: usize,
    /// Entries that cannot be read. The file with them is moved aside.
    pub damaged: usize,
}

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    whom: Target,
    #[serde(flatten)]
    order: Order,
}

impl OverrideStore {
    fn entries(&self, kind: Kind) -> &BTreeMap<Target, Order> {
        match kind {
            Kind::Block => &self.blocks,
            Kind::Exemption => &self.exemptions,
        }
    }

    fn of_mut(&mut self, kind: Kind) -> &mut BTreeMap<Target, Order> {
        match kind {
            Kind::Block => &mut self.blocks,
            Kind::Exemption => &mut self.exemptions,
        }
    }

    fn insert(&mut self, kind: Kind, whom: Target, order: Order) {
        self.last += 1;
        let number = self.last;
        self.of_mut(kind).insert(whom, Order { number, ..order });
    }

    fn forget_past(&mut self, now: Millis) {
        for kind in [Kind::Block, Kind::Exemption] {
            self.of_mut(kind).retain(|_, order| now < order.until);
        }
    }

    /// The next version of the file, with its number.
    fn turn(&mut self) -> (u64, OverridesFile) {
        self.last += 1;
        (self.last, self.page())
    }

    fn page(&self) -> OverridesFile {
        let entries = |kind| {
            let orders = self.entries(kind).iter();
            orders.map(|(whom, order)| Entry { whom: whom.clone(), order: order.clone() }).collect()
        };
        OverridesFile { blocks: entries(Kind::Block), exemptions: entries(Kind::Exemption) }
    }
}

/// All active overrides.
pub struct Orders {
    book: Mutex<OverrideStore>,
    /// The number of the last version written. Locked while writing.
    written: Mutex<u64>,
    table: Arc<StreamTable>,
    /// Applies blocks.
    block: Box<dyn Fn(Vec<Block>) + Send + Sync>,
}

impl Orders {
    /// Creates an empty store. Exemptions are applied in `table`, blocks by `block`, which receives all of them on each
    /// change.
    pub fn new(table: Arc<StreamTable>, block: impl Fn(Vec<Block>) + Send + Sync + 'static) -> Self {
        Self { book: Mutex::default(), written: Mutex::default(), table, block: Box::new(block) }
    }

    /// The overrides file that belongs to a stream snapshot.
    pub fn beside(snapshot: &Path) -> PathBuf {
        snapshot.with_extension("orders.json")
    }

    /// Where a damaged overrides file is moved.
    pub fn damaged(snapshot: &Path) -> PathBuf {
        snapshot.with_extension("orders.damaged")
    }

    /// Restores what can be read from the file of this snapshot. A damaged file is moved aside, because the next change
    /// overwrites it.
    ///
    /// # Errors
    /// The file cannot be opened now, or can neither be read nor moved aside. Nothing is applied.
    pub fn restore(&self, snapshot: &Path, now: Millis) -> io::Result<Restored> {
        let file = Self::beside(snapshot);
        let bytes = match std::fs::read(&file) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Restored::default()),
            // The file itself is intact: a shortage or missing permission must not remove overrides.
            Err(error) if is_shortage(&error) || error.kind() == io::ErrorKind::PermissionDenied => return Err(error),
            Err(_) => None,
        };
        let written = bytes.as_ref().and_then(|bytes| serde_json::from_slice::<Written>(bytes).ok());
        let mut damaged = usize::from(written.is_none());
        let written = written.unwrap_or_default();
        let mut book = self.book.lock();
        for (kind, entries) in [(Kind::Block, written.blocks), (Kind::Exemption, written.exemptions)] {
            let all = entries.len();
            let read = entries.into_iter().filter_map(|entry| serde_json::from_value::<Entry>(entry).ok());
            let mut entries: Vec<Entry> = read.collect();
            damaged += all - entries.len();
            entries.sort_by_key(|entry| entry.order.at);
            entries.truncate(MAX_OVERRIDES);
            for Entry { whom, order } in entries {
                book.insert(kind, whom, order);
            }
        }
        book.forget_past(now);
        if damaged > 0 {
            let aside = Self::damaged(snapshot);
            match bytes {
                // A copy: a crash in between must not lose the readable overrides.
                Some(bytes) => durable_file::write(&aside, |out| out.write_all(&bytes))?,
                None => durable_file::rename(&file, &aside)?,
            }
            write(&book.page(), snapshot)?;
        }
        self.enforce(&book);
        Ok(Restored { orders: book.blocks.len() + book.exemptions.len(), damaged })
    }

    /// Writes all overrides beside this snapshot, atomically.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, snapshot: &Path) -> io::Result<()> {
        let (number, page) = self.book.lock().turn();
        self.write(number, &page, snapshot)
    }

    /// Sets an override, replacing one for the same target. Blocks on disk I/O.
    ///
    /// # Errors
    /// The maximum is reached; nothing has changed.
    pub fn set(
        &self,
        kind: Kind,
        whom: Target,
        order: Order,
        snapshot: Option<&Path>,
        now: Millis,
    ) -> Result<Kept, OrdersError> {
        let mut book = self.book.lock();
        book.forget_past(now);
        let orders = book.entries(kind);
        if orders.len() >= MAX_OVERRIDES && !orders.contains_key(&whom) {
            return Err(OrdersError::Full);
        }
        book.insert(kind, whom, order);
        Ok(self.changed(book, snapshot))
    }

    /// Removes the override of a target, if any. Blocks on disk I/O.
    pub fn remove(&self, kind: Kind, whom: &Target, snapshot: Option<&Path>, now: Millis) -> Option<(Order, Kept)> {
        let mut book = self.book.lock();
        book.forget_past(now);
        let order = book.of_mut(kind).remove(whom)?;
        Some((order, self.changed(book, snapshot)))
    }

    /// The active override of a target.
    pub fn find(&self, kind: Kind, whom: &Target, now: Millis) -> Option<Order> {
        self.book.lock().entries(kind).get(whom).filter(|order| now < order.until).cloned()
    }

    /// The active overrides of a kind, oldest first.
    pub fn list(&self, kind: Kind, now: Millis) -> Vec<(Target, Order)> {
        let book = self.book.lock();
        let holding = book.entries(kind).iter().filter(|(_, order)| now < order.until);
        let mut orders: Vec<_> = holding.map(|(whom, order)| (whom.clone(), order.clone())).collect();
        orders.sort_by_key(|(_, order)| order.number);
        orders
    }

    /// Number of active overrides of a kind.
    pub fn count(&self, kind: Kind, now: Millis) -> usize {
        self.book.lock().entries(kind).values().filter(|order| now < order.until).count()
    }

    fn changed(&self, mut book: MutexGuard<'_, OverrideStore>, snapshot: Option<&Path>) -> Kept {
        self.enforce(&book);
        let (number, page) = book.turn();
        // Readers must not wait for disk I/O.
        drop(book);
        match snapshot.map(|snapshot| self.write(number, &page, snapshot)) {
            Some(Ok(())) => Kept::OverRestarts,
            Some(Err(error)) => {
                tracing::error!(%error, "cannot save blocks and exemptions; the change lasts until the next restart");
                Kept::UntilRestart
            }
            None => Kept::UntilRestart,
        }
    }

    /// Writes a version unless a later one has been written.
    fn write(&self, number: u64, page: &OverridesFile, snapshot: &Path) -> io::Result<()> {
        let mut written = self.written.lock();
        if *written < number {
            write(page, snapshot)?;
            *written = number;
        }
        Ok(())
    }

    fn enforce(&self, book: &OverrideStore) {
        let blocks = book.blocks.iter().map(|(whom, order)| Block {
            blocked: whom.blocked(),
            until: Some(order.until),
            reason: order.reason.clone(),
        });
        (self.block)(blocks.collect());
        let exempt = |(whom, order): (&Target, &Order)| Some((whom.account()?.key(), order.until));
        self.table.exempt(book.exemptions.iter().filter_map(exempt).collect::<Exemptions>());
    }
}

fn write(page: &OverridesFile, snapshot: &Path) -> io::Result<()> {
    durable_file::write(&Orders::beside(snapshot), |out| Ok(serde_json::to_writer(out, page)?))
}

#[cfg(test)]
mod tests;
