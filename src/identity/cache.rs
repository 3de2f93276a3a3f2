//! Results of verified tokens, so that each token is verified once and not at every request that carries it.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use moka::sync::Cache;

use crate::model::Millis;

use super::error::TokenError;

/// Tokens that are remembered at most.
const CAPACITY: u64 = 100_000;
/// How long a good token is remembered at most.
const POSITIVE: Duration = Duration::from_hours(1);
/// How long a bad token is remembered: long enough to make a stubborn player cheap, short enough for a clock that was off.
const NEGATIVE: Duration = Duration::from_secs(5);

/// What a token was worth, by its SHA-256.
pub(super) struct TokenCache<T> {
    entries: Cache<TokenHash, Entry<T>>,
}

/// SHA-256 of a token as it stood in the request.
pub(super) type TokenHash = [u8; 32];

struct Entry<T> {
    result: Result<Arc<T>, TokenError>,
    /// Judged with the caller's clock; the cache's own clock decides nothing.
    until: Millis,
    /// The version of the keys that it was judged with; with other keys it is judged again.
    version: u64,
}

impl<T> Clone for Entry<T> {
    fn clone(&self) -> Self {
        Self { result: self.result.clone(), ..*self }
    }
}

impl<T: Send + Sync + 'static> TokenCache<T> {
    pub(super) fn new() -> Self {
        Self { entries: Cache::new(CAPACITY) }
    }

    pub(super) fn hash(token: &[u8]) -> TokenHash {
        digest::digest(&digest::SHA256, token).as_ref().first_chunk().copied().unwrap_or_default()
    }

    /// The remembered result, while it holds.
    pub(super) fn get(&self, hash: &TokenHash, version: u64, now: Millis) -> Option<Result<Arc<T>, TokenError>> {
        let holds = |entry: &Entry<T>| now < entry.until && version == entry.version;
        self.entries.get(hash).filter(holds).map(|entry| entry.result)
    }

    /// Remembers what a token was worth; `expires` says how long a good one is good.
    pub(super) fn remember(
        &self,
        hash: TokenHash,
        version: u64,
        result: &Result<Arc<T>, TokenError>,
        now: Millis,
        expires: impl Fn(&T) -> Millis,
    ) {
        match result {
            Ok(value) => self.accept(hash, version, value, expires(value), now),
            Err(error) => self.refuse(hash, version, *error, now),
        }
    }

    /// Remembers a token that is good until `expires`.
    fn accept(&self, hash: TokenHash, version: u64, value: &Arc<T>, expires: Millis, now: Millis) {
        let until = expires.min(now + POSITIVE);
        self.entries.insert(hash, Entry { result: Ok(Arc::clone(value)), until, version });
    }

    /// Remembers a token that is bad.
    fn refuse(&self, hash: TokenHash, version: u64, error: TokenError, now: Millis) {
        self.entries.insert(hash, Entry { result: Err(error), until: now + NEGATIVE, version });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = Millis(1_000_000);

    #[test]
    fn a_good_token_is_remembered_until_it_expires_and_an_hour_at_most() {
        let cache = TokenCache::new();
        let (brief, long) = (TokenCache::<u8>::hash(b"brief"), TokenCache::<u8>::hash(b"long"));
        cache.accept(brief, 0, &Arc::new(1), NOW + Duration::from_mins(1), NOW);
        cache.accept(long, 0, &Arc::new(2), NOW + Duration::from_hours(9), NOW);
        assert_eq!(cache.get(&brief, 0, Millis(NOW.0 + 59_999)), Some(Ok(Arc::new(1))));
        assert_eq!(cache.get(&brief, 0, Millis(NOW.0 + 60_000)), None);
        assert_eq!(cache.get(&long, 0, Millis(NOW.0 + 3_599_999)), Some(Ok(Arc::new(2))));
        assert_eq!(cache.get(&long, 0, Millis(NOW.0 + 3_600_000)), None);
        assert_eq!(cache.get(&long, 1, NOW), None, "other keys may think otherwise");
    }

    #[test]
    fn a_bad_token_is_remembered_for_five_seconds() {
        let cache = TokenCache::<u8>::new();
        let hash = TokenCache::<u8>::hash(b"bad");
        cache.refuse(hash, 0, TokenError::Expired, NOW);
        assert_eq!(cache.get(&hash, 0, Millis(NOW.0 + 4_999)), Some(Err(TokenError::Expired)));
        assert_eq!(cache.get(&hash, 0, Millis(NOW.0 + 5_000)), None);
    }
}
