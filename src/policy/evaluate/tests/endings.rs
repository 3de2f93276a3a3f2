//! Terminations: in which order, by which rule, and never more than needed.

use std::time::Duration;

use super::support::{
    NOW, condition, decide, decide_in, distinct, ended, household, id, is_quiet, number, policy, scene, stream,
    streams, tv, violated,
};
use crate::policy::{Content, Effect};

#[test]
fn the_oldest_stream_gives_way_in_whatever_order_they_are_listed() {
    let policies = household(vec![streams("two", 2).latest_wins()]);
    for running in [[tv(1), tv(2)], [tv(2), tv(1)]] {
        assert_eq!(ended(&decide(&policies, &running, &tv(3))), [id(1)]);
    }
}

#[test]
fn a_stream_is_sheltered_until_it_has_held_its_slot_for_the_minimum_tenure() {
    let policies = household(vec![streams("one", 1).latest_wins()]);
    let scene = scene(Duration::from_secs(30));
    let candidate = tv(2).started(NOW);
    let decision = decide_in(&scene, &policies, &[tv(1).started(NOW - 30)], &candidate);
    assert_eq!(ended(&decision), [id(1)]);
    let decision = decide_in(&scene, &policies, &[tv(1).started(NOW - 29)], &candidate);
    assert!(decision.refuses());
    assert_eq!(decision.violations[0].effect, Effect::Refuse);
    assert!(ended(&decision).is_empty());
    // It started long ago, but has just taken a slot again.
    assert!(decide_in(&scene, &policies, &[tv(1).tenure(NOW - 29)], &candidate).refuses());
}

#[test]
fn the_next_oldest_gives_way_for_one_that_is_sheltered() {
    let policies = household(vec![streams("two", 2).latest_wins()]);
    let running = [tv(1).tenure(NOW - 5), tv(2)];
    let decision = decide_in(&scene(Duration::from_secs(30)), &policies, &running, &tv(3).started(NOW));
    assert_eq!(ended(&decision), [id(2)]);
}

#[test]
fn a_candidate_that_returns_with_an_early_start_gives_way_itself() {
    let policies = household(vec![streams("one", 1).latest_wins()]);
    assert!(decide(&policies, &[tv(1).started(500)], &tv(2).started(400)).refuses());
    assert_eq!(ended(&decide(&policies, &[tv(1).started(500)], &tv(2).started(600))), [id(1)]);
    // For equal starts, the smaller id counts as older.
    assert!(decide(&policies, &[tv(2).started(500)], &tv(1).started(500)).refuses());
    assert_eq!(ended(&decide(&policies, &[tv(1).started(500)], &tv(2).started(500))), [id(1)]);
}

#[test]
fn the_stream_that_was_not_heard_of_for_longest_gives_way() {
    let policies = household(vec![streams("two", 2).idlest_goes()]);
    let running = [tv(1).seen(990), tv(2).seen(980)];
    assert_eq!(ended(&decide(&policies, &running, &tv(3))), [id(2)]);
    let running = [tv(1).seen(980), tv(2).seen(980)];
    assert_eq!(ended(&decide(&policies, &running, &tv(3))), [id(1)], "among equals the oldest");
}

#[test]
fn a_device_is_heard_of_when_one_of_its_streams_is() {
    let policies = household(vec![distinct("deviceId", "two devices", 2).idlest_goes()]);
    let running = [tv(1).device("a").seen(900), tv(2).device("b").seen(950), tv(3).device("a").seen(990)];
    assert_eq!(ended(&decide(&policies, &running, &tv(4).device("c"))), [id(2)]);
}

#[test]
fn streams_for_which_the_preference_is_true_give_way_first_and_among_them_the_oldest() {
    let policies = household(vec![streams("three", 3).terminate_first(condition("channel == 'kids'"))]);
    let running = [tv(1).channel("news"), tv(2).channel("kids"), tv(3).channel("kids")];
    assert_eq!(ended(&decide(&policies, &running, &tv(4))), [id(2)]);
    let running = [tv(1).channel("news"), tv(2).channel("news"), tv(3)];
    assert_eq!(ended(&decide(&policies, &running, &tv(4))), [id(1)], "where none is preferred, the oldest");
}

