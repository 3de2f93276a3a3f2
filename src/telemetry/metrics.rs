//! One registry of our own, filled in one place. Every label set is closed: names from the configuration and words from
//! this program, never anything that a request can choose.

use std::time::Duration;

use prometheus::{
    Encoder, Gauge, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry, TextEncoder,
};

use super::calls::{ApiOperation, ApiOutcome, ApiVersion, Calls, LoginFailure};
use super::family::{Family, TIMES};
use super::origins::{OriginMetrics, Origins};
use super::usage::Usage;
use crate::media::Kind;

/// What happens to streams.
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

/// How a request ended, as one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Passed to the origin.
    Passed,
    /// Passed, though it exceeds a policy that annotates.
    Annotated,
    /// Refused by policy, at a start or a return.
    Refused,
    /// Refused because its stream was terminated.
    Terminated,
    /// Refused for lack of an identity.
    Anonymous,
    /// Refused for a token or play session that is not valid.
    Invalid,
    /// Refused because the operator blocked it.
    Blocked,
    /// Refused for its form: too large, no host, wrong method, no route.
    Malformed,
    /// The origin could not be reached or broke off.
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

    /// The word in metrics and logs.
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

/// What became of a manifest on its way to the viewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManifestResult {
    /// Its references carry the play session.
    Rewritten,
    /// There was nothing to write into it.
    Unchanged,
    /// It is not what it claims to be, or broken: passed as it came.
    Unparsable,
    /// In a content coding that the request did not offer: passed as it came.
    Encoded,
    /// Larger than `limits.manifest_bytes`, or rewriting would add more than that: passed as it came, but for what a playlist
    /// had before that.
    Oversized,
}

impl ManifestResult {
    pub(super) const ALL: [Self; 5] =
        [Self::Rewritten, Self::Unchanged, Self::Unparsable, Self::Encoded, Self::Oversized];

