//! What the control port works with.

use std::ops::Deref;
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

/// Whether requests should be sent here. Ready means: every origin has an address, and nobody asked for a drain.
pub struct Readiness {
    draining: AtomicBool,
    /// An operator asks for it, and may ask otherwise.
    aside: AtomicBool,
    ready: Box<dyn Fn() -> bool + Send + Sync>,
}

impl Readiness {
    /// Ready whenever `ready` says so, until it drains.
    pub fn new(ready: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self { draining: AtomicBool::new(false), aside: AtomicBool::new(false), ready: Box::new(ready) }
    }

    /// From now on `/readyz` tells load balancers to look elsewhere; requests are still served.
    pub fn drain(&self) {
        self.draining.store(true, Relaxed);
    }

    /// The same for as long as an operator wants it.
    pub(super) fn set_draining(&self, aside: bool) {
        self.aside.store(aside, Relaxed);
    }

    /// Whether requests should go elsewhere, although they are served.
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
                "an origin has no address yet; see the log for the name that does not resolve\n",
            )
        }
    }
}

/// One configuration that is in force.
#[derive(Clone, Debug)]
pub struct Revision {
    /// Counted from 1 at the start.
    pub number: u64,
    /// Since when.
    pub applied: Millis,
    /// What it says.
    pub settings: Arc<Settings>,
}

/// What became of reading the configuration again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reloaded {
    /// It is in force.
    Applied {
        /// Its number.
        revision: u64,
        /// The sections that differ from those of before.
        changed: Vec<String>,
        /// The keys that take effect at the next start.
        fixed: Vec<String>,
    },
    /// It says what is in force already.
    Unchanged,
    /// It cannot be used, for these reasons; the one before goes on.
    Refused(Vec<String>),
    /// There was no file descriptor left to read it with, for these reasons; the one before goes on, and this is tried again.
    Shortage(Vec<String>),
    /// There is no file to read.
    NoFile,
    /// The gateway is stopping.
    Stopping,
}

/// What the operator's API asks of the program that it is a part of.
#[async_trait]
pub trait ProcessControl: Send + Sync {
    /// What is in force.
    fn revision(&self) -> Revision;

    /// Reads the configuration again, and waits until that is done.
    async fn reload(&self) -> Reloaded;
}

/// The control port. Each request has one, so that it is a pointer.
#[derive(Clone)]
pub struct Control(Arc<ControlParts>);

/// What the control port is made of.
pub struct ControlParts {
    /// What it has in common with the gateway.
    pub questions: Arc<Admission>,
    /// What is in force now.
    pub current: Current,
    /// How often the session API was called.
    pub throttle: Throttle,
    /// What `/readyz` says.
    pub readiness: Arc<Readiness>,
    /// Brings gauges up to date before they are shown.
    pub refresh: Box<dyn Fn() + Send + Sync>,
    /// What operators have ordered.
    pub orders: Arc<Orders>,
    /// The program.
    pub house: Box<dyn ProcessControl>,
    /// When it started.
    pub started: Millis,
    /// How many streams there were when they were last counted.
    pub counted: Counted,
    /// The description of all of it, once its routes are known.
    pub document: OnceLock<Bytes>,
}

impl ControlParts {
    /// The configuration that is in force now.
    pub(super) fn settings(&self) -> Arc<Settings> {
        (self.current)().settings.clone()
    }

    /// Who is shut out.
    pub(super) fn blocks(&self) -> Arc<Blocks> {
        (self.current)().blocks.load_full()
    }

    /// The block that shuts this viewer out now, if one does.
    pub(super) fn blocked(&self, account: &AccountKey, device: &Device, stream: StreamId) -> Option<Block> {
        self.blocks().blocked(account, device, None, stream, self.clock.wall()).cloned()
    }
}

impl From<ControlParts> for Control {
    fn from(parts: ControlParts) -> Self {
        Self(Arc::new(parts))
    }
}

impl Deref for Control {
    type Target = ControlParts;

    fn deref(&self) -> &ControlParts {
        &self.0
    }
}

impl Deref for ControlParts {
    type Target = Admission;

    fn deref(&self) -> &Admission {
        &self.questions
    }
}
