//! The configuration and data that requests use.

use std::sync::Arc;

use super::Upstreams;
use crate::admission::RuntimeConfig;

/// One configuration and all that was built from it. A request keeps the one that it began with; a reload replaces it
/// as a whole.
pub struct ProxyConfig {
    /// What decisions use.
    pub runtime: Arc<RuntimeConfig>,
    /// The servers of its origins.
    pub upstreams: Arc<Upstreams>,
}

impl ProxyConfig {
    /// Combines what decisions use and the servers of origins.
    pub fn new(runtime: RuntimeConfig, upstreams: Upstreams) -> Self {
        Self { runtime: Arc::new(runtime), upstreams: Arc::new(upstreams) }
    }
}
