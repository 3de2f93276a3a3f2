//! Series that exist with 0 from the start: `increase()` misses the first event of a series that appears with it.

use super::metrics::{ManifestResult, Metrics, STREAM_EVENTS};
use crate::config::Settings;
use crate::identity::{OpenError, TokenError};
use crate::policy::{Effect, Missing};
use crate::streams::{Cause, IMMUTABLE_ATTRIBUTES, TakeoverResult};

const CONNECTION_REASONS: [&str; 6] =
    ["too_many", "proxy_header", "slow_handshake", "failed_handshake", "slow_header", "slow_body"];
const CONTROL_CONNECTION_REASONS: [&str; 4] = ["too_many", "slow_header", "slow_body", "stalled"];
/// In addition to the reasons for which a play session cannot be opened.
const PLAY_SESSION_REASONS: [&str; 2] = ["other_application", "out_of_scope"];
const OVERRIDE_KINDS: [&str; 2] = ["block", "exemption"];
const RELOAD_RESULTS: [&str; 4] = ["applied", "refused", "shortage", "unchanged"];
const SHARING_ACTIONS: [&str; 2] = ["split", "refused"];
const RIPPING_ACTIONS: [&str; 2] = ["noticed", "refused"];
const ORIGIN_FAILURES: [&str; 4] = ["connect", "response", "busy", "unresolved"];
const SERVER_STATES: [&str; 2] = ["healthy", "ejected"];
const KEY_RESULTS: [&str; 3] = ["changed", "unchanged", "failed"];
const CALLBACK_RESULTS: [&str; 5] = ["allowed", "refused", "stale", "away", "busy"];

impl Metrics {
    /// Creates the series whose labels are fixed.
    pub(super) fn create_fixed_series(&self) {
        let each = |vec: &prometheus::IntCounterVec, words: &[&str]| {
            for word in words {
                vec.with_label_values(&[word]);
            }
        };
        each(&self.manifests, &ManifestResult::ALL.map(ManifestResult::label));
        each(&self.takeovers, &TakeoverResult::ALL.map(TakeoverResult::label));
        each(&self.connections_refused, &CONNECTION_REASONS);
        each(&self.control_connections_refused, &CONTROL_CONNECTION_REASONS);
        each(&self.play_session_errors, &OpenError::LABELS);
        each(&self.play_session_errors, &PLAY_SESSION_REASONS);
        each(&self.config_reloads, &RELOAD_RESULTS);
        for kind in OVERRIDE_KINDS {
            self.orders.with_label_values(&[kind]);
        }
        // The application is unknown if the store is unavailable.
        self.events.with_label_values(&["", "undecided"]);
    }

    /// Creates the series whose labels come from the configuration. Existing series keep their values.
    pub fn create_series(&self, settings: &Settings) {
        for id in settings.applications.keys() {
            let application = id.as_str();
            self.streams.with_label_values(&[application]);
            self.usage.create_series(application);
            let each = |vec: &prometheus::IntCounterVec, words: &[&str]| {
                for word in words {
                    vec.with_label_values(&[application, word]);
                }
            };
            let [events @ .., _] = STREAM_EVENTS;
            each(&self.events, &events);
            each(&self.terminations, &Cause::LABELS);
            each(&self.token_errors, &TokenError::LABELS);
            each(&self.shared, &SHARING_ACTIONS);
            each(&self.download_rate_exceeded, &RIPPING_ACTIONS);
            each(&self.immutable_attribute_changes, &IMMUTABLE_ATTRIBUTES);
        }
        for policy in settings.applications.values().flat_map(|application| &application.policies) {
            for rule in &policy.rules {
                let (policy, rule_name, mode) = (&*policy.name, &*rule.name, rule.mode.label());
                self.required_limit.with_label_values(&[policy, rule_name]);
                let effect = if rule.when_exceeded.terminates() { Effect::TERMINATE } else { Effect::REFUSE };
                self.violations.with_label_values(&[policy, rule_name, mode, effect]);
                if rule.when_exceeded.terminates() {
                    // If no stream may be terminated to make room, the newest is refused.
                    self.violations.with_label_values(&[policy, rule_name, mode, Effect::REFUSE]);
                }
                if rule.missing == Missing::Refuse {
                    self.violations.with_label_values(&[policy, rule_name, mode, Effect::LACK]);
                }
            }
        }
        for origin in settings.origins.keys() {
            drop(self.origin(origin));
            for reason in ORIGIN_FAILURES {
                self.origin_failures.with_label_values(&[origin, reason]);
            }
            for state in SERVER_STATES {
                self.origin_servers.with_label_values(&[origin, state]);
            }
        }
        let sources = settings.key_sources.iter().map(|source| &source.name);
        for source in sources.chain(settings.key_files.iter().map(|files| &files.name)) {
            for result in KEY_RESULTS {
                self.key_refreshes.with_label_values(&[&**source, result]);
            }
        }
        for service in &settings.callbacks {
            let name = &*service.name;
            for result in CALLBACK_RESULTS {
                self.callbacks.with_label_values(&[name, result]);
            }
        }
    }
}
