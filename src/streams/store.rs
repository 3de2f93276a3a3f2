//! Where the accounts' records live, behind one atomic operation: commit this change if the version is still N.

mod capacity;
mod in_memory;
mod index;
mod snapshot;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

pub use in_memory::InMemoryStore;
pub use snapshot::{AccountSnapshot, KeptTombstone, StreamSnapshot};

use super::account::{AccountState, Change};
use super::{Settings, Stream};
use crate::model::{Account, AccountKey, ApplicationId, Device, Millis, StreamId};

/// The store did not answer in time, or is away.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the stream store is not available")]
pub struct Unavailable;

/// What became of a commit.
#[derive(Debug)]
pub enum Commit {
    /// It is in force.
    Done,
    /// The record has moved on; this is the new one.
    Conflict(AccountState),
}

/// The home of the accounts' records.
///
/// A record that a store returns is settled: it holds for `now`. Streams that this gateway serves are shared with the
/// hot path, so that heartbeats move their clocks without asking the store.
#[async_trait]
pub trait AccountStore: Send + Sync {
    /// The stream, if this gateway knows it. One look-up, no await: the hot path.
    fn find(&self, account: &AccountKey, stream: StreamId) -> Option<Arc<Stream>>;

    /// The stream of this device and application that took its slot last, if one holds one here. One look-up, no await.
    fn find_of_device(&self, account: &AccountKey, application: &ApplicationId, device: &Device)
    -> Option<Arc<Stream>>;

    /// How many streams of the account this gateway knows, with and without a slot.
    fn streams_of(&self, account: &AccountKey) -> usize;

    /// How long a decision may wait for the store; `None` for one that never makes it wait.
    fn timeout(&self) -> Option<Duration>;

    /// The account's record, empty if there is none.
    async fn load(&self, account: &Account, now: Millis) -> Result<AccountState, Unavailable>;

    /// Applies `change` if the record's version is still `expected`.
    async fn commit(
        &self,
        account: &Account,
        expected: u64,
        change: &Change,
        now: Millis,
    ) -> Result<Commit, Unavailable>;

    /// Renews the tombstone of a stream whose player has just been refused.
    async fn acknowledge(&self, account: &Account, stream: StreamId, now: Millis) -> Result<(), Unavailable>;

    /// Takes back a start that nothing has followed; see [`Record::roll_back`].
    async fn roll_back(&self, account: &Account, stream: StreamId, now: Millis) -> Result<(), Unavailable>;

    /// Gives back what a request took that the origin did not honour; see [`Record::give_back`].
    async fn give_back(&self, account: &Account, stream: StreamId, now: Millis) -> Result<(), Unavailable>;

    /// The stream's clocks were set anew in a way that may bring its next deadline forward.
    fn reschedule(&self, account: &AccountKey, now: Millis);

    /// Does what time alone brings about. Call it about once a second.
    fn tick(&self, now: Millis);

    /// Streams whose time to leave has come since this was last asked.
    fn take_due(&self) -> Vec<(Account, StreamId)>;

    /// Swaps the windows.
    fn configure(&self, settings: Settings);

    /// The first `most` accounts that this gateway knows behind `after`, in the order of their keys. Not settled.
    fn page(&self, after: Option<AccountKey>, most: usize) -> Vec<(AccountKey, Account, AccountState)>;

    /// The account and its record, if this gateway knows it. Not settled.
    fn peek(&self, account: &AccountKey) -> Option<(Account, AccountState)>;

    /// Takes up an account from a snapshot. `false`: there is no room for it.
    fn restore(&self, kept: AccountSnapshot, now: Millis) -> bool;
}
