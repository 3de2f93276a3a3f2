//! Policies shared by applications of several tenants, and their relevant activity.

use std::sync::Arc;

use super::support::{decide, ended, id, is_quiet, policy, stream, streams, tv, violated};
use crate::model::ApplicationId;
use crate::policy::{ApplicationBinding, Effect, Policy};

/// The documented dry run. P1: one stream, the latest wins; on app1 of one tenant and app2 of another. P2: two streams, the
/// first win; on app2 and app3 of the second tenant.
fn dry_run() -> [Arc<Policy>; 2] {
    let tenants = [("app1", "T1"), ("app2", "T2"), ("app3", "T2")];
    [
        Policy::new("P1", vec![streams("one stream", 1).latest_wins()], &["app1", "app2"]),
        Policy::new("P2", vec![streams("two streams", 2)], &["app2", "app3"]),
    ]
    .map(|mut policy| {
        for (application, tenant) in tenants {
            if let Some(carrier) = policy.carriers.get_mut(&ApplicationId(application.into())) {
                carrier.tenant = tenant.into();
            }
        }
        Arc::new(policy)
    })
}

/// Only P1.
fn only_p1() -> [Arc<Policy>; 1] {
    let [p1, _] = dry_run();
    [p1]
}

#[test]
fn use_case_1_the_first_stream_of_an_account_starts() {
    assert!(is_quiet(&decide(&only_p1(), &[], &stream(1, "app1"))));
}

#[test]
fn use_case_2_where_the_latest_wins_the_second_stream_ends_the_first() {
    let decision = decide(&only_p1(), &[stream(1, "app1")], &stream(2, "app1"));
    assert!(!decision.refuses());
    assert_eq!(ended(&decision), [id(1)]);
}

#[test]
fn use_case_3_a_stream_on_another_tenants_application_that_carries_the_policy_gives_way_too() {
    let decision = decide(&only_p1(), &[stream(2, "app1")], &stream(3, "app2"));
    assert!(!decision.refuses());
    assert_eq!(ended(&decision), [id(2)]);
}

#[test]
fn use_case_4_a_policy_says_nothing_where_it_is_not_carried_and_two_streams_are_allowed_there() {
    assert!(is_quiet(&decide(&dry_run(), &[stream(3, "app2")], &stream(4, "app3"))));
}

#[test]
fn use_case_5a_a_start_that_one_policy_refuses_ends_nothing_for_another() {
    let decision = decide(&dry_run(), &[stream(3, "app2"), stream(4, "app3")], &stream(5, "app2"));
    assert!(decision.refuses(), "what P1 would end makes no room under P2");
    let refusing: Vec<&str> = decision.enforced().filter(|v| v.effect == Effect::Refuse).map(|v| &*v.policy).collect();
    assert_eq!(refusing, ["P2"]);
    assert!(ended(&decision).is_empty());
}

#[test]
fn use_case_5b_a_third_stream_is_refused_where_the_first_two_win() {
    let decision = decide(&dry_run(), &[stream(3, "app2"), stream(4, "app3")], &stream(5, "app3"));
    assert!(decision.refuses());
    assert_eq!(violated(&decision), ["two streams"]);
    assert_eq!(decision.violations[0].conflicts.iter().map(|c| c.stream).collect::<Vec<_>>(), [id(3), id(4)]);
    assert!(ended(&decision).is_empty());
}

#[test]
fn use_case_5c_a_start_ends_what_its_own_policy_counts_and_nothing_else() {
    let decision = decide(&dry_run(), &[stream(3, "app2"), stream(4, "app3")], &stream(5, "app1"));
    assert!(!decision.refuses());
    assert_eq!(ended(&decision), [id(3)]);
}

#[test]
fn use_case_6_a_third_device_ends_the_oldest_though_there_is_room_for_its_stream() {
    let rules = vec![
        streams("three streams", 3).latest_wins(),
        super::support::distinct("deviceId", "two devices", 2).latest_wins(),
    ];
    let running = [tv(1).device("dev1"), tv(2).device("dev2")];
    let decision = decide(&[policy("household", rules, &["tv"])], &running, &tv(3).device("dev3"));
    assert_eq!(violated(&decision), ["two devices"]);
    assert_eq!(ended(&decision), [id(1)]);
}

#[test]
fn streams_of_every_application_that_carries_the_policy_count_and_no_others() {
    let policies = [policy("shared", vec![streams("two streams", 2)], &["tv", "web", "phone"])];
    let decision = decide(&policies, &[stream(1, "web"), stream(2, "phone")], &tv(3));
    assert!(decision.refuses());
    assert!(is_quiet(&decide(&policies, &[stream(1, "web"), stream(2, "kiosk")], &tv(3))));
}

#[test]
fn a_policy_that_the_candidates_application_does_not_carry_says_nothing() {
    let policies = [policy("elsewhere", vec![streams("none at all", 0)], &["web"])];
    let decision = decide(&policies, &[stream(1, "web"), tv(2)], &tv(3));
    assert!(is_quiet(&decision) && decision.violations.is_empty() && decision.required_limits.is_empty());
}

#[test]
fn a_candidate_under_no_policy_is_always_admitted() {
    let running: Vec<_> = (1..50).map(tv).collect();
    assert!(is_quiet(&decide(&[], &running, &tv(60))));
}

#[test]
fn all_policies_of_an_application_have_to_hold() {
    let policies =
        [policy("wide", vec![streams("four", 4)], &["tv"]), policy("narrow", vec![streams("two", 2)], &["tv", "web"])];
    assert!(is_quiet(&decide(&policies, &[tv(1)], &tv(3))));
    let decision = decide(&policies, &[tv(1), stream(2, "web")], &tv(3));
    assert!(decision.refuses());
    assert_eq!(violated(&decision), ["two"]);
}

#[test]
fn a_rule_may_speak_of_one_tenants_streams_alone() {
    let mut shared = Policy::new("shared", vec![streams("one of T2", 1).target("tenant == 'T2'")], &["tv", "web"]);
    shared.carriers.insert(
        ApplicationId("web".into()),
        ApplicationBinding { tenant: "T2".into(), ..ApplicationBinding::default() },
    );
    let policies = [Arc::new(shared)];
    assert!(decide(&policies, &[stream(1, "web")], &stream(2, "web")).refuses());
    assert!(is_quiet(&decide(&policies, &[stream(1, "web")], &tv(2))), "it does not speak of the other tenant's");
    assert!(is_quiet(&decide(&policies, &[tv(1)], &stream(2, "web"))), "nor count them");
}
