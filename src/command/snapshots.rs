//! Writes the snapshot of the stream table: at shutdown, and at `streams.snapshot_interval`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use parking_lot::Mutex;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;
use streamgate::gateway::ProxyConfig;
use streamgate::model::Clock;
use streamgate::streams::StreamTable;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

/// Interval of configuration checks while no snapshot interval is set.
const LOOK: Duration = Duration::from_secs(1);

/// The background service that writes snapshots of a running gateway.
#[derive(Clone)]
pub(super) struct Snapshots(Arc<Writer>);

struct Writer {
    table: Arc<StreamTable>,
    current: Arc<ArcSwap<ProxyConfig>>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

/// Locked while a file is written, so that there is only one writer.
#[derive(Default)]
struct State {
    /// The final snapshot has been written.
    finished: bool,
    /// The last attempt failed, which has been logged.
    failed: bool,
}

impl Snapshots {
    /// Snapshots of `table` under the current configuration.
    pub(super) fn new(table: Arc<StreamTable>, current: Arc<ArcSwap<ProxyConfig>>, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Writer { table, current, clock, state: Mutex::default() }))
    }

    /// Writes the final snapshot of a stopped gateway. Waits for a running one; no other follows.
    pub(super) fn finish(&self) {
        self.0.finish();
    }
}

impl Writer {
    fn finish(&self) {
        let mut state = self.state.lock();
        state.finished = true;
        let current = self.current.load_full();
        let Some(file) = &current.runtime.settings.snapshot else { return };
        self.table.tell_wall(self.clock.moment());
        match self.table.save(file, &current.runtime.settings.streams, self.clock.now()) {
            Ok(accounts) => tracing::info!(file = %file.display(), accounts, "snapshot written"),
            Err(error) => tracing::error!(file = %file.display(), %error, "the snapshot cannot be written"),
        }
    }

    fn write(&self) {
        let mut state = self.state.lock();
        let current = self.current.load_full();
        let Some(file) = current.runtime.settings.snapshot.as_ref().filter(|_| !state.finished) else { return };
        match self.table.save_running(file, &current.runtime.settings.streams, self.clock.now()) {
            Ok(accounts) => {
                tracing::debug!(file = %file.display(), accounts, "snapshot written");
                if std::mem::take(&mut state.failed) {
                    tracing::info!(file = %file.display(), "the snapshot can be written again");
                }
            }
            Err(error) if !state.failed => {
                state.failed = true;
                tracing::error!(
                    file = %file.display(), %error,
                    "the snapshot cannot be written; retrying at each `streams.snapshot_interval`"
                );
            }
            Err(_) => {}
        }
    }
}

#[async_trait]
impl BackgroundService for Snapshots {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let mut pause = LOOK;
        loop {
            tokio::select! {
                () = sleep(pause) => {}
                _ = shutdown.changed() => return,
            }
            let interval = self.0.current.load().runtime.settings.snapshot_interval;
            let Some(interval) = interval else {
                pause = LOOK;
                continue;
            };
            let (began, writer) = (Instant::now(), self.0.clone());
            // Files are written on separate threads, one at a time.
            if let Err(error) = spawn_blocking(move || writer.write()).await {
                tracing::error!(%error, "writing the snapshot failed");
            }
            // A large table takes long: spend at most half of the time writing.
            pause = interval.max(began.elapsed());
        }
    }
}
