//! Counts key refreshes and callbacks.

use crate::key_sources::Observer;

use super::Metrics;

impl Observer for Metrics {
    fn keys_fetched(&self, source: &str, result: &'static str) {
        self.key_refreshes.with_label_values(&[source, result]).inc();
    }

    fn callback(&self, service: &str, result: &'static str) {
        self.callbacks.with_label_values(&[service, result]).inc();
    }
}
