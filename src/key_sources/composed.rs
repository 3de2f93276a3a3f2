//! The keys of one issuer, combined from all places that they are read from.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::identity::jwt::Key;
use crate::identity::{KeyPlace, KeySet, KeySource, Keys};
use crate::model::{Clock, Millis};

use super::settings::Observer;

/// The keys of one source, by place.
pub(super) struct CompositeKeySet {
    pub(super) name: Arc<str>,
    pub(super) keys: Arc<Keys>,
    parts: Mutex<Parts>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) observer: Arc<dyn Observer>,
}

struct Parts {
    by_place: Vec<Vec<Arc<Key>>>,
    changed: Option<Millis>,
}

impl CompositeKeySet {
    /// The keys of a source known so far.
    pub(super) fn new(source: &KeySource, clock: &Arc<dyn Clock>, observer: &Arc<dyn Observer>) -> Self {
        let known = |place: &KeyPlace| match place {
            KeyPlace::Fixed(key) | KeyPlace::File { key, .. } => vec![key.clone()],
            KeyPlace::SetFile { keys, .. } => keys.clone(),
            KeyPlace::SetUrl { .. } => Vec::new(),
        };
        let parts = Parts { by_place: source.places.iter().map(known).collect(), changed: None };
        let (name, keys, parts) = (source.name.clone(), source.keys.clone(), Mutex::new(parts));
        Self { name, keys, parts, clock: clock.clone(), observer: observer.clone() }
    }

    pub(super) fn keys_at(&self, place: usize) -> Vec<Arc<Key>> {
        self.parts.lock().by_place.get(place).cloned().unwrap_or_default()
    }

    /// Replaces the keys of one place.
    pub(super) fn put(&self, place: usize, keys: Vec<Arc<Key>>) {
        let mut parts = self.parts.lock();
        if let Some(part) = parts.by_place.get_mut(place) {
            *part = keys;
        }
        parts.changed = Some(self.clock.now());
        self.keys.replace(parts.by_place.concat());
    }

    /// True if the keys have changed within `span`.
    pub(super) fn has_changed_within(&self, span: Duration) -> bool {
        self.parts.lock().changed.is_some_and(|changed| self.clock.now().since(changed) < span)
    }

    pub(super) fn say_skipped(&self, set: &KeySet) {
        for sentence in &set.skipped {
            tracing::warn!(keys = %self.name, "{sentence}");
        }
    }
}
