//! After an unclean restart: who played before comes back, and stays before those that started since.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use streamgate::model::{Device, Millis, StreamId};
use streamgate::policy::{Policy, Rule, WhenExceeded};
use streamgate::streams::{AdmissionOutcome, AdmissionRequest, Cause, Refusal, Settings, Signal, StreamTable};

use super::support::{Gauge, account, at, candidate, holders, table};

/// When the gateway was started again.
const OPENED: u64 = 1000;

struct House {
    settings: Settings,
    policies: Vec<Arc<Policy>>,
    table: StreamTable,
    gauge: Arc<Gauge>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    Admitted,
    Refused,
    Terminated(&'static str),
}

impl House {
    fn new(limit: u32, when_exceeded: WhenExceeded) -> Self {
        let settings = Settings { min_tenure: Duration::ZERO, ..Settings::default() };
        let (table, gauge) = table(&settings);
        let rule = Rule::streams("streams", limit, when_exceeded);
        let policies = vec![Arc::new(Policy::new("household", vec![rule], &["tv"]))];
        Self { settings, policies, table: table.opened_at(at(OPENED)), gauge }
    }

    fn told(answer: AdmissionOutcome, now: Millis) -> Answer {
        match answer {
            AdmissionOutcome::Admitted { stream, .. } => {
                stream.heartbeat(Signal::Playback, now);
                Answer::Admitted
            }
            AdmissionOutcome::Refused(Refusal::Policy { .. }) => Answer::Refused,
            AdmissionOutcome::Refused(Refusal::Terminated(cause)) => Answer::Terminated(cause.label()),
        }
    }

    /// A device that starts.
    async fn start(&self, device: usize, now: Millis) -> Answer {
        let who = candidate(0, device, "/live", now);
        Self::told(self.table.start(&who, &self.policies, &self.settings, now).await.expect("an answer"), now)
    }

    /// A request with the play session of one that started at `started`.
    async fn back(&self, device: usize, started: Millis, now: Millis) -> Answer {
        let who = candidate(0, device, "/live", started);
        Self::told(self.table.resume(&who, &self.policies, &self.settings, now).await.expect("an answer"), now)
    }

