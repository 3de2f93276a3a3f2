//! What is made of a configuration, at the start and at each reload.

use std::sync::Arc;

use streamgate::config::Settings;
use streamgate::gateway::{Certificate, Endpoint, Snapshot, Upstreams};
use streamgate::model::Clock;
use streamgate::questions;
use streamgate::telemetry::Metrics;
use streamgate::trust::{Pace, Trust, TrustSettings};

/// Reads the certificates of all listeners, in their order.
pub(super) fn certificates(settings: &Settings) -> Result<Vec<Endpoint>, String> {
    let mut listeners = Vec::new();
    let mut problems = Vec::new();
    for listener in &settings.listeners {
        match listener.tls.as_ref().map(Certificate::read).transpose() {
            Ok(certificate) => listeners.push((listener.address, certificate.map(Arc::new))),
            Err(error) => problems.push(format!("listener {}: {error}", listener.address)),
        }
    }
    if problems.is_empty() { Ok(listeners) } else { Err(problems.join("\n")) }
}

/// What requests are answered with under this configuration: the first, or the next after `before`.
pub(super) fn snapshot(
    settings: Settings,
    before: Option<&Snapshot>,
    clock: &Arc<dyn Clock>,
    metrics: &Arc<Metrics>,
) -> Result<Snapshot, String> {
    let trust = TrustSettings {
        key_sources: settings.key_sources.clone(),
        key_files: settings.key_files.clone(),
        callbacks: settings.callbacks.clone(),
        blocks_file: settings.blocks.clone(),
        ca_file: settings.fetch_ca.clone(),
        clock: clock.clone(),
        observer: metrics.clone(),
        pace: Pace::default(),
    };
    let trust = match before {
        Some(before) => Trust::following(trust, &before.trust),
        None => Trust::new(trust),
    };
    let trust = trust.map_err(|error| error.to_string())?;
    let upstreams = match before {
        Some(before) => Upstreams::following(&settings, &before.upstreams, metrics),
        None => Upstreams::new(&settings, metrics),
    };
    metrics.create_series(&settings);
    let revision = before.map_or(1, |before| before.revision + 1);
    Ok(Snapshot::new(questions::Snapshot::new(revision, Arc::new(settings), trust), upstreams))
}
