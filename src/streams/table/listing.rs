//! Read-only listings of accounts.

use super::StreamTable;
use crate::model::{Account, AccountKey};
use crate::streams::account::AccountState;

impl StreamTable {
    /// The first `most` accounts of this gateway in key order, after `after` or from the beginning. An account that
    /// exists throughout is listed once, whatever comes and goes. Records are not up to date: expiry since the last
    /// visit is missing.
    pub fn page(&self, after: Option<AccountKey>, most: usize) -> Vec<(AccountKey, Account, AccountState)> {
        self.store.page(after, most)
    }

    /// One account and its record, not up to date; `None` if this gateway does not have it.
    pub fn peek(&self, account: &AccountKey) -> Option<(Account, AccountState)> {
        self.store.peek(account)
    }
}
