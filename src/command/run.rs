//! `streamgate run`: builds all components from the configuration and starts the listeners.

use std::net::TcpListener;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use parking_lot::Mutex;
use pingora::server::configuration::ServerConf;
use pingora::server::{RunArgs, Server, ShutdownWatch};
use pingora::services::background::{BackgroundService, background_service};
use streamgate::admission::{Admission, ListedSegments, RecentExplanations, RequestIds};
use streamgate::config::{LogFormat, Settings};
use streamgate::control::{Control, ControlParts, Counted, Readiness, Throttle};
use streamgate::gateway::{self, Background, Endpoint, Expiry, Gateway, ProxyConfig};
use streamgate::model::Clock;
use streamgate::net::{SHORTAGE_REMEDY, is_shortage};
use streamgate::overrides::{Kind, Orders};
use streamgate::streams::store::InMemoryStore;
use streamgate::streams::{Observer, StreamTable, durable_file};
use streamgate::telemetry::{self, Decisions, Format, Metrics, NextWebhooks, Webhooks};
use tokio::sync::{mpsc, watch};

use super::Outcome;
use super::bootstrap::{self, Failure};
use super::preflight::{self, Finding, Reserved};
use super::reload::{Reloader, Source};
use super::runtime_handle::Running;
use super::shutdown::Shutdown;
use super::snapshots::Snapshots;
use super::system::{SystemClock, SystemEntropy};

/// Maximum idle connections to origins.
const KEPT: usize = 2048;

/// How long webhooks may take after the last event.
const FINAL_LOG: Duration = Duration::from_secs(2);

/// Serves until a signal stops the process.
pub(crate) fn run(file: &Path) -> Outcome {
    let (source, settings) = Source::read(file)?;
    serve(settings, Some(source), |_| {})
}

/// Serves with the given settings, which are reloaded if they have a source. Calls `ready` when everything is prepared.
#[allow(clippy::too_many_lines, reason = "every part of the program, once")]
pub(super) fn serve(settings: Settings, source: Option<Source>, ready: impl FnOnce(&Settings)) -> Outcome {
    let (listeners, reserved) = prepare(&settings)?;
    let log = telemetry::init(
        settings.log.level.as_str(),
        match settings.log.format {
            LogFormat::Json => Format::Json,
            LogFormat::Text => Format::Text,
        },
    )?;
    preflight::raise_limits();
    super::log_warnings(&settings);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let metrics = Arc::new(Metrics::new().map_err(|error| error.to_string())?);
    let webhooks = Arc::new(Webhooks::new(clock.clone(), Arc::new(SystemEntropy), metrics.clone()));
    let decisions = Arc::new(Decisions::new(clock.clone(), Arc::new(SystemEntropy)));
    let observers: Vec<Arc<dyn Observer>> = vec![metrics.clone(), webhooks.clone(), decisions.clone()];
    let observer: Arc<dyn Observer> = Arc::new(observers);
    let (store, table) = stream_table(&settings, observer, &*clock)?;
    // From here on: the starts of restored streams were sent when they happened.
    let hooks = NextWebhooks::new(&settings).map_err(|error| error.to_string())?;
    webhooks.apply(hooks).map_err(|error| format!("webhooks: {error}"))?;

    let snapshot = Arc::new(bootstrap::snapshot(settings, None, &clock, &metrics).map_err(Failure::into_lines)?);
    let settings = snapshot.runtime.settings.clone();
    decisions.configure(&settings);
    let current = Arc::new(ArcSwap::new(snapshot));
    let orders = orders(&settings, &table, &current, &*clock)?;
    let readiness = readiness(&current);
    let refresh = refresh(&metrics, &webhooks, log.take_dropped(), store, &orders, &clock);
    let admission = Arc::new(Admission {
        table: table.clone(),
        metrics: metrics.clone(),
        clock: clock.clone(),
        entropy: Arc::new(SystemEntropy),
        explained: RecentExplanations::default(),
        decisions: decisions.clone(),
        listed: ListedSegments::default(),
        requests: RequestIds::new(&SystemEntropy),
    });
    let gateway = Gateway::new(current.clone(), admission.clone(), KEPT * settings.threads);
    let expiry = Arc::new(Expiry::new(table.clone(), clock.clone()));
    let background = Background {
        expiry: expiry.clone(),
        current: current.clone(),
        certificates: listeners.iter().filter_map(|(_, certificate)| certificate.clone()).collect(),
        metrics: metrics.clone(),
        clock: clock.clone(),
    };
    let (reloads, asks) = mpsc::channel(8);
    let house = Running { current: current.clone(), applied: Arc::default(), reloads, has_file: source.is_some() };
    let reloader = Reloader {
        current: current.clone(),
        table: table.clone(),
        orders: orders.clone(),
        endpoints: listeners.clone(),
        webhooks: webhooks.clone(),
        decisions: decisions.clone(),
        metrics: metrics.clone(),
        clock: clock.clone(),
        levels: log.levels(),
        source: Mutex::new(source),
        asks: Mutex::new(Some(asks)),
        applied: house.applied.clone(),
    };
    reloader.started();

    // Only now: while a snapshot is read, connections must be refused. The snapshot is renamed later still.
    reserved.listen(&settings).map_err(|problems| problems.join("\n"))?;
    let Reserved { viewers: bound, control: control_listener } = reserved;
    let certificates = listeners.iter().map(|(_, certificate)| certificate.clone());
    let bound = bound.into_iter().zip(certificates).collect();
    let control = ControlParts {
        admission,
        current: Arc::new({
            let current = current.clone();
            move || current.load().runtime.clone()
        }),
        throttle: Throttle::default(),
        readiness: readiness.clone(),
        refresh,
        orders: orders.clone(),
        house: Box::new(house),
        started: clock.now(),
        counted: Counted::default(),
        document: OnceLock::new(),
    };
    let ((viewers, viewers_stop), (control_closing, control_stop)) = (watch::channel(false), watch::channel(false));
    let shutdown = Shutdown { current: current.clone(), readiness, viewers, control: control_closing };
    let control = ControlPort { control: control.into(), listener: Mutex::new(Some((control_listener, control_stop))) };

    let mut server = Server::new_with_opt_and_conf(None, server_conf(&settings));
    server.bootstrap();
    let service =
        gateway::service(&server.configuration, gateway, bound, viewers_stop).map_err(|error| error.to_string())?;
    server.add_service(background_service("house-keeping", background));
    let mut control = background_service("control", control);
    // Other proxies send an authorization request here for each request of theirs.
    control.threads = Some(settings.threads);
    server.add_service(control);
    server.add_service(background_service("reload", reloader));
    let snapshots = Snapshots::new(table, current.clone(), clock);
    server.add_service(background_service("snapshots", snapshots.clone()));
    server.add_service(service);
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        listeners = listeners.iter().map(|(address, _)| address.to_string()).collect::<Vec<_>>().join(", "),
        control = %settings.control.address,
        revision = current.load().runtime.revision,
        "streamgate is up"
    );
    // Only now: a failed start must not lose the snapshot.
    put_aside(&settings);
    ready(&settings);
    server.run(RunArgs { shutdown_signal: Box::new(shutdown) });

    // First: expired streams are sent to webhooks, and are not in the snapshot.
    expiry.finish();
    webhooks.finish(FINAL_LOG);
    save_orders(&current.load().runtime.settings, &orders);
    snapshots.finish();
    tracing::info!("streamgate has stopped");
    Ok(())
}

