//! Keys from files and URLs, put together anew whenever a place of theirs changes.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use reqwest::Client;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::identity::jwt::{Algorithm, Key};
use crate::identity::{KeyPlace, KeySource, MAX_SET, parse_key_set};
use crate::model::Clock;

use super::composed::CompositeKeySet;
use super::key_url::{JwksUrl, Times};
use super::settings::{Observer, Pace};
use crate::net::{HttpClientError, url_of};
use crate::net::{Seen, WatchedFile};

/// How long somebody waits whose token names an unknown key.
const PATIENCE: Duration = Duration::from_secs(2);

/// Every source of keys.
pub(super) struct KeySetSources {
    files: Vec<FilePlace>,
    urls: Vec<Arc<JwksUrl>>,
    clock: Arc<dyn Clock>,
    pace: Pace,
}

impl KeySetSources {
    pub(super) fn new(
        sources: Vec<KeySource>,
        client: &Client,
        clock: &Arc<dyn Clock>,
        observer: &Arc<dyn Observer>,
        pace: &Pace,
        before: Option<&Self>,
    ) -> Result<Self, HttpClientError> {
        let mut all = Self { files: Vec::new(), urls: Vec::new(), clock: clock.clone(), pace: pace.clone() };
        for source in sources {
            let composed = Arc::new(CompositeKeySet::new(&source, clock, observer));
            for (place, at) in source.places.into_iter().enumerate() {
                let source = composed.clone();
                match at {
                    KeyPlace::Fixed(_) => {}
                    KeyPlace::File { path, algorithm, kid, .. } => {
                        let (file, form) = (Mutex::new(WatchedFile::new(path, MAX_SET)), Form::One(algorithm, kid));
                        all.files.push(FilePlace { source, place, file, form });
                    }
                    KeyPlace::SetFile { path, rsa, .. } => {
                        let (file, form) = (Mutex::new(WatchedFile::new(path, MAX_SET)), Form::Set(rsa));
                        all.files.push(FilePlace { source, place, file, form });
                    }
                    KeyPlace::SetUrl { url, rsa, refresh, timeout } => {
                        let url = url_of(&source.name, &url)?;
                        let times = Times { refresh, timeout, retry: pace.retry };
                        let at_url = JwksUrl::new(source, place, url, rsa, times, client);
                        let old = before.and_then(|before| before.like(&at_url));
                        if let Some(old) = old {
                            at_url.take_over(old);
                        }
                        all.urls.push(Arc::new(at_url));
                    }
                }
            }
        }
        Ok(all)
    }

    /// How many files there are.
    pub(super) fn files(&self) -> usize {
        self.files.len()
    }

    /// Reads a file if it has changed.
    pub(super) fn reread(&self, nth: usize) {
        if let Some(file) = self.files.get(nth) {
            file.reread();
        }
    }

    /// Fetches each URL now and then again and again.
    pub(super) fn keep_fresh(&self, tasks: &mut JoinSet<()>) {
        for url in &self.urls {
            let url = url.clone();
            tasks.spawn(async move { url.keep_fresh().await });
        }
    }

    /// The place of the same keys, one that has some if there are several.
    fn like(&self, other: &JwksUrl) -> Option<&JwksUrl> {
        let same = self.urls.iter().filter(|url| url.is_of(other));
        same.max_by_key(|url| url.has_keys()).map(|url| &**url)
    }

    /// Waits until every URL has been fetched once, well or not.
    pub(super) async fn fetched(&self) {
        for url in &self.urls {
            url.fetched().await;
        }
    }

    /// See [`KeySources::refresh`](super::KeySources::refresh).
    pub(super) async fn refresh(&self, name: &str) -> bool {
        let urls: Vec<&Arc<JwksUrl>> = self.urls.iter().filter(|url| *url.source.name == *name).collect();
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
    source: Arc<CompositeKeySet>,
    place: usize,
    file: Mutex<WatchedFile>,
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
