//! Reading the configuration again while the gateway serves: at SIGHUP, and when its file says something else.
//!
//! A configuration is checked and made ready in full before it takes the place of the one in force, all at once. One that
//! cannot be used changes nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use parking_lot::Mutex;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;
use streamgate::config::{self, Settings};
use streamgate::control::Reloaded;
use streamgate::gateway::{Endpoint, ProxyConfig};
use streamgate::key_sources::KeySources;
use streamgate::model::Clock;
use streamgate::overrides::Orders;
use streamgate::streams::StreamTable;
use streamgate::telemetry::{Decisions, Metrics, NextWebhooks, Webhooks};
use tokio::runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::bootstrap::{self, Failure};
use super::preflight::{self, Finding};

/// Between two looks at the file.
const LOOK: Duration = Duration::from_secs(2);
/// A file that has changed is taken for written when it has not changed again for so long,
const SETTLED: Duration = Duration::from_millis(200);
/// or after so many looks.
const LOOKS: usize = 10;
/// How long new key sets and new names of origins are waited for.
const PATIENCE: Duration = Duration::from_secs(3);

/// The file of the configuration, and who asks for it to be read again.
pub(super) struct Source {
    path: PathBuf,
    hangups: Signal,
    /// What was read last.
    text: String,
    /// Why that cannot be used, where it cannot.
    reasons: Vec<String>,
    /// It could not be judged for want of file descriptors, and the log has said so.
    shortage: bool,
}

impl Source {
    /// Reads the configuration for the first time. From here on SIGHUP does not end the program: what comes before the
    /// gateway serves is done when it does.
    pub(super) fn read(path: &Path) -> Result<(Self, Settings), String> {
        let hangups = hangups().map_err(|error| format!("SIGHUP cannot be received: {error}"))?;
        let text = config::read(path).map_err(|report| report.to_string())?;
        let settings = config::parse_file(path, &text).map_err(|report| report.to_string().trim_end().to_owned())?;
        Ok((Self { path: path.to_owned(), hangups, text, reasons: Vec::new(), shortage: false }, settings))
    }

    /// What the file says now; `None` if that has been judged, and was good.
    async fn look(&self) -> Option<Result<String, Failure>> {
        let mut seen = self.text().await;
        for _ in 0..LOOKS {
            if seen.as_ref() == Ok(&self.text) {
                return (self.shortage || !self.reasons.is_empty()).then_some(seen);
            }
            // Half a file may be a whole configuration: with half of the applications.
            sleep(SETTLED).await;
            let again = self.text().await;
            if again == seen {
                break;
            }
            seen = again;
        }
        Some(seen)
    }

    /// Goes by the path each time, so that files and links that were put in its place are seen.
    async fn text(&self) -> Result<String, Failure> {
        let path = self.path.clone();
        blocking(move || Ok(config::read(&path)?)).await
    }
}

fn hangups() -> std::io::Result<Signal> {
    // Whatever runtime runs passes signals on; this one is only asked to have them caught.
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let _inside = runtime.enter();
    signal(SignalKind::hangup())
}

/// Does something that reads files, and says why it cannot be done.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, Failure> {
    spawn_blocking(work).await.unwrap_or_else(|error| Err(Failure::new(error.to_string())))
}

/// Keeps what is in force fresh, and puts the next configuration in its place.
pub(super) struct Reloader {
    pub(super) current: Arc<ArcSwap<ProxyConfig>>,
    pub(super) table: Arc<StreamTable>,
    pub(super) orders: Arc<Orders>,
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) webhooks: Arc<Webhooks>,
    pub(super) decisions: Arc<Decisions>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) levels: Levels,
    /// `None` where the configuration is no file.
    pub(super) source: Mutex<Option<Source>>,
    /// Who else asks for it to be read again.
    pub(super) asks: Mutex<Option<mpsc::Receiver<Ask>>>,
    /// When the configuration in force was applied, in milliseconds since the epoch.
    pub(super) applied: Arc<AtomicU64>,
}

/// Somebody who asks for the configuration to be read again, and waits for what comes of it.
pub(super) type Ask = oneshot::Sender<Reloaded>;

type Levels = Arc<dyn Fn(&str) -> Result<(), String> + Send + Sync>;

/// A configuration that is ready to take the place of the one in force.
struct Next {
    snapshot: ProxyConfig,
    endpoints: Vec<Endpoint>,
    webhooks: NextWebhooks,
    /// The sections that differ from what is in force.
    changed: Vec<String>,
    /// The keys that stay as they are until the next start.
    fixed: Vec<String>,
}

