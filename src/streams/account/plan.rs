//! Decisions about starts, returns and changes of running streams.

use std::sync::Arc;

use smallvec::SmallVec;

use super::{AccountState, Change, Judgement, PendingTermination, Plan, PolicyContext, Refused, Tombstone};
use crate::model::{Attributes, Device, Millis, StreamId};
use crate::policy::{
    Content, Decision, Effect, EvalContext, Explanation, Mode, Policy, Rule, StreamView, Violation, evaluate,
    evaluate_excluding, explain, reconsider,
};
use crate::streams::{AdmissionRequest, Cause, SUPERSEDE_GRACE, Stream};

/// Maximum superseded streams of a device that may continue without a slot during the grace. More would allow watching
/// several at once.
const LATE_STREAMS: usize = 3;

impl AccountState {
    /// Decides a start at an entry manifest. The record must be up to date.
    pub fn plan_start(&self, candidate: &AdmissionRequest, law: &PolicyContext<'_>, now: Millis) -> Plan {
        let same_play = |stream: &Stream| {
            stream.application == candidate.application
                && stream.device == candidate.device
                && stream.asset == candidate.asset
                && (stream.device.name().is_some() || stream.client.token == candidate.client.token)
                && stream.continues_from_entry(now)
        };
        // A request with a token is evaluated with that token's attributes.
        let news = |stream: &Stream| stream.attribute_update(&candidate.attributes, &candidate.asset).attributes;
        // If a token names the play session, another asset with the same name is still the same stream.
        let known = self.find(candidate.stream).or_else(|| self.streams.iter().find(|stream| same_play(stream)));
        let known = known.or_else(|| self.declared_play(candidate));
        if let Some(stream) = known
            && (stream.has_slot() || stream.refreshes_entry())
        {
            // A refresh by a live player that has been paused for too long is not a new start.
            let polls = stream.is_idle_without_media();
            return if polls {
                Plan::Continue(stream.clone())
            } else {
                self.plan_return(stream, news(stream), law, now)
            };
        }
        // A player that refreshes its entry manifest returns here by itself after its stream was terminated.
        let stays_out =
            |stream: &Stream| stream.id == candidate.stream || stream.refreshes_entry() && same_play(stream);
        // A stream stopped by its own viewer may start again; only requests in flight at that time stay refused.
        let may_return =
            |tombstone: &Tombstone| tombstone.stream.id != candidate.stream && tombstone.may_be_started_again(now);
        let mut terminated = self.tombstones().iter().filter(|tombstone| !may_return(tombstone));
        if let Some(tombstone) = terminated.find(|tombstone| stays_out(&tombstone.stream)) {
            return Plan::Terminated(tombstone.stream.id, tombstone.cause.clone());
        }
        let supersede: Vec<StreamId> = match &candidate.device {
            // A hint is not enough to end a stream: two televisions behind one router share it.
            Device::Hint(_) => Vec::new(),
            named @ Device::Named(_) => {
                // Declared streams are ended by their applications.
                let same_device =
                    self.streams.iter().filter(|s| s.device == *named && s.has_slot() && !s.is_declared());
                same_device.map(|stream| stream.id).collect()
            }
        };
        // A viewer who returns within the window resumes the same stream.
        if let Some(stream) = known {
            return self.plan(stream, supersede, news(stream), None, law, now);
        }
        let mut stream = Stream::reserve(candidate, law.settings, now);
        stream.started = self.next_start(candidate.started);
        self.plan(&Arc::new(stream), supersede, None, None, law, now)
    }

    /// Decides whether a stream of the record that has lost its slot gets one again. The record must be up to date.
    pub fn plan_resume(&self, stream: &Arc<Stream>, law: &PolicyContext<'_>, now: Millis) -> Plan {
        self.plan_return(stream, None, law, now)
    }

