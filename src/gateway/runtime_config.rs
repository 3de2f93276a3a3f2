//! What requests are answered with, and where they go.

use std::ops::Deref;
use std::sync::Arc;

use super::Upstreams;
use crate::admission;

/// One configuration and all that was made of it. A request keeps the one that it began with; a reload swaps it whole.
pub struct Snapshot {
    /// What answers rest on.
    pub answers: Arc<admission::RuntimeConfig>,
    /// The servers of its origins.
    pub upstreams: Arc<Upstreams>,
}

impl Snapshot {
    /// What answers rest on, and where requests go.
    pub fn new(answers: admission::RuntimeConfig, upstreams: Upstreams) -> Self {
        Self { answers: Arc::new(answers), upstreams: Arc::new(upstreams) }
    }
}

impl Deref for Snapshot {
    type Target = admission::RuntimeConfig;

    fn deref(&self) -> &admission::RuntimeConfig {
        &self.answers
    }
}
