//! What the control port works with.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use axum::http::StatusCode;

use crate::config::Settings;
use crate::identity::Blocks;
use crate::questions::{Current, Questions};

use super::session::Throttle;

/// Whether requests should be sent here. Ready means: every origin has an address, and nobody asked for a drain.
pub struct Readiness {
    draining: AtomicBool,
    ready: Box<dyn Fn() -> bool + Send + Sync>,
}

impl Readiness {
    /// Ready whenever `ready` says so, until it drains.
    pub fn new(ready: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self { draining: AtomicBool::new(false), ready: Box::new(ready) }
    }

    /// From now on `/readyz` tells load balancers to look elsewhere; requests are still served.
    pub fn drain(&self) {
        self.draining.store(true, Relaxed);
    }

    pub(super) fn state(&self) -> (StatusCode, &'static str) {
        if self.draining.load(Relaxed) {
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

/// The control port.
#[derive(Clone)]
pub struct Control {
    /// What it has in common with the gateway.
    pub questions: Arc<Questions>,
    /// What is in force now.
    pub current: Current,
    /// Its configuration.
    pub settings: Arc<dyn Fn() -> Arc<Settings> + Send + Sync>,
    /// How often the session API was called.
    pub throttle: Arc<Throttle>,
    /// What `/readyz` says.
    pub readiness: Arc<Readiness>,
    /// Brings gauges up to date before they are shown.
    pub refresh: Arc<dyn Fn() + Send + Sync>,
}

impl Deref for Control {
    type Target = Questions;

    fn deref(&self) -> &Questions {
        &self.questions
    }
}

impl Control {
    /// Who is shut out.
    pub(super) fn blocks(&self) -> Arc<Blocks> {
        (self.current)().blocks.load_full()
    }
}
