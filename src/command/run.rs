//! `streamgate run`: builds the house and opens its doors.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use parking_lot::Mutex;
use pingora::server::configuration::ServerConf;
use pingora::server::{RunArgs, Server, ShutdownWatch};
use pingora::services::background::{BackgroundService, background_service};
use streamgate::config::{LogFormat, Settings};
use streamgate::control::{Control, Readiness};
use streamgate::gateway::{self, Background, Certificate, Gateway, Upstreams};
use streamgate::model::{Clock, Entropy};
use streamgate::streams::StreamTable;
use streamgate::streams::store::Embedded;
use streamgate::telemetry::{self, Format, Metrics};
use streamgate::trust::{Pace, Trust, TrustSettings};

use super::Outcome;
use super::edges::{SystemClock, SystemEntropy};

/// Attempts at an origin: the first and one more.
const ATTEMPTS: usize = 2;
/// Idle connections to origins that are kept.
const KEPT: usize = 2048;

/// Serves until the process is told to stop.
pub(crate) fn run(file: &Path) -> Outcome {
    serve(super::load(file)?, |_| {})
}

/// Reads the certificates of all listeners, in their order.
pub(crate) fn certificates(settings: &Settings) -> Result<Vec<gateway::Endpoint>, String> {
    let mut listeners = Vec::new();
    let mut problems = Vec::new();
    for listener in &settings.listeners {
        match listener.tls.as_ref().map(Certificate::read).transpose() {
            Ok(certificate) => listeners.push((listener.address, certificate.map(Arc::new))),
            Err(error) => problems.push(format!("listener {}: {error}", listener.address)),
        }
    }
    if problems.is_empty() { Ok(listeners) } else { Err(problems.join("\n")) }
}

/// Serves with the given settings; `ready` is told when everything is prepared.
pub(crate) fn serve(settings: Settings, ready: impl FnOnce(&Settings)) -> Outcome {
    let listeners = certificates(&settings)?;
    let log = telemetry::init(
        settings.log.level.as_str(),
        match settings.log.format {
            LogFormat::Json => Format::Json,
            LogFormat::Text => Format::Text,
        },
    )?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let metrics = Arc::new(Metrics::new().map_err(|error| error.to_string())?);
    let store = Arc::new(Embedded::new(settings.streams.clone(), metrics.clone()));
    let table = Arc::new(StreamTable::new(store.clone(), metrics.clone()));
    table.configure(settings.streams.clone(), settings.in_force());
    restore(&settings, &table, &*clock);

    let settings = Arc::new(settings);
    let trust = Trust::new(TrustSettings {
        key_sources: settings.key_sources.clone(),
        key_files: settings.key_files.clone(),
        callbacks: settings.callbacks.clone(),
        blocks_file: settings.blocks.clone(),
        ca_file: settings.fetch_ca.clone(),
        clock: clock.clone(),
        observer: metrics.clone(),
        pace: Pace::default(),
    })
    .map_err(|error| error.to_string())?;
    let upstreams = Arc::new(Upstreams::new(&settings));
    let readiness = Arc::new(Readiness::new({
        let upstreams = upstreams.clone();
        move || upstreams.resolved()
    }));
    let refresh: Arc<dyn Fn() + Send + Sync> = Arc::new({
        let (metrics, dropped) = (metrics.clone(), log.dropped());
        move || {
            metrics.accounts.set(i64::try_from(store.accounts()).unwrap_or(i64::MAX));
            metrics.log_lines_dropped.set(i64::try_from(dropped()).unwrap_or(i64::MAX));
        }
    });
    let gateway = Gateway {
        settings: Arc::new(ArcSwap::new(settings.clone())),
        table: table.clone(),
        upstreams: upstreams.clone(),
        trust: trust.clone(),
        blocks: trust.blocks(),
        metrics: metrics.clone(),
        clock: clock.clone(),
        entropy: Arc::new(SystemEntropy),
        requests: AtomicU64::new(u64::from_be_bytes(SystemEntropy.bytes()[..8].try_into().unwrap_or_default())),
    };
    let background = Background {
        table: table.clone(),
        upstreams,
        certificates: listeners.iter().filter_map(|(_, certificate)| certificate.clone()).collect(),
        metrics: metrics.clone(),
        clock: clock.clone(),
    };

    for (address, _) in &listeners {
        free(*address)?;
    }
    let control_listener = bind(settings.control.address)?;
    let control =
        ControlPort { control: Control { metrics, readiness, refresh }, listener: Mutex::new(Some(control_listener)) };

    let mut server = Server::new_with_opt_and_conf(None, server_conf(&settings));
    server.bootstrap();
    let service = gateway::service(&server.configuration, gateway, &listeners).map_err(|error| error.to_string())?;
    server.add_service(background_service("house-keeping", background));
    server.add_service(background_service("control", control));
    server.add_service(background_service("trust", Fetching(trust)));
    server.add_service(service);
    tracing::info!(
        listeners = ?listeners.iter().map(|(address, _)| *address).collect::<Vec<_>>(),
        control = %settings.control.address,
        "streamgate is up"
    );
    ready(&settings);
    server.run(RunArgs::default());

    save(&settings, &table, &*clock);
    Ok(())
}