#[test]
fn streams_with_the_greatest_preference_give_way_first_and_those_without_one_last() {
    let policies = household(vec![streams("three", 3).terminate_first(number("int(rank)"))]);
    let running = [tv(1), tv(2).with("rank", "2"), tv(3).with("rank", "7")];
    assert_eq!(ended(&decide(&policies, &running, &tv(4))), [id(3)]);
    let running = [tv(1), tv(2).with("rank", "-2"), tv(3)];
    assert_eq!(ended(&decide(&policies, &running, &tv(4))), [id(2)]);
}

#[test]
fn of_devices_the_one_with_the_oldest_stream_goes_with_all_of_its_streams() {
    let policies = household(vec![distinct("deviceId", "two devices", 2).latest_wins()]);
    let running = [tv(1).device("a"), tv(2).device("b"), tv(3).device("a"), tv(4).device("b")];
    let decision = decide(&policies, &running, &tv(5).device("c"));
    assert_eq!(decision.violations[0].effect, Effect::Terminate(vec![id(1), id(3)]));
    assert_eq!(ended(&decision), [id(1), id(3)]);
}

#[test]
fn a_device_with_a_stream_that_is_sheltered_does_not_go_at_all() {
    let policies = household(vec![distinct("deviceId", "two devices", 2).latest_wins()]);
    let scene = scene(Duration::from_secs(30));
    let candidate = tv(5).started(NOW).device("c");
    let running = [tv(1).device("a"), tv(2).device("b"), tv(3).started(NOW - 1).device("a")];
    assert_eq!(ended(&decide_in(&scene, &policies, &running, &candidate)), [id(2)]);
    let running = [tv(1).device("a"), tv(2).started(NOW - 1).device("b"), tv(3).started(NOW - 1).device("a")];
    assert!(decide_in(&scene, &policies, &running, &candidate).refuses());
}

#[test]
fn who_is_exempt_is_counted_and_neither_refused_nor_ended() {
    let rule = || streams("one", 1).exempt("deviceId == 'lobby'");
    let lobby = |n| tv(n).device("lobby");
    for rule in [rule(), rule().latest_wins()] {
        let policies = household(vec![rule]);
        let decision = decide(&policies, &[tv(1), tv(2)], &lobby(3));
        assert!(is_quiet(&decision) && decision.violations.is_empty(), "it is admitted above the limit");
        assert!(decide(&policies, &[lobby(1)], &tv(2)).refuses(), "it takes a place, and keeps it");
    }
    let policies = household(vec![streams("two", 2).exempt("deviceId == 'lobby'").latest_wins()]);
    assert_eq!(ended(&decide(&policies, &[lobby(1), tv(2)], &tv(3))), [id(2)]);
}

#[test]
fn who_may_yet_turn_out_to_be_exempt_is_not_ended() {
    let policies = household(vec![streams("one", 1).exempt("contentType == 'live'").latest_wins()]);
    assert!(decide(&policies, &[tv(1).content(Content::Pending)], &tv(2)).refuses());
    assert_eq!(ended(&decide(&policies, &[tv(1).content(Content::Vod)], &tv(2))), [id(1)]);
    assert_eq!(ended(&decide(&policies, &[tv(1)], &tv(2))), [id(1)], "of that one nobody will ever know");
}

#[test]
fn who_is_exempt_under_one_rule_may_end_for_another_ones_sake_which_then_answers_for_it() {
    let rules = vec![
        streams("all", 2).exempt("deviceId == 'lobby'").latest_wins().grace(60),
        streams("on news", 1).target("channel == 'news'").latest_wins(),
    ];
    let running = [tv(1).device("lobby").channel("news"), tv(2)];
    let decision = decide(&household(rules), &running, &tv(3).channel("news"));
    let because: Vec<_> = decision.terminations().map(|(stream, rule)| (stream, &*rule.rule, rule.grace)).collect();
    assert_eq!(because, [(id(1), "on news", None)], "and its place is free under the first rule too");
}

#[test]
fn the_grace_of_the_rule_goes_with_what_it_ends() {
    let policies = household(vec![streams("one", 1).latest_wins().grace(60)]);
    let decision = decide(&policies, &[tv(1)], &tv(2));
    assert_eq!(decision.violations[0].grace, Some(Duration::from_mins(1)));
    assert!(decision.terminations().all(|(_, violation)| violation.grace == Some(Duration::from_mins(1))));
}

