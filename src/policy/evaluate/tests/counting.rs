//! Counts, scopes and limits.

use super::support::{decide, distinct, ended, household, id, is_quiet, stream, streams, tv, violated};
use crate::policy::{Content, Missing};

#[test]
fn as_many_streams_as_the_limit_says_and_no_more() {
    let policies = household(vec![streams("two streams", 2)]);
    assert!(is_quiet(&decide(&policies, &[tv(1)], &tv(2))));
    let decision = decide(&policies, &[tv(1), tv(2)], &tv(3));
    assert!(decision.refuses());
    let violation = &decision.violations[0];
    assert_eq!((&*violation.attribute, violation.threshold), ("streamId", 2));
    assert_eq!((violation.counted, violation.reached), (2, 3));
}

#[test]
fn a_limit_of_nought_admits_nobody_whoever_would_give_way() {
    for rule in [streams("none", 0), streams("none", 0).latest_wins(), distinct("deviceId", "none", 0).latest_wins()] {
        let policies = household(vec![rule]);
        assert!(decide(&policies, &[], &tv(2)).refuses());
        assert!(decide(&policies, &[tv(1)], &tv(2)).refuses());
    }
}

#[test]
fn a_rule_speaks_of_candidates_that_match_its_target_and_counts_streams_that_do() {
    let policies = household(vec![streams("one live", 1).target("contentType == 'live'")]);
    let (live, vod) = (|n| tv(n).content(Content::Live), |n| tv(n).content(Content::Vod));
    assert!(decide(&policies, &[live(1)], &live(2)).refuses());
    assert!(is_quiet(&decide(&policies, &[live(1)], &vod(2))));
    assert!(is_quiet(&decide(&policies, &[vod(1)], &live(2))));
}

#[test]
fn a_limit_per_channel_holds_for_each_channel_separately() {
    let policies = household(vec![streams("two on a channel", 2).per(&["channel"])]);
    let running = [tv(1).channel("news"), tv(2).channel("news"), tv(3).channel("kids")];
    let decision = decide(&policies, &running, &tv(4).channel("news"));
    assert!(decision.refuses());
    let scope = &decision.violations[0].scope;
    assert_eq!(scope.iter().map(|(name, value)| (&**name, &**value)).collect::<Vec<_>>(), [("channel", "news")]);
    let decision = decide(&policies, &running, &tv(4).channel("kids"));
    assert!(is_quiet(&decision));
}

#[test]
fn a_scope_of_two_attributes_is_equal_in_both() {
    let policies = household(vec![streams("one", 1).per(&["channel", "deviceId"])]);
    let running = [tv(1).channel("news").device("a")];
    assert!(decide(&policies, &running, &tv(2).channel("news").device("a")).refuses());
    assert!(is_quiet(&decide(&policies, &running, &tv(2).channel("news").device("b"))));
    assert!(is_quiet(&decide(&policies, &running, &tv(2).channel("kids").device("a"))));
}

#[test]
fn more_streams_on_a_value_that_is_counted_already_are_free() {
    let policies = household(vec![distinct("deviceId", "two devices", 2)]);
    let running = [tv(1).device("a"), tv(2).device("b"), tv(3).device("b")];
    assert!(is_quiet(&decide(&policies, &running, &tv(4).device("a"))));
    let decision = decide(&policies, &running, &tv(4).device("c"));
    assert!(decision.refuses());
    let violation = &decision.violations[0];
    assert_eq!((&*violation.attribute, violation.counted, violation.reached), ("deviceId", 2, 3));
    let conflicts: Vec<_> = violation.conflicts.iter().map(|c| (c.stream, c.value.as_deref())).collect();
    assert_eq!(conflicts, [(id(1), Some("a")), (id(2), Some("b")), (id(3), Some("b"))]);
}

#[test]
fn devices_are_counted_on_each_channel_separately() {
    let policies = household(vec![distinct("deviceId", "two devices on a channel", 2).per(&["channel"])]);
    let running = [
        tv(1).channel("news").device("a"),
        tv(2).channel("news").device("b"),
        tv(3).channel("kids").device("c"),
        tv(4).channel("kids").device("c"),
    ];
    assert!(decide(&policies, &running, &tv(5).channel("news").device("c")).refuses());
    assert!(is_quiet(&decide(&policies, &running, &tv(5).channel("news").device("a"))));
    assert!(is_quiet(&decide(&policies, &running, &tv(5).channel("kids").device("a"))));
}

#[test]
fn a_value_that_plays_already_is_refused_where_fewer_are_allowed_than_play() {
    let policies = household(vec![distinct("deviceId", "one device", 1)]);
    let running = [tv(1).device("a"), tv(2).device("b")];
    let decision = decide(&policies, &running, &tv(3).device("a"));
    assert!(decision.refuses());
    assert_eq!((decision.violations[0].counted, decision.violations[0].reached), (2, 2));
    let policies = household(vec![distinct("deviceId", "one device", 1).latest_wins()]);
    assert_eq!(ended(&decide(&policies, &running, &tv(3).device("a"))), [id(2)], "its own device goes on");
}

