//! Cache of an authorization service's results.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use serde_json::{Map, Value};

use crate::model::Millis;

use super::callback_request::QuestionKey;
use super::claims::Claims;
use super::error::TokenError;

/// Maximum size in bytes, approximately.
const CAPACITY: u64 = 64 << 20;
/// Size of a result without its claims.
const OVERHEAD: usize = 256;
/// Bounds of a result's lifetime.
const LIFETIME: (Duration, Duration) = (Duration::from_secs(1), Duration::from_hours(24));
/// How long an expired result is used while the service is unavailable.
const STALE: Duration = Duration::from_hours(1);
/// How long a failed request is not repeated.
const AWAY: Duration = Duration::from_secs(1);

/// Concurrent requests may read the clock in another order than the cache.
const SLACK: Duration = Duration::from_secs(1);

/// Results of one authorization service. Evicts the least recently used first.
pub struct CallbackCache {
    entries: ArcSwap<Cache<QuestionKey, Entry>>,
}

#[derive(Clone)]
struct Entry {
    answer: Result<Arc<Map<String, Value>>, TokenError>,
    /// Time of the result. If the clock has been set back since, the service is called again.
    at: Millis,
    /// When the service must be called again.
    until: Millis,
    /// End of the service's own result; `None` if it gave none.
    said: Option<Millis>,
    /// Number of calls.
    asked: u32,
    weight: u32,
}

impl Entry {
    fn holds(&self, now: Millis) -> bool {
        now < self.until && self.at <= now + SLACK
    }
}

/// What is used after a failed request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureMode {
    /// The previous result.
    Stale,
    /// The configured result, as there is no previous one or it is too old.
    Instead,
}

impl Default for CallbackCache {
    fn default() -> Self {
        let weigh = |_: &QuestionKey, entry: &Entry| entry.weight;
        let lru = EvictionPolicy::lru();
        let entries = Cache::builder().max_capacity(CAPACITY).weigher(weigh).eviction_policy(lru).build();
        Self { entries: ArcSwap::from_pointee(entries) }
    }
}

impl CallbackCache {
    /// Shares results with `other`, which is for the same service.
    pub fn share(&self, other: &Self) {
        self.entries.store(other.entries.load_full());
    }

    /// The cached claims for the request.
    ///
    /// # Errors
    /// `NotCached` if the service must be called (again); `Refused`; `Unavailable` shortly after a failed call.
    pub fn get(&self, key: &QuestionKey, now: Millis) -> Result<Claims, TokenError> {
        let entry = self.entries.load().get(key).filter(|entry| entry.holds(now)).ok_or(TokenError::NotCached)?;
        Ok(Claims::new(Map::clone(&*entry.answer?), entry.until))
    }

    /// Number of calls for this request.
    pub fn asked(&self, key: &QuestionKey) -> u32 {
        self.entries.load().get(key).map_or(0, |entry| entry.asked)
    }

    /// Stores a positive result for `lifetime`, limited to 1 s to 24 h.
    pub fn allow(&self, key: QuestionKey, claims: Map<String, Value>, lifetime: Duration, now: Millis) {
        let until = now + lifetime.clamp(LIFETIME.0, LIFETIME.1);
        self.put(key, Ok(claims.into()), (now, until), Some(until));
    }

    /// Stores a negative result for `lifetime`.
    pub fn refuse(&self, key: QuestionKey, lifetime: Duration, now: Millis) {
        let until = now + lifetime;
        self.put(key, Err(TokenError::Refused), (now, until), Some(until));
    }

    /// Records a failed call. For a second, the previous result is used, up to an hour after its end; otherwise these
    /// claims, or the token is refused as unavailable.
    pub fn away(&self, key: QuestionKey, instead: Option<Map<String, Value>>, now: Millis) -> FailureMode {
        let before = self.entries.load().get(&key);
        let before = before.filter(|entry| entry.said.is_some_and(|said| now < said + STALE));
        let until = now + AWAY;
        if let Some(Entry { answer, said, .. }) = before {
            self.put(key, answer, (now, until), said);
            FailureMode::Stale
        } else {
            self.put(key, instead.map(Arc::new).ok_or(TokenError::Unavailable), (now, until), None);
            FailureMode::Instead
        }
    }

    fn put(
        &self,
        key: QuestionKey,
        answer: Result<Arc<Map<String, Value>>, TokenError>,
        (at, until): (Millis, Millis),
        said: Option<Millis>,
    ) {
        let asked = self.asked(&key).saturating_add(1);
        let claims =
            answer.as_ref().map_or(0, |claims| claims.iter().map(|(name, value)| name.len() + size(value)).sum());
        let weight = u32::try_from(OVERHEAD + claims).unwrap_or(u32::MAX);
        self.entries.load().insert(key, Entry { answer, at, until, said, asked, weight });
    }
}

