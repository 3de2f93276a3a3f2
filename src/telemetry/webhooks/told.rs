//! What there is to tell, noted while it happens.

use std::sync::Arc;

use crate::config::WebhookEvent;
use crate::model::{Account, ApplicationId, Attributes, Device, Millis, Moment, StreamId};
use crate::policy::{Decision, Effect, Lack, Mode, Violation};
use crate::streams::{Candidate, Cause, Event, Stream};

/// One event. It is made under the lock of an account: names are counted up, not copied.
pub(super) struct Told {
    /// Unguessable, and of no other event.
    pub(super) id: [u8; 16],
    pub(super) at: Millis,
    pub(super) account: Account,
    pub(super) application: ApplicationId,
    pub(super) stream: StreamId,
    pub(super) device: Device,
    pub(super) asset: Arc<str>,
    pub(super) started: Millis,
    pub(super) attributes: Attributes,
    pub(super) what: What,
}

/// What happened.
pub(super) enum What {
    Started {
        /// It is not new: it had fallen silent, or was served by another gateway before.
        resumed: bool,
    },
    Refused(Vec<Broken>),
    /// It plays. Rules that are not enforced would have refused it.
    WouldRefuse(Vec<Broken>),
    /// It plays. Rules that are not enforced would have ended other streams for it.
    WouldTerminate(Vec<Broken>),
    Terminated(Cause),
    Ended(&'static str),
}

/// A rule that a start exceeds, or for which it lacks an attribute.
pub(super) struct Broken {
    pub(super) policy: Arc<str>,
    pub(super) rule: Arc<str>,
    /// Of a rule that is not enforced: its mode.
    pub(super) mode: Option<&'static str>,
    pub(super) why: Why,
}

/// Why it does.
pub(super) enum Why {
    /// `terminates`: the streams that the rule would end.
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

/// What receivers know the event as; `None`: they are not told.
pub(super) fn kind(event: &Event<'_>) -> Option<WebhookEvent> {
    match event {
        Event::Admitted(_) | Event::Resumed(_) => Some(WebhookEvent::Started),
        Event::Refused(..) => Some(WebhookEvent::Refused),
        Event::Unenforced { decision, .. } if decision.would_refuse() => Some(WebhookEvent::WouldRefuse),
        Event::Unenforced { .. } => Some(WebhookEvent::WouldTerminate),
        Event::Terminated(..) => Some(WebhookEvent::Terminated),
        Event::Idle(_) | Event::Superseded(_) | Event::RolledBack(_) => Some(WebhookEvent::Ended),
        // Its end has been told, or nothing has come of it yet.
        Event::Barred(..)
        | Event::Forgotten(_)
        | Event::CapacityEvicted(_)
        | Event::Explained(..)
        | Event::Unaccounted(_)
        | Event::Leaving(..)
        | Event::Violated(_)
        | Event::Lacked(_)
        | Event::Demanded(_)
        | Event::Attempted { .. }
        | Event::TakenOver { .. }
        | Event::TakeoverSettled { .. }
        | Event::Unavailable => None,
    }
}

impl Told {
    /// `None`: it is nothing to tell.
    pub(super) fn of(account: &Account, event: &Event<'_>, at: Moment, id: [u8; 16]) -> Option<Self> {
        let of = |stream: &Arc<Stream>, what| Some(Self::of_stream(account, stream, what, at, id));
        match event {
            Event::Admitted(stream) => of(stream, What::Started { resumed: false }),
            Event::Resumed(stream) => of(stream, What::Started { resumed: true }),
            Event::Terminated(stream, cause) => of(stream, What::Terminated((*cause).clone())),
            Event::Idle(stream) => of(stream, What::Ended("silent")),
            Event::Superseded(stream) => of(stream, What::Ended("superseded")),
            Event::RolledBack(stream) => of(stream, What::Ended("rolled_back")),
            Event::Refused(candidate, decision) => {
                Some(Self::of_candidate(candidate, What::Refused(refusing(decision)), at, id))
            }
            Event::Unenforced { stream, decision, .. } if decision.would_refuse() => {
                of(stream, What::WouldRefuse(unenforced(decision)))
            }
            Event::Unenforced { stream, decision, .. } => of(stream, What::WouldTerminate(unenforced(decision))),
            _ => None,
        }
    }

    fn of_stream(account: &Account, stream: &Stream, what: What, at: Moment, id: [u8; 16]) -> Self {
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

    fn of_candidate(candidate: &Candidate, what: What, at: Moment, id: [u8; 16]) -> Self {
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
fn refusing(decision: &Decision) -> Vec<Broken> {
    let exceeded = decision.enforced().filter(|violation| violation.effect == Effect::Refuse);
    let lacks = decision.lacks.iter().filter(|lack| lack.mode == Mode::Enforce);
    exceeded.map(Broken::exceeded).chain(lacks.map(Broken::lacking)).collect()
}

/// The rules that would refuse, or end other streams, if they were enforced.
fn unenforced(decision: &Decision) -> Vec<Broken> {
    let exceeded = decision.violations.iter().filter(|violation| violation.mode != Mode::Enforce);
    let lacks = decision.lacks.iter().filter(|lack| lack.mode != Mode::Enforce);
    exceeded.map(Broken::exceeded).chain(lacks.map(Broken::lacking)).collect()
}

impl Broken {
    fn exceeded(violation: &Violation) -> Self {
        Self {
            policy: violation.policy.clone(),
            rule: violation.rule.clone(),
            mode: unenforced_mode(violation.mode),
            why: Why::Exceeded {
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

    fn lacking(lack: &Lack) -> Self {
        Self {
            policy: lack.policy.clone(),
            rule: lack.rule.clone(),
            mode: unenforced_mode(lack.mode),
            why: Why::Missing { attribute: lack.attribute.clone() },
        }
    }
}

fn unenforced_mode(mode: Mode) -> Option<&'static str> {
    (mode != Mode::Enforce).then(|| mode.label())
}