    fn plan_return(
        &self,
        stream: &Arc<Stream>,
        news: Option<Attributes>,
        law: &PolicyContext<'_>,
        now: Millis,
    ) -> Plan {
        if stream.has_slot() {
            return Plan::Continue(stream.clone());
        }
        if self.is_late(stream, now) {
            return Plan::Continue(stream.clone());
        }
        // A live player that has been paused for too long continues to poll without a slot; its next media request
        // competes.
        if stream.is_idle_without_media() && stream.last_seen() >= stream.since() {
            return Plan::Continue(stream.clone());
        }
        // A stream that its device has only prefetched since (the next episode) gives its slot back.
        let looked_at = self
            .streams
            .iter()
            .filter(|other| other.is_reserved() && other.device == stream.device && stream.device.name().is_some());
        let looked_at = looked_at.map(|other| other.id).collect();
        self.plan(stream, looked_at, news, Some(now), law, now)
    }

    /// True if a request of the stream was in flight when its device started another.
    fn is_late(&self, stream: &Stream, now: Millis) -> bool {
        // Ties within a millisecond are broken by start.
        let left = |stream: &Stream| (stream.since(), stream.started, stream.id);
        let left_since =
            |other: &&Arc<Stream>| other.is_superseded() && other.device == stream.device && left(other) > left(stream);
        stream.is_superseded()
            && now.since(stream.since()) < SUPERSEDE_GRACE
            && self.streams.iter().filter(left_since).count() < LATE_STREAMS
    }

    /// Decides about a stream that is not in the record but has a valid play session. It keeps the start in its play
    /// session, and so its place in the order.
    pub fn plan_reattach(&self, candidate: &AdmissionRequest, law: &PolicyContext<'_>, now: Millis) -> Plan {
        self.plan_known(candidate, law, now).unwrap_or_else(|| {
            let stream = Stream::resumed(candidate, law.settings, now);
            self.plan(&Arc::new(stream), Vec::new(), None, Some(now), law, now)
        })
    }

    /// Same, for a stream named by something other than its play session: a token, a device, or a split of a shared
    /// session. A stream that is not in the record starts now.
    pub fn plan_unsealed(&self, candidate: &AdmissionRequest, law: &PolicyContext<'_>, now: Millis) -> Plan {
        self.plan_known(candidate, law, now).unwrap_or_else(|| {
            let mut stream = Stream::resumed(candidate, law.settings, now);
            stream.started = self.next_start(now);
            self.plan(&Arc::new(stream), Vec::new(), None, Some(now), law, now)
        })
    }

    /// Decides about a stream that the record has, or has a tombstone for; `None` otherwise.
    fn plan_known(&self, candidate: &AdmissionRequest, law: &PolicyContext<'_>, now: Millis) -> Option<Plan> {
        // After it became idle, its application has declared it again under another id.
        let is_over = || self.tombstones().iter().any(|tombstone| tombstone.stream.id == candidate.stream);
        if self.find(candidate.stream).is_none_or(|stream| !stream.has_slot())
            && let Some(declared) = self.declared_play(candidate).filter(|_| !is_over())
        {
            return Some(Plan::Continue(declared.clone()));
        }
        if let Some(stream) = self.find(candidate.stream) {
            return Some(self.plan_resume(stream, law, now));
        }
        let tombstone = self.tombstones().iter().find(|tombstone| tombstone.stream.id == candidate.stream)?;
        // It was evicted by a start that the origin has not answered yet. Until then it continues without a slot.
        Some(if self.is_provisional(tombstone) {
            Plan::Continue(tombstone.stream.clone())
        } else {
            Plan::Terminated(candidate.stream, tombstone.cause.clone())
        })
    }

