//! The decision.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::model::StreamId;

use super::decision::{Conflict, Decision, Demand, Effect, Lack, Violation};
use super::ending::fewest;
use super::field::{Field, Found};
use super::judge::{Claim, Judgement, Member, Tally, judge, relevant};
use super::rule::{Count, Mode, Policy, Rule};
use super::standing::{Scene, Standing};

/// Judges `candidate` against `policies`, given the account's other streams that hold a slot.
///
/// `running` may be in any order and must not contain the candidate. Every rule is judged on all of `running`: what one rule
/// ends makes no room for another. A policy that the candidate's application does not carry says nothing.
pub fn evaluate(
    policies: &[Arc<Policy>],
    running: &[Standing<'_>],
    candidate: &Standing<'_>,
    scene: &Scene<'_>,
) -> Decision {
    evaluate_but(policies, running, candidate, scene, &|_, _| false)
}

/// Judges a stream that plays, and of which `after` is known where `before` was. Only what is news has consequences: a rule
/// that it exceeded before as well, because others are exempt, the hour has changed or the limit has, says nothing.
pub fn reconsider(
    policies: &[Arc<Policy>],
    running: &[Standing<'_>],
    before: &Standing<'_>,
    after: &Standing<'_>,
    scene: &Scene<'_>,
) -> Decision {
    let old = evaluate(policies, running, before, scene);
    evaluate_but(policies, running, after, scene, &|policy, rule| old.speaks_of(policy, rule))
}

/// As [`evaluate`], but for rules that `is_settled`: they count, and are not held against the candidate.
pub fn evaluate_but(
    policies: &[Arc<Policy>],
    running: &[Standing<'_>],
    candidate: &Standing<'_>,
    scene: &Scene<'_>,
    is_settled: &dyn Fn(&Policy, &Rule) -> bool,
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
                Judgement::Unconcerned => continue,
                Judgement::Deferred => {
                    decision.deferred = true;
                    continue;
                }
                Judgement::Lacks(_) if is_settled(policy, rule) => continue,
                Judgement::Lacks(field) => {
                    decision.lacks.push(Lack {
                        policy: policy.name.clone(),
                        rule: rule.name.clone(),
                        mode: rule.mode,
                        attribute: field.name().into(),
                    });
                    continue;
                }
                Judgement::Counted(tally) => tally,
            };
            if !tally.exempt {
                decision.demands.push(Demand {
                    policy: policy.name.clone(),
                    rule: rule.name.clone(),
                    key: rule.key,
                    rank: tally.rank,
                });
            }
            if !tally.is_exceeded() || is_settled(policy, rule) {
                continue;
            }
            let claim = Claim::of(rule, &tally, candidate, scene);
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

pub(super) fn oldest_first<'a>(running: &'a [Standing<'a>]) -> SmallVec<[&'a Standing<'a>; 8]> {
    let mut running: SmallVec<[&Standing<'_>; 8]> = running.iter().collect();
    running.sort_by_key(|standing| (standing.started, standing.stream));
    running
}

/// The streams that end, each with the first rule that may end it.
fn ending(claims: &[(usize, Claim)]) -> Vec<(StreamId, usize)> {
    let because = |stream| claims.iter().find(|(_, claim)| claim.may_end(stream)).map_or(0, |(at, _)| *at);
    let each: SmallVec<[&Claim; 4]> = claims.iter().map(|(_, claim)| claim).collect();
    fewest(&each).into_iter().map(|stream| (stream, because(stream))).collect()
}

fn violation(
    policy: &Policy,
    rule: &Rule,
    tally: &Tally<'_>,
    effect: Effect,
    candidate: Member<'_>,
    scene: &Scene<'_>,
) -> Violation {
    let places = rule.message.iter().flat_map(|message| message.places());
    let values = places.filter_map(|name| {
        let field = Field::named(name);
        match field.of(candidate.standing, candidate.carrier, scene) {
            Found::Known(value) => Some((Arc::from(name), Arc::from(value))),
            Found::Awaited | Found::Missing => None,
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

/// The candidate's values of what the rule counts by, with their names.
pub(super) fn scope(tally: &Tally<'_>) -> Vec<(Arc<str>, Arc<str>)> {
    tally.scope.iter().map(|(field, value)| (field.name().into(), Arc::from(*value))).collect()
}

/// The streams that the rule has counted, oldest first.
pub(super) fn conflicts(rule: &Rule, tally: &Tally<'_>) -> Vec<Conflict> {
    let distinct = matches!(rule.count, Count::Distinct(_));
    let conflict = |(member, value): &(Member<'_>, &str)| Conflict {
        stream: member.standing.stream,
        value: distinct.then(|| Arc::from(*value)),
    };
    tally.counted.iter().map(conflict).collect()
}

#[cfg(test)]
mod tests;
