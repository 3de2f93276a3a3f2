//! Attributes that are missing, or not known yet.

use super::support::{Play, decide, distinct, ended, household, id, is_quiet, streams, tv};
use crate::policy::{Content, Decision, Missing, Mode, Rule};

/// Decides one rule for a candidate, with these running streams.
fn say(rule: Rule, running: &[Play], candidate: &Play) -> Decision {
    decide(&household(vec![rule]), running, candidate)
}

fn treat_as(value: &str) -> Missing {
    Missing::TreatAs(value.into())
}

/// The required attribute that the candidate lacks.
fn lacking(decision: &Decision) -> Vec<&str> {
    assert_eq!(decision.refuses(), !decision.missing_attributes.is_empty());
    assert!(decision.violations.is_empty() && ended(decision).is_empty());
    decision.missing_attributes.iter().map(|lack| &*lack.attribute).collect()
}

fn on_news() -> Rule {
    streams("one on news", 1).target("channel == 'news'")
}

fn each_channel() -> Rule {
    streams("one on a channel", 1).per(&["channel"])
}

fn devices() -> Rule {
    distinct("deviceId", "one device", 1)
}

fn by_plan() -> Rule {
    streams("by plan", 0).limits("contractType", &[("basic", 1), ("Unknown", 2)], None)
}

#[test]
fn text_that_is_missing_counts_as_unknown() {
    let news = tv(1).channel("news");
    assert!(is_quiet(&say(on_news(), std::slice::from_ref(&news), &tv(2))), "the target asks for something else");
    assert!(say(streams("one", 1).target("channel == 'Unknown'"), &[tv(1)], &tv(2)).refuses());
    assert!(say(each_channel(), &[tv(1)], &tv(2)).refuses(), "both play on the channel Unknown");
    assert!(is_quiet(&say(each_channel(), std::slice::from_ref(&news), &tv(2))));
    assert!(is_quiet(&say(devices(), &[tv(1)], &tv(2))), "both are the device Unknown");
    let decision = say(devices(), &[tv(1)], &tv(2).device("a"));
    assert_eq!(decision.violations[0].conflicts[0].value.as_deref(), Some("Unknown"));
    assert_eq!(say(by_plan(), &[tv(1), tv(2)], &tv(3)).violations[0].threshold, 2);
}

#[test]
fn what_is_not_text_cannot_count_as_unknown_and_a_target_that_needs_it_does_not_speak() {
    let rule = || streams("one away from home", 1).target("!hba");
    assert!(is_quiet(&say(rule(), &[tv(1).with("hba", "false")], &tv(2))));
    assert!(is_quiet(&say(rule(), &[tv(1)], &tv(2).with("hba", "false"))), "nor is such a stream counted");
    assert!(say(rule(), &[tv(1).with("hba", "false")], &tv(2).with("hba", "false")).refuses());
}

#[test]
fn an_attribute_that_is_missing_counts_as_what_is_written() {
    let rule = |rule: Rule| rule.missing(treat_as("news"));
    assert!(say(rule(on_news()), &[tv(1)], &tv(2)).refuses());
    assert!(say(rule(each_channel()), &[tv(1).channel("news")], &tv(2)).refuses());
    assert!(is_quiet(&say(rule(each_channel()), &[tv(1).channel("kids")], &tv(2))));
    let devices = || devices().missing(treat_as("a"));
    assert!(is_quiet(&say(devices(), &[tv(1).device("a")], &tv(2))));
    assert!(say(devices(), &[tv(1).device("b")], &tv(2)).refuses());
    assert_eq!(say(by_plan().missing(treat_as("basic")), &[tv(1)], &tv(2)).violations[0].threshold, 1);
    let away = streams("one away from home", 1).target("!hba").missing(treat_as("false"));
    assert!(say(away, &[tv(1)], &tv(2)).refuses());
}

#[test]
fn a_rule_may_be_ignored_for_streams_that_lack_what_it_needs() {
    for rule in [on_news(), each_channel(), devices(), by_plan()] {
        let rule = rule.missing(Missing::IgnoreRule);
        let name = rule.name.clone();
        let full = |n| tv(n).channel("news").device(if n == 1 { "a" } else { "b" }).with("contractType", "basic");
        assert!(say(rule.clone(), &[full(1)], &full(2)).refuses(), "{name}");
        let decision = say(rule.clone(), &[full(1)], &tv(2));
        assert!(is_quiet(&decision) && decision.required_limits.is_empty(), "{name} does not speak of it");
        // The limit is the candidate's: other streams cannot lack it.
        assert_eq!(is_quiet(&say(rule, &[tv(1)], &full(2))), &*name != "by plan", "{name} counts no such stream");
    }
}

