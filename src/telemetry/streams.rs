//! Turns stream events into metrics and log lines.

use crate::model::{Account, ApplicationId};
use crate::policy::Effect;
use crate::streams::{Event, Observer};

use super::Metrics;

impl Metrics {
    fn event(&self, application: &ApplicationId, event: &str, slots: i64) {
        self.events.with_label_values(&[application.as_str(), event]).inc();
        if slots != 0 {
            self.streams.with_label_values(&[application.as_str()]).add(slots);
        }
    }
}

impl Observer for Metrics {
    fn observe(&self, _: &Account, event: &Event<'_>) {
        self.usage.observe(event);
        match event {
            Event::Admitted(stream) => self.event(&stream.application, "admitted", 1),
            Event::Resumed(stream) => self.event(&stream.application, "resumed", 1),
            Event::Refused(candidate, _) => self.event(&candidate.application, "refused", 0),
            Event::Idle(stream) => self.event(&stream.application, "idle", -1),
            Event::Superseded(stream) => self.event(&stream.application, "superseded", -1),
            Event::TakenOver { stream, taken, reason } => {
                self.event(&taken.application, "taken_over", 0);
                let (taken, reason) = (taken.id, reason.label());
                tracing::info!(stream = %stream.id, %taken, application = %stream.application, reason, "takeover started");
            }
            Event::TakeoverSettled { stream, taken, result } => {
                self.takeovers.with_label_values(&[result.label()]).inc();
                let (taken, result) = (taken.id, result.label());
                tracing::info!(stream = %stream.id, %taken, application = %stream.application, result, "takeover settled");
            }
            Event::RolledBack(stream) => self.event(&stream.application, "rolled_back", -1),
            Event::Expired(stream) => self.event(&stream.application, "expired", 0),
            Event::CapacityEvicted(stream) => self.event(&stream.application, "capacity_evicted", 0),
            Event::CapacityExceeded(stream) => self.event(&stream.application, "unaccounted", 0),
            Event::Terminated(stream, cause) | Event::TerminatedIdle(stream, cause) => {
                let slots = if matches!(event, Event::Terminated(..)) { -1 } else { 0 };
                self.event(&stream.application, "terminated", slots);
                self.terminations.with_label_values(&[stream.application.as_str(), cause.label()]).inc();
                tracing::info!(stream = %stream.id, application = %stream.application, cause = cause.label(), "terminated");
            }
            Event::Terminating(stream, cause) => {
                self.event(&stream.application, "terminating", 0);
                tracing::info!(stream = %stream.id, application = %stream.application, cause = cause.label(), "terminating");
            }
            Event::RequiredLimit(demand) => {
                self.required_limit
                    .with_label_values(&[&*demand.policy, &*demand.rule])
                    .observe(f64::from(demand.limit));
            }
            Event::MissingAttribute(lack) => {
                let labels = [&*lack.policy, &*lack.rule, lack.mode.label(), Effect::LACK];
                self.violations.with_label_values(&labels).inc();
            }
            Event::Violated(violation) => {
                let effect = violation.effect.label();
                let labels = [&*violation.policy, &*violation.rule, violation.mode.label(), effect];
                self.violations.with_label_values(&labels).inc();
            }
            Event::AdmissionAttempt { .. } | Event::Explained(..) | Event::Unenforced { .. } => {}
            Event::Unavailable => self.events.with_label_values(&["", "undecided"]).inc(),
        }
    }
}
