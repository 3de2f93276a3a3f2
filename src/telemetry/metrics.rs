//! The metrics registry. All label values come from the configuration or this program, never from requests.

use std::time::Duration;

use prometheus::{
    Encoder, Gauge, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry, TextEncoder,
};

use super::calls::{ApiOperation, ApiOutcome, ApiVersion, Calls, LoginFailure};
use super::family::{Family, TIMES};
use super::origins::{OriginMetrics, Origins};
use super::usage::Usage;
use crate::media::Kind;

/// Stream events.
pub(super) const STREAM_EVENTS: [&str; 13] = [
    "admitted",
    "resumed",
    "refused",
    "terminating",
    "idle",
    "superseded",
    "taken_over",
    "rolled_back",
    "terminated",
    "expired",
    "capacity_evicted",
    "unaccounted",
    "undecided",
];

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Forwarded to the origin.
    Passed,
    /// Forwarded, although it exceeds a policy in annotate mode.
    Annotated,
    /// Refused by policy, at start or return.
    Refused,
    /// Refused because its stream was terminated.
    Terminated,
    /// Refused for lack of a token.
    Anonymous,
    /// Refused for an invalid token or play session.
    Invalid,
    /// Refused by an operator's block.
    Blocked,
    /// Refused as malformed: too large, no host, wrong method, no route.
    Malformed,
    /// The origin was unreachable or closed the connection early.
    OriginFailed,
}

impl Outcome {
    const ALL: [Self; 9] = [
        Self::Passed,
        Self::Annotated,
        Self::Refused,
        Self::Terminated,
        Self::Anonymous,
        Self::Invalid,
        Self::Blocked,
        Self::Malformed,
        Self::OriginFailed,
    ];

    /// The label in metrics and logs.
    pub fn label(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Annotated => "annotated",
            Self::Refused => "refused",
            Self::Terminated => "terminated",
            Self::Anonymous => "anonymous",
            Self::Invalid => "invalid",
            Self::Blocked => "blocked",
            Self::Malformed => "malformed",
            Self::OriginFailed => "origin_failed",
        }
    }
}

/// What happened to a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManifestResult {
    /// Rewritten to carry the play session.
    Rewritten,
    /// Nothing to rewrite.
    Unchanged,
    /// Invalid or of another type; forwarded unchanged.
    Unparsable,
    /// In a content coding that the request did not offer; forwarded unchanged.
    Encoded,
    /// Larger than `limits.manifest_bytes`, or rewriting would add more than that. Forwarded unchanged, except for the
    /// part of a playlist already rewritten.
    Oversized,
}

impl ManifestResult {
    pub(super) const ALL: [Self; 5] =
        [Self::Rewritten, Self::Unchanged, Self::Unparsable, Self::Encoded, Self::Oversized];

    /// The label in metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Rewritten => "rewritten",
            Self::Unchanged => "unchanged",
            Self::Unparsable => "unparsable",
            Self::Encoded => "encoded",
            Self::Oversized => "oversized",
        }
    }
}

/// All metrics, by name.
#[allow(missing_docs)] // see the help texts in `new`
pub struct Metrics {
    registry: Registry,
    /// `requests[outcome][kind]`: avoids label lookups on the hot path.
    requests: Vec<Vec<IntCounter>>,
    pub bytes: IntCounter,
    pub streams: IntGaugeVec,
    pub events: IntCounterVec,
    pub violations: IntCounterVec,
    pub required_limit: HistogramVec,
    pub immutable_attribute_changes: IntCounterVec,
    pub terminations: IntCounterVec,
    pub takeovers: IntCounterVec,
    pub token_errors: IntCounterVec,
    pub play_session_errors: IntCounterVec,
    pub shared: IntCounterVec,
    pub download_rate_exceeded: IntCounterVec,
    pub key_refreshes: IntCounterVec,
    pub callbacks: IntCounterVec,
    pub manifests: IntCounterVec,
    pub foreign_references: IntCounter,
    pub connections_refused: IntCounterVec,
    pub connections: IntGauge,
    pub control_connections: IntGauge,
    pub control_connections_refused: IntCounterVec,
    pub origin_failures: IntCounterVec,
    pub origin_servers: IntGaugeVec,
    pub accounts: IntGauge,
    pub clock_offset: Gauge,
    pub orders: IntGaugeVec,
    pub log_lines_dropped: IntCounter,
    pub config_revision: IntGauge,
    pub config_reloads: IntCounterVec,
    pub config_last_reload_successful: IntGauge,
    pub config_applied: IntGauge,
    pub webhook_events: IntCounterVec,
    pub webhook_queue: IntGaugeVec,
    pub decision: Histogram,
    pub(super) usage: Usage,
    calls: Calls,
    origins: Origins,
    /// By outcome, in the order of [`Outcome::ALL`].
    answered: Vec<Histogram>,
    /// In the same order.
    authz: Vec<IntCounter>,
}

