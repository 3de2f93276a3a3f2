//! What an operator has ordered while the gateway runs: blocks beside those of the file, and exemptions from all policies.
//! Each is for a time; they are kept in a file of their own, so that a restart does not lift them.

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

/// Orders of one kind at most.
const MAX_OVERRIDES: usize = 10_000;

/// What an order does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It shuts somebody out.
    Block,
    /// It exempts an account from all policies.
    Exemption,
}

/// Whom an order is about, by the names that people write.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the words are those of the file of blocks")]
pub enum Target {
    /// An account.
    Account { idp: Arc<str>, subject: Arc<str> },
    /// A device of an account, by the name that tokens give it.
    Device { idp: Arc<str>, subject: Arc<str>, device: Arc<str> },
    /// What a token proves.
    Token { application: Arc<str>, id: Arc<str> },
    /// A play session, by the id of its stream.
    Session(StreamId),
}

impl Target {
    /// The account that it is about, if it is about one.
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

/// One order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The first moment at which it does not hold.
    pub until: Millis,
    /// Why. Who is blocked is shown it.
    pub reason: Arc<str>,
    /// Who gave it.
    pub by: Arc<str>,
    /// When.
    pub at: Millis,
    /// Its place in lists: later orders have higher numbers.
    #[serde(skip)]
    pub number: u64,
}

/// How long an order that was given or lifted stays so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// A restart does not change it.
    OverRestarts,
    /// Until the restart: it is written nowhere.
    UntilRestart,
}

/// Why an order was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrdersError {
    /// There are as many as are kept.
    #[error(
        "there are {MAX_OVERRIDES} of these already: lift some, or write the lasting ones into the file of `blocks`"
    )]
    Full,
}

#[derive(Debug, Default)]
struct OverrideStore {
    blocks: BTreeMap<Target, Order>,
    exemptions: BTreeMap<Target, Order>,
    last: u64,
}

/// The book as it is written to disk.
#[derive(Debug, Serialize)]
struct OverridesFile {
    blocks: Vec<Entry>,
    exemptions: Vec<Entry>,
}

/// The same as it is read: one entry that is damaged must not cost the others.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Written {
    blocks: Vec<Value>,
    exemptions: Vec<Value>,
}

/// What a file has kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Orders that are in force again.
    pub orders: usize,
    /// Entries that cannot be read. The file is put aside with all of them.
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

    /// The next page, with its number.
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

/// All orders that are in force.
pub struct Orders {
    book: Mutex<OverrideStore>,
    /// The number of the page that was written last. Locked while one is written.
    written: Mutex<u64>,
    table: Arc<StreamTable>,
    /// Puts blocks in force.
    block: Box<dyn Fn(Vec<Block>) + Send + Sync>,
}

impl Orders {
    /// None yet. Exemptions are put in force in `table`, blocks by `block`, which is given all of them at each change.
    pub fn new(table: Arc<StreamTable>, block: impl Fn(Vec<Block>) + Send + Sync + 'static) -> Self {
        Self { book: Mutex::default(), written: Mutex::default(), table, block: Box::new(block) }
    }

    /// The file of the orders beside a snapshot of streams.
    pub fn beside(snapshot: &Path) -> PathBuf {
        snapshot.with_extension("orders.json")
    }

    /// Where the file of the orders beside a snapshot is put that cannot be read as a whole.
    pub fn damaged(snapshot: &Path) -> PathBuf {
        snapshot.with_extension("orders.damaged")
    }

    /// Takes up what the file beside this snapshot says, as far as it can be read. A file with anything in it that cannot be
    /// read is put aside, because the next order would be written in its place.
    ///
    /// # Errors
    /// The file is there, and cannot be opened now, or can neither be read nor put aside; nothing is in force then.
    pub fn restore(&self, snapshot: &Path, now: Millis) -> io::Result<Restored> {
        let file = Self::beside(snapshot);
        let bytes = match std::fs::read(&file) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Restored::default()),
            // Nothing is wrong with the file: orders must not be lifted for a shortage or a missing permission.
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
                // A copy: a crash between the two must not cost the orders that can be read.
                Some(bytes) => durable_file::write(&aside, |out| out.write_all(&bytes))?,
                None => durable_file::rename(&file, &aside)?,
            }
            write(&book.page(), snapshot)?;
        }
        self.enforce(&book);
        Ok(Restored { orders: book.blocks.len() + book.exemptions.len(), damaged })
    }

    /// Writes all orders beside this snapshot, whole or not at all.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, snapshot: &Path) -> io::Result<()> {
        let (number, page) = self.book.lock().turn();
        self.write(number, &page, snapshot)
    }

    /// Gives an order in place of the one about the same, if there is one. Blocks on the disk where it is kept.
    ///
    /// # Errors
    /// There are too many; nothing has changed.
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

    /// Lifts the order about this one, if there is one. Blocks on the disk where orders are kept.
    pub fn remove(&self, kind: Kind, whom: &Target, snapshot: Option<&Path>, now: Millis) -> Option<(Order, Kept)> {
        let mut book = self.book.lock();
        book.forget_past(now);
        let order = book.of_mut(kind).remove(whom)?;
        Some((order, self.changed(book, snapshot)))
    }

    /// The order about this one that is in force.
    pub fn find(&self, kind: Kind, whom: &Target, now: Millis) -> Option<Order> {
        self.book.lock().entries(kind).get(whom).filter(|order| now < order.until).cloned()
    }

    /// The orders of a kind that are in force, oldest first.
    pub fn list(&self, kind: Kind, now: Millis) -> Vec<(Target, Order)> {
        let book = self.book.lock();
        let holding = book.entries(kind).iter().filter(|(_, order)| now < order.until);
        let mut orders: Vec<_> = holding.map(|(whom, order)| (whom.clone(), order.clone())).collect();
        orders.sort_by_key(|(_, order)| order.number);
        orders
    }

    /// How many orders of a kind are in force.
    pub fn count(&self, kind: Kind, now: Millis) -> usize {
        self.book.lock().entries(kind).values().filter(|order| now < order.until).count()
    }

    fn changed(&self, mut book: MutexGuard<'_, OverrideStore>, snapshot: Option<&Path>) -> Kept {
        self.enforce(&book);
        let (number, page) = book.turn();
        // Who only looks must not wait for a disk.
        drop(book);
        match snapshot.map(|snapshot| self.write(number, &page, snapshot)) {
            Some(Ok(())) => Kept::OverRestarts,
            Some(Err(error)) => {
                tracing::error!(%error, "blocks and exemptions cannot be written; they last until the restart");
                Kept::UntilRestart
            }
            None => Kept::UntilRestart,
        }
    }

    /// Writes a page, unless a later one has been written.
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