    fn holding(&self, now: Millis) -> Vec<StreamId> {
        holders(&self.table, &self.settings, now)
    }
}

fn id(device: usize) -> StreamId {
    candidate(0, device, "/live", at(0)).stream
}

#[tokio::test]
async fn one_that_played_before_comes_back_and_the_youngest_that_started_since_ends() {
    let house = House::new(2, WhenExceeded::DenyNewest);
    assert_eq!(house.start(8, at(OPENED)).await, Answer::Admitted);
    assert_eq!(house.start(9, at(OPENED)).await, Answer::Admitted, "in the same millisecond, and yet the younger one");
    assert_eq!(house.back(1, at(500), at(OPENED + 3)).await, Answer::Admitted);
    assert_eq!(house.back(9, at(OPENED), at(OPENED + 3)).await, Answer::Terminated("displaced"));
    let (_, record) = house.table.peek(&account(0).key()).expect("it is known");
    let cause = &record.tombstones()[0].cause;
    assert!(
        matches!(cause, Cause::Displaced { policy, rule, by } if **policy == *"household" && **rule == *"streams" && *by == id(1)),
        "{cause:?}"
    );
    assert_eq!(house.gauge.held(), 2);
    assert_eq!(house.back(2, at(600), at(OPENED + 4)).await, Answer::Admitted);
    assert_eq!(house.holding(at(OPENED + 4)), [id(1), id(2)]);
    assert_eq!(house.back(3, at(700), at(OPENED + 5)).await, Answer::Refused, "nobody is left who started since");
}

#[tokio::test]
async fn only_what_is_older_and_only_for_the_first_idle_window() {
    let house = House::new(1, WhenExceeded::DenyNewest);
    assert_eq!(house.start(9, at(OPENED + 5)).await, Answer::Admitted);
    assert_eq!(
        house.back(1, at(OPENED + 6), at(OPENED + 7)).await,
        Answer::Refused,
        "it began at another gateway, later"
    );
    let end = at(OPENED) + house.settings.idle_max;
    let second = Duration::from_secs(1);
    for now in (OPENED..=OPENED + 90).step_by(10) {
        house.back(9, at(OPENED + 5), at(now)).await;
    }
    assert_eq!(house.back(2, at(500), end).await, Answer::Refused);
    assert_eq!(house.back(2, at(500), end - second).await, Answer::Admitted);
    let late = House { table: table(&house.settings).0, ..house };
    assert_eq!(late.start(9, at(OPENED)).await, Answer::Admitted);
    assert_eq!(late.back(1, at(500), at(OPENED + 1)).await, Answer::Refused, "a table that knows of all that played");
}

#[tokio::test]
async fn it_is_done_once_for_each_stream_and_never_for_one_that_was_terminated_since() {
    let house = House::new(1, WhenExceeded::DenyNewest);
    assert_eq!(house.start(8, at(OPENED)).await, Answer::Admitted);
    assert_eq!(house.back(1, at(500), at(OPENED + 1)).await, Answer::Admitted);
    assert!(house.table.end(&account(0), id(1), &Cause::Stopped, at(OPENED + 2)).await.expect("an answer"));
    assert_eq!(house.start(9, at(OPENED + 3)).await, Answer::Admitted);
    assert_eq!(house.back(1, at(500), at(OPENED + 4)).await, Answer::Terminated("stopped"));
    assert_eq!(house.holding(at(OPENED + 4)), [id(9)]);
}

#[tokio::test]
async fn what_a_device_has_left_for_something_else_does_not_end_that() {
    let house = House::new(1, WhenExceeded::DenyNewest);
    assert_eq!(house.start(1, at(OPENED)).await, Answer::Admitted);
    let left =
        AdmissionRequest { asset: "/film".into(), stream: StreamId([7; 16]), ..candidate(0, 1, "/live", at(500)) };
    let answer = house.table.resume(&left, &house.policies, &house.settings, at(OPENED + 1)).await.expect("an answer");
    assert_eq!(House::told(answer, at(OPENED + 1)), Answer::Refused);
    assert_eq!(house.holding(at(OPENED + 1)), [id(1)]);
}

#[tokio::test]
async fn one_that_was_sheltered_from_termination_is_so_still() {
    let mut house = House::new(1, WhenExceeded::TerminateOldest);
    house.settings.min_tenure = Duration::from_secs(30);
    assert_eq!(house.start(9, at(OPENED)).await, Answer::Admitted);
    assert_eq!(house.back(1, at(OPENED - 10), at(OPENED + 1)).await, Answer::Admitted, "it had just begun");
    assert_eq!(house.back(9, at(OPENED), at(OPENED + 2)).await, Answer::Terminated("displaced"));
    assert_eq!(house.start(8, at(OPENED + 40)).await, Answer::Admitted, "and now it gives way as the oldest");
}

#[derive(Clone, Debug)]
enum Step {
    Start(usize),
    Back(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![(10..20_usize).prop_map(Step::Start), (0..5_usize).prop_map(Step::Back)];
    prop::collection::vec(step, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// However starts and returns come in between each other, they come to the same as if all had been there from the
    /// beginning: where the newest is refused, all that come back stay, and besides them those that started first; where the
    /// oldest gives way, those that started last.
    #[test]
    fn a_restart_changes_nothing_of_who_stays(limit in 1..5_usize, oldest in any::<bool>(), steps in steps()) {
        let when_exceeded = if oldest { WhenExceeded::TerminateOldest } else { WhenExceeded::DenyNewest };
        let house = House::new(u32::try_from(limit).expect("a small limit"), when_exceeded);
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        // No more than the limit played before.
        let started = |before: usize| at(100 * (1 + before as u64));
        let (mut returned, mut since): (Vec<usize>, Vec<usize>) = Default::default();
        for (nth, step) in steps.iter().enumerate() {
            let now = at(OPENED) + Duration::from_millis(nth as u64 / 3);
            match *step {
                Step::Start(device) if !since.contains(&device) => {
                    let answer = runtime.block_on(house.start(device, now));
                    let is_full = returned.len() + since.len() >= limit;
                    prop_assert_eq!(answer == Answer::Admitted, oldest || !is_full);
                    if answer == Answer::Admitted {
                        since.push(device);
                    }
                }
                Step::Back(before) if before < limit && !returned.contains(&before) => {
                    let answer = runtime.block_on(house.back(before, started(before), now));
                    if !oldest {
                        prop_assert_eq!(&answer, &Answer::Admitted, "{} played before", before);
                    }
                    returned.push(before);
                    returned.sort_unstable();
                }
                _ => continue,
            }
            let all: Vec<usize> = returned.iter().chain(&since).copied().collect();
            let stay = if oldest { &all[all.len().saturating_sub(limit)..] } else { &all[..all.len().min(limit)] };
            let mut expected: Vec<StreamId> = stay.iter().map(|device| id(*device)).collect();
            expected.sort_unstable();
            prop_assert_eq!(house.holding(now), expected);
            // Whoever was ended does not come back.
            if !oldest {
                since.retain(|device| stay.contains(device));
            }
            prop_assert!(house.gauge.lowest() >= 0);
        }
    }
}

#[test]
fn a_split_client_or_a_token_has_no_seniority() {
    let house = House::new(1, WhenExceeded::DenyNewest);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    assert_eq!(runtime.block_on(house.start(9, at(OPENED))), Answer::Admitted);
    let named = AdmissionRequest { device: Device::Hint(5), ..candidate(0, 1, "/live", at(OPENED)) };
    let answer = house.table.resume_unsealed(&named, &house.policies, &house.settings, at(OPENED));
    let answer = runtime.block_on(answer).expect("an answer");
    assert_eq!(House::told(answer, at(OPENED)), Answer::Refused);
}
