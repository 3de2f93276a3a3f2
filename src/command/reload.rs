//! Configuration reloads at runtime: at SIGHUP, and when the file changes.
//!
//! A configuration is fully checked and prepared before it replaces the one in force, all at once. An invalid one
//! changes nothing.

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

/// Interval between checks of the file.
const LOOK: Duration = Duration::from_secs(2);
/// A changed file counts as complete when it has not changed again for this long,
const SETTLED: Duration = Duration::from_millis(200);
/// or after this many checks.
const LOOKS: usize = 10;
/// How long to wait for new key sets and the names of new origins.
const PATIENCE: Duration = Duration::from_secs(3);

/// The file of the configuration, and the signal to reload it.
pub(super) struct Source {
    path: PathBuf,
    hangups: Signal,
    /// The text that was read last.
    text: String,
    /// Why that text is invalid, if it is.
    reasons: Vec<String>,
    /// It could not be checked for lack of file descriptors. This has been logged.
    shortage: bool,
}

impl Source {
    /// Reads the configuration for the first time. From here on SIGHUP does not end the program: a signal before the
    /// gateway serves takes effect then.
    pub(super) fn read(path: &Path) -> Result<(Self, Settings), String> {
        let hangups = hangups().map_err(|error| format!("cannot handle SIGHUP: {error}"))?;
        let text = config::read(path).map_err(|report| report.to_string())?;
        let settings = config::parse_file(path, &text).map_err(|report| report.to_string().trim_end().to_owned())?;
        Ok((Self { path: path.to_owned(), hangups, text, reasons: Vec::new(), shortage: false }, settings))
    }

    /// The current text of the file; `None` if it was already checked and is valid.
    async fn look(&self) -> Option<Result<String, Failure>> {
        let mut seen = self.text().await;
        for _ in 0..LOOKS {
            if seen.as_ref() == Ok(&self.text) {
                return (self.shortage || !self.reasons.is_empty()).then_some(seen);
            }
            // A half-written file may be valid, with half of the applications.
            sleep(SETTLED).await;
            let again = self.text().await;
            if again == seen {
                break;
            }
            seen = again;
        }
        Some(seen)
    }

    /// Opens the path each time, so that replaced files and links are noticed.
    async fn text(&self) -> Result<String, Failure> {
        let path = self.path.clone();
        blocking(move || Ok(config::read(&path)?)).await
    }
}

fn hangups() -> std::io::Result<Signal> {
    // Any running runtime forwards signals; this one only installs the handler.
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let _inside = runtime.enter();
    signal(SignalKind::hangup())
}

/// Runs blocking work on a separate thread.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, Failure> {
    spawn_blocking(work).await.unwrap_or_else(|error| Err(Failure::new(error.to_string())))
}

/// Refreshes keys, and applies new configurations.
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
    /// `None` if the configuration is not a file.
    pub(super) source: Mutex<Option<Source>>,
    /// Reload requests from the operator API.
    pub(super) asks: Mutex<Option<mpsc::Receiver<Ask>>>,
    /// When the configuration in force was applied, in milliseconds since the epoch.
    pub(super) applied: Arc<AtomicU64>,
}

/// A reload request that waits for its result.
pub(super) type Ask = oneshot::Sender<Reloaded>;

type Levels = Arc<dyn Fn(&str) -> Result<(), String> + Send + Sync>;

/// A configuration that is ready to be applied.
struct Next {
    snapshot: ProxyConfig,
    endpoints: Vec<Endpoint>,
    webhooks: NextWebhooks,
    /// Sections that differ from those in force.
    changed: Vec<String>,
    /// Keys that keep their value until the next start.
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
    /// Records that the initial configuration is in force.
    pub(super) fn started(&self) {
        self.tell_revision(&self.current.load());
        self.metrics.config_last_reload_successful.set(1);
    }