impl fmt::Debug for CallbackCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verdicts").field("entries", &self.entries.load().entry_count()).finish_non_exhaustive()
    }
}

/// Size of a value in bytes, approximately.
fn size(value: &Value) -> usize {
    const NODE: usize = 64;
    NODE + match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(size).sum(),
        Value::Object(members) => members.iter().map(|(name, value)| name.len() + size(value)).sum(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = Millis(1_000_000);
    const KEY: QuestionKey = [1; 16];

    fn claims(user: &str) -> Map<String, Value> {
        Map::from_iter([("userid".to_owned(), user.into())])
    }

    fn user(verdicts: &CallbackCache, now: Millis) -> Result<String, TokenError> {
        verdicts.get(&KEY, now).map(|claims| claims.text("userid").unwrap_or_default().into_owned())
    }

    #[test]
    fn a_yes_holds_for_its_lifetime_within_a_second_and_a_day() {
        let verdicts = CallbackCache::default();
        assert_eq!(user(&verdicts, NOW), Err(TokenError::NotCached));
        for (lifetime, held) in [(0, 1), (1, 1), (180, 180), (86_400, 86_400), (u64::MAX, 86_400)] {
            verdicts.allow(KEY, claims("alice"), Duration::from_secs(lifetime), NOW);
            let end = NOW + Duration::from_secs(held);
            assert_eq!(user(&verdicts, Millis(end.0 - 1)), Ok("alice".to_owned()));
            assert_eq!(verdicts.get(&KEY, NOW).unwrap().expires(), end);
            assert_eq!(user(&verdicts, end), Err(TokenError::NotCached));
        }
        assert_eq!(verdicts.asked(&KEY), 5);
    }

    #[test]
    fn while_the_service_is_away_its_last_word_goes_on_for_an_hour_second_by_second() {
        let verdicts = CallbackCache::default();
        verdicts.allow(KEY, claims("alice"), Duration::from_mins(3), NOW);
        let end = NOW + Duration::from_mins(3);
        assert_eq!(verdicts.away(KEY, None, end), FailureMode::Stale);
        assert_eq!(user(&verdicts, Millis(end.0 + 999)), Ok("alice".to_owned()));
        assert_eq!(user(&verdicts, Millis(end.0 + 1000)), Err(TokenError::NotCached));
        let last = Millis(end.0 + 3_599_999);
        assert_eq!(verdicts.away(KEY, None, last), FailureMode::Stale);
        assert_eq!(verdicts.away(KEY, None, Millis(last.0 + 1)), FailureMode::Instead);
        assert_eq!(user(&verdicts, Millis(last.0 + 1)), Err(TokenError::Unavailable));
    }

    #[test]
    fn answers_that_are_shared_are_known_to_both_whoever_was_told() {
        let (before, after) = (CallbackCache::default(), CallbackCache::default());
        before.allow(KEY, claims("alice"), Duration::from_mins(3), NOW);
        after.share(&before);
        assert_eq!(user(&after, NOW), Ok("alice".to_owned()));
        after.refuse(KEY, Duration::from_secs(5), NOW);
        assert_eq!(user(&before, NOW), Err(TokenError::Refused));
    }

    #[test]
    fn a_refusal_goes_on_as_well_whatever_serves_instead() {
        let verdicts = CallbackCache::default();
        verdicts.refuse(KEY, Duration::from_secs(5), NOW);
        assert_eq!(user(&verdicts, Millis(NOW.0 + 4_999)), Err(TokenError::Refused));
        assert_eq!(user(&verdicts, Millis(NOW.0 + 5_000)), Err(TokenError::NotCached));
        assert_eq!(verdicts.away(KEY, Some(claims("guest")), NOW + Duration::from_secs(5)), FailureMode::Stale);
        assert_eq!(user(&verdicts, NOW + Duration::from_secs(5)), Err(TokenError::Refused));
    }

    #[test]
    fn without_a_last_word_the_configured_answer_serves_for_a_second_and_is_no_word_itself() {
        let verdicts = CallbackCache::default();
        assert_eq!(verdicts.away(KEY, Some(claims("guest")), NOW), FailureMode::Instead);
        assert_eq!(user(&verdicts, Millis(NOW.0 + 999)), Ok("guest".to_owned()));
        assert_eq!(user(&verdicts, Millis(NOW.0 + 1_000)), Err(TokenError::NotCached));
        assert_eq!(verdicts.away(KEY, None, NOW + AWAY), FailureMode::Instead);
        assert_eq!(user(&verdicts, NOW + AWAY), Err(TokenError::Unavailable));
    }
}
