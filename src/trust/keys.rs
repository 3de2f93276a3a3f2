//! Keys from files and URLs, put together anew whenever a place of theirs changes.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use parking_lot::Mutex;
use reqwest::{Client, Url};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use crate::identity::jwt::{Algorithm, Key};
use crate::identity::{KeyPlace, KeySet, KeySource, Keys, SET_MAX, parse_key_set};
use crate::model::{Clock, Millis};

use super::client::{TrustError, body, sentence, url_of};
use super::file::{Seen, Watched};
use super::settings::{Observer, Pace};

/// How long somebody waits whose token names an unknown key.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest wait after a failed fetch.
const RETRY_MAX: Duration = Duration::from_mins(1);
/// How much earlier or later than planned a fetch may come, in percent.
const JITTER: u32 = 10;

/// Every source of keys.
pub(super) struct KeySources {
    files: Vec<FilePlace>,
    urls: Vec<Arc<UrlPlace>>,
    clock: Arc<dyn Clock>,
    pace: Pace,
}

/// The keys of one source by their places.
struct Composed {
    name: Arc<str>,
    keys: Arc<Keys>,
    parts: Mutex<Parts>,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
}

struct Parts {
    by_place: Vec<Vec<Arc<Key>>>,
    changed: Option<Millis>,
}

impl Composed {
    fn put(&self, place: usize, keys: Vec<Arc<Key>>) {
        let mut parts = self.parts.lock();
        if let Some(part) = parts.by_place.get_mut(place) {
            *part = keys;
        }
        parts.changed = Some(self.clock.now());
        self.keys.replace(parts.by_place.concat());
    }

    /// Whether the keys have changed within `span`.
    fn has_changed_within(&self, span: Duration) -> bool {
        self.parts.lock().changed.is_some_and(|changed| self.clock.now().since(changed) < span)
    }

    fn say_skipped(&self, set: &KeySet) {
        for sentence in &set.skipped {
            tracing::warn!(keys = %self.name, "{sentence}");
        }
    }
}

impl KeySources {
    pub(super) fn new(
        sources: Vec<KeySource>,
        client: &Client,
        clock: &Arc<dyn Clock>,
        observer: &Arc<dyn Observer>,
        pace: &Pace,
    ) -> Result<Self, TrustError> {
        let mut all = Self { files: Vec::new(), urls: Vec::new(), clock: clock.clone(), pace: pace.clone() };
        for KeySource { name, keys, places } in sources {
            let known = |place: &KeyPlace| match place {
                KeyPlace::Fixed(key) | KeyPlace::File { key, .. } => vec![key.clone()],
                KeyPlace::SetFile { keys, .. } => keys.clone(),
                KeyPlace::SetUrl { .. } => Vec::new(),
            };
            let parts = Parts { by_place: places.iter().map(known).collect(), changed: None };
            let parts = Mutex::new(parts);
            let source = Composed { name, keys, parts, clock: clock.clone(), observer: observer.clone() };
            let source = Arc::new(source);
            for (place, at) in places.into_iter().enumerate() {
                let source = source.clone();
                match at {
                    KeyPlace::Fixed(_) => {}
                    KeyPlace::File { path, algorithm, kid, .. } => {
                        let (file, form) = (Mutex::new(Watched::new(path, SET_MAX)), Form::One(algorithm, kid));
                        all.files.push(FilePlace { source, place, file, form });
                    }
                    KeyPlace::SetFile { path, rsa, .. } => {
                        let (file, form) = (Mutex::new(Watched::new(path, SET_MAX)), Form::Set(rsa));
                        all.files.push(FilePlace { source, place, file, form });
                    }
                    KeyPlace::SetUrl { url, rsa, refresh, timeout } => {
                        let url = url_of(&source.name, &url)?;
                        let client = client.clone();
                        let at_url = UrlPlace {
                            source,
                            place,
                            url,
                            rsa,
                            refresh,
                            timeout,
                            client,
                            phase: Mutex::new(Phase::Idle(None)),
                            wake: Notify::new(),
                            done: watch::Sender::new(()),
                        };
                        all.urls.push(Arc::new(at_url));
                    }
                }
            }
        }
        Ok(all)
    }

    /// Reads the files that have changed.
    pub(super) fn reread(&self) {
        self.files.iter().for_each(FilePlace::reread);
    }

    /// Fetches each URL now and then again and again.
    pub(super) fn keep_fresh(&self, tasks: &mut JoinSet<()>) {
        for url in &self.urls {
            let (url, retry) = (url.clone(), self.pace.retry);
            tasks.spawn(async move { url.keep_fresh(retry).await });
        }
    }

    /// See [`Trust::refresh`](super::Trust::refresh).
    pub(super) async fn refresh(&self, name: &str) -> bool {
        let urls: Vec<&Arc<UrlPlace>> = self.urls.iter().filter(|url| *url.source.name == *name).collect();
        let version = || urls.iter().map(|url| url.source.keys.version()).sum::<u64>();
        let (before, now) = (version(), self.clock.now());
        let fetches: Vec<_> = urls.iter().filter_map(|url| url.want(now, self.pace.refetch)).collect();
        let all = async {
            for mut fetch in fetches {
                let _ = fetch.changed().await; // its end is an end too
            }
        };
        let _ = timeout(PATIENCE, all).await; // whatever has come until then counts
        version() != before || urls.iter().any(|url| url.source.has_changed_within(self.pace.refetch))
    }
}