#[test]
fn one_stream_that_satisfies_two_rules_ends_alone() {
    let rules = vec![streams("three", 3).latest_wins(), streams("one on a channel", 1).per(&["channel"]).latest_wins()];
    let running = [tv(1).channel("kids"), tv(2).channel("news"), tv(3).channel("films")];
    let decision = decide(&household(rules), &running, &tv(4).channel("news"));
    assert_eq!(violated(&decision), ["three", "one on a channel"]);
    let alone: Vec<_> = decision.violations.iter().map(|v| v.effect.clone()).collect();
    assert_eq!(alone, [Effect::Terminate(vec![id(1)]), Effect::Terminate(vec![id(2)])]);
    assert_eq!(ended(&decision), [id(2)], "there is no need to end the oldest as well");
}

#[test]
fn where_several_rules_agree_on_none_the_fewest_end_oldest_first() {
    let rules = vec![
        streams("one on news", 1).target("channel == 'news'").latest_wins(),
        streams("one on the sofa", 1).target("room == 'sofa'").latest_wins(),
        streams("three", 3).latest_wins(),
    ];
    let running = [tv(1).channel("kids"), tv(2).channel("news"), tv(3).with("room", "sofa")];
    let decision = decide(&household(rules), &running, &tv(5).channel("news").with("room", "sofa"));
    let because: Vec<_> = decision.terminations().map(|(stream, rule)| (stream, &*rule.rule)).collect();
    assert_eq!(because, [(id(2), "one on news"), (id(3), "one on the sofa")]);
}

#[test]
fn a_whole_device_that_has_to_go_makes_room_for_streams_too() {
    let rules = vec![streams("three", 3).latest_wins(), distinct("deviceId", "two devices", 2).latest_wins()];
    let running = [tv(1).device("a"), tv(2).device("b"), tv(3).device("b")];
    let decision = decide(&household(rules), &running, &tv(4).device("c"));
    assert_eq!(violated(&decision), ["three", "two devices"]);
    assert_eq!(ended(&decision), [id(1)]);
}

#[test]
fn a_rule_that_stands_in_two_policies_ends_what_it_ends_in_one() {
    let rule = || distinct("deviceId", "two devices", 2).latest_wins();
    let running = [tv(1).device("a"), tv(2).device("a"), tv(3).device("b")];
    let candidate = tv(4).device("c");
    let one = decide(&household(vec![rule()]), &running, &candidate);
    let both = [policy("mine", vec![rule()], &["tv"]), policy("shared", vec![rule()], &["tv", "web"])];
    let two = decide(&both, &running, &candidate);
    assert_eq!(two.violations.len(), 2, "both are reported");
    assert_eq!(ended(&one), [id(1), id(2)]);
    assert_eq!(ended(&two), ended(&one));
}

#[test]
fn a_refusing_rule_is_judged_on_all_streams_whatever_others_would_end() {
    let rules = vec![streams("one", 1).latest_wins(), streams("two", 2)];
    let decision = decide(&household(rules), &[tv(1), tv(2)], &tv(3));
    assert_eq!(violated(&decision), ["one", "two"]);
    assert!(decision.refuses());
    assert!(ended(&decision).is_empty());
}

#[test]
fn a_rule_that_lets_streams_give_way_refuses_where_not_enough_of_them_may() {
    let policies = household(vec![streams("two", 2).latest_wins().exempt("deviceId == 'lobby'")]);
    let running = [tv(1).device("lobby"), tv(2).device("lobby"), tv(3)];
    let decision = decide(&policies, &running, &tv(4));
    assert!(decision.refuses(), "two would have to go, and one may");
    assert!(ended(&decision).is_empty());
}

#[test]
fn an_account_with_more_streams_than_a_search_takes_ends_what_its_rules_end_one_by_one() {
    let rules =
        vec![streams("half", 40).latest_wins(), streams("on news", 1).target("channel == 'news'").latest_wins()];
    let mut running: Vec<_> = (1..=80).map(|n| stream(n, "tv")).collect();
    running.push(tv(81).channel("news"));
    let decision = decide(&household(rules), &running, &tv(90).channel("news"));
    let ending = ended(&decision);
    assert_eq!(ending.len(), 43);
    assert_eq!((ending[0], ending[41], ending[42]), (id(1), id(42), id(81)));
}
