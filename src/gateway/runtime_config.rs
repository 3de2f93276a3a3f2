//! What requests are answered with, and where they go.

use std::sync::Arc;

use super::Upstreams;
use crate::admission::RuntimeConfig;

/// One configuration and all that was made of it. A request keeps the one that it began with; a reload swaps it whole.
pub struct ProxyConfig {
    /// What decisions rest on.
    pub runtime: Arc<RuntimeConfig>,
    /// The servers of its origins.
    pub upstreams: Arc<Upstreams>,
}

impl ProxyConfig {
    /// What decisions rest on, and where requests go.
    pub fn new(runtime: RuntimeConfig, upstreams: Upstreams) -> Self {
        Self { runtime: Arc::new(runtime), upstreams: Arc::new(upstreams) }
    }
}
