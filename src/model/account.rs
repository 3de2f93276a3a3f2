//! Accounts.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

/// What a limit is counted against: one household, several people and devices.
///
/// `subject` is unique only inside its `idp` (identity provider).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "Names")]
pub struct Account {
    /// Identity provider, or issuer.
    pub idp: Arc<str>,
    /// The account within that provider.
    pub subject: Arc<str>,
    /// Of these names. Computed once, because every look-up needs it.
    #[serde(skip)]
    key: AccountKey,
}

/// An account as it is written down.
#[derive(Deserialize)]
struct Names {
    idp: Arc<str>,
    subject: Arc<str>,
}

impl From<Names> for Account {
    fn from(Names { idp, subject }: Names) -> Self {
        Self::new(idp, subject)
    }
}

impl Account {
    /// Creates an account.
    pub fn new(idp: impl Into<Arc<str>>, subject: impl Into<Arc<str>>) -> Self {
        let (idp, subject) = (idp.into(), subject.into());
        let key = AccountKey::from_names(&idp, &subject);
        Self { idp, subject, key }
    }

    /// The key of this account in tables.
    pub fn key(&self) -> AccountKey {
        self.key
    }
}

/// Key of an account in tables and play sessions: the first 128 bits of the SHA-256 of its names.
///
/// The same on every gateway and after every restart. *Not* a pseudonym: logs use a keyed hash.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AccountKey(pub [u8; 16]);

impl AccountKey {
    fn from_names(idp: &str, subject: &str) -> Self {
        // One call over one buffer takes half the time of hashing part by part.
        let mut names = Vec::with_capacity(8 + idp.len() + subject.len());
        // The length keeps ("ab", "c") and ("a", "bc") apart.
        names.extend_from_slice(&(idp.len() as u64).to_be_bytes());
        names.extend_from_slice(idp.as_bytes());
        names.extend_from_slice(subject.as_bytes());
        let digest = digest::digest(&digest::SHA256, &names);
        Self(digest.as_ref().first_chunk().copied().unwrap_or_default())
    }
}

impl fmt::Debug for AccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "account:{:032x}", u128::from_be_bytes(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_border_between_idp_and_subject_is_part_of_the_key() {
        assert_ne!(Account::new("ab", "c").key(), Account::new("a", "bc").key());
        assert_eq!(Account::new("ab", "c").key(), Account::new("ab", "c").key());
    }
}
