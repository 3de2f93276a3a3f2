//! Properties of every decision, for generated rules and streams.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::Index;

use super::cases::{APPLICATIONS, case, rule};
use super::support::{Play, ended, is_quiet, policy};
use crate::model::{Millis, StreamId};
use crate::policy::{Decision, Effect, EvalContext, Mode, Policy, WhenExceeded, evaluate};

/// The whole content of a decision.
fn said(decision: &Decision) -> String {
    format!("{decision:?}")
}

/// All subsets of these streams, smaller ones first.
fn sets(streams: &[StreamId]) -> Vec<Vec<StreamId>> {
    let mut sets: Vec<Vec<StreamId>> = (0..1_u32 << streams.len())
        .map(|mask| (0..streams.len()).filter(|at| mask & (1 << at) != 0).map(|at| streams[at]).collect())
        .collect();
    sets.sort_by_key(Vec::len);
    sets
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_decision_does_not_depend_on_the_order_in_which_streams_are_listed(case in case(), order in any::<[Index; 8]>()) {
        let mut shuffled = case.running.clone();
        for (at, index) in order.iter().enumerate().take(shuffled.len()) {
            shuffled.swap(at, index.index(at + 1));
        }
        prop_assert_eq!(said(&case.over(&shuffled)), said(&case.decide()));
        prop_assert_eq!(said(&case.decide()), said(&case.decide()));
    }

    #[test]
    fn a_refused_start_ends_nothing(case in case()) {
        let decision = case.decide();
        prop_assert!(!decision.refuses() || decision.ending.is_empty());
        let refusing = decision.enforced().any(|v| v.effect == Effect::Refuse);
        let lacking = decision.missing_attributes.iter().any(|lack| lack.mode == Mode::Enforce);
        prop_assert_eq!(decision.refuses(), refusing || lacking);
    }

    #[test]
    fn who_is_admitted_exceeds_no_enforced_rule_once_those_have_ended_who_give_way(case in case()) {
        let decision = case.decide();
        if !decision.refuses() {
            prop_assert!(is_quiet(&case.over(&case.without(&ended(&decision)))));
        }
    }

    #[test]
    fn who_is_admitted_among_some_streams_is_admitted_among_fewer(case in case(), keep in any::<[bool; 8]>()) {
        let mut keep = keep.into_iter();
        let fewer: Vec<Play> = case.running.iter().filter(|_| keep.next().unwrap()).cloned().collect();
        let (all, few) = (case.decide(), case.over(&fewer));
        let violated = |decision: &Decision| -> Vec<_> {
            decision.violations.iter().map(|v| (v.policy.clone(), v.rule.clone(), v.counted)).collect()
        };
        for (policy, rule, counted) in violated(&few) {
            let more = violated(&all).into_iter().find(|(p, r, _)| (p, r) == (&policy, &rule));
            prop_assert!(more.is_some_and(|(.., more)| counted <= more), "{} of {}", rule, policy);
        }
        prop_assert!(!is_quiet(&all) || is_quiet(&few));
        prop_assert_eq!(all.missing_attributes, few.missing_attributes, "what it lacks is its own affair");
    }

    #[test]
    fn nobody_ends_who_is_sheltered_or_newer_than_the_candidate(case in case()) {
        let decision = case.decide();
        let mut streams = ended(&decision);
        prop_assert_eq!(streams.len(), decision.ending.len());
        for (stream, violation) in decision.terminations() {
            prop_assert_eq!(violation.mode, Mode::Enforce);
            prop_assert!(case.may_end(violation).contains(&stream), "{} for {}", stream, violation.rule);
        }
        streams.sort_unstable();
        streams.dedup();
        prop_assert_eq!(streams.len(), decision.ending.len(), "each once");
    }

    #[test]
    fn no_fewer_streams_than_those_that_end_would_do(case in case()) {
        let decision = case.decide();
        let ending = ended(&decision);
        let alone: Vec<(bool, Vec<StreamId>)> = decision
            .enforced()
            .filter_map(|v| match &v.effect {
                Effect::Terminate(streams) => Some((v.conflicts.iter().any(|c| c.value.is_some()), streams.clone())),
                Effect::Refuse => None,
            })
            .collect();
        // A rule that counts values terminates the oldest value, not the one with the fewest streams.
        let is_one_rules_choice = alone.iter().any(|(counts_values, streams)| {
            *counts_values && alone.iter().all(|(_, other)| other.iter().all(|stream| streams.contains(stream)))
        });
        let mut pool = if is_one_rules_choice {
            ending.clone()
        } else {
            decision.enforced().flat_map(|violation| case.may_end(violation)).collect()
        };
        pool.sort_unstable();
        pool.dedup();
        if !decision.refuses() {
            let enough = sets(&pool).into_iter().find(|set| is_quiet(&case.over(&case.without(set)))).unwrap();
            prop_assert_eq!(ending.len(), enough.len(), "{:?} is enough", enough);
        }
    }

    #[test]
    fn a_rule_that_is_the_only_one_violated_ends_what_it_asks_for(case in case()) {
        let decision = case.decide();
        let enforced: Vec<_> = decision.enforced().collect();
        if let [violation] = enforced.as_slice()
            && let Effect::Terminate(streams) = &violation.effect
            && !decision.refuses()
        {
            prop_assert_eq!(&ended(&decision), streams);
        }
    }

    #[test]
    fn rules_that_are_not_enforced_change_no_outcome(case in case()) {
        let enforced: Vec<_> = case
            .policies
            .iter()
            .map(|policy| {
                let rules = policy.rules.iter().filter(|rule| rule.mode == Mode::Enforce).cloned().collect();
                Arc::new(Policy { rules, ..(**policy).clone() })
            })
            .collect();
        let (all, only) = (case.decide(), case.with_policies(enforced).decide());
        prop_assert_eq!(all.refuses(), only.refuses());
        prop_assert_eq!(ended(&all), ended(&only));
        let spoken = |decision: &Decision| decision.enforced().map(|v| format!("{v:?}")).collect::<Vec<_>>();
        prop_assert_eq!(spoken(&all), spoken(&only));
        let because = |decision: &Decision| -> Vec<_> {
            decision.terminations().map(|(stream, v)| (stream, v.policy.clone(), v.rule.clone())).collect()
        };
        prop_assert_eq!(because(&all), because(&only));
    }

    #[test]
    fn in_shadow_everything_is_reported_as_it_would_be_and_nobody_is_hit(case in case()) {
        let shadow = case.policies.iter().map(|policy| {
            let rules = policy.rules.iter().cloned().map(|rule| rule.mode(Mode::Shadow)).collect();
            Arc::new(Policy { rules, ..(**policy).clone() })
        });
        let (real, shadow) = (case.decide(), case.with_policies(shadow.collect()).decide());
        prop_assert!(is_quiet(&shadow) && shadow.ending.is_empty());
        prop_assert_eq!(real.deferred, shadow.deferred);
        prop_assert_eq!(&real.required_limits, &shadow.required_limits);
        let reported = |decision: &Decision| -> Vec<_> {
            decision.violations.iter().map(|v| (v.rule.clone(), v.reached, v.effect.clone())).collect()
        };
        prop_assert_eq!(reported(&real), reported(&shadow));
        prop_assert_eq!(real.missing_attributes.len(), shadow.missing_attributes.len());
    }

    #[test]
    fn a_policy_that_the_application_does_not_carry_changes_nothing(case in case(), rules in (rule(0), rule(1)), first in any::<bool>()) {
        let carriers: Vec<&str> =
            APPLICATIONS.into_iter().filter(|name| *name != case.candidate.application.as_str()).collect();
        for carriers in [&[][..], &carriers] {
            let foreign = policy("foreign", vec![rules.0.clone(), rules.1.clone()], carriers);
            let at = if first { 0 } else { case.policies.len() };
            let mut policies = case.policies.clone();
            policies.insert(at, foreign);
            prop_assert_eq!(said(&case.with_policies(policies).decide()), said(&case.decide()));
        }
    }

    #[test]
    fn streams_of_applications_that_carry_none_of_the_policies_do_not_matter(case in case()) {
        let policies: Vec<_> =
            case.policies.iter().filter(|policy| policy.carriers.contains_key(&case.candidate.application)).collect();
        let mut relevant = case.running.clone();
        relevant.retain(|play| policies.iter().any(|policy| policy.carriers.contains_key(&play.application)));
        prop_assert_eq!(said(&case.over(&relevant)), said(&case.decide()));
    }

    #[test]
    fn a_policy_that_is_written_twice_decides_what_it_decides_once(case in case()) {
        let one = case.with_policies(vec![case.policies[0].clone()]);
        let again = Arc::new(Policy { name: "again".into(), ..(*case.policies[0]).clone() });
        let two = case.with_policies(vec![case.policies[0].clone(), again]);
        prop_assert_eq!(one.decide().refuses(), two.decide().refuses());
        prop_assert_eq!(ended(&one.decide()), ended(&two.decide()));
    }

    #[test]
    fn what_is_reported_of_a_violation_adds_up(case in case()) {
        let decision = case.decide();
        for violation in &decision.violations {
            prop_assert!(violation.reached > violation.threshold);
            prop_assert!(violation.reached - violation.counted <= 1);
            let values = |values: &mut dyn Iterator<Item = String>| values.collect::<BTreeSet<_>>().len();
            let counted = values(&mut violation.conflicts.iter().map(|c| c.value.as_deref().map_or(c.stream.to_string(), Into::into)));
            prop_assert_eq!(violation.counted as usize, counted);
            if let Effect::Terminate(streams) = &violation.effect {
                prop_assert!(!streams.is_empty());
                let may = case.may_end(violation);
                prop_assert!(streams.iter().all(|stream| may.contains(stream)));
            }
            let (_, rule) = case.rule(violation);
            if rule.when_exceeded == WhenExceeded::DenyNewest {
                prop_assert_eq!(&violation.effect, &Effect::Refuse);
            }
        }
    }

    #[test]
    fn any_tenure_at_any_time_is_decided(case in case(), now in any::<u64>(), tenure in any::<u64>()) {
        let scene = EvalContext { now: Millis(now), min_tenure: Duration::from_millis(tenure), idp: "" };
        let standings: Vec<_> = case.running.iter().map(Play::standing).collect();
        let decision = evaluate(&case.policies, &standings, &case.candidate.standing(), &scene);
        prop_assert!(!decision.refuses() || decision.ending.is_empty());
    }
}
