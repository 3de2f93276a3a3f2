//! Keys from files and URLs, recombined when one of their places changes.

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

/// How long a request with an unknown key waits for a fetch.
const PATIENCE: Duration = Duration::from_secs(2);

/// All key sources.
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

    pub(super) fn files(&self) -> usize {
        self.files.len()
    }

    /// Reads a file again if it has changed.
    pub(super) fn reread(&self, nth: usize) {
        if let Some(file) = self.files.get(nth) {
            file.reread();
        }
    }

    /// Starts a task per URL that fetches it periodically, starting now.
    pub(super) fn keep_fresh(&self, tasks: &mut JoinSet<()>) {
        for url in &self.urls {
            let url = url.clone();
            tasks.spawn(async move { url.keep_fresh().await });
        }
    }

    /// The same URL in this configuration; preferably one that has keys.
    fn like(&self, other: &JwksUrl) -> Option<&JwksUrl> {
        let same = self.urls.iter().filter(|url| url.is_of(other));
        same.max_by_key(|url| url.has_keys()).map(|url| &**url)
    }

    /// Waits for the end of every URL's first fetch, successful or not.
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
                let _ = fetch.changed().await; // a dropped sender also ends the wait
            }
        };
        let _ = timeout(PATIENCE, all).await; // later keys are used by later requests
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
            Seen::Gone => "no such file".to_owned(),
            Seen::Unreadable(why) => why,
        };
        tracing::error!(%file, %keys, %why, "cannot use the key file; keeping the previous keys");
        observer.keys_fetched(keys, "failed");
    }

    fn read(&self, bytes: &[u8]) -> Result<Vec<Arc<Key>>, String> {
        match &self.form {
            Form::One(algorithm, kid) => {
                // Editors add a line end, which is not part of a secret.
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
