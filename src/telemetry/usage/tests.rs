#![allow(clippy::expect_used)]

use std::sync::Arc;

use prometheus::Registry;

use super::*;
use crate::model::{Account, ApplicationId, Attributes, ClientEvidence, Device, StreamId};
use crate::policy::Decision;
use crate::streams::{AdmissionRequest, Settings};

const START: Millis = Millis(1_793_732_400_000);

fn candidate() -> AdmissionRequest {
    AdmissionRequest {
        stream: StreamId([1; 16]),
        account: Account::new("acme", "alice"),
        application: ApplicationId("tv".into()),
        device: Device::Hint(1),
        asset: "".into(),
        started: START,
        attributes: Attributes::default(),
        client: ClientEvidence::default(),
    }
}

fn stream(lasted: Duration) -> Arc<Stream> {
    Arc::new(Stream::declare(&candidate(), &Settings::default(), START + lasted))
}

fn report(events: &[Event<'_>]) -> String {
    let registry = Registry::new();
    let usage = Usage::new(&Family(&registry)).expect("each name stands once");
    for event in events {
        usage.observe(event);
    }
    let mut text = Vec::new();
    prometheus::Encoder::encode(&prometheus::TextEncoder::new(), &registry.gather(), &mut text).expect("text");
    String::from_utf8(text).expect("text")
}

#[test]
fn a_duration_at_a_border_belongs_to_the_longer_class() {
    for (lasted, below, above) in [
        (Duration::from_millis(899_999), "900", ""),
        (Duration::from_mins(15), "1800", "900"),
        (Duration::from_hours(2), "14400", "7200"),
        (Duration::from_hours(24), "259200", "86400"),
        (Duration::from_hours(24 * 30), "+Inf", "2592000"),
    ] {
        let text = report(&[Event::Idle(&stream(lasted))]);
        let has = |le: &str, n: u8| {
            let line = format!("streamgate_session_duration_seconds_bucket{{application=\"tv\",le=\"{le}\"}} {n}\n");
            text.contains(&line)
        };
        assert!(has(below, 1) && (above.is_empty() || has(above, 0)), "{lasted:?}: {text}");
    }
}

#[test]
fn every_way_to_end_has_its_counter() {
    let one = stream(Duration::from_secs(5));
    let evicted = Cause::Evicted { policy: "p".into(), rule: "r".into(), by: one.id };
    let refused = Cause::Refused { policy: "p".into(), rule: "r".into() };
    let killed = Cause::Killed { reason: "x".into(), by: None };
    let (application, candidate) = (one.application.clone(), candidate());
    let text = report(&[
        Event::Admitted(&one),
        Event::AdmissionAttempt { application: &application, level: 2, admitted: true },
        Event::Resumed(&one),
        Event::Refused(&candidate, &Decision::default()),
        Event::AdmissionAttempt { application: &application, level: 3, admitted: false },
        Event::Idle(&one),
        Event::Superseded(&one),
        Event::Terminated(&one, &Cause::Stopped),
        Event::Terminated(&one, &evicted),
        Event::Terminated(&one, &refused),
        Event::Terminated(&one, &killed),
        Event::Expired(&one),
    ]);
    for (line, n) in [
        ("sessions_started_total", 2),
        ("admissions_refused_total", 1),
        ("sessions_completed_total", 3),
        ("sessions_dismissed_total", 2),
        ("sessions_killed_total", 1),
        ("session_duration_seconds_count", 6),
        ("concurrency_level_sum", 2),
        ("activity_level_sum", 5),
    ] {
        assert!(text.contains(&format!("streamgate_{line}{{application=\"tv\"}} {n}\n")), "{line} {n}: {text}");
    }
}