    async fn watch(&self, source: Option<Source>, asks: Option<mpsc::Receiver<Ask>>, fetching: &mut Fetching) {
        // Without a source nobody receives requests, and senders get an error.
        let (Some(mut source), Some(mut asks)) = (source, asks) else { return std::future::pending().await };
        // Dropping a configuration and its caches takes a while, so it must not happen in the last request that uses
        // one.
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
                let _ = ask.send(reloaded); // the requester may be gone
            }
            if self.current.load().runtime.revision != before.runtime.revision {
                retired.push(before);
            }
        }
    }

    /// Applies the text, or logs why not: each reason once, unless `is_asked`.
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
                    tracing::info!("the configuration is unchanged");
                    ("unchanged", Reloaded::Unchanged)
                }
            }
            // The configuration was not checked. The next check retries.
            Err(Failure { reasons, shortage: true }) => {
                if was_short && !is_asked {
                    return Reloaded::Shortage(reasons);
                }
                for reason in &reasons {
                    tracing::error!(%reason, "the configuration cannot be read; keeping the previous one and retrying");
                }
                ("shortage", Reloaded::Shortage(reasons))
            }
            // Files that it names may still appear: retry, and log again when the reasons change.
            Err(Failure { reasons, .. }) if !is_asked && reasons == source.reasons => {
                return Reloaded::Refused(reasons);
            }
            Err(Failure { reasons, .. }) => {
                for reason in &reasons {
                    tracing::error!(%reason, "configuration refused; keeping the previous one");
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

    /// Checks and compiles; `None` if it equals the configuration in force.
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
            // A folder that has become unwritable must not block other changes.
            if settings.snapshot != before.runtime.settings.snapshot {
                let reasons: Vec<String> = preflight::problems(&settings).iter().map(Finding::line).collect();
                if !reasons.is_empty() {
                    return Err(of_file(Failure { reasons, shortage: false }));
                }
            }
            let endpoints = bootstrap::certificates(&settings).map_err(of_file)?;
            let fixed = settings.keep_fixed(&before.runtime.settings);
            let webhooks = NextWebhooks::new(&settings).map_err(|error| of_file(error.into()))?;
            // Before anything is applied: afterwards a failure could not be reported.
            deliverer.prepare(&webhooks).map_err(|error| of_file(Failure::no_thread(&error)))?;
            let snapshot = bootstrap::snapshot(settings, Some(&before), &clock, &metrics).map_err(of_file)?;
            Ok(Some(Next { snapshot, endpoints, webhooks, changed, fixed }))
        })
        .await
    }

    async fn apply(&self, next: Next, fetching: &mut Fetching) -> Reloaded {
        let Next { snapshot, endpoints, webhooks, changed, fixed } = next;
        let fresh = Fetching::new(&snapshot.runtime.key_sources);
        // Fetch now, so that no request fails for lack of keys or addresses.
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
            tracing::warn!(%error, "the log level cannot be changed; keeping the previous one");
        }
        if let Err(error) = self.webhooks.apply(webhooks) {
            tracing::error!(%error, "webhooks cannot be delivered: no thread could be started");
        }
        self.applied(&snapshot.runtime.settings).await;
        self.tell_revision(&snapshot);
        super::log_warnings(&snapshot.runtime.settings);
        tracing::info!(revision = snapshot.runtime.revision, changed = changed.join(", "), "configuration applied");
        for key in &fixed {
            tracing::warn!(%key, "this setting cannot change while the gateway runs; it takes effect at the next start");
        }
        Reloaded::Applied { revision: snapshot.runtime.revision, changed, fixed }
    }

    /// Moves the file of blocks and exemptions to the folder of the new snapshot.
    async fn move_orders(&self, before: Option<PathBuf>, now: Option<PathBuf>) {
        let Some(file) = now.filter(|now| before.as_ref() != Some(now)) else { return };
        let orders = self.orders.clone();
        let saved = spawn_blocking(move || orders.save(&file)).await.map_err(std::io::Error::other);
        if let Err(error) = saved.and_then(|saved| saved) {
            tracing::error!(%error, "blocks and exemptions cannot be written; they are lost at a restart");
        }
    }

    /// Updates all components that keep parts of the configuration.
    async fn applied(&self, settings: &Settings) {
        let (windows, in_force) = (settings.streams.clone(), settings.in_force());
        let ending = self.table.apply_policy_change(windows, in_force, self.clock.now()).await;
        if ending > 0 {
            tracing::info!(ending, "streams end because the new policies do not admit them");
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

/// Tasks that refresh the keys of identity.
struct Fetching {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Fetching {
    fn new(key_sources: &Arc<KeySources>) -> Self {
        let (key_sources, (stop, stopped)) = (key_sources.clone(), oneshot::channel());
        let stopped = async move {
            let _ = stopped.await; // a dropped sender is a stop, too
        };
        Self { stop, task: tokio::spawn(async move { key_sources.run(stopped).await }) }
    }

    async fn stop(self) {
        drop(self.stop);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the task that refreshes keys failed");
        }
    }
}
