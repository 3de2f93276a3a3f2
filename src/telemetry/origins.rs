//! Responses and response times of origins.

use std::time::Duration;

use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec};

use super::family::{Family, TIMES};

/// Classes of final responses, by the first digit of the status (RFC 9110 §15).
const CLASSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];

pub(super) struct Origins {
    responses: IntCounterVec,
    seconds: HistogramVec,
}

impl Origins {
    pub(super) fn new(of: &Family<'_>) -> Result<Self, prometheus::Error> {
        let help = "Final responses of an origin, by status class.";
        let responses = of.counters("origin_responses_total", help, &["origin", "class"])?;
        let help = "Time from the request to an origin to its response header, in seconds, including a new connection.";
        let seconds = of.histograms("origin_response_seconds", help, &["origin"], &TIMES)?;
        Ok(Self { responses, seconds })
    }

    pub(super) fn for_origin(&self, origin: &str) -> OriginMetrics {
        OriginMetrics {
            responses: CLASSES.map(|class| self.responses.with_label_values(&[origin, class])),
            seconds: self.seconds.with_label_values(&[origin]),
        }
    }
}

/// The series of one origin, held so that requests need no label lookup.
#[derive(Clone, Debug)]
pub struct OriginMetrics {
    /// In the order of [`CLASSES`].
    responses: [IntCounter; CLASSES.len()],
    seconds: Histogram,
}

impl OriginMetrics {
    /// Counts a final response, whose header took this long.
    pub fn answered(&self, status: u16, took: Duration) {
        let class = usize::from(status / 100).checked_sub(2);
        if let Some(counter) = class.and_then(|class| self.responses.get(class)) {
            counter.inc();
        }
        self.seconds.observe(took.as_secs_f64());
    }
}