#[test]
fn a_limit_may_be_a_number_in_an_attribute_of_the_candidate() {
    let policies = household(vec![streams("by plan", 0).limit_attribute("maxStreams", None)]);
    let running = [tv(1), tv(2).with("maxStreams", "1")];
    assert!(is_quiet(&decide(&policies, &running, &tv(3).with("maxStreams", "3"))));
    let decision = decide(&policies, &running, &tv(3).with("maxStreams", "2"));
    assert!(decision.refuses());
    assert_eq!(decision.violations[0].threshold, 2);
}

#[test]
fn what_is_no_number_is_as_good_as_no_limit_attribute() {
    let policies = household(vec![streams("by plan", 0).limit_attribute("maxStreams", Some(1))]);
    for candidate in [tv(2), tv(2).with("maxStreams", "many"), tv(2).with("maxStreams", "-1")] {
        let decision = decide(&policies, &[tv(1)], &candidate);
        assert!(decision.refuses());
        assert_eq!(decision.violations[0].threshold, 1);
    }
    // Without a limit there is nothing to exceed.
    let policies = household(vec![streams("by plan", 0).limit_attribute("maxStreams", None)]);
    assert!(is_quiet(&decide(&policies, &[tv(1)], &tv(2).with("maxStreams", "many"))));
    let policies = household(vec![streams("by plan", 0).limit_attribute("maxStreams", None).missing(Missing::Refuse)]);
    let decision = decide(&policies, &[tv(1)], &tv(2).with("maxStreams", "many"));
    assert!(decision.refuses());
    assert_eq!(&*decision.missing_attributes[0].attribute, "maxStreams");
}

#[test]
fn a_number_to_treat_it_as_stands_in_for_a_limit_attribute_without_a_default() {
    let rule = || streams("by plan", 0).missing(Missing::TreatAs("1".into()));
    let policies = household(vec![rule().limit_attribute("maxStreams", None)]);
    assert!(decide(&policies, &[tv(1)], &tv(2)).refuses());
    let policies = household(vec![rule().limit_attribute("maxStreams", Some(2))]);
    assert!(is_quiet(&decide(&policies, &[tv(1)], &tv(2))), "the limit that is written down for this comes first");
}

#[test]
fn a_limit_may_depend_on_the_value_of_an_attribute() {
    let plans = [("premium", 3), ("basic", 1)];
    let policies = household(vec![streams("by plan", 0).limits("contractType", &plans, Some(2))]);
    let running = [tv(1), tv(2)];
    let threshold = |candidate| decide(&policies, &running, &candidate).violations.first().map(|v| v.threshold);
    assert_eq!(threshold(tv(3).with("contractType", "premium")), None);
    assert_eq!(threshold(tv(3).with("contractType", "basic")), Some(1));
    assert_eq!(threshold(tv(3).with("contractType", "trial")), Some(2), "another value");
    assert_eq!(threshold(tv(3)), Some(2), "and none");
}

#[test]
fn without_a_default_a_value_that_is_not_listed_has_no_limit() {
    let rule = || streams("by plan", 0).limits("contractType", &[("basic", 1)], None);
    let candidates = || [tv(2), tv(2).with("contractType", "trial")];
    for candidate in candidates() {
        assert!(is_quiet(&decide(&household(vec![rule()]), &[tv(1)], &candidate)));
        let decision = decide(&household(vec![rule().missing(Missing::Refuse)]), &[tv(1)], &candidate);
        assert_eq!(&*decision.missing_attributes[0].attribute, "contractType");
    }
    let policies = household(vec![rule().missing(Missing::TreatAs("basic".into()))]);
    assert!(decide(&policies, &[tv(1)], &tv(2)).refuses(), "who has no contract has a basic one");
}

#[test]
fn the_limit_is_the_candidates_whatever_was_in_force_when_the_others_started() {
    let policies = household(vec![streams("by plan", 0).latest_wins().limit_attribute("maxStreams", None)]);
    let running = [tv(1), tv(2), tv(3)].map(|play| play.with("maxStreams", "9"));
    let decision = decide(&policies, &running, &tv(4).with("maxStreams", "2"));
    assert_eq!(ended(&decision), [id(1), id(2)], "as many as are too many");
}

#[test]
fn a_rule_may_count_by_the_application_or_the_asset() {
    let policies =
        [super::support::policy("shared", vec![streams("one each", 1).per(&["application"])], &["tv", "web"])];
    assert!(is_quiet(&decide(&policies, &[stream(1, "web")], &tv(2))));
    assert!(decide(&policies, &[tv(1)], &tv(2)).refuses());
    let policies = household(vec![streams("one of an asset", 1).per(&["asset"])]);
    assert_eq!(violated(&decide(&policies, &[tv(1)], &tv(2))), ["one of an asset"]);
}
