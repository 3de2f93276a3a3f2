//! One registry of our own, filled in one place. Every label set is closed: names from the configuration and words from
//! this program, never anything that a request can choose.

use std::time::Duration;

use prometheus::{
    Encoder, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

use crate::media::Kind;

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
    Unidentified,
    /// Refused for a token or play session that is not valid.
    Invalid,
    /// Refused for its form: too large, no host, wrong method, no route.
    Malformed,
    /// The origin could not be reached or broke off.
    OriginFailed,
}

impl Outcome {
    const ALL: [Self; 8] = [
        Self::Passed,
        Self::Annotated,
        Self::Refused,
        Self::Terminated,
        Self::Unidentified,
        Self::Invalid,
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
            Self::Unidentified => "unidentified",
            Self::Invalid => "invalid",
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
    /// Larger than `limits.manifest_bytes`: passed as it came.
    Oversized,
}

impl ManifestResult {
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
    pub terminations: IntCounterVec,
    pub token_errors: IntCounterVec,
    pub play_session_errors: IntCounterVec,
    pub manifests: IntCounterVec,
    pub foreign_references: IntCounter,
    pub connections_refused: IntCounterVec,
    pub connections: IntGauge,
    pub origin_failures: IntCounterVec,
    pub origin_servers: IntGaugeVec,
    pub accounts: IntGauge,
    pub log_lines_dropped: IntGauge,
    pub decision: Histogram,
    /// By outcome, in the order of [`Outcome::ALL`].
    answered: Vec<Histogram>,
}

impl Metrics {
    /// All metrics at zero.
    ///
    /// # Errors
    /// Two metrics share a name, which is a mistake in this file.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let requests = counters(
            &registry,
            "streamgate_requests_total",
            "Requests by what was asked for and how they ended.",
            &["outcome", "kind"],
        )?;
        let by_kind = |outcome: Outcome| {
            Kind::ALL.iter().map(|kind| requests.with_label_values(&[outcome.label(), kind.label()])).collect()
        };
        let build = gauges(&registry, "streamgate_build_info", "Constant 1; the version is a label.", &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        Ok(Self {
            requests: Outcome::ALL.iter().map(|outcome| by_kind(*outcome)).collect(),
            bytes: {
                let help = "Body bytes sent to viewers.";
                let bytes = IntCounter::new("streamgate_response_bytes_total", help)?;
                registry.register(Box::new(bytes.clone()))?;
                bytes
            },
            streams: gauges(&registry, "streamgate_streams", "Streams that hold a slot.", &["application"])?,
            events: counters(
                &registry,
                "streamgate_stream_events_total",
                "What happened to streams: admitted, resumed, refused, idle, superseded, rolled_back, terminated, forgotten, \
                 evacuated, undecided.",
                &["application", "event"],
            )?,
            violations: counters(
                &registry,
                "streamgate_policy_violations_total",
                "Starts and returns that would exceed a rule, by the policy's mode and what the rule asks for.",
                &["policy", "rule", "mode", "effect"],
            )?,
            terminations: counters(
                &registry,
                "streamgate_terminations_total",
                "Streams that were terminated, by cause.",
                &["application", "cause"],
            )?,
            token_errors: counters(
                &registry,
                "streamgate_token_errors_total",
                "Tokens that were not accepted, by reason.",
                &["application", "reason"],
            )?,
            play_session_errors: counters(
                &registry,
                "streamgate_play_session_errors_total",
                "Play sessions that were not accepted, by reason.",
                &["reason"],
            )?,
            manifests: counters(
                &registry,
                "streamgate_manifests_total",
                "Manifests by what became of them.",
                &["result"],
            )?,
            foreign_references: {
                let help = "References to other hosts in rewritten manifests, left as they are.";
                let counter = IntCounter::new("streamgate_foreign_references_total", help)?;
                registry.register(Box::new(counter.clone()))?;
                counter
            },
            connections_refused: counters(
                &registry,
                "streamgate_connections_refused_total",
                "Connections that were closed by a guard: too many, or a header that did not arrive in time.",
                &["reason"],
            )?,
            connections: gauge(&registry, "streamgate_connections", "Open connections of viewers.")?,
            origin_failures: counters(
                &registry,
                "streamgate_origin_failures_total",
                "Attempts at an origin's server that failed: connect, response, busy, unresolved.",
                &["origin", "reason"],
            )?,
            origin_servers: gauges(
                &registry,
                "streamgate_origin_servers",
                "Addresses of an origin's servers, by whether they are in use.",
                &["origin", "state"],
            )?,
            accounts: gauge(&registry, "streamgate_accounts", "Accounts in the stream table.")?,
            log_lines_dropped: gauge(
                &registry,
                "streamgate_log_lines_dropped",
                "Log lines given up because the log could not keep up.",
            )?,
            decision: {
                let options = HistogramOpts::new(
                    "streamgate_decision_seconds",
                    "Time to decide a start or a return, in seconds.",
                )
                .buckets(vec![1e-6, 5e-6, 2e-5, 1e-4, 5e-4, 2e-3, 1e-2, 5e-2, 0.15]);
                let histogram = Histogram::with_opts(options)?;
                registry.register(Box::new(histogram.clone()))?;
                histogram
            },
            answered: {
                let options = HistogramOpts::new(
                    "streamgate_response_header_seconds",
                    "Time from the request's header to the response's, in seconds, by outcome.",
                )
                .buckets(vec![5e-4, 2e-3, 1e-2, 5e-2, 0.2, 1.0, 5.0, 20.0]);
                let histogram = HistogramVec::new(options, &["outcome"])?;
                registry.register(Box::new(histogram.clone()))?;
                Outcome::ALL.iter().map(|outcome| histogram.with_label_values(&[outcome.label()])).collect()
            },
            registry,
        })
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

fn counters(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, prometheus::Error> {
    let counters = IntCounterVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(counters.clone()))?;
    Ok(counters)
}

fn gauges(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, prometheus::Error> {
    let gauges = IntGaugeVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(gauges.clone()))?;
    Ok(gauges)
}

fn gauge(registry: &Registry, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
    let gauge = IntGauge::new(name, help)?;
    registry.register(Box::new(gauge.clone()))?;
    Ok(gauge)
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
