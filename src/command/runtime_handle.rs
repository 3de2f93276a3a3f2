//! The operator API's handle to the running process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use streamgate::control::{ProcessControl, Reloaded, Revision};
use streamgate::gateway::ProxyConfig;
use streamgate::model::Millis;
use tokio::sync::{mpsc, oneshot};

use super::reload::Ask;

/// The running process.
pub(super) struct Running {
    pub(super) current: Arc<ArcSwap<ProxyConfig>>,
    /// When the configuration in force was applied, in milliseconds since the epoch.
    pub(super) applied: Arc<AtomicU64>,
    /// Sends reload requests.
    pub(super) reloads: mpsc::Sender<Ask>,
    /// True if the configuration is a file.
    pub(super) has_file: bool,
}

#[async_trait]
impl ProcessControl for Running {
    fn revision(&self) -> Revision {
        let snapshot = self.current.load();
        let applied = Millis(self.applied.load(Relaxed));
        Revision { number: snapshot.runtime.revision, applied, settings: snapshot.runtime.settings.clone() }
    }

    async fn reload(&self) -> Reloaded {
        if !self.has_file {
            return Reloaded::NoFile;
        }
        let (ask, answer) = oneshot::channel();
        if self.reloads.send(ask).await.is_err() {
            return Reloaded::Stopping;
        }
        answer.await.unwrap_or(Reloaded::Stopping)
    }
}