#[async_trait]
impl BackgroundService for Reloader {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let mut fetching = Fetching::new(&self.current.load().runtime.key_sources);
        let (source, asks) = (self.source.lock().take(), self.asks.lock().take());
        tokio::select! {
            () = self.watch(source, asks, &mut fetching) => {}
            _ = shutdown.changed() => {}
        }
        fetching.stop().await;
    }
}

impl Reloader {
    /// The configuration that the gateway starts with is in force.
    pub(super) fn started(&self) {
        self.tell_revision(&self.current.load());
        self.metrics.config_last_reload_successful.set(1);
    }

    async fn watch(&self, source: Option<Source>, asks: Option<mpsc::Receiver<Ask>>, fetching: &mut Fetching) {
        // Without a source nobody listens, which those who ask find out.
        let (Some(mut source), Some(mut asks)) = (source, asks) else { return std::future::pending().await };
        // Taking a configuration and its caches apart takes a while: the last request that has one is not to do that.
        let mut retired: Vec<Arc<ProxyConfig>> = Vec::new();
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let mut ask = None;
            let (seen, is_asked) = tokio::select! {
                _ = source.hangups.recv() => (source.text().await, true),
                Some(waits) = asks.recv() => {
                    ask = Some(waits);
                    (source.text().await, true)
                }
                _ = looks.tick() => {
                    retired.retain(|old| Arc::strong_count(old) > 1);
                    match source.look().await {
                        Some(seen) => (seen, false),
                        None => continue,
                    }
                }
            };
            let before = self.current.load_full();
            let reloaded = self.judge(&mut source, seen, is_asked, fetching).await;
            if let Some(ask) = ask {
                let _ = ask.send(reloaded); // who asked may have gone
            }
            if self.current.load().runtime.revision != before.runtime.revision {
                retired.push(before);
            }
        }
    }

    /// Puts what was read in force, or says why not: each reason once, unless it `is_asked`.
    async fn judge(
        &self,
        source: &mut Source,
        seen: Result<String, Failure>,
        is_asked: bool,
        fetching: &mut Fetching,
    ) -> Reloaded {
        let prepared = match seen {
            Ok(text) => {
                source.text.clone_from(&text);
                self.prepare(&source.path, text).await
            }
            Err(failure) => Err(failure),
        };
        let was_short =
            std::mem::replace(&mut source.shortage, prepared.as_ref().is_err_and(|failure| failure.shortage));
        let (result, reloaded) = match prepared {
            Ok(next) => {
                source.reasons.clear();
                if let Some(next) = next {
                    ("applied", self.apply(next, fetching).await)
                } else {
                    tracing::info!("the configuration says what is in force already");
                    ("unchanged", Reloaded::Unchanged)
                }
            }
            // This is no judgement of the configuration. The next look tries again.
            Err(Failure { reasons, shortage: true }) => {
                if was_short && !is_asked {
                    return Reloaded::Shortage(reasons);
                }
                for reason in &reasons {
                    tracing::error!(%reason, "the configuration cannot be read now; the one before goes on, and this is tried again");
                }
                ("shortage", Reloaded::Shortage(reasons))
            }
            // What it names may still come: it is tried again and again, and told again when there is something new to tell.
            Err(Failure { reasons, .. }) if !is_asked && reasons == source.reasons => {
                return Reloaded::Refused(reasons);
            }
            Err(Failure { reasons, .. }) => {
                for reason in &reasons {
                    tracing::error!(%reason, "the configuration is refused; the one before goes on");
                }
                source.reasons.clone_from(&reasons);
                ("refused", Reloaded::Refused(reasons))
            }
        };
        self.metrics.config_reloads.with_label_values(&[result]).inc();
        if result != "shortage" {
            self.metrics.config_last_reload_successful.set(i64::from(result != "refused"));
        }
        reloaded
    }

    /// Checks and compiles; `None` where nothing differs from what is in force.
    async fn prepare(&self, path: &Path, text: String) -> Result<Option<Next>, Failure> {
        let (before, path) = (self.current.load_full(), path.to_owned());
        let (clock, metrics, deliverer) = (self.clock.clone(), self.metrics.clone(), self.webhooks.clone());
        blocking(move || {
            let mut settings = config::parse_file(&path, &text)?;
            let changed = before.runtime.settings.differences(&settings);
            if changed.is_empty() {
                return Ok(None);
            }
            let of_file = |failure: Failure| failure.of_file(&path);
            // A folder that was good at the start keeps nobody from changing something else.
            if settings.snapshot != before.runtime.settings.snapshot {
                let reasons: Vec<String> = preflight::problems(&settings).iter().map(Finding::line).collect();
                if !reasons.is_empty() {
                    return Err(of_file(Failure { reasons, shortage: false }));
                }
            }
            let endpoints = bootstrap::certificates(&settings).map_err(of_file)?;
            let fixed = settings.keep_fixed(&before.runtime.settings);
            let webhooks = NextWebhooks::new(&settings).map_err(|error| of_file(error.into()))?;
            // Before anything is in force: afterwards nobody could be told.
            deliverer.prepare(&webhooks).map_err(|error| of_file(Failure::no_thread(&error)))?;
            let snapshot = bootstrap::snapshot(settings, Some(&before), &clock, &metrics).map_err(of_file)?;
            Ok(Some(Next { snapshot, endpoints, webhooks, changed, fixed }))
        })
        .await
    }

    async fn apply(&self, next: Next, fetching: &mut Fetching) -> Reloaded {
        let Next { snapshot, endpoints, webhooks, changed, fixed } = next;
        let fresh = Fetching::new(&snapshot.runtime.key_sources);
        // Nobody's request shall fail for what could have been fetched before.
        tokio::join!(snapshot.runtime.key_sources.fetched(PATIENCE), snapshot.upstreams.resolve_new(PATIENCE));
        let before = self.current.load().runtime.settings.snapshot.clone();
        let snapshot = Arc::new(snapshot);
        self.current.store(snapshot.clone());
        self.decisions.configure(&snapshot.runtime.settings);
        self.move_orders(before, snapshot.runtime.settings.snapshot.clone()).await;
        std::mem::replace(fetching, fresh).stop().await;
        for (address, certificate) in &self.endpoints {
            let read = endpoints.iter().find(|(other, _)| other == address);
            if let (Some(certificate), Some((_, Some(read)))) = (certificate, read) {
                certificate.turn_into(read);
            }
        }
        if let Err(error) = (self.levels)(snapshot.runtime.settings.log.level.as_str()) {
            tracing::warn!(%error, "the log keeps its level");
        }
        if let Err(error) = self.webhooks.apply(webhooks) {
            tracing::error!(%error, "webhooks are told nothing: there is no thread for it");
        }
        self.applied(&snapshot.runtime.settings).await;
        self.tell_revision(&snapshot);
        super::log_warnings(&snapshot.runtime.settings);
        tracing::info!(revision = snapshot.runtime.revision, changed = changed.join(", "), "configuration applied");
        for key in &fixed {
            tracing::warn!(%key, "this cannot change while the gateway runs; it takes effect at the next start");
        }
        Reloaded::Applied { revision: snapshot.runtime.revision, changed, fixed }
    }

    /// Blocks and exemptions are kept beside the snapshot, wherever that is from now on.
    async fn move_orders(&self, before: Option<PathBuf>, now: Option<PathBuf>) {
        let Some(file) = now.filter(|now| before.as_ref() != Some(now)) else { return };
        let orders = self.orders.clone();
        let saved = spawn_blocking(move || orders.save(&file)).await.map_err(std::io::Error::other);
        if let Err(error) = saved.and_then(|saved| saved) {
            tracing::error!(%error, "blocks and exemptions cannot be written; they last until the restart");
        }
    }

    /// Whoever keeps something of a configuration for himself is told of the one that is in force now.
    async fn applied(&self, settings: &Settings) {
        let (windows, in_force) = (settings.streams.clone(), settings.in_force());
        let ending = self.table.apply_policy_change(windows, in_force, self.clock.now()).await;
        if ending > 0 {
            tracing::info!(ending, "streams that the policies of today would not have admitted");
        }
    }

    fn tell_revision(&self, snapshot: &ProxyConfig) {
        let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        self.metrics.config_revision.set(number(snapshot.runtime.revision));
        let now = self.clock.wall();
        self.applied.store(now.0, Relaxed);
        self.metrics.config_applied.set(number(now.seconds()));
    }
}

/// The tasks that keep what identity trusts fresh.
struct Fetching {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Fetching {
    fn new(key_sources: &Arc<KeySources>) -> Self {
        let (key_sources, (stop, stopped)) = (key_sources.clone(), oneshot::channel());
        let stopped = async move {
            let _ = stopped.await; // the sender's end is a stop too
        };
        Self { stop, task: tokio::spawn(async move { key_sources.run(stopped).await }) }
    }

    async fn stop(self) {
        drop(self.stop);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "keys were not kept fresh");
        }
    }
}