    /// `news`: the new attributes, if they change. `played`: time of the first media request, if this is one.
    fn plan(
        &self,
        stream: &Arc<Stream>,
        supersede: Vec<StreamId>,
        news: Option<Attributes>,
        played: Option<Millis>,
        law: &PolicyContext<'_>,
        now: Millis,
    ) -> Plan {
        let running = self.running(stream.id, &supersede);
        let (mut candidate, scene) = (stream.view(now), scene(law, now));
        if let Some(news) = &news {
            candidate.attributes = news.clone();
        }
        let mut decision = evaluate(law.policies, &running, &candidate, &scene);
        let mut takeovers = Vec::new();
        if decision.refuses() || !decision.ending.is_empty() {
            if let Some(plan) = self.plan_proven(stream, law, now) {
                return plan;
            }
            match self.plan_takeover((stream, &candidate), &supersede, &decision, played, law, now) {
                Some((without, takeover)) => {
                    decision = without;
                    takeovers.push(takeover);
                }
                None if decision.refuses() => {
                    let explanation = explain(law.policies, &running, &candidate, &scene);
                    return Plan::Refuse(Box::new(Refused { decision, explanation }));
                }
                None => {}
            }
        }
        let set = news.map(|news| (stream.id, news));
        let mut change = Change { set, supersede, admit: Some(stream.clone()), takeovers, ..Change::default() };
        let evicted = |violation: &Violation| Cause::Evicted {
            policy: violation.policy.clone(),
            rule: violation.rule.clone(),
            by: stream.id,
        };
        end(&decision, &mut change, evicted, now);
        self.bound_leaving(&decision, &mut change);
        Plan::Admit(decision, change)
    }

    /// Explains a plan for this record; `None` if no policies were evaluated.
    pub fn explain(&self, plan: &Plan, law: &PolicyContext<'_>, now: Millis) -> Option<Explanation> {
        match plan {
            Plan::Continue(_) | Plan::Terminated(..) => None,
            Plan::Refuse(refused) => Some(refused.explanation.clone()),
            Plan::Admit(_, change) => {
                let stream = change.admit.as_ref()?;
                Some(self.explain_admission(stream, change, law, now))
            }
        }
    }

    /// Explains why `change` admits the stream.
    pub fn explain_admission(
        &self,
        stream: &Stream,
        change: &Change,
        law: &PolicyContext<'_>,
        now: Millis,
    ) -> Explanation {
        let killed = |id: StreamId| {
            let mut ended = change.terminate.iter().filter(|(ended, _)| *ended == id);
            ended.any(|(_, cause)| matches!(cause, Cause::Killed { .. }))
        };
        let mut running = self.running(stream.id, &change.supersede);
        running.retain(|other| change.takeovers.iter().all(|one| one.taken != other.stream) && !killed(other.stream));
        explain(law.policies, &running, &stream.view(now), &scene(law, now))
    }

    /// Explains [`plan_judgement`](Self::plan_judgement); `None` if the stream does not count.
    pub fn explain_judgement(
        &self,
        id: StreamId,
        attributes: Option<&Attributes>,
        law: &PolicyContext<'_>,
        now: Millis,
    ) -> Option<Explanation> {
        let stream = self.find(id).filter(|stream| self.counts(stream))?;
        let mut candidate = stream.view(stream.since());
        if let Some(attributes) = attributes {
            candidate.attributes = attributes.clone();
        }
        Some(explain(law.policies, &self.running(id, &[]), &candidate, &scene(law, now)))
    }

    /// The streams that count, except `id` and those in `without`.
    pub(super) fn running(&self, id: StreamId, without: &[StreamId]) -> SmallVec<[StreamView<'_>; 8]> {
        let others = self.streams.iter().filter(|other| other.id != id && !without.contains(&other.id));
        others.filter(|other| self.counts_without(other, without)).map(|other| other.view(other.since())).collect()
    }

