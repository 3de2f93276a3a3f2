//! Events in batches of CloudEvents 1.0 (CloudEvents JSON Event Format 1.0.2, §4).

use std::sync::Arc;

use chrono::{DateTime, SecondsFormat};
use serde::{Serialize, Serializer};

use crate::model::{Attributes, Millis, StreamId};
use crate::streams::Cause;

use super::stream_event::{StreamEvent, StreamEventKind, ViolatedRule, ViolationReason};

pub(super) const BATCH: &str = "application/cloudevents-batch+json";

/// The `source` of this process: a URN of a random UUID (RFC 9562 §5.4), so that no two processes send the same
/// `source` and `id`.
pub(super) fn source(mut random: [u8; 16]) -> String {
    random[6] = random[6] & 0x0f | 0x40;
    random[8] = random[8] & 0x3f | 0x80;
    format!("urn:uuid:{}", StreamId(random))
}

pub(super) fn batch(told: &[Arc<StreamEvent>], source: &str) -> Vec<u8> {
    let events: Vec<CloudEvent<'_>> = told.iter().map(|told| CloudEvent::new(told, source)).collect();
    // Serialization cannot fail: all keys are strings.
    serde_json::to_vec(&events).unwrap_or_default()
}

#[derive(Serialize)]
struct CloudEvent<'a> {
    specversion: &'static str,
    id: String,
    source: &'a str,
    r#type: &'static str,
    subject: StreamId,
    time: String,
    datacontenttype: &'static str,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    account: Name<'a>,
    application: &'a str,
    stream: StreamId,
    /// Its name, if it has one.
    device: Option<&'a str>,
    asset: &'a str,
    started: String,
    #[serde(skip_serializing_if = "Attributes::is_empty", serialize_with = "as_object")]
    attributes: &'a Attributes,
    #[serde(flatten)]
    what: Details<'a>,
}

#[derive(Serialize)]
struct Name<'a> {
    idp: &'a str,
    subject: &'a str,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Details<'a> {
    Started {
        resumed: bool,
    },
    /// A start that was refused, or would be.
    Refused {
        rules: Vec<Rule<'a>>,
    },
    Terminated {
        cause: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        policy: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        rule: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
        /// The stream that replaced it.
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<StreamId>,
    },
    Ended {
        cause: &'static str,
    },
}

#[derive(Serialize)]
struct Rule<'a> {
    policy: &'a str,
    #[serde(rename = "rule")]
    name: &'a str,
    /// `shadow` or `annotate`, for rules that are not enforced.
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<&'static str>,
    #[serde(flatten)]
    why: Reason<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Reason<'a> {
    Exceeded {
        attribute: &'a str,
        limit: u32,
        reached: u32,
        streams: &'a [StreamId],
        #[serde(skip_serializing_if = "<[StreamId]>::is_empty")]
        terminates: &'a [StreamId],
    },
    Missing {
        missing: &'a str,
    },
}

impl<'a> CloudEvent<'a> {
    fn new(told: &'a StreamEvent, source: &'a str) -> Self {
        let r#type = match told.what {
            StreamEventKind::Started { .. } => "com.streamgate.stream.started",
            StreamEventKind::Refused(_) => "com.streamgate.stream.refused",
            StreamEventKind::WouldRefuse(_) => "com.streamgate.stream.would_refuse",
            StreamEventKind::WouldTerminate(_) => "com.streamgate.stream.would_terminate",
            StreamEventKind::Terminated(_) => "com.streamgate.stream.terminated",
            StreamEventKind::Ended(_) => "com.streamgate.stream.ended",
        };
        Self {
            specversion: "1.0",
            id: format!("{:032x}", u128::from_be_bytes(told.id)),
            source,
            r#type,
            subject: told.stream,
            time: time(told.at),
            datacontenttype: "application/json",
            data: Data {
                account: Name { idp: &told.account.idp, subject: &told.account.subject },
                application: told.application.as_str(),
                stream: told.stream,
                device: told.device.name(),
                asset: &told.asset,
                started: time(told.started),
                attributes: &told.attributes,
                what: Details::new(&told.what),
            },
        }
    }
}

impl<'a> Details<'a> {
    fn new(what: &'a StreamEventKind) -> Self {
        match what {
            StreamEventKind::Started { resumed } => Self::Started { resumed: *resumed },
            StreamEventKind::Refused(rules)
            | StreamEventKind::WouldRefuse(rules)
            | StreamEventKind::WouldTerminate(rules) => Self::Refused { rules: rules.iter().map(Rule::new).collect() },
            StreamEventKind::Terminated(cause) => Self::terminated(cause),
            StreamEventKind::Ended(cause) => Self::Ended { cause },
        }
    }

    fn terminated(cause: &'a Cause) -> Self {
        let (rule, reason, by) = match cause {
            Cause::Evicted { policy, rule, by } | Cause::Displaced { policy, rule, by } => {
                (Some((policy, rule)), None, Some(*by))
            }
            Cause::Refused { policy, rule } => (Some((policy, rule)), None, None),
            Cause::Stopped => (None, None, None),
            Cause::Killed { reason, by } => (None, Some(&**reason), by.as_ref().map(|by| by.stream)),
        };
        let (policy, rule) = rule.map(|(policy, rule)| (&**policy, &**rule)).unzip();
        Self::Terminated { cause: cause.label(), policy, rule, reason, by }
    }
}

impl<'a> Rule<'a> {
    fn new(broken: &'a ViolatedRule) -> Self {
        let why = match &broken.why {
            ViolationReason::Exceeded { attribute, limit, reached, streams, terminates } => {
                Reason::Exceeded { attribute, limit: *limit, reached: *reached, streams, terminates }
            }
            ViolationReason::Missing { attribute } => Reason::Missing { missing: attribute },
        };
        Self { policy: &broken.policy, name: &broken.rule, mode: broken.mode, why }
    }
}

fn as_object<S: Serializer>(attributes: &Attributes, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(attributes.iter())
}

/// A time as RFC 3339, with milliseconds.
fn time(at: Millis) -> String {
    let time = i64::try_from(at.0).ok().and_then(DateTime::from_timestamp_millis).unwrap_or_default();
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}