/// A file with keys.
struct FilePlace {
    source: Arc<Composed>,
    place: usize,
    file: Mutex<Watched>,
    form: Form,
}

enum Form {
    One(Algorithm, Option<Box<str>>),
    Set(Algorithm),
}

impl FilePlace {
    fn reread(&self) {
        let mut file = self.file.lock();
        let seen = file.look();
        let (file, keys, observer) = (file.path().display(), &self.source.name, &self.source.observer);
        let why = match seen {
            Seen::Same => return,
            Seen::New(bytes) => match self.read(&bytes) {
                Ok(fresh) => {
                    tracing::info!(%file, %keys, count = fresh.len(), "keys read");
                    self.source.put(self.place, fresh);
                    observer.keys_fetched(keys, "changed");
                    return;
                }
                Err(why) => why,
            },
            Seen::Gone => "there is no such file".to_owned(),
            Seen::Unreadable(why) => why,
        };
        tracing::error!(%file, %keys, %why, "the keys cannot be used; those of before serve on");
        observer.keys_fetched(keys, "failed");
    }

    fn read(&self, bytes: &[u8]) -> Result<Vec<Arc<Key>>, String> {
        match &self.form {
            Form::One(algorithm, kid) => {
                // Editors add a line end, which is no part of a secret.
                let bytes = bytes.strip_suffix(b"\n").map_or(bytes, |rest| rest.strip_suffix(b"\r").unwrap_or(rest));
                let key = Key::read(*algorithm, kid.as_deref(), bytes).map_err(|error| error.to_string())?;
                Ok(vec![Arc::new(key)])
            }
            Form::Set(rsa) => {
                let set = parse_key_set(bytes, *rsa, true).map_err(|error| error.to_string())?;
                self.source.say_skipped(&set);
                Ok(set.keys.into_iter().map(Arc::new).collect())
            }
        }
    }
}

/// A key set at a URL.
struct UrlPlace {
    source: Arc<Composed>,
    place: usize,
    url: Url,
    rsa: Algorithm,
    refresh: Duration,
    timeout: Duration,
    client: Client,
    phase: Mutex<Phase>,
    /// Somebody wants a fetch.
    wake: Notify,
    /// Told at the end of each fetch.
    done: watch::Sender<()>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// When the last fetch began, if there was one.
    Idle(Option<Millis>),
    Wanted,
    Fetching,
}

impl UrlPlace {
    /// The end of a fetch that is under way or is caused by this; `None` where the last one is too recent.
    fn want(&self, now: Millis, least: Duration) -> Option<watch::Receiver<()>> {
        let mut phase = self.phase.lock();
        if let Phase::Idle(last) = *phase {
            if last.is_some_and(|last| now.since(last) < least) {
                return None;
            }
            *phase = Phase::Wanted;
            self.wake.notify_one();
        }
        Some(self.done.subscribe())
    }

    async fn keep_fresh(&self, retry: Duration) {
        let mut due = Instant::now();
        let mut body = None;
        let mut failures = 0_u32;
        loop {
            tokio::select! {
                () = sleep_until(due) => {}
                () = self.wake.notified() => {
                    // A wish that the regular fetch has fulfilled meanwhile.
                    if *self.phase.lock() != Phase::Wanted {
                        continue;
                    }
                }
            }
            *self.phase.lock() = Phase::Fetching;
            let began = self.source.clock.now();
            let fetched = self.fetch(&mut body).await;
            self.tell(&fetched, failures);
            failures = if fetched.is_ok() { 0 } else { failures.saturating_add(1) };
            let wait = match failures {
                0 => self.refresh,
                n => retry.saturating_mul(1 << (n - 1).min(16)).min(RETRY_MAX).min(self.refresh),
            };
            due = Instant::now() + jittered(wait);
            let mut phase = self.phase.lock();
            *phase = Phase::Idle(Some(began));
            self.done.send_replace(());
        }
    }

    /// Fetches the set; whether it is another than the one whose digest is given.
    async fn fetch(&self, before: &mut Option<Vec<u8>>) -> Result<bool, String> {
        let answer = async {
            let response = self.client.get(self.url.clone()).send().await.map_err(sentence)?;
            if response.status() != reqwest::StatusCode::OK {
                return Err(format!("the answer is {}", response.status()));
            }
            body(response, SET_MAX).await
        };
        let late = |_| format!("no answer within {:?}", self.timeout);
        let json = timeout(self.timeout, answer).await.map_err(late)??;
        let fresh = Some(digest(&SHA256, &json).as_ref().to_vec());
        if *before == fresh {
            return Ok(false);
        }
        let set = parse_key_set(&json, self.rsa, false).map_err(|error| error.to_string())?;
        *before = fresh;
        self.source.say_skipped(&set);
        self.source.put(self.place, set.keys.into_iter().map(Arc::new).collect());
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

/// A little less or more, so that gateways do not come all at once.
fn jittered(wait: Duration) -> Duration {
    // A fresh hasher is as random as this needs to be.
    let percent = RandomState::new().hash_one(()) % u64::from(2 * JITTER + 1);
    wait / 100 * (100 - JITTER + u32::try_from(percent).unwrap_or(JITTER))
}
