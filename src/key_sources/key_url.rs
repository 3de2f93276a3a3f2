//! A key set at a URL (JWKS).

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use parking_lot::Mutex;
use reqwest::{Client, Url};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout};

use crate::identity::jwt::Algorithm;
use crate::identity::{MAX_SET, parse_key_set};
use crate::model::Millis;

use super::composed::CompositeKeySet;
use crate::net::{body, error_chain};

/// Maximum delay after a failed fetch.
const MAX_RETRY: Duration = Duration::from_mins(1);
/// Jitter of a fetch, in percent.
const JITTER: u32 = 10;

pub(super) struct JwksUrl {
    pub(super) source: Arc<CompositeKeySet>,
    place: usize,
    url: Url,
    rsa: Algorithm,
    times: Times,
    client: Client,
    state: Mutex<State>,
    /// Wakes the task for an early fetch.
    wake: Notify,
    /// Notified at the end of each fetch.
    done: watch::Sender<()>,
}

/// Intervals of fetches.
pub(super) struct Times {
    /// After a success.
    pub(super) refresh: Duration,
    /// Maximum duration of a fetch.
    pub(super) timeout: Duration,
    /// After a first failure.
    pub(super) retry: Duration,
}

struct State {
    phase: Phase,
    /// A task refreshes it periodically. Otherwise each caller of [`JwksUrl::want`] fetches.
    is_kept: bool,
    /// When the next fetch is due.
    due: Instant,
    /// Digest of the last set.
    digest: Option<Vec<u8>>,
    /// Failures since the last success.
    failures: u32,
    /// True if a fetch has ended.
    tried: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Start of the last fetch, if any.
    Idle(Option<Millis>),
    Wanted,
    Fetching,
}

impl JwksUrl {
    pub(super) fn new(
        source: Arc<CompositeKeySet>,
        place: usize,
        url: Url,
        rsa: Algorithm,
        times: Times,
        client: &Client,
    ) -> Self {
        let phase = Phase::Idle(None);
        let state = State { phase, is_kept: false, due: Instant::now(), digest: None, failures: 0, tried: false };
        let (client, state, done) = (client.clone(), Mutex::new(state), watch::Sender::new(()));
        Self { source, place, url, rsa, times, client, state, wake: Notify::new(), done }
    }

    /// True if the other URL yields the same keys.
    pub(super) fn is_of(&self, other: &Self) -> bool {
        self.url == other.url && self.rsa == other.rsa
    }

    pub(super) fn has_keys(&self) -> bool {
        self.state.lock().digest.is_some()
    }

    /// Waits for the end of the first fetch, successful or not.
    pub(super) async fn fetched(&self) {
        let mut done = self.done.subscribe();
        if !self.state.lock().tried {
            let _ = done.changed().await; // a dropped sender also ends the wait
        }
    }

    /// Starts a fetch or joins one in flight; resolves at its end. `None` if the last one is too recent.
    pub(super) fn want(self: &Arc<Self>, now: Millis, least: Duration) -> Option<watch::Receiver<()>> {
        let mut state = self.state.lock();
        let end = self.done.subscribe();
        if let Phase::Idle(last) = state.phase {
            if last.is_some_and(|last| now.since(last) < least) {
                return None;
            }
            state.phase = Phase::Wanted;
            if state.is_kept {
                self.wake.notify_one();
            } else {
                let url = self.clone();
                tokio::spawn(async move { url.attempt().await });
            }
        }
        Some(end)
    }

    /// Takes over the state from the same URL of the previous configuration.
    pub(super) fn take_over(&self, old: &Self) {
        let mut state = self.state.lock();
        {
            let old = old.state.lock();
            let last = if let Phase::Idle(last) = old.phase { last } else { None };
            *state = State {
                phase: Phase::Idle(last),
                is_kept: false,
                due: old.due.min(Instant::now() + jittered(self.times.refresh)),
                digest: old.digest.clone(),
                ..*old
            };
        }
        if state.digest.is_some() {
            self.source.put(self.place, old.source.keys_at(old.place));
        }
    }

