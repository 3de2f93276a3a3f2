//! Seniority after a restart: older streams return and displace newer ones.

use std::sync::Arc;

use smallvec::SmallVec;

use super::plan::{dismiss, end, scene};
use super::{AccountState, Change, Plan, PolicyContext};
use crate::model::{Millis, StreamId};
use crate::policy::{Decision, Effect, StreamView, Violation, evaluate, evaluate_excluding, explain};
use crate::streams::{AdmissionRequest, Cause, Stream};

/// Maximum newer streams that are considered.
const MAX_NEWCOMERS: usize = 32;
/// Starts of one account at the same moment are at most this far ahead of the clock.
const AHEAD: std::time::Duration = std::time::Duration::from_secs(1);

/// Start of the gateway. Earlier streams are known only from a snapshot or once they have returned.
#[derive(Clone, Copy, Debug)]
struct Opening {
    at: Millis,
    now: Millis,
}

impl Opening {
    /// True if a stream with that start is older than the gateway. A start in the future means that the clock was
    /// wrong.
    fn follows(self, started: Millis) -> bool {
        started < self.at || started > self.now + AHEAD
    }
}

impl AccountState {
    /// True if the record has neither the stream nor a tombstone for it.
    pub fn is_unknown(&self, id: StreamId) -> bool {
        self.find(id).is_none() && self.tombstones().iter().all(|tombstone| tombstone.stream.id != id)
    }

    /// Decides again about a returning stream with a valid play session that the record does not have and that
    /// `refused` rejects. The gateway started at `opened`, a moment ago. Streams admitted since are evaluated as if
    /// this one had been there, youngest first. A stream that a rule would have refused is terminated; for terminating
    /// rules, their own order applies. `None` if the refusal stands.
    pub fn plan_senior(
        &self,
        candidate: &AdmissionRequest,
        refused: &Decision,
        opened: Millis,
        law: &PolicyContext<'_>,
        now: Millis,
    ) -> Option<Plan> {
        let opening = Opening { at: opened, now };
        let is_newer = |stream: &Stream| {
            !opening.follows(stream.started)
                && (opening.follows(candidate.started) || candidate.started < stream.started)
        };
        let mut newcomers: SmallVec<[&Arc<Stream>; 4]> =
            self.streams.iter().filter(|stream| self.counts(stream) && is_newer(stream)).collect();
        // Its own device has started another stream.
        let same_device =
            |stream: &&Arc<Stream>| candidate.device.name().is_some() && stream.device == candidate.device;
        if newcomers.iter().any(same_device) {
            return None;
        }
        newcomers.sort_by_key(|stream| std::cmp::Reverse((stream.started, stream.id)));
        let returning = Arc::new(Stream::resumed(candidate, law.settings, now));
        let scene = scene(law, now);
        let (mut gone, mut change) = (Vec::<StreamId>::new(), Change::default());
        for newcomer in newcomers.into_iter().take(MAX_NEWCOMERS) {
            if gone.contains(&newcomer.id) {
                continue;
            }
            let mut running: SmallVec<[StreamView<'_>; 8]> = self.running(newcomer.id, &gone);
            running.push(returning.view(returning.since()));
            let standing = newcomer.view(newcomer.since());
            let decision = evaluate_excluding(law.policies, &running, &standing, &scene, &|policy, rule| {
                !refused.has_refused(policy, rule)
            });
            let refusing = decision.enforced().find(|violation| violation.effect == Effect::Refuse);
            if let Some(violation) = refusing {
                let (policy, rule) = (violation.policy.clone(), violation.rule.clone());
                change.terminate.push((newcomer.id, Cause::Displaced { policy, rule, by: candidate.stream }));
                change.explained.push((newcomer.id, explain(law.policies, &running, &standing, &scene)));
                gone.push(newcomer.id);
            } else {
                for (id, violation) in decision.terminations() {
                    // In the rule's own order, the returning stream itself is terminated.
                    if id == candidate.stream {
                        return None;
                    }
                    let (policy, rule) = (violation.policy.clone(), violation.rule.clone());
                    dismiss(&mut change, id, Cause::Evicted { policy, rule, by: newcomer.id }, violation.grace, now);
                    gone.push(id);
                }
            }
            let decision = evaluate(law.policies, &self.running(candidate.stream, &gone), &returning.view(now), &scene);
            if !gone.is_empty() && !decision.refuses() {
                change.admit = Some(returning.clone());
                let evicted = |violation: &Violation| Cause::Evicted {
                    policy: violation.policy.clone(),
                    rule: violation.rule.clone(),
                    by: candidate.stream,
                };
                end(&decision, &mut change, evicted, now);
                self.bound_leaving(&decision, &mut change);
                return Some(Plan::Admit(decision, change));
            }
        }
        None
    }
}
