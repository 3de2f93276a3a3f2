//! Builds the runtime state of a configuration, at the start and at each reload.

use std::path::Path;
use std::sync::Arc;

use streamgate::admission;
use streamgate::config::{Report, Settings};
use streamgate::gateway::{Certificate, CertificateError, Endpoint, ProxyConfig, SystemResolver, Upstreams};
use streamgate::key_sources::{KeySourceSettings, KeySources, Pace};
use streamgate::model::Clock;
use streamgate::net::HttpClientError;
use streamgate::net::{SHORTAGE_REMEDY, is_shortage};
use streamgate::telemetry::Metrics;

/// Why a configuration cannot be applied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Failure {
    /// One sentence each.
    pub(super) reasons: Vec<String>,
    /// The cause is a lack of file descriptors, which may be temporary, not the configuration.
    pub(super) shortage: bool,
}

impl Failure {
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self { reasons: vec![reason.into()], shortage: false }
    }

    /// No thread could be started for webhooks.
    pub(super) fn no_thread(error: &std::io::Error) -> Self {
        let shortage = is_shortage(error);
        let remedy = if shortage {
            SHORTAGE_REMEDY
        } else {
            "raise the thread limit (TasksMax= of the systemd unit, ulimit -u)"
        };
        Self { shortage, ..Self::new(format!("cannot start a thread for webhooks ({error}): {remedy}")) }
    }

    /// Prefixes each reason with the file of the configuration.
    pub(super) fn of_file(self, path: &Path) -> Self {
        let reasons = self.reasons.iter().map(|reason| format!("{}: {reason}", path.display())).collect();
        Self { reasons, ..self }
    }

    pub(super) fn into_lines(self) -> String {
        self.reasons.join("\n")
    }
}

impl From<Report> for Failure {
    fn from(report: Report) -> Self {
        Self { reasons: report.lines().collect(), shortage: report.shortage }
    }
}

impl From<HttpClientError> for Failure {
    fn from(error: HttpClientError) -> Self {
        Self { shortage: matches!(error, HttpClientError::Shortage(_)), ..Self::new(error.to_string()) }
    }
}

/// Reads the certificates of all listeners, in order.
pub(super) fn certificates(settings: &Settings) -> Result<Vec<Endpoint>, Failure> {
    let mut listeners = Vec::new();
    let mut failure = Failure::default();
    for listener in &settings.listeners {
        match listener.tls.as_ref().map(Certificate::read).transpose() {
            Ok(certificate) => listeners.push((listener.address, certificate.map(Arc::new))),
            Err(error) => {
                failure.shortage |= matches!(error, CertificateError::Shortage { .. });
                failure.reasons.push(format!("listener {}: {error}", listener.address));
            }
        }
    }
    if failure.reasons.is_empty() { Ok(listeners) } else { Err(failure) }
}

/// The runtime state for this configuration: the first, or the successor of `before`.
pub(super) fn snapshot(
    settings: Settings,
    before: Option<&ProxyConfig>,
    clock: &Arc<dyn Clock>,
    metrics: &Arc<Metrics>,
) -> Result<ProxyConfig, Failure> {
    let key_sources = KeySourceSettings {
        key_sources: settings.key_sources.clone(),
        key_files: settings.key_files.clone(),
        callbacks: settings.callbacks.clone(),
        blocks_file: settings.blocks.clone(),
        ca_file: settings.fetch_ca.clone(),
        clock: clock.clone(),
        observer: metrics.clone(),
        pace: Pace::default(),
    };
    let key_sources = match before {
        Some(before) => KeySources::following(key_sources, &before.runtime.key_sources),
        None => KeySources::new(key_sources),
    }?;
    let upstreams = match before {
        Some(before) => Upstreams::following(&settings, &before.upstreams, metrics),
        None => Upstreams::new(&settings, metrics, Arc::new(SystemResolver)),
    };
    metrics.create_series(&settings);
    let revision = before.map_or(1, |before| before.runtime.revision + 1);
    Ok(ProxyConfig::new(admission::RuntimeConfig::new(revision, Arc::new(settings), key_sources), upstreams))
}