/// Reserves what a start needs of the machine. The error has one line for each thing that is missing.
fn prepare(settings: &Settings) -> Result<(Vec<Endpoint>, Reserved), String> {
    let mut problems: Vec<String> = preflight::problems(settings).iter().map(Finding::line).collect();
    let endpoints = bootstrap::certificates(settings).map_err(|failure| problems.extend(failure.reasons));
    let reserved = Reserved::new(settings).map_err(|taken| problems.extend(taken));
    match (endpoints, reserved) {
        (Ok(endpoints), Ok(reserved)) if problems.is_empty() => Ok((endpoints, reserved)),
        _ => Err(problems.join("\n")),
    }
}

/// Readiness of this gateway.
fn readiness(current: &Arc<ArcSwap<ProxyConfig>>) -> Arc<Readiness> {
    let (current, was_ready) = (current.clone(), AtomicBool::new(false));
    // An origin of a later configuration must not make the whole gateway unready.
    Arc::new(Readiness::new(move || {
        let is_ready = was_ready.load(Relaxed) || current.load().upstreams.resolved();
        was_ready.store(is_ready, Relaxed);
        is_ready
    }))
}

/// Updates gauges.
fn refresh(
    metrics: &Arc<Metrics>,
    webhooks: &Arc<Webhooks>,
    take_dropped: impl Fn() -> u64 + Send + Sync + 'static,
    store: Arc<InMemoryStore>,
    orders: &Arc<Orders>,
    clock: &Arc<dyn Clock>,
) -> Box<dyn Fn() + Send + Sync> {
    let (metrics, webhooks) = (metrics.clone(), webhooks.clone());
    let (orders, clock) = (orders.clone(), clock.clone());
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    #[allow(clippy::cast_precision_loss, reason = "no clock is off by so much that it matters")]
    let seconds = |millis: i64| millis as f64 / 1000.0;
    Box::new(move || {
        webhooks.refresh();
        for (kind, label) in [(Kind::Block, "block"), (Kind::Exemption, "exemption")] {
            metrics.orders.with_label_values(&[label]).set(number(orders.count(kind, clock.wall()) as u64));
        }
        metrics.accounts.set(number(store.accounts()));
        metrics.clock_offset.set(seconds(clock.moment().offset()));
        metrics.log_lines_dropped.inc_by(take_dropped());
    })
}

/// Operators' overrides, including those restored from the file.
fn orders(
    settings: &Settings,
    table: &Arc<StreamTable>,
    current: &Arc<ArcSwap<ProxyConfig>>,
    clock: &dyn Clock,
) -> Result<Arc<Orders>, String> {
    let current = current.clone();
    let orders = Orders::new(table.clone(), move |blocks| current.load().runtime.key_sources.block_also(blocks));
    restore_orders(settings, &orders, clock)?;
    Ok(Arc::new(orders))
}