    /// Evaluates a running stream again, as if it started now in its place in the order: its attributes have changed
    /// (`attributes`), or a rule waited for its first media. `None` if there is nothing to evaluate. The record must be
    /// up to date.
    pub fn plan_judgement(
        &self,
        id: StreamId,
        attributes: Option<Attributes>,
        law: &PolicyContext<'_>,
        now: Millis,
    ) -> Option<Judgement> {
        let stream = self.find(id)?;
        let set = attributes.map(|attributes| (id, attributes));
        if !self.counts(stream) {
            let change = Change { set: Some(set?), ..Change::default() };
            return Some(Judgement { decision: None, explanation: None, change });
        }
        let mut candidate = stream.view(stream.since());
        if let Some((_, attributes)) = &set {
            candidate.attributes = attributes.clone();
        }
        let scene = scene(law, now);
        let mut before = stream.view(stream.since());
        before.content = stream.evaluated_content();
        let running = self.running(id, &[]);
        let decision = reconsider(law.policies, &running, &before, &candidate, &scene);
        let mut change = Change { set, ..Change::default() };
        let mut decision = decision;
        // A rule that waited for the manifest decides about a start, which may take over another stream.
        if decision.refuses() && before.content == Content::Pending {
            let played = Some(stream.last_media()).filter(|media| *media != Millis(0));
            if let Some((without, takeover)) =
                self.plan_takeover((stream, &candidate), &[], &decision, played, law, now)
            {
                decision = without;
                change.takeovers.push(takeover);
            }
        }
        if decision.refuses() {
            let (cause, grace) = refusal(&decision);
            // A rule that waited for the manifest decides about a start, which has no grace.
            let grace = grace.filter(|_| before.content == candidate.content);
            dismiss(&mut change, id, cause, grace, now);
        } else {
            let by_policy = |violation: &Violation| Cause::Evicted {
                policy: violation.policy.clone(),
                rule: violation.rule.clone(),
                by: id,
            };
            end(&decision, &mut change, by_policy, now);
        }
        let is_explained = decision.refuses() || decision.has_unenforced();
        let explanation = is_explained.then(|| explain(law.policies, &running, &candidate, &scene));
        Some(Judgement { decision: Some(decision), explanation, change })
    }

    /// Decides about a stream whose grace is over: it is terminated unless there is room again.
    pub fn plan_leave(&self, id: StreamId, law: &PolicyContext<'_>, now: Millis) -> Option<Change> {
        let leaving = self.leaving().iter().find(|leaving| leaving.stream == id && leaving.due <= now)?;
        let stream = self.find(id)?;
        let running = self.running(id, &[]);
        let decision = evaluate(law.policies, &running, &stream.view(stream.since()), &scene(law, now));
        let room = decision.enforced().next().is_none() && !decision.refuses();
        Some(if room {
            Change { stay: vec![id], ..Change::default() }
        } else {
            Change { terminate: vec![(id, leaving.cause.clone())], ..Change::default() }
        })
    }

