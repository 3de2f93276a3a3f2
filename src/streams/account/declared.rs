//! Decisions about streams that an application declares.

use std::sync::Arc;

use super::plan::{end, refusal, scene};
use super::{AccountState, Change, Plan, PolicyContext, Refused};
use crate::model::{Attributes, Device, Millis, StreamId};
use crate::policy::{Decision, Violation, evaluate, explain};
use crate::streams::{AdmissionRequest, Cause, Stream, Terminator};

/// Shown to the viewer of a stream that was killed from another device.
const KILLED: &str = "Playback was stopped from another device";

/// A stream to kill so that another may start, and the termination code that named it.
pub type Kill = (StreamId, Arc<str>);

impl AccountState {
    /// Decides the start of a declared stream. The streams in `kills` do not count. They are killed only if it is
    /// admitted, and then even if there was room. The record must be up to date.
    pub fn plan_declare(
        &self,
        candidate: &AdmissionRequest,
        kills: &[Kill],
        law: &PolicyContext<'_>,
        now: Millis,
    ) -> Plan {
        let (gone, attributes) = self.take_place(kills, &candidate.attributes);
        let candidate = AdmissionRequest { attributes, ..candidate.clone() };
        let mut stream = Stream::declare(&candidate, law.settings, now);
        stream.started = self.next_start(candidate.started);
        let stream = Arc::new(stream);
        let (standing, scene) = (stream.view(now), scene(law, now));
        let running = self.running(stream.id, &gone);
        let decision = evaluate(law.policies, &running, &standing, &scene);
        if decision.refuses() {
            // Nobody is killed, so the refusal describes the account as it is.
            let running = self.running(stream.id, &[]);
            let whole = evaluate(law.policies, &running, &standing, &scene);
            let explanation = explain(law.policies, &running, &standing, &scene);
            let decision = if whole.refuses() { whole } else { decision };
            return Plan::Refuse(Box::new(Refused { decision, explanation }));
        }
        let killed = killed_by(&stream);
        let mut change = Change { admit: Some(stream.clone()), ..Change::default() };
        change.terminate.extend(gone.into_iter().map(|id| (id, killed.clone())));
        let evicted = |violation: &Violation| Cause::Evicted {
            policy: violation.policy.clone(),
            rule: violation.rule.clone(),
            by: stream.id,
        };
        end(&decision, &mut change, evicted, now);
        self.bound_leaving(&decision, &mut change);
        Plan::Admit(decision, change)
    }

    /// The distinct streams that are killed for another, and the attributes of that one afterwards.
    pub fn take_place(&self, kills: &[Kill], known: &Attributes) -> (Vec<StreamId>, Attributes) {
        let (mut gone, mut codes): (Vec<StreamId>, Vec<&str>) = Default::default();
        for (id, code) in kills {
            if !gone.contains(id) && self.find(*id).is_some_and(|stream| stream.has_slot()) {
                gone.push(*id);
                codes.push(code);
            }
        }
        if gone.is_empty() {
            return (gone, known.clone());
        }
        let superseded = [(Arc::from("superseded"), Arc::from(codes.join(",")))];
        let rest = known.iter().map(|(name, value)| (name.into(), value.into()));
        (gone, superseded.into_iter().chain(rest).collect())
    }

    /// The tombstone of a refused start, for an application that keeps asking for it.
    pub fn bury_refused(
        candidate: &AdmissionRequest,
        decision: &Decision,
        law: &PolicyContext<'_>,
        now: Millis,
    ) -> Change {
        // Its attributes are never read, and there may be many tombstones.
        let candidate = AdmissionRequest { attributes: Attributes::default(), ..candidate.clone() };
        let stream = Arc::new(Stream::declare(&candidate, law.settings, now));
        let (cause, _) = refusal(decision);
        Change { bury: Some((stream, cause)), ..Change::default() }
    }

    /// The declared stream that matches a start by traffic: same application, same device, same asset or channel.
    pub(super) fn declared_play(&self, candidate: &AdmissionRequest) -> Option<&Arc<Stream>> {
        candidate.device.name()?;
        self.streams.iter().find(|stream| {
            stream.is_declared()
                && stream.has_slot()
                && stream.application == candidate.application
                && stream.is_on(&candidate.device)
                && stream.plays_same_content(&candidate.attributes)
        })
    }

    /// The undeclared stream that matches a declaration, unless the declaration kills it.
    pub fn undeclared_play(&self, candidate: &AdmissionRequest, kills: &[Kill]) -> Option<&Arc<Stream>> {
        let device = candidate.attributes.get("deviceId")?;
        self.streams.iter().find(|stream| {
            !stream.is_declared()
                && kills.iter().all(|(id, _)| *id != stream.id)
                && stream.has_slot()
                && stream.application == candidate.application
                && stream.device == Device::Named(device.into())
                && stream.plays_same_content(&candidate.attributes)
        })
    }
}

/// The cause of termination for streams that `stream` kills.
pub fn killed_by(stream: &Stream) -> Cause {
    let by = Terminator {
        stream: stream.id,
        application: stream.application.clone(),
        started: stream.started,
        attributes: stream.attributes(),
    };
    Cause::Killed { reason: KILLED.into(), by: Some(Box::new(by)) }
}
