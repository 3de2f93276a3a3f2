//! Looking at accounts, without touching them.

use super::StreamTable;
use crate::model::{Account, AccountKey};
use crate::streams::account::AccountState;

impl StreamTable {
    /// The first `most` accounts that this gateway knows, in the order of their keys, behind `after` or from the beginning. An
    /// account that is there all the while is met once, whatever comes and goes meanwhile. Records are as they stand: what
    /// time has brought about since they were last looked at is not in them.
    pub fn page(&self, after: Option<AccountKey>, most: usize) -> Vec<(AccountKey, Account, AccountState)> {
        self.store.page(after, most)
    }

    /// One account and its record as it stands; `None` if this gateway knows nothing of it.
    pub fn peek(&self, account: &AccountKey) -> Option<(Account, AccountState)> {
        self.store.peek(account)
    }
}
