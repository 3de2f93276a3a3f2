//! Shared state of the control port.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use axum::http::StatusCode;
use bytes::Bytes;

use crate::admission::{Admission, Current};
use crate::config::Settings;
use crate::identity::{Block, Blocks};
use crate::model::{AccountKey, Device, Millis, StreamId};
use crate::overrides::Orders;

use super::session::Throttle;
use super::stream_counts::Counted;

/// Readiness: every origin has an address, and the process is not draining.
pub struct Readiness {
    draining: AtomicBool,
    /// Set and reset by an operator.
    aside: AtomicBool,
    ready: Box<dyn Fn() -> bool + Send + Sync>,
}

impl Readiness {
    /// Ready while `ready` returns true and nothing drains.
    pub fn new(ready: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self { draining: AtomicBool::new(false), aside: AtomicBool::new(false), ready: Box::new(ready) }
    }

    /// Makes `/readyz` answer 503 so that load balancers send requests elsewhere; requests are still served.
    pub fn drain(&self) {
        self.draining.store(true, Relaxed);
    }

    /// Drains while an operator wants it.
    pub(super) fn set_draining(&self, aside: bool) {
        self.aside.store(aside, Relaxed);
    }

    /// True while draining. Requests are still served.
    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Relaxed) || self.aside.load(Relaxed)
    }

    pub(super) fn state(&self) -> (StatusCode, &'static str) {
        if self.is_draining() {
            (StatusCode::SERVICE_UNAVAILABLE, "draining\n")
        } else if (self.ready)() {
            (StatusCode::OK, "ready\n")
        } else {
            (
                StatusCode::SERVICE_UNAVAILABLE,
                "an origin has no address yet; see the log for names that do not resolve\n",
            )
        }
    }
}

/// A configuration in force.
#[derive(Clone, Debug)]
pub struct Revision {
    /// Counted from 1 at the start.
    pub number: u64,
    /// When it was applied.
    pub applied: Millis,
    /// The configuration.
    pub settings: Arc<Settings>,
}

/// Result of a reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reloaded {
    /// The new configuration is in force.
    Applied {
        /// Its number.
        revision: u64,
        /// The sections that changed.
        changed: Vec<String>,
        /// The keys that take effect only after a restart.
        fixed: Vec<String>,
    },
    /// Nothing changed.
    Unchanged,
    /// Invalid, for these reasons; the previous configuration stays in force.
    Refused(Vec<String>),
    /// Out of file descriptors, for these reasons; the previous configuration stays in force, and the reload is
    /// retried.
    Shortage(Vec<String>),
    /// The configuration was not read from a file.
    NoFile,
    /// The gateway is stopping.
    Stopping,
}

/// Operations on the process that the operator API needs.
#[async_trait]
pub trait ProcessControl: Send + Sync {
    /// The configuration in force.
    fn revision(&self) -> Revision;

    /// Reloads the configuration and waits for the result.
    async fn reload(&self) -> Reloaded;
}

/// The control port's state. A pointer, since each request has a copy.
pub type Control = Arc<ControlParts>;

/// The control port's parts.
pub struct ControlParts {
    /// Shared with the gateway.
    pub admission: Arc<Admission>,
    /// The configuration in force.
    pub current: Current,
    /// Rate limits of the session API.
    pub throttle: Throttle,
    /// State behind `/readyz`.
    pub readiness: Arc<Readiness>,
    /// Updates gauges before they are rendered.
    pub refresh: Box<dyn Fn() + Send + Sync>,
    /// Operators' overrides.
    pub orders: Arc<Orders>,
    /// The process.
    pub house: Box<dyn ProcessControl>,
    /// When the process started.
    pub started: Millis,
    /// The last count of streams.
    pub counted: Counted,
    /// The `OpenAPI` document, once the routes are built.
    pub document: OnceLock<Bytes>,
}

impl ControlParts {
    /// The configuration in force.
    pub(super) fn settings(&self) -> Arc<Settings> {
        (self.current)().settings.clone()
    }

    /// The active blocks.
    pub(super) fn blocks(&self) -> Arc<Blocks> {
        (self.current)().blocks.load_full()
    }

    /// The block that applies to this viewer, if any.
    pub(super) fn blocked(&self, account: &AccountKey, device: &Device, stream: StreamId) -> Option<Block> {
        self.blocks().blocked(account, device, None, stream, self.admission.clock.wall()).cloned()
    }
}
