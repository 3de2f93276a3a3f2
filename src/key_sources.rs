//! Fetches what identity trusts: keys from files and URLs, answers of authorization callbacks, and the file of blocks.
//!
//! [`KeySources`] refreshes them in the background and updates [`Keys`](crate::identity::Keys),
//! [`Verdicts`](crate::identity::Verdicts) and [`Blocks`]. The previous values stay in force until they can be
//! replaced.

mod blocks;
mod callback;
mod composed;
mod key_files;
mod key_url;
mod keys;
mod settings;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::identity::{Block, Blocks, CallbackRequest};
use crate::net::{HttpClientError, http_client};

use blocks::BlocksFile;
use callback::Service;
use key_files::KeyFileGroup;
use keys::KeySetSources;

pub use settings::{KeySourceSettings, Observer, Pace};

/// Maximum wait for file reads in flight on shutdown: a hung disk must not block a reload.
const FINAL_READ: Duration = Duration::from_secs(1);

/// Reads a file again if it has changed. Blocks on disk I/O.
type Reader = Arc<dyn Fn() + Send + Sync>;

/// Reads periodically until `end` is set, and waits for a read in flight.
async fn keep_reading(reader: Reader, pace: Duration, mut end: watch::Receiver<bool>) {
    let mut ticks = interval(pace);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = end.wait_for(|end| *end) => return,
            _ = ticks.tick() => {}
        }
        let reader = reader.clone();
        if let Err(error) = spawn_blocking(move || reader()).await {
            tracing::error!(%error, "a file reader failed");
        }
    }
}

/// Refreshes keys, callbacks and blocks.
pub struct KeySources {
    keys: KeySetSources,
    key_files: Vec<KeyFileGroup>,
    services: HashMap<Arc<str>, Arc<Service>>,
    blocks: BlocksFile,
    pace: Pace,
}

impl KeySources {
    /// Reads every file once. URLs are fetched by [`run`](Self::run) or on [`refresh`](Self::refresh); until then their
    /// keys are missing.
    ///
    /// # Errors
    /// A URL or the file of certification authorities is invalid. Key files and block files that cannot be read are
    /// only logged.
    pub fn new(settings: KeySourceSettings) -> Result<Arc<Self>, HttpClientError> {
        Self::build(settings, None)
    }

    /// Replaces `before` without dropping keys or answers that both configurations share, so that a reload invalidates
    /// no token. Does not stop `before`.
    ///
    /// # Errors
    /// Same as [`new`](Self::new).
    pub fn following(settings: KeySourceSettings, before: &Self) -> Result<Arc<Self>, HttpClientError> {
        Self::build(settings, Some(before))
    }

    fn build(settings: KeySourceSettings, before: Option<&Self>) -> Result<Arc<Self>, HttpClientError> {
        let KeySourceSettings { key_sources, key_files, callbacks, blocks_file, ca_file, clock, observer, pace } =
            settings;
        let client = http_client(ca_file.as_deref())?;
        let keys =
            KeySetSources::new(key_sources, &client, &clock, &observer, &pace, before.map(|before| &before.keys))?;
        let key_files = key_files.into_iter().map(|files| KeyFileGroup::new(files, &observer)).collect();
        let services = callbacks
            .into_iter()
            .map(|source| {
                let before = before.and_then(|before| before.services.get(&source.name));
                Ok((source.name.clone(), Service::new(source, &client, &clock, &observer, before)?))
            })
            .collect::<Result<_, HttpClientError>>()?;
        let blocks = BlocksFile::new(blocks_file, before.map(|before| &before.blocks));
        let key_sources = Self { keys, key_files, services, blocks, pace };
        key_sources.reread();
        Ok(Arc::new(key_sources))
    }

    /// The blocks. The set is replaced as a whole when its file changes.
    pub fn blocks(&self) -> Arc<ArcSwap<Blocks>> {
        self.blocks.current()
    }

    /// Sets the blocks in addition to those of the file. Replaces those set before.
    pub fn block_also(&self, blocks: Vec<Block>) {
        self.blocks.add(blocks);
    }

    /// Reads changed files again. Blocks on disk I/O; [`run`](Self::run) calls it every second.
    pub fn reread(&self) {
        (0..self.keys.files()).for_each(|nth| self.keys.reread(nth));
        self.key_files.iter().for_each(KeyFileGroup::reread);
        self.blocks.reread();
    }

    /// Refreshes everything until `shutdown` resolves. Leaves no task running, except a hung file read. Callback
    /// requests, and later fetches for unknown keys, belong to their callers and end within their deadlines.
    pub async fn run(self: &Arc<Self>, shutdown: impl Future<Output = ()>) {
        let mut tasks = JoinSet::new();
        self.keys.keep_fresh(&mut tasks);
        // One task per file: a hung file delays no other.
        let end = watch::Sender::new(false);
        let readers = self.readers().map(|reader| keep_reading(reader, self.pace.files, end.subscribe()));
        let readers: JoinSet<()> = readers.collect();
        shutdown.await;
        end.send_replace(true);
        if timeout(FINAL_READ, readers.join_all()).await.is_err() {
            tracing::warn!("reading a key file or block file hangs; shutting down without it");
        }
        tasks.shutdown().await;
    }

    /// One reader per file, or per group of files read together.
    fn readers(self: &Arc<Self>) -> impl Iterator<Item = Reader> {
        let (files, groups) = (self.keys.files(), self.key_files.len());
        (0..=files + groups).map(move |nth| {
            let key_sources = self.clone();
            let read: Reader = Arc::new(move || match nth {
                nth if nth < files => key_sources.keys.reread(nth),
                nth => match key_sources.key_files.get(nth - files) {
                    Some(group) => group.reread(),
                    None => key_sources.blocks.reread(),
                },
            });
            read
        })
    }

    /// Waits for the first fetch of every URL, successful or not, for at most `patience`. Requires [`run`](Self::run).
    pub async fn fetched(&self, patience: Duration) {
        let _ = timeout(patience, self.keys.fetched()).await; // later fetches still take effect
    }

    /// Fetches the URLs of the key sources with that name, for a token with an unknown key. Concurrent callers share
    /// one fetch. After a fetch, no further one starts within [`Pace::refetch`]. Waits for at most 2 s.
    ///
    /// Returns true if the keys have changed, now or recently: the token should be verified again.
    pub async fn refresh(&self, name: &str) -> bool {
        self.keys.refresh(name).await
    }

    /// Sends a callback request. Returns when its answer, or that of the failure mode, is cached. Concurrent callers
    /// with the same request share it.
    ///
    /// Must be called on a tokio runtime. The request continues if the caller is dropped.
    pub async fn ask(&self, question: CallbackRequest) {
        if let Some(service) = self.services.get(&question.service) {
            service.ask(question).await;
        } else {
            tracing::error!(service = %question.service, "authorization service is not configured");
        }
    }
}