    pub(super) async fn keep_fresh(&self) {
        let _kept = Kept::new(self);
        loop {
            let due = self.state.lock().due;
            tokio::select! {
                () = sleep_until(due) => {}
                () = self.wake.notified() => {
                    // A regular fetch has served this wake-up in the meantime.
                    if self.state.lock().phase != Phase::Wanted {
                        continue;
                    }
                }
            }
            self.attempt().await;
        }
    }

    /// Fetches once, and schedules the next fetch.
    async fn attempt(&self) {
        let _under_way = Attempt::new(self);
        let fetched = self.fetch().await;
        let mut state = self.state.lock();
        self.tell(&fetched, state.failures);
        state.failures = if fetched.is_ok() { 0 } else { state.failures.saturating_add(1) };
        let wait = match state.failures {
            0 => self.times.refresh,
            n => self.times.retry.saturating_mul(1 << (n - 1).min(16)).min(MAX_RETRY).min(self.times.refresh),
        };
        state.due = Instant::now() + jittered(wait);
        state.tried = true;
    }

    /// Fetches the set. True if it has changed.
    async fn fetch(&self) -> Result<bool, String> {
        let answer = async {
            let response = self.client.get(self.url.clone()).send().await.map_err(error_chain)?;
            if response.status() != reqwest::StatusCode::OK {
                return Err(format!("the response is {}", response.status()));
            }
            body(response, MAX_SET).await
        };
        let late = |_| format!("no answer within {:?}", self.times.timeout);
        let json = timeout(self.times.timeout, answer).await.map_err(late)??;
        let fresh = Some(digest(&SHA256, &json).as_ref().to_vec());
        if self.state.lock().digest == fresh {
            return Ok(false);
        }
        let set = parse_key_set(&json, self.rsa, false).map_err(|error| error.to_string())?;
        self.source.say_skipped(&set);
        self.source.put(self.place, set.keys.into_iter().map(Arc::new).collect());
        self.state.lock().digest = fresh;
        Ok(true)
    }

    /// Counts the result; logs the first failure and the recovery.
    fn tell(&self, fetched: &Result<bool, String>, failures: u32) {
        let keys = &self.source.name;
        let host = self.url.host_str().unwrap_or_default();
        let result = match fetched {
            Ok(changed) => {
                if failures > 0 {
                    tracing::info!(%keys, host, "key set fetched again");
                }
                if *changed {
                    tracing::info!(%keys, host, "key set has changed");
                }
                if *changed { "changed" } else { "unchanged" }
            }
            Err(why) => {
                if failures == 0 {
                    tracing::error!(%keys, host, %why, "cannot fetch key set; keeping the previous keys");
                }
                "failed"
            }
        };
        self.source.observer.keys_fetched(keys, result);
    }
}

/// Marks the URL as refreshed by a task while it exists.
struct Kept<'a>(&'a JwksUrl);

impl<'a> Kept<'a> {
    fn new(url: &'a JwksUrl) -> Self {
        url.state.lock().is_kept = true;
        Self(url)
    }
}

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.is_kept = false;
        if state.phase == Phase::Wanted {
            // No task remains to fetch: release the waiters.
            state.phase = Phase::Idle(None);
            self.0.done.send_replace(());
        }
    }
}

/// A fetch in flight. Dropping it ends the fetch, whatever the reason.
struct Attempt<'a> {
    url: &'a JwksUrl,
    began: Millis,
}

impl<'a> Attempt<'a> {
    fn new(url: &'a JwksUrl) -> Self {
        url.state.lock().phase = Phase::Fetching;
        Self { url, began: url.source.clock.now() }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        self.url.state.lock().phase = Phase::Idle(Some(self.began));
        self.url.done.send_replace(());
    }
}

/// Adds jitter, so that gateways do not fetch all at once.
fn jittered(wait: Duration) -> Duration {
    // The keys of a fresh hasher are random enough.
    let percent = RandomState::new().hash_one(()) % u64::from(2 * JITTER + 1);
    wait / 100 * (100 - JITTER + u32::try_from(percent).unwrap_or(JITTER))
}