fn server_conf(settings: &Settings) -> ServerConf {
    // By default the framework's own files are in a folder that is writable for everybody. They are unused here.
    let unused = |name: &str| std::env::temp_dir().join(format!("streamgate-{}-{name}", std::process::id()));
    ServerConf {
        threads: settings.threads,
        // It is stopped when there is nothing left to wait for.
        grace_period_seconds: Some(0),
        graceful_shutdown_timeout_seconds: Some(1),
        pid_file: unused("pid").display().to_string(),
        upgrade_sock: unused("upgrade").display().to_string(),
        ..ServerConf::default()
    }
}

/// The stream table, with streams restored from the snapshot, and its store.
fn stream_table(
    settings: &Settings,
    observer: Arc<dyn Observer>,
    clock: &dyn Clock,
) -> Result<(Arc<InMemoryStore>, Arc<StreamTable>), String> {
    let store = Arc::new(InMemoryStore::new(settings.streams.clone(), observer.clone()));
    let table = StreamTable::new(store.clone(), observer).opened_at(clock.now());
    let table = Arc::new(table.configured(settings.streams.clone(), settings.in_force()));
    table.tell_wall(clock.moment());
    restore(settings, &table, clock)?;
    Ok((store, table))
}

fn restore(settings: &Settings, table: &StreamTable, clock: &dyn Clock) -> Outcome {
    let Some(file) = &settings.snapshot else { return Ok(()) };
    match table.restore(file, clock.now()) {
        Ok(restored) if restored.damaged > 0 => {
            tracing::warn!(
                file = %file.display(), accounts = restored.accounts, damaged = restored.damaged,
                "part of the snapshot cannot be read; those streams return with their play sessions"
            );
        }
        Ok(restored) => tracing::info!(file = %file.display(), accounts = restored.accounts, "snapshot restored"),
        // The file is fine, and the next start reads it.
        Err(error) if is_shortage(&error) => {
            return Err(format!("the snapshot {} cannot be read ({error}): {SHORTAGE_REMEDY}", file.display()));
        }
        Err(error) => tracing::warn!(
            file = %file.display(), %error,
            "the snapshot cannot be read; streams return with their play sessions"
        ),
    }
    Ok(())
}

/// Renames the snapshot after it was read: after a crash it would restore streams that have long ended. A periodic
/// snapshot stays until the next one replaces it: streams restored too late hold no slots.
fn put_aside(settings: &Settings) {
    let Some(file) = settings.snapshot.as_ref().filter(|_| settings.snapshot_interval.is_none()) else { return };
    if let Err(error) = durable_file::rename(file, &preflight::put_aside(file))
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(file = %file.display(), %error, "the snapshot cannot be renamed; remove it before the next start");
    }
}

fn restore_orders(settings: &Settings, orders: &Orders, clock: &dyn Clock) -> Outcome {
    let Some(file) = &settings.snapshot else { return Ok(()) };
    let restored = orders.restore(file, clock.wall()).map_err(|error| {
        let file = Orders::beside(file);
        let remedy = if is_shortage(&error) {
            SHORTAGE_REMEDY
        } else {
            "let the gateway's user read and write it, or move the file away"
        };
        format!("the blocks and exemptions in {} can be neither read nor renamed ({error}): {remedy}", file.display())
    })?;
    if restored.orders > 0 {
        tracing::info!(orders = restored.orders, "blocks and exemptions are in force again");
    }
    if restored.damaged > 0 {
        tracing::error!(
            file = %Orders::damaged(file).display(), damaged = restored.damaged,
            "some saved blocks and exemptions cannot be read and are not in force; the file was renamed"
        );
    }
    Ok(())
}

fn save_orders(settings: &Settings, orders: &Orders) {
    let Some(file) = &settings.snapshot else { return };
    // They are saved at each change, but a reload may have moved the snapshot since.
    if let Err(error) = orders.save(file) {
        tracing::error!(file = %Orders::beside(file).display(), %error, "blocks and exemptions cannot be written");
    }
}

/// The control port as a service of the framework's server.
struct ControlPort {
    control: Control,
    /// With the signal to close.
    listener: Mutex<Option<(TcpListener, watch::Receiver<bool>)>>,
}

#[async_trait]
impl BackgroundService for ControlPort {
    async fn start(&self, _: ShutdownWatch) {
        let Some((listener, stop)) = self.listener.lock().take() else { return };
        let listener = match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!(%error, "the control port cannot listen");
                return;
            }
        };
        let mut told = stop.clone();
        let told = async move {
            // If the sender is gone, close as well.
            let _ = told.wait_for(|stop| *stop).await;
        };
        if let Err(error) = self.control.clone().serve(listener, told).await {
            tracing::error!(%error, "the control port failed");
        }
        drop(stop); // only now: the port counts as closed when no receiver is left
    }
}
