//! A key set at a URL.

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

/// The longest wait after a failed fetch.
const MAX_RETRY: Duration = Duration::from_mins(1);
/// How much earlier or later than planned a fetch may come, in percent.
const JITTER: u32 = 10;

/// A key set at a URL.
pub(super) struct JwksUrl {
    pub(super) source: Arc<CompositeKeySet>,
    place: usize,
    url: Url,
    rsa: Algorithm,
    times: Times,
    client: Client,
    state: Mutex<State>,
    /// Somebody wants a fetch.
    wake: Notify,
    /// Told at the end of each fetch.
    done: watch::Sender<()>,
}

/// How often a key set is fetched.
pub(super) struct Times {
    /// Again, after a success.
    pub(super) refresh: Duration,
    /// How long a fetch may take.
    pub(super) timeout: Duration,
    /// The wait after a first failure.
    pub(super) retry: Duration,
}

struct State {
    phase: Phase,
    /// Somebody fetches it again and again. Otherwise each who wants it fetches it.
    is_kept: bool,
    /// When it is fetched next.
    due: Instant,
    /// Of the set that was fetched last.
    digest: Option<Vec<u8>>,
    /// Since the last success.
    failures: u32,
    /// Whether a fetch has ended.
    tried: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// When the last fetch began, if there was one.
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

    /// Whether the other place has the same keys.
    pub(super) fn is_of(&self, other: &Self) -> bool {
        self.url == other.url && self.rsa == other.rsa
    }

    pub(super) fn has_keys(&self) -> bool {
        self.state.lock().digest.is_some()
    }

    /// Waits until it has been fetched once, well or not.
    pub(super) async fn fetched(&self) {
        let mut done = self.done.subscribe();
        if !self.state.lock().tried {
            let _ = done.changed().await; // its end is an end too
        }
    }

    /// The end of a fetch that is under way or is caused by this; `None` where the last one is too recent.
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

    /// Goes on where the place of the same keys in another configuration is.
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
                    // A wish that the regular fetch has fulfilled meanwhile.
                    if self.state.lock().phase != Phase::Wanted {
                        continue;
                    }
                }
            }
            self.attempt().await;
        }
    }

    /// Fetches once, and says when to do so again.
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

    /// Fetches the set; whether it is another than the last one.
    async fn fetch(&self) -> Result<bool, String> {
        let answer = async {
            let response = self.client.get(self.url.clone()).send().await.map_err(error_chain)?;
            if response.status() != reqwest::StatusCode::OK {
                return Err(format!("the answer is {}", response.status()));
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

    /// Says so in the log when things begin to fail, and when they no longer do.
    fn tell(&self, fetched: &Result<bool, String>, failures: u32) {
        let keys = &self.source.name;
        let host = self.url.host_str().unwrap_or_default();
        let result = match fetched {
            Ok(changed) => {
                if failures > 0 {
                    tracing::info!(%keys, host, "the key set is fetched again");
                }
                if *changed {
                    tracing::info!(%keys, host, "the key set has changed");
                }
                if *changed { "changed" } else { "unchanged" }
            }
            Err(why) => {
                if failures == 0 {
                    tracing::error!(%keys, host, %why, "the key set cannot be fetched; the keys of before serve on");
                }
                "failed"
            }
        };
        self.source.observer.keys_fetched(keys, result);
    }
}

/// As long as this lives, somebody keeps the place fresh.
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
            // Nobody is left to do it, and those who wait need not wait in vain.
            state.phase = Phase::Idle(None);
            self.0.done.send_replace(());
        }
    }
}

/// A fetch that is under way, until this is dropped: at its end, however that comes.
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

/// A little less or more, so that gateways do not come all at once.
fn jittered(wait: Duration) -> Duration {
    // A fresh hasher is as random as this needs to be.
    let percent = RandomState::new().hash_one(()) % u64::from(2 * JITTER + 1);
    wait / 100 * (100 - JITTER + u32::try_from(percent).unwrap_or(JITTER))
}
