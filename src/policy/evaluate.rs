//! The decision.

use std::sync::Arc;

use smallvec::SmallVec;

use super::decision::{Conflict, Decision, Demand, Effect, Lack, Violation};
use super::ending::fewest;
use super::field::{Field, Found};
use super::judge::{Claim, Judgement, Member, Tally, judge, relevant};
use super::rule::{Mode, Policy, Rule};
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
    let running = oldest_first(running);
    let mut decision = Decision::default();
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
            if !tally.is_exceeded() {
                continue;
            }
            let claim = rule.when_exceeded.terminates().then(|| Claim::of(rule, &tally, candidate, scene)).flatten();
            let effect = claim.as_ref().map_or(Effect::Refuse, |claim| Effect::Terminate(claim.streams()));
            if let Some(claim) = claim.filter(|_| rule.mode == Mode::Enforce) {
                claims.push((decision.violations.len(), claim));
            }
            decision.violations.push(violation(policy, rule, &tally, effect, candidate, scene));
        }
    }
    if !decision.refuses() && !claims.is_empty() {
        decision.ending = ending(claims, &decision.violations);
    }
    decision
}

pub(super) fn oldest_first<'a>(running: &'a [Standing<'a>]) -> SmallVec<[&'a Standing<'a>; 8]> {
    let mut running: SmallVec<[&Standing<'_>; 8]> = running.iter().collect();
    running.sort_by_key(|standing| (standing.started, standing.stream));
    running
}

/// The streams that end, each with the first rule that has counted it.
fn ending(claims: Vec<(usize, Claim)>, violations: &[Violation]) -> Vec<(crate::model::StreamId, usize)> {
    let (places, claims): (Vec<usize>, Vec<Claim>) = claims.into_iter().unzip();
    let because = |stream| {
        let counted = |at: &&usize| {
            violations.get(**at).is_some_and(|violation| violation.conflicts.iter().any(|c| c.stream == stream))
        };
        places.iter().find(counted).or(places.first()).copied().unwrap_or(0)
    };
    fewest(&claims).into_iter().map(|stream| (stream, because(stream))).collect()
}

fn violation(
    policy: &Policy,
    rule: &Rule,
    tally: &Tally<'_>,
    effect: Effect,
    candidate: Member<'_>,
    scene: &Scene<'_>,
) -> Violation {
    let distinct = matches!(rule.count, super::Count::Distinct(_));
    let conflict = |(member, value): &(Member<'_>, &str)| Conflict {
        stream: member.standing.stream,
        value: distinct.then(|| Arc::from(*value)),
    };
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
        scope: tally.scope.iter().map(|(field, value)| (field.name().into(), Arc::from(*value))).collect(),
        threshold: tally.limit,
        counted: tally.without,
        reached: tally.with,
        conflicts: tally.counted.iter().map(conflict).collect(),
        effect,
        grace: rule.grace,
        message: rule.message.clone(),
        values: values.collect(),
    }
}