    /// Evaluates all streams of the account after a policy change, as if they started now one by one. Rules for which
    /// `is_settled` returns true were in force before and are skipped. A stream that a new rule refuses continues if
    /// the rule only refuses the newest, unless the rule has a grace. `law` returns the policies for a stream's
    /// application; the record must be up to date.
    pub fn plan_reform<'a>(
        &self,
        law: &dyn Fn(&Stream) -> Option<PolicyContext<'a>>,
        is_settled: &dyn Fn(&Policy, &Rule) -> bool,
        now: Millis,
    ) -> Option<Change> {
        let mut streams: Vec<&Arc<Stream>> = self.streams.iter().filter(|stream| self.counts(stream)).collect();
        streams.sort_by_key(|stream| (stream.started, stream.id));
        let mut change = Change::default();
        let mut staying: Vec<&Arc<Stream>> = Vec::new();
        'streams: for stream in streams {
            let Some(law) = law(stream) else { continue };
            let running: SmallVec<[StreamView<'_>; 8]> =
                staying.iter().map(|other| other.view(other.since())).collect();
            let (candidate, scene) = (stream.view(stream.since()), scene(&law, now));
            // Decisions of rules that would refuse the stream but let it continue.
            let mut lenient: Vec<Decision> = Vec::new();
            loop {
                let settled = |policy: &Policy, rule: &Rule| {
                    is_settled(policy, rule) || lenient.iter().any(|decision| decision.has_refused(policy, rule))
                };
                let decision = evaluate_excluding(law.policies, &running, &candidate, &scene, &settled);
                if !decision.refuses() {
                    let gone: Vec<StreamId> = decision.terminations().map(|(id, _)| id).collect();
                    end(&decision, &mut change, refused, now);
                    staying.retain(|other| !gone.contains(&other.id));
                    break;
                }
                let refusing = decision.enforced().filter(|violation| violation.effect == Effect::Refuse);
                if let Some(violation) = refusing.into_iter().find(|violation| violation.grace.is_some()) {
                    dismiss(&mut change, stream.id, refused(violation), violation.grace, now);
                    continue 'streams;
                }
                lenient.push(decision);
            }
            staying.push(stream);
        }
        (!change.terminate.is_empty() || !change.leave.is_empty()).then_some(change)
    }

    /// With a grace, streams play beside those that replaced them. So that repeated starts cannot bypass the limit, at
    /// most as many streams are in grace as may play. Beyond that, the oldest are terminated at once.
    pub(super) fn bound_leaving(&self, decision: &Decision, change: &mut Change) {
        for violation in decision.enforced() {
            let of_rule = |cause: &Cause| matches!(cause, Cause::Evicted { policy, rule, .. } if *policy == violation.policy && *rule == violation.rule);
            let fresh = change.leave.iter().filter(|leaving| of_rule(&leaving.cause)).count();
            let ends = |leaving: &PendingTermination| {
                change.supersede.contains(&leaving.stream)
                    || change.terminate.iter().any(|(id, _)| *id == leaving.stream)
            };
            let stays = |leaving: &&PendingTermination| of_rule(&leaving.cause) && !ends(leaving);
            let mut old: Vec<&PendingTermination> = self.leaving().iter().filter(stays).collect();
            old.sort_by_key(|leaving| leaving.due);
            let too_many = (fresh + old.len()).saturating_sub(violation.threshold as usize);
            change.terminate.extend(old.iter().take(too_many).map(|leaving| (leaving.stream, leaving.cause.clone())));
        }
    }
}

pub(super) fn scene<'a>(law: &PolicyContext<'a>, now: Millis) -> EvalContext<'a> {
    EvalContext { idp: law.idp, now, min_tenure: law.settings.min_tenure }
}

fn refused(violation: &Violation) -> Cause {
    Cause::Refused { policy: violation.policy.clone(), rule: violation.rule.clone() }
}

/// Why a running stream must be terminated, and its grace.
pub(super) fn refusal(decision: &Decision) -> (Cause, Option<std::time::Duration>) {
    let refusing = decision.enforced().find(|violation| violation.effect == Effect::Refuse);
    if let Some(violation) = refusing {
        return (refused(violation), violation.grace);
    }
    let lack = decision.missing_attributes.iter().find(|lack| lack.mode == Mode::Enforce);
    let (policy, rule) = lack.map_or_else(Default::default, |lack| (lack.policy.clone(), lack.rule.clone()));
    (Cause::Refused { policy, rule }, None)
}

/// Adds the terminations of a decision to a change.
pub(super) fn end(decision: &Decision, change: &mut Change, cause: impl Fn(&Violation) -> Cause, now: Millis) {
    for (stream, violation) in decision.terminations() {
        dismiss(change, stream, cause(violation), violation.grace, now);
    }
}

pub(super) fn dismiss(
    change: &mut Change,
    stream: StreamId,
    cause: Cause,
    grace: Option<std::time::Duration>,
    now: Millis,
) {
    match grace.filter(|grace| !grace.is_zero()) {
        Some(grace) => change.leave.push(PendingTermination { stream, cause, due: now + grace }),
        None => change.terminate.push((stream, cause)),
    }
}
