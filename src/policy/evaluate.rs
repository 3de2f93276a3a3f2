//! Evaluation of policies.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::model::StreamId;

use super::decision::{Conflict, Decision, Effect, MissingAttribute, RequiredLimit, Violation};
use super::field::{Field, Found};
use super::rule::{Count, Mode, Policy, Rule};
use super::rule_evaluation::{Claim, Member, RuleCount, RuleResult, judge, relevant};
use super::select_terminations::fewest;
use super::stream_view::{EvalContext, StreamView};

/// Evaluates `candidate` against `policies`, given the account's other streams that hold a slot.
///
/// `running` may have any order and must not contain the candidate. Every rule counts all of `running`: a termination
/// by one rule makes no room for another. Policies without a binding for the candidate's application do not apply.
pub fn evaluate(
    policies: &[Arc<Policy>],
    running: &[StreamView<'_>],
    candidate: &StreamView<'_>,
    scene: &EvalContext<'_>,
) -> Decision {
    evaluate_excluding(policies, running, candidate, scene, &|_, _| false)
}

/// Evaluates a running stream whose attributes changed from `before` to `after`. Only new violations have consequences.
/// A rule that was already exceeded is ignored, whether due to exemptions, the time of day or a lower limit.
pub fn reconsider(
    policies: &[Arc<Policy>],
    running: &[StreamView<'_>],
    before: &StreamView<'_>,
    after: &StreamView<'_>,
    scene: &EvalContext<'_>,
) -> Decision {
    let old = evaluate(policies, running, before, scene);
    evaluate_excluding(policies, running, after, scene, &|policy, rule| old.speaks_of(policy, rule))
}

/// Same as [`evaluate`], except for rules for which `is_unchanged` returns true: they count, but are not applied to the
/// candidate.
pub fn evaluate_excluding(
    policies: &[Arc<Policy>],
    running: &[StreamView<'_>],
    candidate: &StreamView<'_>,
    scene: &EvalContext<'_>,
    is_unchanged: &dyn Fn(&Policy, &Rule) -> bool,
) -> Decision {
    let running = oldest_first(running);
    let mut decision = Decision { content: candidate.content, ..Decision::default() };
    let mut claims: Vec<(usize, Claim)> = Vec::new();
    for policy in policies {
        let Some(carrier) = policy.carriers.get(candidate.application) else { continue };
        decision.asks_content |= policy.asks_content;
        let candidate = Member { standing: candidate, carrier };
        let relevant = relevant(policy, &running);
        for rule in &policy.rules {
            let tally = match judge(rule, &relevant, candidate, scene) {
                RuleResult::NotApplicable => continue,
                RuleResult::Deferred => {
                    decision.deferred = true;
                    continue;
                }
                RuleResult::Lacks(_) if is_unchanged(policy, rule) => continue,
                RuleResult::Lacks(field) => {
                    decision.missing_attributes.push(MissingAttribute {
                        policy: policy.name.clone(),
                        rule: rule.name.clone(),
                        mode: rule.mode,
                        attribute: field.name().into(),
                    });
                    continue;
                }
                RuleResult::Counted(tally) => tally,
            };
            if !tally.exempt {
                decision.required_limits.push(RequiredLimit {
                    policy: policy.name.clone(),
                    rule: rule.name.clone(),
                    key: rule.key,
                    limit: tally.rank,
                });
            }
            if !tally.is_exceeded() || is_unchanged(policy, rule) {
                continue;
            }
            let claim = Claim::for_rule(rule, &tally, candidate, scene);
            let effect = claim.as_ref().map_or(Effect::Refuse, |claim| Effect::Terminate(claim.streams()));
            if let Some(claim) = claim.filter(|_| rule.mode == Mode::Enforce) {
                claims.push((decision.violations.len(), claim));
            }
            decision.violations.push(violation(policy, rule, &tally, effect, candidate, scene));
        }
    }
    if !decision.refuses() && !claims.is_empty() {
        decision.ending = ending(&claims);
    }
    decision
}

pub(super) fn oldest_first<'a>(running: &'a [StreamView<'a>]) -> SmallVec<[&'a StreamView<'a>; 8]> {
    let mut running: SmallVec<[&StreamView<'_>; 8]> = running.iter().collect();
    running.sort_by_key(|standing| (standing.started, standing.stream));
    running
}

/// The streams to terminate, each with the first rule that may terminate it.
fn ending(claims: &[(usize, Claim)]) -> Vec<(StreamId, usize)> {
    let because = |stream| claims.iter().find(|(_, claim)| claim.may_end(stream)).map_or(0, |(at, _)| *at);
    let each: SmallVec<[&Claim; 4]> = claims.iter().map(|(_, claim)| claim).collect();
    fewest(&each).into_iter().map(|stream| (stream, because(stream))).collect()
}

fn violation(
    policy: &Policy,
    rule: &Rule,
    tally: &RuleCount<'_>,
    effect: Effect,
    candidate: Member<'_>,
    scene: &EvalContext<'_>,
) -> Violation {
    let places = rule.message.iter().flat_map(|message| message.places());
    let values = places.filter_map(|name| {
        let field = Field::named(name);
        match field.resolve(candidate.standing, candidate.carrier, scene) {
            Found::Known(value) => Some((Arc::from(name), Arc::from(value))),
            Found::Pending | Found::Missing => None,
        }
    });
    Violation {
        policy: policy.name.clone(),
        rule: rule.name.clone(),
        mode: rule.mode,
        attribute: rule.count.attribute().into(),
        scope: scope(tally),
        threshold: tally.limit,
        counted: tally.without,
        reached: tally.with,
        conflicts: conflicts(rule, tally),
        effect,
        grace: rule.grace,
        message: rule.message.clone(),
        values: values.collect(),
    }
}

/// The candidate's values of the attributes that the rule counts by, with their names.
pub(super) fn scope(tally: &RuleCount<'_>) -> Vec<(Arc<str>, Arc<str>)> {
    tally.scope.iter().map(|(field, value)| (field.name().into(), Arc::from(*value))).collect()
}

/// The counted streams, oldest first.
pub(super) fn conflicts(rule: &Rule, tally: &RuleCount<'_>) -> Vec<Conflict> {
    let distinct = matches!(rule.count, Count::Distinct(_));
    let conflict = |(member, value): &(Member<'_>, &str)| Conflict {
        stream: member.standing.stream,
        value: distinct.then(|| Arc::from(*value)),
    };
    tally.counted.iter().map(conflict).collect()
}

#[cfg(test)]
mod tests;
