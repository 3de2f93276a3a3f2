//! What requests are answered with.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::config::Settings;
use crate::identity::Blocks;
use crate::key_sources::KeySources;

/// One configuration and what answers rest on. A request keeps the one that it began with; a reload swaps it whole.
pub struct RuntimeConfig {
    /// Counts the configurations that were in force since the start, from 1.
    pub revision: u64,
    /// The configuration.
    pub settings: Arc<Settings>,
    /// Keys and verdicts from outside.
    pub key_sources: Arc<KeySources>,
    /// Who is blocked.
    pub blocks: Arc<ArcSwap<Blocks>>,
}

impl RuntimeConfig {
    /// The configuration of that revision, and what was made of it.
    pub fn new(revision: u64, settings: Arc<Settings>, key_sources: Arc<KeySources>) -> Self {
        let blocks = key_sources.blocks();
        Self { revision, settings, key_sources, blocks }
    }
}
