//! Ids of tokens, by which they are blocked.

use crate::model::ApplicationId;

use super::claims::Claims;
use super::limits::fingerprint;

/// A token's own id, within its application: 64 bits of a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TokenId(pub u64);

impl TokenId {
    /// The token's id: `jti` (RFC 7519 §4.1.7), or the equivalent of its format.
    pub(super) fn from_claims(application: &ApplicationId, claims: &Claims) -> Option<Self> {
        let id = ["jti", "cti", "id", "SessionID"].iter().find_map(|name| claims.text(name))?;
        Some(Self::named(application, &id))
    }

    /// The id that a person writes.
    pub fn named(application: &ApplicationId, id: &str) -> Self {
        let print = fingerprint(&[b"token", application.as_str().as_bytes(), id.as_bytes()]);
        Self(u64::from_be_bytes(print.first_chunk().copied().unwrap_or_default()))
    }
}
