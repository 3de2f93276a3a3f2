//! Events, captured as they happen.

use std::sync::Arc;

use crate::config::WebhookEvent;
use crate::model::{Account, ApplicationId, Attributes, Device, Millis, Moment, StreamId};
use crate::policy::{Decision, Effect, MissingAttribute, Mode, Violation};
use crate::streams::{AdmissionRequest, Cause, Event, Stream};

/// One event. Created under the lock of an account: strings are shared, not copied.
pub(super) struct StreamEvent {
    /// Unguessable and unique.
    pub(super) id: [u8; 16],
    pub(super) at: Millis,
    pub(super) account: Account,
    pub(super) application: ApplicationId,
    pub(super) stream: StreamId,
    pub(super) device: Device,
    pub(super) asset: Arc<str>,
    pub(super) started: Millis,
    pub(super) attributes: Attributes,
    pub(super) what: StreamEventKind,
}

pub(super) enum StreamEventKind {
    Started {
        /// The stream is not new: it was idle, or was served by another gateway.
        resumed: bool,
    },
    Refused(Vec<ViolatedRule>),
    /// Admitted; unenforced rules would have refused it.
    WouldRefuse(Vec<ViolatedRule>),
    /// Admitted; unenforced rules would have terminated other streams for it.
    WouldTerminate(Vec<ViolatedRule>),
    Terminated(Cause),
    Ended(&'static str),
}

/// A rule that a start exceeds, or whose attribute it lacks.
pub(super) struct ViolatedRule {
    pub(super) policy: Arc<str>,
    pub(super) rule: Arc<str>,
    /// The rule's mode, unless enforced.
    pub(super) mode: Option<&'static str>,
    pub(super) why: ViolationReason,
}

/// Why the rule is violated.
pub(super) enum ViolationReason {
    /// `terminates`: the streams that the rule would terminate.
    Exceeded {
        attribute: Arc<str>,
        limit: u32,
        reached: u32,
        streams: Vec<StreamId>,
        terminates: Vec<StreamId>,
    },
    Missing {
        attribute: Arc<str>,
    },
}

/// The event type for receivers; `None` if it is not sent.
pub(super) fn kind(event: &Event<'_>) -> Option<WebhookEvent> {
    match event {
        Event::Admitted(_) | Event::Resumed(_) => Some(WebhookEvent::Started),
        Event::Refused(..) => Some(WebhookEvent::Refused),
        Event::Unenforced { decision, .. } if decision.would_refuse() => Some(WebhookEvent::WouldRefuse),
        Event::Unenforced { .. } => Some(WebhookEvent::WouldTerminate),
        Event::Terminated(..) => Some(WebhookEvent::Terminated),
        Event::Idle(_) | Event::Superseded(_) | Event::RolledBack(_) => Some(WebhookEvent::Ended),
        // Already reported, or not decided yet.
        Event::TerminatedIdle(..)
        | Event::Expired(_)
        | Event::CapacityEvicted(_)
        | Event::Explained(..)
        | Event::CapacityExceeded(_)
        | Event::Terminating(..)
        | Event::Violated(_)
        | Event::MissingAttribute(_)
        | Event::RequiredLimit(_)
        | Event::AdmissionAttempt { .. }
        | Event::TakenOver { .. }
        | Event::TakeoverSettled { .. }
        | Event::Unavailable => None,
    }
}

impl StreamEvent {
    /// `None` if it is not sent.
    pub(super) fn from_event(account: &Account, event: &Event<'_>, at: Moment, id: [u8; 16]) -> Option<Self> {
        let of = |stream: &Arc<Stream>, what| Some(Self::of_stream(account, stream, what, at, id));
        match event {
            Event::Admitted(stream) => of(stream, StreamEventKind::Started { resumed: false }),
            Event::Resumed(stream) => of(stream, StreamEventKind::Started { resumed: true }),
            Event::Terminated(stream, cause) => of(stream, StreamEventKind::Terminated((*cause).clone())),
            Event::Idle(stream) => of(stream, StreamEventKind::Ended("silent")),
            Event::Superseded(stream) => of(stream, StreamEventKind::Ended("superseded")),
            Event::RolledBack(stream) => of(stream, StreamEventKind::Ended("rolled_back")),
            Event::Refused(candidate, decision) => {
                Some(Self::of_candidate(candidate, StreamEventKind::Refused(refusing(decision)), at, id))
            }
            Event::Unenforced { stream, decision, .. } if decision.would_refuse() => {
                of(stream, StreamEventKind::WouldRefuse(unenforced(decision)))
            }
            Event::Unenforced { stream, decision, .. } => {
                of(stream, StreamEventKind::WouldTerminate(unenforced(decision)))
            }
            _ => None,
        }
    }

    fn of_stream(account: &Account, stream: &Stream, what: StreamEventKind, at: Moment, id: [u8; 16]) -> Self {
        Self {
            id,
            at: at.wall,
            account: account.clone(),
            application: stream.application.clone(),
            stream: stream.id,
            device: stream.device.clone(),
            asset: stream.asset.clone(),
            started: at.to_wall(stream.started),
            attributes: stream.attributes(),
            what,
        }
    }

    fn of_candidate(candidate: &AdmissionRequest, what: StreamEventKind, at: Moment, id: [u8; 16]) -> Self {
        Self {
            id,
            at: at.wall,
            account: candidate.account.clone(),
            application: candidate.application.clone(),
            stream: candidate.stream,
            device: candidate.device.clone(),
            asset: candidate.asset.clone(),
            started: at.to_wall(candidate.started),
            attributes: candidate.attributes.clone(),
            what,
        }
    }
}

/// The rules that refuse.
fn refusing(decision: &Decision) -> Vec<ViolatedRule> {
    let exceeded = decision.enforced().filter(|violation| violation.effect == Effect::Refuse);
    let lacks = decision.missing_attributes.iter().filter(|lack| lack.mode == Mode::Enforce);
    exceeded.map(ViolatedRule::exceeded).chain(lacks.map(ViolatedRule::lacking)).collect()
}

/// The rules that would refuse or terminate if they were enforced.
fn unenforced(decision: &Decision) -> Vec<ViolatedRule> {
    let exceeded = decision.violations.iter().filter(|violation| violation.mode != Mode::Enforce);
    let lacks = decision.missing_attributes.iter().filter(|lack| lack.mode != Mode::Enforce);
    exceeded.map(ViolatedRule::exceeded).chain(lacks.map(ViolatedRule::lacking)).collect()
}

impl ViolatedRule {
    fn exceeded(violation: &Violation) -> Self {
        Self {
            policy: violation.policy.clone(),
            rule: violation.rule.clone(),
            mode: unenforced_mode(violation.mode),
            why: ViolationReason::Exceeded {
                attribute: violation.attribute.clone(),
                limit: violation.threshold,
                reached: violation.reached,
                streams: violation.conflicts.iter().map(|conflict| conflict.stream).collect(),
                terminates: match &violation.effect {
                    Effect::Refuse => Vec::new(),
                    Effect::Terminate(streams) => streams.clone(),
                },
            },
        }
    }

    fn lacking(lack: &MissingAttribute) -> Self {
        Self {
            policy: lack.policy.clone(),
            rule: lack.rule.clone(),
            mode: unenforced_mode(lack.mode),
            why: ViolationReason::Missing { attribute: lack.attribute.clone() },
        }
    }
}

fn unenforced_mode(mode: Mode) -> Option<&'static str> {
    (mode != Mode::Enforce).then(|| mode.label())
}
