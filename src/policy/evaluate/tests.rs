use super::*;

const TENURE: Duration = Duration::from_secs(30);

fn app(name: &str) -> ApplicationId {
    ApplicationId(name.into())
}

fn id(n: u8) -> StreamId {
    StreamId([n; 16])
}

fn policy(name: &str, limit: u32, when_exceeded: WhenExceeded, applications: &[&str]) -> Arc<Policy> {
    Arc::new(Policy {
        name: name.into(),
        mode: Mode::Enforce,
        rules: vec![Rule { name: "rule".into(), limit, when_exceeded }],
        applications: applications.iter().map(|name| app(name)).collect(),
    })
}

/// A stream that started `seconds` after the epoch and has held its slot since.
fn at(n: u8, application: &ApplicationId, seconds: u64) -> Standing<'_> {
    Standing { stream: id(n), application, started: Millis(seconds * 1000), tenure: Millis(seconds * 1000) }
}

fn decide(policies: &[Arc<Policy>], running: &[Standing<'_>], candidate: &Standing<'_>) -> Decision {
    evaluate(policies, running, candidate, TENURE, Millis(1_000_000))
}

#[test]
fn a_candidate_within_the_limit_is_admitted_without_a_word() {
    let tv = app("tv");
    let decision = decide(&[policy("p", 2, WhenExceeded::DenyNewest, &["tv"])], &[at(1, &tv, 0)], &at(2, &tv, 1000));
    assert!(decision.violations.is_empty() && !decision.refuses());
}

#[test]
fn a_refusal_names_the_threshold_and_who_holds_the_slots_oldest_first() {
    let tv = app("tv");
    let decision = decide(
        &[policy("p", 2, WhenExceeded::DenyNewest, &["tv"])],
        &[at(1, &tv, 20), at(2, &tv, 10)],
        &at(3, &tv, 1000),
    );
    assert!(decision.refuses());
    assert_eq!(decision.violations[0].threshold, 2);
    assert_eq!(decision.violations[0].conflicts, [id(2), id(1)]);
    assert!(decision.terminations().is_empty());
}

#[test]
fn the_oldest_gives_way_but_not_before_its_minimum_tenure() {
    let tv = app("tv");
    let policies = [policy("p", 1, WhenExceeded::TerminateOldest, &["tv"])];
    let settled = decide(&policies, &[at(1, &tv, 970)], &at(2, &tv, 1000));
    assert_eq!(settled.terminations().iter().map(|(stream, _)| *stream).collect::<Vec<_>>(), [id(1)]);
    let fresh = decide(&policies, &[at(1, &tv, 971)], &at(2, &tv, 1000));
    assert!(fresh.refuses(), "29 s of tenure protect it");
}

#[test]
fn a_stream_that_returns_with_the_earliest_start_is_itself_the_oldest() {
    let tv = app("tv");
    let policies = [policy("p", 1, WhenExceeded::TerminateOldest, &["tv"])];
    assert!(decide(&policies, &[at(1, &tv, 500)], &at(2, &tv, 400)).refuses());
    assert!(!decide(&policies, &[at(1, &tv, 500)], &at(2, &tv, 600)).refuses());
}

#[test]
fn a_limit_of_zero_refuses_whatever_it_would_like_to_terminate() {
    let tv = app("tv");
    assert!(decide(&[policy("p", 0, WhenExceeded::TerminateOldest, &["tv"])], &[], &at(1, &tv, 0)).refuses());
}

#[test]
fn two_terminating_rules_end_one_stream_where_one_is_enough() {
    let tv = app("tv");
    let policies = [
        policy("p", 2, WhenExceeded::TerminateOldest, &["tv"]),
        policy("q", 2, WhenExceeded::TerminateOldest, &["tv"]),
    ];
    let decision = decide(&policies, &[at(1, &tv, 0), at(2, &tv, 1)], &at(3, &tv, 1000));
    assert_eq!(decision.terminations().len(), 1);
    assert_eq!(decision.violations.len(), 2, "both are reported");
}

#[test]
fn shadow_and_annotate_report_and_change_nothing() {
    let tv = app("tv");
    for mode in [Mode::Shadow, Mode::Annotate] {
        let mut loose = (*policy("p", 1, WhenExceeded::DenyNewest, &["tv"])).clone();
        loose.mode = mode;
        let decision = decide(&[Arc::new(loose)], &[at(1, &tv, 0)], &at(2, &tv, 1000));
        assert!(!decision.refuses() && decision.terminations().is_empty());
        assert_eq!(decision.violations.len(), 1);
    }
}

/// The documented dry run: P1 = 1 stream, latest wins, on app1 and app2; P2 = 2 streams, first wins, on app2 and app3.
#[test]
fn the_documented_use_cases_of_shared_policies_come_out_as_printed() {
    let (app1, app2, app3) = (app("app1"), app("app2"), app("app3"));
    let p1 = policy("P1", 1, WhenExceeded::TerminateOldest, &["app1", "app2"]);
    let p2 = policy("P2", 2, WhenExceeded::DenyNewest, &["app2", "app3"]);
    let s3 = at(3, &app2, 3);
    let s4 = at(4, &app3, 4);

    let second = decide(std::slice::from_ref(&p1), &[at(1, &app1, 1)], &at(2, &app1, 100));
    assert_eq!(second.terminations()[0].0, id(1));
    let other_policy = decide(std::slice::from_ref(&p2), &[s3], &at(4, &app3, 100));
    assert!(other_policy.violations.is_empty(), "P1 is not carried by app3, and P2 counts two");
    let on_app2 = decide(&[p1.clone(), p2.clone()], &[s3, s4], &at(5, &app2, 100));
    assert!(on_app2.refuses(), "a termination by P1 never makes room for P2");
    assert!(on_app2.terminations().is_empty());
    let refusing: Vec<_> = on_app2.violations.iter().filter(|v| v.effect == Effect::Refuse).collect();
    assert_eq!(&*refusing[0].policy, "P2");
    let on_app3 = decide(std::slice::from_ref(&p2), &[s3, s4], &at(5, &app3, 100));
    assert!(on_app3.refuses());
    let on_app1 = decide(&[p1], &[s3, s4], &at(5, &app1, 100));
    assert_eq!(on_app1.terminations()[0].0, id(3));
}
