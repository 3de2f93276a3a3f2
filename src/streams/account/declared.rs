//! What is to be done about streams that an application declares.

use std::sync::Arc;

use super::plan::{end, refusal, scene};
use super::{AccountState, Change, Plan, PolicyContext, Refused};
use crate::model::{Attributes, Device, Millis, StreamId};
use crate::policy::{Decision, Violation, evaluate, explain};
use crate::streams::{AdmissionRequest, Cause, Stream, Terminator};

/// What a viewer is told whose stream was killed from another device.
const KILLED: &str = "Playback was stopped from another device";

/// A stream that is to be killed so that another may start, and the code by which it was named.
pub type Kill = (StreamId, Arc<str>);

impl AccountState {
    /// Decides a start that an application declares. The streams in `kills` count as gone; they are killed only if it is
    /// admitted, and then even if there was room. The record must be settled.
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
            // Nobody is killed, so that the account is told of as it stands.
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

    /// The streams that are killed for the sake of another, each once, and what is known of that one then.
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

    /// What is remembered of a start that was refused, for an application that goes on asking for it.
    pub fn bury_refused(
        candidate: &AdmissionRequest,
        decision: &Decision,
        law: &PolicyContext<'_>,
        now: Millis,
    ) -> Change {
        // Nobody asks what was known of it, and there may be many.
        let candidate = AdmissionRequest { attributes: Attributes::default(), ..candidate.clone() };
        let stream = Arc::new(Stream::declare(&candidate, law.settings, now));
        let (cause, _) = refusal(decision);
        Change { bury: Some((stream, cause)), ..Change::default() }
    }

    /// The declared stream that a viewer plays who starts by traffic: same application, same device, same asset or channel.
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

    /// The stream that plays by traffic already and that an application now declares, unless it is to be killed by that.
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

/// Why streams end whose slots that one wanted.
pub fn killed_by(stream: &Stream) -> Cause {
    let by = Terminator {
        stream: stream.id,
        application: stream.application.clone(),
        started: stream.started,
        attributes: stream.attributes(),
    };
    Cause::Killed { reason: KILLED.into(), by: Some(Box::new(by)) }
}
