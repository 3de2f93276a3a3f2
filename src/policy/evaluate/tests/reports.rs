//! Contents of decisions besides admission.

use super::support::{decide, distinct, household, id, is_quiet, policy, streams, tv, violated};
use crate::policy::{Effect, Mode};

#[test]
fn every_violated_rule_is_reported_in_the_order_of_the_configuration() {
    let policies = [
        policy("second", vec![distinct("deviceId", "b", 1), streams("a", 1).latest_wins()], &["tv"]),
        policy("first", vec![streams("kept", 9), streams("c", 1)], &["tv"]),
    ];
    let decision = decide(&policies, &[tv(1).device("x")], &tv(2).device("y"));
    assert_eq!(violated(&decision), ["b", "a", "c"]);
    let reversed = [policies[1].clone(), policies[0].clone()];
    assert_eq!(violated(&decide(&reversed, &[tv(1).device("x")], &tv(2).device("y"))), ["c", "b", "a"]);
}

#[test]
fn conflicts_are_the_counted_streams_oldest_first() {
    let policies = household(vec![streams("two", 2)]);
    let decision = decide(&policies, &[tv(3), tv(1), tv(2)], &tv(4));
    let conflicts: Vec<_> = decision.violations[0].conflicts.iter().map(|c| (c.stream, c.value.is_some())).collect();
    assert_eq!(conflicts, [(id(1), false), (id(2), false), (id(3), false)]);
}

#[test]
fn shadow_and_annotate_report_in_full_and_change_nothing() {
    for mode in [Mode::Shadow, Mode::Annotate] {
        let refusing = decide(&household(vec![streams("one", 1).mode(mode)]), &[tv(1)], &tv(2));
        assert!(is_quiet(&refusing));
        assert_eq!((refusing.violations[0].mode, &refusing.violations[0].effect), (mode, &Effect::Refuse));
        let ending = decide(&household(vec![streams("one", 1).latest_wins().mode(mode)]), &[tv(1)], &tv(2));
        assert!(is_quiet(&ending) && ending.ending.is_empty());
        assert_eq!(ending.violations[0].effect, Effect::Terminate(vec![id(1)]));
    }
}

#[test]
fn an_enforced_rule_beside_one_in_shadow_ends_only_what_it_ends_by_itself() {
    let rules = vec![
        streams("one on news", 1).target("channel == 'news'").latest_wins().mode(Mode::Shadow),
        streams("two", 2).latest_wins(),
    ];
    let decision = decide(&household(rules), &[tv(1), tv(2).channel("news")], &tv(3).channel("news"));
    let because: Vec<_> = decision.terminations().map(|(stream, rule)| (stream, &*rule.rule)).collect();
    assert_eq!(because, [(id(1), "two")]);
}

#[test]
fn values_for_the_message_are_the_candidates_and_only_those_that_it_names() {
    let message = crate::policy::Message::one("{channel} on {deviceId}, {limit} of {genre}").unwrap();
    let mut rule = streams("one", 1);
    rule.message = Some(message.into());
    let running = [tv(1).channel("kids").device("a")];
    let decision = decide(&household(vec![rule]), &running, &tv(2).channel("news").device("b").with("package", "x"));
    let values: Vec<_> = decision.violations[0].values.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(values, [("channel", "news"), ("deviceId", "b")]);
}