fn server_conf(settings: &Settings) -> ServerConf {
    // The framework's own files lie in a folder that everybody may write to, unless they are named; we use neither.
    let unused = |name: &str| std::env::temp_dir().join(format!("streamgate-{}-{name}", std::process::id()));
    ServerConf {
        threads: settings.threads,
        max_retries: ATTEMPTS,
        upstream_keepalive_pool_size: KEPT,
        grace_period_seconds: Some(
            settings.shutdown_grace.as_secs() + u64::from(settings.shutdown_grace.subsec_nanos() > 0),
        ),
        graceful_shutdown_timeout_seconds: Some(1),
        pid_file: unused("pid").display().to_string(),
        upgrade_sock: unused("upgrade").display().to_string(),
        ..ServerConf::default()
    }
}

fn restore(settings: &Settings, table: &StreamTable, clock: &dyn Clock) {
    let Some(file) = &settings.snapshot else { return };
    match table.restore(file, clock.now()) {
        Ok(restored) if restored.damaged > 0 => {
            tracing::warn!(
                file = %file.display(), accounts = restored.accounts, damaged = restored.damaged,
                "part of the snapshot cannot be read; those streams return with their play sessions"
            );
        }
        Ok(restored) => tracing::info!(file = %file.display(), accounts = restored.accounts, "snapshot restored"),
        Err(error) => tracing::warn!(
            file = %file.display(), %error,
            "the snapshot cannot be read; streams return with their play sessions"
        ),
    }
    // It has served. After a crash it would bring back what has long ended.
    if let Err(error) = std::fs::rename(file, file.with_extension("restored"))
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(file = %file.display(), %error, "the snapshot cannot be put aside; remove it before the next start");
    }
}

fn save(settings: &Settings, table: &StreamTable, clock: &dyn Clock) {
    let Some(file) = &settings.snapshot else { return };
    match table.save(file, &settings.streams, clock.now()) {
        Ok(accounts) => tracing::info!(file = %file.display(), accounts, "snapshot written"),
        Err(error) => tracing::error!(file = %file.display(), %error, "the snapshot cannot be written"),
    }
}

fn bind(address: SocketAddr) -> Result<TcpListener, String> {
    let listener = TcpListener::bind(address).map_err(|error| occupied(address, &error))?;
    listener.set_nonblocking(true).map_err(|error| occupied(address, &error))?;
    Ok(listener)
}

/// Whether an address can be listened on. The framework binds listeners itself, and panics where it cannot.
fn free(address: SocketAddr) -> Outcome {
    TcpListener::bind(address).map(drop).map_err(|error| occupied(address, &error))
}

fn occupied(address: SocketAddr, error: &std::io::Error) -> String {
    format!("cannot listen on {address}: {error}; stop what uses it, or configure another address")
}

/// What fetches keys, as a service of the framework's server.
struct Fetching(Arc<Trust>);

#[async_trait]
impl BackgroundService for Fetching {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let stop = async move {
            let _ = shutdown.changed().await;
        };
        self.0.run(stop).await;
    }
}

/// The control port as a service of the framework's server.
struct ControlPort {
    control: Control,
    listener: Mutex<Option<TcpListener>>,
}

#[async_trait]
impl BackgroundService for ControlPort {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let Some(listener) = self.listener.lock().take() else { return };
        let listener = match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!(%error, "the control port cannot listen");
                return;
            }
        };
        let readiness = self.control.readiness.clone();
        let stop = async move {
            let _ = shutdown.changed().await;
            readiness.drain();
            // Long enough for a load balancer that is just asking.
            tokio::time::sleep(Duration::from_millis(200)).await;
        };
        if let Err(error) = self.control.clone().serve(listener, stop).await {
            tracing::error!(%error, "the control port failed");
        }
    }
}
