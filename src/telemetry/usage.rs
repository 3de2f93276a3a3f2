//! Counters for usage reports (concurrency-monitoring documentation, "Usage reports").

use std::time::Duration;

use prometheus::{HistogramVec, IntCounterVec};

use super::family::Family;
use crate::model::Millis;
use crate::streams::{Cause, Event, Stream};

const MINUTE: f64 = 60.0;
const HOUR: f64 = 60.0 * MINUTE;
const DAY: f64 = 24.0 * HOUR;

/// The documented classes of durations, in seconds; the last is "over a month", of 30 days.
const DURATIONS: [f64; 11] = [
    15.0 * MINUTE,
    30.0 * MINUTE,
    HOUR,
    2.0 * HOUR,
    4.0 * HOUR,
    8.0 * HOUR,
    16.0 * HOUR,
    DAY,
    3.0 * DAY,
    7.0 * DAY,
    30.0 * DAY,
];

/// The time resolution, added to each duration: a duration on a class border belongs to the longer class, but histogram
/// buckets include their upper bound.
const TICK: Duration = Duration::from_millis(1);

/// Usage counters per application. A stream that becomes idle and takes a slot again counts as another session.
pub(super) struct Usage {
    started: IntCounterVec,
    completed: IntCounterVec,
    failed: IntCounterVec,
    dismissed: IntCounterVec,
    killed: IntCounterVec,
    duration: HistogramVec,
    concurrency: HistogramVec,
    activity: HistogramVec,
}

impl Usage {
    pub(super) fn new(of: &Family<'_>) -> Result<Self, prometheus::Error> {
        let counters = |name: &str, help: &str| of.counters(name, help, &["application"]);
        let levels: Vec<f64> = (1..=10).chain([12, 15, 20, 30, 50, 100]).map(f64::from).collect();
        let help = "Duration of sessions, from the stream's start to its end, in seconds.";
        let duration = of.histograms("session_duration_seconds", help, &["application"], &DURATIONS)?;
        let help = "Streams of an account that hold a slot after an admission.";
        let concurrency = of.histograms("concurrency_level", help, &["application"], &levels)?;
        let help = "Streams of an account that would hold a slot if the requested stream were admitted, whether it was or not.";
        let activity = of.histograms("activity_level", help, &["application"], &levels)?;
        Ok(Self {
            started: counters("sessions_started_total", "Streams that took a slot.")?,
            completed: counters("sessions_completed_total", "Streams that were stopped, superseded or became idle.")?,
            failed: counters("admissions_refused_total", "Refused starts and returns.")?,
            dismissed: counters("sessions_dismissed_total", "Streams that a policy terminated while they played.")?,
            killed: counters("sessions_killed_total", "Streams killed by another viewer or an operator.")?,
            duration,
            concurrency,
            activity,
        })
    }

    pub(super) fn create_series(&self, application: &str) {
        for counter in [&self.started, &self.completed, &self.failed, &self.dismissed, &self.killed] {
            counter.with_label_values(&[application]);
        }
        for histogram in [&self.duration, &self.concurrency, &self.activity] {
            histogram.with_label_values(&[application]);
        }
    }

    pub(super) fn observe(&self, event: &Event<'_>) {
        match event {
            Event::Admitted(stream) | Event::Resumed(stream) => {
                self.started.with_label_values(&[stream.application.as_str()]).inc();
            }
            Event::AdmissionAttempt { application, level, admitted } => {
                let level = f64::from(u32::try_from(*level).unwrap_or(u32::MAX));
                self.activity.with_label_values(&[application.as_str()]).observe(level);
                if *admitted {
                    self.concurrency.with_label_values(&[application.as_str()]).observe(level);
                }
            }
            Event::Refused(candidate, _) => self.failed.with_label_values(&[candidate.application.as_str()]).inc(),
            // It ended at its last heartbeat.
            Event::Idle(stream) => self.ended(&self.completed, stream, stream.last_seen()),
            Event::Superseded(stream) | Event::Terminated(stream, Cause::Stopped) => {
                self.ended(&self.completed, stream, stream.since());
            }
            Event::Terminated(stream, Cause::Evicted { .. } | Cause::Displaced { .. } | Cause::Refused { .. }) => {
                self.ended(&self.dismissed, stream, stream.since());
            }
            Event::Terminated(stream, Cause::Killed { .. }) => self.ended(&self.killed, stream, stream.since()),
            _ => {}
        }
    }

    fn ended(&self, counter: &IntCounterVec, stream: &Stream, at: Millis) {
        let labels = [stream.application.as_str()];
        counter.with_label_values(&labels).inc();
        let lasted = at.since(stream.started) + TICK;
        self.duration.with_label_values(&labels).observe(lasted.as_secs_f64());
    }
}

#[cfg(test)]
mod tests;