fn build_info(of: &Family<'_>) -> Result<(), prometheus::Error> {
    let info = of.gauges("build_info", "Constant 1; the version is a label.", &["version"])?;
    info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
    Ok(())
}

impl Metrics {
    /// Creates all metrics at zero.
    ///
    /// # Errors
    /// Two metrics share a name, a bug in this file.
    #[allow(clippy::too_many_lines, reason = "a list")]
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let of = Family(&registry);
        build_info(&of)?;
        let requests = of.counters("requests_total", "Requests by outcome and kind.", &["outcome", "kind"])?;
        let by_kind = |outcome: &Outcome| {
            Kind::ALL.iter().map(|kind| requests.with_label_values(&[outcome.label(), kind.label()])).collect()
        };
        let help = "Time from the request header to the response header, in seconds, by outcome.";
        let answered = of.histograms("time_to_first_byte_seconds", help, &["outcome"], &TIMES)?;
        let help = "Forward-auth requests of other proxies, by outcome; also counted in requests_total.";
        let authz = of.counters("authz_total", help, &["outcome"])?;
        let instants = [1e-6, 5e-6, 2e-5, 1e-4, 5e-4, 2e-3, 1e-2, 5e-2, 0.15];
        let help = "Duration of an admission decision for a start or a return, in seconds.";
        let decision = of.histograms("decision_seconds", help, &[], &instants)?.with_label_values(&[] as &[&str]);
        let help = format!("Stream events: {}.", STREAM_EVENTS.join(", "));
        let events = of.counters("stream_events_total", &help, &["application", "event"])?;
        let help = "Starts and returns that exceed a rule, by the rule's mode and effect: refuse, terminate, or lack (a \
                    required attribute is missing).";
        let violations = of.counters("policy_violations_total", help, &["policy", "rule", "mode", "effect"])?;
        let help = "The smallest limit that would have admitted a start or a return, by rule. Observations above N would \
                    have been refused with a limit of N.";
        let limits = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 12.0, 15.0, 20.0, 30.0, 50.0, 100.0];
        let required_limit = of.histograms("policy_required_limit", help, &["policy", "rule"], &limits)?;
        let help = "Attempts to change an immutable attribute of a running stream; they have no effect.";
        let immutable_attribute_changes =
            of.counters("immutable_attribute_changes_total", help, &["application", "attribute"])?;
        let help = "Control port connections closed by a limit: too_many, slow_header, slow_body, stalled.";
        let control_connections_refused = of.counters("control_connections_refused_total", help, &["reason"])?;
        let help = "Viewer connections closed by a limit: too_many, proxy_header, slow_handshake, failed_handshake, \
                    slow_header, slow_body.";
        let connections_refused = of.counters("connections_refused_total", help, &["reason"])?;
        let help = "Failed attempts at an origin server: connect, response, busy, unresolved.";
        let origin_failures = of.counters("origin_failures_total", help, &["origin", "reason"])?;
        let help = "Addresses of an origin's servers, by state: healthy, ejected.";
        let origin_servers = of.gauges("origin_servers", help, &["origin", "state"])?;
        let help = "References to other hosts in rewritten manifests, left unchanged.";
        let foreign_references = of.counter("foreign_references_total", help)?;
        let help = "Log lines dropped because the log queue was full.";
        let log_lines_dropped = of.counter("log_lines_dropped_total", help)?;
        let help = "Configuration reloads by result: applied, refused, shortage, unchanged.";
        let config_reloads = of.counters("config_reloads_total", help, &["result"])?;
        let help = "1 if the last configuration reload succeeded, else 0.";
        let config_last_reload_successful = of.gauge("config_last_reload_successful", help)?;
        let help = "Revision of the configuration in force, counted from 1 at the start.";
        let config_revision = of.gauge("config_revision", help)?;
        let help = "When the configuration in force was applied, in seconds since 1970.";
        let config_applied = of.gauge("config_last_reload_success_timestamp_seconds", help)?;
        let help = "Webhook events by result: sent; dropped_queue (queue full); dropped_retries (not accepted in time); \
                    rejected by the receiver.";
        let webhook_events = of.counters("webhook_events_total", help, &["hook", "result"])?;
        let webhook_queue = of.gauges("webhook_queue", "Events queued for a webhook.", &["hook"])?;
        let terminations =
            of.counters("terminations_total", "Terminated streams, by cause.", &["application", "cause"])?;
        let help = "Provisional takeovers by result: replaced (one of the two requested no more media); both_real (the \
                    policies decided).";
        let takeovers = of.counters("takeovers_total", help, &["result"])?;
        let token_errors =
            of.counters("token_errors_total", "Rejected tokens, by reason.", &["application", "reason"])?;
        let help = "Concurrent second clients of a stream: split into a stream of their own, or requests refused.";
        let shared = of.counters("session_sharing_total", help, &["application", "action"])?;
        let help = "Streams downloaded much faster than they play (noticed), and segments refused for it (refused).";
        let download_rate_exceeded = of.counters("download_rate_exceeded_total", help, &["application", "action"])?;
        let help = "Reads of key files and fetches of key sets, by result.";
        let key_refreshes = of.counters("key_refreshes_total", help, &["source", "result"])?;
        let help = "Requests to authorization callbacks, by result.";
        let callbacks = of.counters("auth_callback_requests_total", help, &["service", "result"])?;
        let play_session_errors =
            of.counters("play_session_errors_total", "Rejected play sessions, by reason.", &["reason"])?;
        let metrics = Self {
            requests: Outcome::ALL.iter().map(by_kind).collect(),
            bytes: of.counter("response_bytes_total", "Body bytes sent to viewers.")?,
            streams: of.gauges("streams", "Streams that hold a slot.", &["application"])?,
            manifests: of.counters("manifests_total", "Manifests by result.", &["result"])?,
            connections: of.gauge("connections", "Open viewer connections.")?,
            control_connections: of.gauge("control_connections", "Open control port connections.")?,
            accounts: of.gauge("accounts", "Accounts in the stream table.")?,
            clock_offset: of.fraction(
                "clock_offset_seconds",
                "Offset of the system clock from the gateway's monotonic time: not zero if the clock was set since the start.",
            )?,
            orders: of.gauges("operator_overrides", "Active blocks and exemptions set by operators.", &["kind"])?,
            answered: Outcome::ALL.iter().map(|outcome| answered.with_label_values(&[outcome.label()])).collect(),
            authz: Outcome::ALL.iter().map(|outcome| authz.with_label_values(&[outcome.label()])).collect(),
            events,
            violations,
            required_limit,
            immutable_attribute_changes,
            terminations,
            takeovers,
            token_errors,
            play_session_errors,
            shared,
            download_rate_exceeded,
            key_refreshes,
            callbacks,
            foreign_references,
            connections_refused,
            control_connections_refused,
            origin_failures,
            origin_servers,
            log_lines_dropped,
            config_revision,
            config_reloads,
            config_last_reload_successful,
            config_applied,
            webhook_events,
            webhook_queue,
            decision,
            usage: Usage::new(&of)?,
            calls: Calls::new(&of)?,
            origins: Origins::new(&of)?,
            registry,
        };
        metrics.create_fixed_series();
        Ok(metrics)
    }

    /// Counts a finished request.
    pub fn request(&self, outcome: Outcome, kind: Kind) {
        let row = Outcome::ALL.iter().position(|known| *known == outcome);
        let column = Kind::ALL.iter().position(|known| *known == kind);
        if let (Some(row), Some(column)) = (row, column)
            && let Some(counter) = self.requests.get(row).and_then(|row| row.get(column))
        {
            counter.inc();
        }
    }

    /// Counts a forward-auth request of another proxy.
    pub fn authz(&self, outcome: Outcome) {
        let at = Outcome::ALL.iter().position(|known| *known == outcome);
        if let Some(counter) = at.and_then(|at| self.authz.get(at)) {
            counter.inc();
        }
    }

    /// Counts a call of the session API.
    pub fn api_call(&self, version: ApiVersion, operation: ApiOperation, outcome: ApiOutcome) {
        self.calls.call(version, operation, outcome);
    }

    /// The series of an origin.
    pub fn origin(&self, name: &str) -> OriginMetrics {
        self.origins.for_origin(name)
    }

    /// Counts a refused operator API request.
    pub fn login_failure(&self, reason: LoginFailure) {
        self.calls.login_failure(reason);
    }

    /// Records the time to first byte.
    pub fn answered(&self, outcome: Outcome, waited: Duration) {
        let at = Outcome::ALL.iter().position(|known| *known == outcome);
        if let Some(histogram) = at.and_then(|at| self.answered.get(at)) {
            histogram.observe(waited.as_secs_f64());
        }
    }

    /// Renders all metrics in the Prometheus text format.
    pub fn render(&self) -> String {
        let mut out = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut out) {
            tracing::error!(%error, "cannot encode metrics");
        }
        String::from_utf8(out).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_of_outcome_and_kind_has_its_own_series() {
        let metrics = Metrics::new().unwrap();
        for outcome in Outcome::ALL {
            for kind in Kind::ALL {
                metrics.request(outcome, kind);
            }
        }
        let text = metrics.render();
        let ones = text.lines().filter(|line| line.starts_with("streamgate_requests_total{") && line.ends_with(" 1"));
        assert_eq!(ones.count(), Outcome::ALL.len() * Kind::ALL.len());
    }
}
