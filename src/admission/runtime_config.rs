//! The configuration and data that decisions use.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::config::Settings;
use crate::identity::Blocks;
use crate::key_sources::KeySources;

/// One configuration and the data that decisions use. A request keeps the one that it began with; a reload replaces it
/// as a whole.
pub struct RuntimeConfig {
    /// Number of this configuration since the start, from 1.
    pub revision: u64,
    /// The configuration.
    pub settings: Arc<Settings>,
    /// Keys and verdicts from external sources.
    pub key_sources: Arc<KeySources>,
    /// The blocks.
    pub blocks: Arc<ArcSwap<Blocks>>,
}

impl RuntimeConfig {
    /// The configuration of a revision. Takes the blocks from its key sources.
    pub fn new(revision: u64, settings: Arc<Settings>, key_sources: Arc<KeySources>) -> Self {
        let blocks = key_sources.blocks();
        Self { revision, settings, key_sources, blocks }
    }
}
