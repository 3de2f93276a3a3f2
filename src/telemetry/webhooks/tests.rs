#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use serde_json::{Value, json};

use super::stream_event::{StreamEventKind, ViolatedRule, ViolationReason};
use super::*;
use crate::config::WebhookEvent;
use crate::model::{ApplicationId, Attributes, ClientEvidence, Device, Millis, StreamId};
use crate::policy::Decision;
use crate::streams::{AdmissionRequest, Cause, Terminator};

struct Time;

impl Clock for Time {
    fn now(&self) -> Millis {
        Millis(1_795_223_951_204)
    }
}

/// Counts the calls.
#[derive(Default)]
struct Random(AtomicU64);

impl Entropy for Random {
    fn bytes(&self) -> [u8; 16] {
        u128::from(self.0.fetch_add(1, SeqCst)).to_be_bytes()
    }
}

fn webhook(url: &str, events: &[WebhookEvent], queue: usize) -> Webhook {
    Webhook {
        url: url.into(),
        events: events.to_vec(),
        secret: None,
        batch: 100,
        flush_interval: Duration::from_hours(1),
        timeout: Duration::from_secs(1),
        max_retry_duration: Duration::from_secs(1),
        queue,
    }
}

fn next(hooks: &[Webhook]) -> NextWebhooks {
    let hooks: Vec<_> = hooks.iter().map(|hook| (hook.clone(), hook.url.parse().unwrap())).collect();
    NextWebhooks { client: Some(http_client(None).unwrap()), hooks }
}

fn candidate() -> AdmissionRequest {
    AdmissionRequest {
        stream: "0198f3a2-6c40-7d1e-9b52-3f8a6c1d2e4b".parse().unwrap(),
        account: Account::new("acme", "alice"),
        application: ApplicationId("tv".into()),
        device: Device::Named("phone".into()),
        asset: "/live/master.m3u8".into(),
        started: Millis(1_795_223_951_203),
        attributes: [("contractType".into(), "basic".into())].into_iter().collect(),
        client: ClientEvidence::default(),
    }
}

fn told(what: StreamEventKind) -> StreamEvent {
    let AdmissionRequest { stream, account, application, device, asset, started, attributes, .. } = candidate();
    let id = 0x5f3a_0c8e_9b7d_41c2_a6e8_f012_3456_789a_u128.to_be_bytes();
    StreamEvent { id, at: Time.now(), account, application, stream, device, asset, started, attributes, what }
}

fn written(told: StreamEvent) -> Value {
    let batch = document::batch(&[Arc::new(told)], "urn:uuid:0d9c7b6a-5e4f-4a3b-8c2d-1e0f9a8b7c6d");
    serde_json::from_slice(&batch).unwrap()
}

fn stream(nth: u16) -> StreamId {
    format!("0198f3a2-{nth}-7d1e-9b52-3f8a6c1d2e4b").parse().unwrap()
}

fn exceeded(terminates: &[StreamId]) -> ViolationReason {
    let streams = vec![stream(1111), stream(2222)];
    ViolationReason::Exceeded {
        attribute: "streamId".into(),
        limit: 2,
        reached: 3,
        streams,
        terminates: terminates.to_vec(),
    }
}

#[test]
fn the_example_of_the_documentation_is_what_comes_out() {
    let page = include_str!("../../../docs/webhooks.md");
    let example = page.split("```json").nth(1).unwrap().split("```").next().unwrap();
    let broken =
        ViolatedRule { policy: "household".into(), rule: "two-streams".into(), mode: None, why: exceeded(&[]) };
    let example: Value = serde_json::from_str(example).unwrap();
    assert_eq!(written(told(StreamEventKind::Refused(vec![broken]))), example);
}

#[test]
fn each_cause_is_told_with_what_belongs_to_it() {
    let (policy, rule): (Arc<str>, Arc<str>) = ("household".into(), "one".into());
    let by = Terminator {
        stream: stream(1111),
        application: ApplicationId("app".into()),
        started: Millis(0),
        attributes: Attributes::default(),
    };
    let killed = |by| Cause::Killed { reason: "Closed for the night".into(), by };
    for (cause, expected) in [
        (
            Cause::Evicted { policy: policy.clone(), rule: rule.clone(), by: stream(1111) },
            json!({ "cause": "evicted", "policy": "household", "rule": "one", "by": stream(1111) }),
        ),
        (Cause::Refused { policy, rule }, json!({ "cause": "refused", "policy": "household", "rule": "one" })),
        (Cause::Stopped, json!({ "cause": "stopped" })),
        (killed(None), json!({ "cause": "killed", "reason": "Closed for the night" })),
        (
            killed(Some(Box::new(by))),
            json!({ "cause": "killed", "reason": "Closed for the night", "by": stream(1111) }),
        ),
    ] {
        let mut event = written(told(StreamEventKind::Terminated(cause)));
        assert_eq!(event[0]["type"], "com.streamgate.stream.terminated");
        let data = event[0]["data"].as_object_mut().unwrap();
        data.retain(|key, _| ["cause", "policy", "rule", "reason", "by"].contains(&key.as_str()));
        assert_eq!(Value::Object(data.clone()), expected);
    }
    let broken = ViolatedRule {
        policy: "p".into(),
        rule: "r".into(),
        mode: None,
        why: ViolationReason::Missing { attribute: "plan".into() },
    };
    let lacking = written(told(StreamEventKind::Refused(vec![broken])));
    assert_eq!(lacking[0]["data"]["rules"], json!([{ "policy": "p", "rule": "r", "missing": "plan" }]));
}

