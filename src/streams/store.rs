//! Storage of account records, with one atomic operation: commit a change if the version is still N.

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

/// The store is unavailable or did not answer in time.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the stream store is unavailable")]
pub struct Unavailable;

/// Result of a commit.
#[derive(Debug)]
pub enum Commit {
    /// Committed.
    Done,
    /// The record has changed; this is the current one.
    Conflict(AccountState),
}

/// A store of account records.
///
/// Returned records are up to date for `now`. Streams that this gateway serves are shared with the hot path, so that
/// heartbeats move their clocks without the store.
#[async_trait]
pub trait AccountStore: Send + Sync {
    /// The stream, if this gateway has it. Hot path: one lookup, no await.
    fn find(&self, account: &AccountKey, stream: StreamId) -> Option<Arc<Stream>>;

    /// The stream of this device and application that took its slot last, if any holds one here. One lookup, no await.
    fn find_of_device(&self, account: &AccountKey, application: &ApplicationId, device: &Device)
    -> Option<Arc<Stream>>;

    /// Number of streams of the account on this gateway, with and without a slot.
    fn streams_of(&self, account: &AccountKey) -> usize;

    /// How long a decision may wait for the store; `None` if it never waits.
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

    /// Rolls back a start without any further request; see [`AccountState::roll_back`].
    async fn roll_back(&self, account: &Account, stream: StreamId, now: Millis) -> Result<(), Unavailable>;

    /// Gives back what a request took that the origin did not serve; see [`AccountState::give_back`].
    async fn give_back(&self, account: &Account, stream: StreamId, now: Millis) -> Result<(), Unavailable>;

    /// The stream's clocks changed in a way that may bring its next deadline forward.
    fn reschedule(&self, account: &AccountKey, now: Millis);

    /// Advances expiry. Call it about once a second.
    fn tick(&self, now: Millis);

    /// Returns and clears the streams whose grace is over.
    fn take_due(&self) -> Vec<(Account, StreamId)>;

    /// Replaces the settings.
    fn configure(&self, settings: Settings);

    /// The first `most` accounts of this gateway after `after`, in key order. Not up to date.
    fn page(&self, after: Option<AccountKey>, most: usize) -> Vec<(AccountKey, Account, AccountState)>;

    /// The account and its record, if this gateway has it. Not up to date.
    fn peek(&self, account: &AccountKey) -> Option<(Account, AccountState)>;

    /// Restores an account from a snapshot. Returns false if there is no room.
    fn restore(&self, kept: AccountSnapshot, now: Millis) -> bool;
}