#[test]
fn a_stream_may_have_to_supply_what_a_rule_needs() {
    for (rule, attribute) in
        [(on_news(), "channel"), (each_channel(), "channel"), (devices(), "deviceId"), (by_plan(), "contractType")]
    {
        let rule = rule.missing(Missing::Refuse);
        let name = rule.name.clone();
        assert_eq!(lacking(&say(rule.clone(), &[], &tv(2))), [attribute], "{name}");
        let full = tv(2).channel("news").device("b").with("contractType", "basic");
        assert!(is_quiet(&say(rule.clone(), &[], &full)), "{name}");
        // A running stream is neither counted nor terminated.
        let decision = say(rule, &[tv(1)], &full);
        assert_eq!(is_quiet(&decision), &*name != "by plan", "{name}");
    }
}

#[test]
fn a_default_limit_is_for_those_without_the_attribute_too() {
    for missing in [Missing::Unknown, Missing::IgnoreRule, Missing::Refuse] {
        let rule = streams("by plan", 0).limits("contractType", &[("basic", 5)], Some(1)).missing(missing);
        let decision = say(rule, &[tv(1)], &tv(2));
        assert!(decision.missing_attributes.is_empty());
        assert_eq!(decision.violations[0].threshold, 1);
    }
}

#[test]
fn only_an_enforced_rule_refuses_for_want_of_an_attribute() {
    for mode in [Mode::Annotate, Mode::Shadow] {
        let decision = say(each_channel().missing(Missing::Refuse).mode(mode), &[], &tv(1));
        assert!(!decision.refuses());
        assert_eq!(decision.missing_attributes[0].mode, mode);
    }
}

#[test]
fn a_start_that_lacks_an_attribute_ends_nothing() {
    let rules = vec![streams("one", 1).latest_wins(), each_channel().missing(Missing::Refuse)];
    let decision = decide(&household(rules), &[tv(1).channel("news")], &tv(2));
    assert!(decision.refuses());
    assert!(ended(&decision).is_empty());
}

#[test]
fn who_is_exempt_is_not_refused_for_want_of_an_attribute() {
    let rule = |rule: Rule| rule.missing(Missing::Refuse).exempt("deviceId == 'lobby'");
    for rule in [rule(on_news()), rule(each_channel()), rule(by_plan())] {
        assert!(say(rule.clone(), &[], &tv(1).device("hall")).refuses());
        assert!(is_quiet(&say(rule, &[], &tv(1).device("lobby"))));
    }
    let live = each_channel().missing(Missing::Refuse).exempt("contentType == 'live'");
    let decision = say(live.clone(), &[], &tv(1).content(Content::Pending));
    assert!(decision.deferred && !decision.refuses(), "it may turn out to be exempt");
    assert!(say(live, &[], &tv(1).content(Content::Vod)).refuses());
}

#[test]
fn a_rule_waits_for_the_manifest_where_that_will_tell() {
    let new = || tv(2).content(Content::Pending);
    let live = tv(1).content(Content::Live).device("a");
    for rule in [
        streams("one live", 1).target("contentType == 'live'"),
        streams("one of each kind", 1).per(&["contentType"]),
        distinct("contentType", "one kind", 1),
        streams("by kind", 0).limits("contentType", &[("live", 1)], Some(0)),
        streams("by kind", 0).limit_attribute("contentType", Some(0)),
        streams("one", 1).exempt("contentType == 'vod'"),
    ] {
        for missing in [Missing::Unknown, Missing::IgnoreRule, Missing::Refuse, treat_as("live")] {
            let rule = rule.clone().missing(missing);
            let decision = say(rule.clone(), std::slice::from_ref(&live), &new());
            assert!(decision.deferred && is_quiet(&decision), "{}", rule.name);
            assert!(decision.required_limits.is_empty() && decision.missing_attributes.is_empty(), "{}", rule.name);
            let decision = say(rule, std::slice::from_ref(&live), &new().content(Content::Live));
            assert!(!decision.deferred);
        }
    }
}

#[test]
fn what_the_token_says_of_the_content_need_not_be_waited_for() {
    let rule = streams("one live", 1).target("contentType == 'live'");
    let new = |n| tv(n).content(Content::Pending);
    let decision = say(rule.clone(), &[tv(1).content(Content::Live)], &new(2).with("contentType", "live"));
    assert!(decision.refuses() && !decision.deferred);
    let decision = say(rule, &[new(1)], &tv(2).content(Content::Live));
    assert!(is_quiet(&decision), "a stream of which nothing is known yet does not count yet");
}

#[test]
fn a_rule_that_waits_does_not_keep_the_others_from_speaking() {
    let rules = vec![streams("one live", 1).target("contentType == 'live'"), streams("one", 1).latest_wins()];
    let decision = decide(&household(rules), &[tv(1)], &tv(2).content(Content::Pending));
    assert!(decision.deferred);
    assert_eq!(ended(&decision), [id(1)]);
}

#[test]
fn media_without_a_manifest_leave_the_content_unknown() {
    let rule = streams("one of each kind", 1).per(&["contentType"]);
    assert!(say(rule.clone(), &[tv(1)], &tv(2)).refuses(), "both are of the kind Unknown");
    assert_eq!(lacking(&say(rule.missing(Missing::Refuse), &[], &tv(2))), ["contentType"]);
}