    /// The word in metrics.
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

/// Every metric, by name.
#[allow(missing_docs)] // each field's help text stands in `new`
pub struct Metrics {
    registry: Registry,
    /// `requests[outcome][kind]`: the hot path must not look labels up.
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
    /// Likewise.
    authz: Vec<IntCounter>,
}

fn build_info(of: &Family<'_>) -> Result<(), prometheus::Error> {
    let info = of.gauges("build_info", "Constant 1; the version is a label.", &["version"])?;
    info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
    Ok(())
}

impl Metrics {
    /// All metrics at zero.
    ///
    /// # Errors
    /// Two metrics share a name, which is a mistake in this file.
    #[allow(clippy::too_many_lines, reason = "a list")]
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let of = Family(&registry);
        build_info(&of)?;
        let requests =
            of.counters("requests_total", "Requests by what was asked for and how they ended.", &["outcome", "kind"])?;
        let by_kind = |outcome: &Outcome| {
            Kind::ALL.iter().map(|kind| requests.with_label_values(&[outcome.label(), kind.label()])).collect()
        };
        let help = "Time from the request's header to the response's, in seconds, by outcome.";
        let answered = of.histograms("time_to_first_byte_seconds", help, &["outcome"], &TIMES)?;
        let help = "Requests that other proxies asked about, by how they ended; requests_total has them too.";
        let authz = of.counters("authz_total", help, &["outcome"])?;
        let instants = [1e-6, 5e-6, 2e-5, 1e-4, 5e-4, 2e-3, 1e-2, 5e-2, 0.15];
        let help = "Time to decide a start or a return, in seconds.";
        let decision = of.histograms("decision_seconds", help, &[], &instants)?.with_label_values(&[] as &[&str]);
        let help = format!("What happened to streams: {}.", STREAM_EVENTS.join(", "));
        let events = of.counters("stream_events_total", &help, &["application", "event"])?;
        let help = "Starts and returns that would exceed a rule, by the rule's mode and what it asks for: refuse, terminate, or lack \
                    where an attribute is missing that it demands.";
        let violations = of.counters("policy_violations_total", help, &["policy", "rule", "mode", "effect"])?;
        let help = "The smallest limit under which a start or a return would have been admitted, by rule: those above N \
                    would have been refused, had the limit been N.";
        let limits = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 12.0, 15.0, 20.0, 30.0, 50.0, 100.0];
        let required_limit = of.histograms("policy_required_limit", help, &["policy", "rule"], &limits)?;
        let help =
            "Attempts to change an attribute of a stream that must not change while it plays; they have no effect.";
        let immutable_attribute_changes =
            of.counters("immutable_attribute_changes_total", help, &["application", "attribute"])?;
        let help = "Connections of the control port that were closed: too_many, slow_header, slow_body, stalled.";
        let control_connections_refused = of.counters("control_connections_refused_total", help, &["reason"])?;
        let help = "Connections that a guard closed: too_many, proxy_header, slow_handshake, failed_handshake, slow_header, \
                    slow_body.";
        let connections_refused = of.counters("connections_refused_total", help, &["reason"])?;
        let help = "Attempts at an origin's server that failed: connect, response, busy, unresolved.";
        let origin_failures = of.counters("origin_failures_total", help, &["origin", "reason"])?;
        let help = "Addresses of an origin's servers, by whether they are in use.";
        let origin_servers = of.gauges("origin_servers", help, &["origin", "state"])?;
        let help = "References to other hosts in rewritten manifests, left as they are.";
        let foreign_references = of.counter("foreign_references_total", help)?;
        let help = "Log lines given up because the log could not keep up.";
        let log_lines_dropped = of.counter("log_lines_dropped_total", help)?;
        let help = "Times that the configuration was read again while serving: applied, refused, unchanged.";
        let config_reloads = of.counters("config_reloads_total", help, &["result"])?;
        let help = "Whether the configuration could be used when it was last read: 1 or 0.";
        let config_last_reload_successful = of.gauge("config_last_reload_successful", help)?;
        let help = "The configuration in force, counted from 1 at the start.";
        let config_revision = of.gauge("config_revision", help)?;
        let help = "When the configuration in force was applied, in seconds since 1970.";
        let config_applied = of.gauge("config_last_reload_success_timestamp_seconds", help)?;
        let help = "Events for webhooks by what became of them: sent; dropped_queue, where the queue was full; dropped_retries, \
                    where they were not accepted in time; rejected by the receiver.";
        let webhook_events = of.counters("webhook_events_total", help, &["hook", "result"])?;
        let webhook_queue = of.gauges("webhook_queue", "Events that wait for a webhook.", &["hook"])?;
        let terminations =
            of.counters("terminations_total", "Streams that were terminated, by cause.", &["application", "cause"])?;
        let help = "Streams that stood provisionally in the place of another, by what it came to: replaced, where one of the two \
                    stayed silent; both_real, where the policies had to decide.";
        let takeovers = of.counters("takeovers_total", help, &["result"])?;
        let token_errors =
            of.counters("token_errors_total", "Tokens that were not accepted, by reason.", &["application", "reason"])?;
        let help =
            "Second clients of a stream at the same time: split off as a stream of their own, or requests refused.";
        let shared = of.counters("session_sharing_total", help, &["application", "action"])?;
        let help = "Streams noticed for being pulled much faster than they play, and segments refused for it.";
        let download_rate_exceeded = of.counters("download_rate_exceeded_total", help, &["application", "action"])?;
        let help = "Key files and key sets that were read or fetched, by what came of it.";
        let key_refreshes = of.counters("key_refreshes_total", help, &["source", "result"])?;
        let help = "Questions to services that judge tokens, by the answer.";
        let callbacks = of.counters("auth_callback_requests_total", help, &["service", "result"])?;
        let play_session_errors =
            of.counters("play_session_errors_total", "Play sessions that were not accepted, by reason.", &["reason"])?;
        let metrics = Self {
            requests: Outcome::ALL.iter().map(by_kind).collect(),
            bytes: of.counter("response_bytes_total", "Body bytes sent to viewers.")?,
            streams: of.gauges("streams", "Streams that hold a slot.", &["application"])?,
            manifests: of.counters("manifests_total", "Manifests by what became of them.", &["result"])?,
            connections: of.gauge("connections", "Open connections of viewers.")?,
            control_connections: of.gauge("control_connections", "Open connections of the control port.")?,
            accounts: of.gauge("accounts", "Accounts in the stream table.")?,
            clock_offset: of.fraction(
                "clock_offset_seconds",
                "By how much the system's clock is ahead of the gateway's one-way time: not zero where it was set since the start.",
            )?,
            orders: of.gauges("operator_overrides", "Blocks and exemptions that operators ordered and that hold.", &["kind"])?,
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

    /// Counts a request that another proxy asked about.
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

    /// Counts a request for the operator's API that was not let in.
    pub fn login_failure(&self, reason: LoginFailure) {
        self.calls.login_failure(reason);
    }

    /// Notes how long a viewer waited for the response's header.
    pub fn answered(&self, outcome: Outcome, waited: Duration) {
        let at = Outcome::ALL.iter().position(|known| *known == outcome);
        if let Some(histogram) = at.and_then(|at| self.answered.get(at)) {
            histogram.observe(waited.as_secs_f64());
        }
    }

    /// Everything, in the Prometheus text format.
    pub fn render(&self) -> String {
        let mut out = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut out) {
            tracing::error!(%error, "metrics could not be encoded");
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
