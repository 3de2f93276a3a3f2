//! Blocks of accounts, devices, tokens and play sessions.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use crate::model::{AccountKey, Device, Millis, StreamId};

use super::limits::{MAX_DEVICE, bounded};
use super::token_id::TokenId;

/// The target of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Blocked {
    /// A whole account.
    Account(AccountKey),
    /// One device of an account, by its id in tokens.
    Device(AccountKey, Arc<str>),
    /// All use of a token.
    Token(TokenId),
    /// One play session, by the id of its stream.
    Session(StreamId),
}

impl Blocked {
    /// A device, by an id of any length. Long ones are shortened as in tokens.
    pub fn device(account: AccountKey, name: &str) -> Self {
        Self::Device(account, bounded(name, MAX_DEVICE).into())
    }
}

/// One block: target, end and reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The target of a block.
    pub blocked: Blocked,
    /// End of the block; `None`: never.
    pub until: Option<Millis>,
    /// Text for the viewer.
    pub reason: Arc<str>,
}

impl Block {
    fn holds(&self, now: Millis) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    fn outlasts(&self, other: &Self) -> bool {
        match (self.until, other.until) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(this), Some(other)) => this > other,
        }
    }
}

/// A set of blocks. Immutable: a new set replaces it.
#[derive(Clone, Debug, Default)]
pub struct Blocks {
    count: usize,
    accounts: Table<AccountKey, OfAccount>,
    tokens: Table<TokenId, Option<Block>>,
    sessions: Table<StreamId, Option<Block>>,
}

#[derive(Clone, Debug, Default)]
struct OfAccount {
    whole: Option<Block>,
    devices: HashMap<Arc<str>, Option<Block>>,
}

type Table<K, V> = HashMap<K, V, BuildHasherDefault<Fold>>;

impl Blocks {
    /// A set of these entries. Of two for the same target, the longer one counts.
    pub fn new(entries: impl IntoIterator<Item = Block>) -> Self {
        let mut blocks = Self::default();
        entries.into_iter().for_each(|block| blocks.add(block));
        blocks
    }

    /// This set and more entries.
    #[must_use]
    pub fn with(&self, entries: impl IntoIterator<Item = Block>) -> Self {
        let mut blocks = self.clone();
        entries.into_iter().for_each(|block| blocks.add(block));
        blocks
    }

    fn add(&mut self, block: Block) {
        let added = match block.blocked.clone() {
            Blocked::Account(account) => keep_longer(&mut self.accounts.entry(account).or_default().whole, block),
            Blocked::Device(account, name) => {
                keep_longer(self.accounts.entry(account).or_default().devices.entry(name).or_default(), block)
            }
            Blocked::Token(token) => keep_longer(self.tokens.entry(token).or_default(), block),
            Blocked::Session(stream) => keep_longer(self.sessions.entry(stream).or_default(), block),
        };
        self.count += usize::from(added);
    }

    /// Number of entries, including expired ones.
    pub fn len(&self) -> usize {
        self.count
    }

    /// True if there are no entries.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The active block of this viewer at `now`, if any. Costs one comparison while there are no entries.
    pub fn blocked(
        &self,
        account: &AccountKey,
        device: &Device,
        token: Option<TokenId>,
        stream: StreamId,
        now: Millis,
    ) -> Option<&Block> {
        if self.count == 0 {
            return None;
        }
        let of_account = self.accounts.get(account);
        let whole = of_account.and_then(|of| of.whole.as_ref());
        // Ids from tokens and entries are shortened; those from applications are not.
        let name = device.name().map(|name| bounded(name, MAX_DEVICE));
        let device = of_account.and_then(|of| of.devices.get(&*name?)?.as_ref());
        let token = token.and_then(|token| self.tokens.get(&token)?.as_ref());
        let session = self.sessions.get(&stream).and_then(Option::as_ref);
        [whole, device, token, session].into_iter().flatten().find(|block| block.holds(now))
    }
}

/// Stores `block` if there is none or a shorter one. Returns true if there was none.
fn keep_longer(place: &mut Option<Block>, block: Block) -> bool {
    match place {
        Some(known) if !block.outlasts(known) => false,
        _ => place.replace(block).is_none(),
    }
}

/// A hash for keys that are already hashes or random: their first eight bytes. Only the operator fills these tables, so
/// nobody can provoke collisions.
#[derive(Clone, Copy, Debug, Default)]
struct Fold(u64);

impl Hasher for Fold {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(head) = bytes.first_chunk() {
            self.0 ^= u64::from_ne_bytes(*head);
        }
    }

    fn write_u64(&mut self, n: u64) {
        self.0 ^= n;
    }

    /// Ignores the constant length of an array.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests;
