//! What identity trusts and has to be fetched: keys from files and URLs, the answers of authorization services, and the
//! file of those who are shut out.
//!
//! [`KeySources`] keeps all of it fresh in the background and puts it where identity looks: into [`Keys`](crate::identity::Keys),
//! [`Verdicts`](crate::identity::Verdicts) and [`Blocks`]. What is there stays as long as nothing better comes.

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

/// How long the end waits for files that are being read. A disk that hangs must not keep whoever waits, such as a reload.
const FINAL_READ: Duration = Duration::from_secs(1);

/// Reads something again if it has changed. Blocks on the disk.
type Reader = Arc<dyn Fn() + Send + Sync>;

/// Reads again and again until `end` says so. A read that is under way then is waited for.
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
            tracing::error!(%error, "reading files again failed");
        }
    }
}

/// Fetches what identity trusts.
pub struct KeySources {
    keys: KeySetSources,
    key_files: Vec<KeyFileGroup>,
    services: HashMap<Arc<str>, Arc<Service>>,
    blocks: BlocksFile,
    pace: Pace,
}

impl KeySources {
    /// Reads every file once. URLs are fetched by [`run`](Self::run), or for who asks for a [`refresh`](Self::refresh); until
    /// then their keys are missing.
    ///
    /// # Errors
    /// A URL that is none, or a file of certification authorities that cannot be used. Files of keys and blocks that cannot
    /// be read are told in the log.
    pub fn new(settings: KeySourceSettings) -> Result<Arc<Self>, HttpClientError> {
        Self::build(settings, None)
    }

    /// Takes another's place: what it has fetched from the same places, and what the same services said, goes on, so that
    /// nobody's token fails for the change. It does not end the other one.
    ///
    /// # Errors
    /// As [`new`](Self::new).
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

    /// Who is shut out. The set is swapped whole when its file changes.
    pub fn blocks(&self) -> Arc<ArcSwap<Blocks>> {
        self.blocks.current()
    }

    /// Shuts these out besides those of the file, and no others that were added before.
    pub fn block_also(&self, blocks: Vec<Block>) {
        self.blocks.add(blocks);
    }

    /// Reads those files again that have changed. Blocks on the disk; [`run`](Self::run) does it every second.
    pub fn reread(&self) {
        (0..self.keys.files()).for_each(|nth| self.keys.reread(nth));
        self.key_files.iter().for_each(KeyFileGroup::reread);
        self.blocks.reread();
    }

    /// Keeps everything fresh until `shutdown` comes, and leaves nothing behind that runs on, except a read of a file that
    /// hangs. Questions to authorization services belong to those who ask them, and end within their deadline; and so do fetches for unknown keys afterwards.
    pub async fn run(self: &Arc<Self>, shutdown: impl Future<Output = ()>) {
        let mut tasks = JoinSet::new();
        self.keys.keep_fresh(&mut tasks);
        // A file that hangs keeps no other file waiting.
        let end = watch::Sender::new(false);
        let readers = self.readers().map(|reader| keep_reading(reader, self.pace.files, end.subscribe()));
        let readers: JoinSet<()> = readers.collect();
        shutdown.await;
        end.send_replace(true);
        if timeout(FINAL_READ, readers.join_all()).await.is_err() {
            tracing::warn!("a file of keys or blocks cannot be read to its end; nobody waits for it any longer");
        }
        tasks.shutdown().await;
    }

    /// What reads each file, or the files that are read together, again if they have changed.
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

    /// Waits until every URL of keys has been fetched once, well or not; no longer than `patience`. Needs somebody who
    /// [`run`](Self::run)s it.
    pub async fn fetched(&self, patience: Duration) {
        let _ = timeout(patience, self.keys.fetched()).await; // what is late comes when it comes
    }

    /// Fetches the URLs of the key sources of that name, because a token names a key that is not known. Whoever else asks
    /// meanwhile waits for the same fetch; after one, nobody causes another for a while ([`Pace::refetch`]), whatever keys
    /// tokens name. Waits for 2 s at most.
    ///
    /// Whether the keys have changed, now or a moment ago: then the token is worth another look.
    pub async fn refresh(&self, name: &str) -> bool {
        self.keys.refresh(name).await
    }

    /// Asks an authorization service, and returns when its answer, or what serves in its place, is among the verdicts. Whoever
    /// asks the same meanwhile waits for the same answer.
    ///
    /// To be called on a runtime of tokio. The question goes on when the caller does not.
    pub async fn ask(&self, question: CallbackRequest) {
        if let Some(service) = self.services.get(&question.service) {
            service.ask(question).await;
        } else {
            tracing::error!(service = %question.service, "no such authorization service is configured");
        }
    }
}