#[test]
fn what_rules_in_shadow_mode_would_have_done_has_types_of_its_own() {
    let broken = |terminates: &[StreamId]| {
        let (policy, rule) = ("household".into(), "two-streams".into());
        vec![ViolatedRule { policy, rule, mode: Some("shadow"), why: exceeded(terminates) }]
    };
    let mut rule = json!({
        "policy": "household", "rule": "two-streams", "mode": "shadow", "attribute": "streamId", "limit": 2, "reached": 3,
        "streams": [stream(1111), stream(2222)]
    });
    let event = written(told(StreamEventKind::WouldRefuse(broken(&[]))));
    assert_eq!(event[0]["type"], "com.streamgate.stream.would_refuse");
    assert_eq!(event[0]["data"]["rules"], json!([rule]));
    let event = written(told(StreamEventKind::WouldTerminate(broken(&[stream(1111)]))));
    assert_eq!(event[0]["type"], "com.streamgate.stream.would_terminate");
    rule["terminates"] = json!([stream(1111)]);
    assert_eq!(event[0]["data"]["rules"], json!([rule]));
}

#[test]
fn what_nobody_wants_costs_nothing_and_what_finds_no_room_is_counted() {
    let (random, metrics) = (Arc::new(Random::default()), Arc::new(Metrics::new().unwrap()));
    let webhooks = Webhooks::new(Arc::new(Time), random.clone(), metrics.clone());
    let (candidate, decision) = (candidate(), Decision::default());
    let refuse = || webhooks.observe(&candidate.account, &Event::Refused(&candidate, &decision));
    refuse();
    assert_eq!(random.0.load(SeqCst), 1, "the source of all events");
    assert!(webhooks.work.lock().runtime.is_none(), "no thread");

    // These queues are never read.
    let hook =
        |queue, events: &[WebhookEvent]| Hook::new(webhook("http://a.example/", events, queue), "a".into(), &metrics);
    let ((few, _few), (others, _others)) = (hook(3, &[WebhookEvent::Refused]), hook(9, &[WebhookEvent::Started]));
    webhooks.hooks.store(Arc::new(vec![others.clone()]));
    refuse();
    assert_eq!(random.0.load(SeqCst), 1);
    webhooks.hooks.store(Arc::new(vec![few.clone(), others.clone()]));
    (0..10).for_each(|_| refuse());
    assert_eq!((few.waiting(), few.counts.unheard.get(), others.waiting()), (3, 7, 0));
    assert_eq!(random.0.load(SeqCst), 11, "one name for each event");
}

#[test]
fn hooks_are_called_by_their_hosts_and_those_that_stay_the_same_stay() {
    let (clock, entropy, metrics) = (Arc::new(Time), Arc::new(Random::default()), Arc::new(Metrics::new().unwrap()));
    let webhooks = Webhooks::new(clock, entropy, metrics);
    let labels = || webhooks.hooks.load().iter().map(|hook| hook.label.to_string()).collect::<Vec<_>>();
    let all = &[WebhookEvent::Started];
    let [one, two, three] = ["https://a.example/secret", "https://a.example/other", "http://a.example:8080/"]
        .map(|url| webhook(url, all, 5));
    webhooks.apply(next(&[one.clone(), two.clone(), three.clone()])).unwrap();
    assert_eq!(labels(), ["a.example", "a.example#2", "a.example:8080"]);
    let kept = webhooks.hooks.load()[1].clone();
    webhooks.apply(next(&[three, two.clone(), Webhook { batch: 7, ..one }])).unwrap();
    assert_eq!(labels(), ["a.example:8080", "a.example#2", "a.example#3"], "a name is not passed on at once");
    assert!(Arc::ptr_eq(&webhooks.hooks.load()[1].webhook, &kept.webhook));
    webhooks.apply(next(&[two])).unwrap();
    assert_eq!(labels(), ["a.example#2"]);
    webhooks.finish(Duration::ZERO);
    assert_eq!(labels(), [""; 0]);
}
