//! Accounts that no policy holds for a time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use streamgate::model::Moment;
use streamgate::policy::{Policy, Rule, WhenExceeded};
use streamgate::streams::{Settings, Signal};

use super::support::{account, at, candidate, holders, household, in_force, is_admitted, table};

#[tokio::test]
async fn an_exempt_account_starts_what_it_wants_until_its_time_is_over() {
    let (settings, policies) = (Settings::default(), household(1));
    let (table, _) = table(&settings);
    table.exempt(HashMap::from([(account(0).key(), at(100))]));
    for device in 0..5 {
        let start = candidate(0, device, "/a", at(0));
        assert!(is_admitted(&table.start(&start, &policies, &settings, at(0)).await.unwrap()));
    }
    let (one, other) = (candidate(1, 0, "/a", at(0)), candidate(1, 1, "/a", at(0)));
    assert!(is_admitted(&table.start(&one, &policies, &settings, at(0)).await.unwrap()));
    assert!(table.consider(&other, &policies, &settings, at(0)).await.unwrap().is_some(), "others are not exempt");
    assert_eq!(holders(&table, &settings, at(1)).len(), 6, "its streams are counted all the same");

    let sixth = candidate(0, 6, "/a", at(100));
    let kept = table.find(&account(0).key(), candidate(0, 0, "/a", at(0)).stream).unwrap();
    assert!(kept.heartbeat(Signal::Playback, at(10)));
    for second in [20, 40, 60, 80, 99] {
        assert!(kept.heartbeat(Signal::Playback, at(second)), "what plays goes on");
        table.tick(at(second));
    }
    assert!(table.consider(&sixth, &policies, &settings, at(99)).await.unwrap().is_none());
    assert!(table.consider(&sixth, &policies, &settings, at(100)).await.unwrap().is_some());
}

#[tokio::test]
async fn neither_a_smaller_limit_nor_a_grace_that_is_over_ends_what_an_exempt_account_plays() {
    let settings = Settings { min_tenure: Duration::ZERO, ..Settings::default() };
    let (table, _) = table(&settings);
    let rule = |limit| Rule {
        grace: Some(Duration::from_secs(5)),
        ..Rule::streams("some", limit, WhenExceeded::TerminateOldest)
    };
    let policies = |limit| vec![Arc::new(Policy::new("household", vec![rule(limit)], &["tv"]))];
    let (three, one) = (policies(3), policies(1));
    let table = table.configured(settings.clone(), in_force(&three));
    for device in 0..4 {
        let start = candidate(0, device, "/a", at(0));
        assert!(is_admitted(&table.start(&start, &three, &settings, at(0)).await.unwrap()));
    }
    assert_eq!(table.record(&account(0), at(1)).await.unwrap().leaving().len(), 1);
    table.exempt(HashMap::from([(account(0).key(), at(3600))]));
    assert_eq!(table.apply_policy_change(settings.clone(), in_force(&one), at(2)).await, 0);
    table.tick(at(8));
    table.expire_grace(at(8)).await;
    let record = table.record(&account(0), at(8)).await.unwrap();
    assert_eq!((record.streams().len(), record.tombstones().len(), record.leaving().len()), (4, 0, 0));
}

#[tokio::test]
async fn an_exemption_ends_by_the_clock_on_the_wall_whatever_that_is_set_to() {
    let (settings, policies) = (Settings::default(), household(1));
    let (table, _) = table(&settings);
    table.exempt(HashMap::from([(account(0).key(), at(4000))]));
    // Seconds of one-way time, by how many the wall is ahead, whether the exemption holds.
    for (now, ahead, holds) in
        [(0, 0, true), (3999, 0, true), (4000, 0, false), (4000, -3600, true), (7599, -3600, true)].into_iter().chain([
            (7600, -3600, false),
            (399, 3600, true),
            (400, 3600, false),
        ])
    {
        let now = at(now);
        table.tell_wall(Moment { now, wall: now.shifted(ahead * 1000) });
        assert_eq!(table.is_exempt(&account(0), now), holds, "{now} {ahead}");
        assert_eq!(table.law(&account(0), &policies, &settings, now).policies.is_empty(), holds);
    }
}
