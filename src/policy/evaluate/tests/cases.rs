//! Generated accounts and configurations.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::subsequence;

use super::support::{NOW, Play, condition, decide_in, distinct, id, number, policy, scene, stream, streams};
use crate::model::StreamId;
use crate::policy::{Content, Count, Decision, Found, Limit, Missing, Mode, Policy, Rule, Truth, Violation};

/// The last one has no policy.
pub(super) const APPLICATIONS: [&str; 4] = ["tv", "web", "phone", "kiosk"];
const TENURE: Duration = Duration::from_secs(30);

/// An account, a candidate, and a configuration.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) policies: Vec<Arc<Policy>>,
    pub(super) running: Vec<Play>,
    pub(super) candidate: Play,
}

impl Case {
    pub(super) fn decide(&self) -> Decision {
        self.over(&self.running)
    }

    pub(super) fn over(&self, running: &[Play]) -> Decision {
        decide_in(&scene(TENURE), &self.policies, running, &self.candidate)
    }

    pub(super) fn without(&self, gone: &[StreamId]) -> Vec<Play> {
        self.running.iter().filter(|play| !gone.contains(&play.stream)).cloned().collect()
    }

    pub(super) fn with_policies(&self, policies: Vec<Arc<Policy>>) -> Self {
        Self { policies, ..self.clone() }
    }

    fn play(&self, stream: StreamId) -> &Play {
        self.running.iter().find(|play| play.stream == stream).unwrap()
    }

    pub(super) fn rule(&self, violation: &Violation) -> (&Policy, &Rule) {
        let policy = self.policies.iter().find(|policy| policy.name == violation.policy).unwrap();
        (policy, policy.rules.iter().find(|rule| rule.name == violation.rule).unwrap())
    }

    /// True if only the order decides whether this violation terminates the stream.
    fn may_end_alone(&self, violation: &Violation, stream: StreamId) -> bool {
        let (policy, rule) = self.rule(violation);
        let play = self.play(stream);
        let scene = scene(TENURE);
        let exempt = rule.exempt.as_ref().is_some_and(|exempt| {
            let truth = exempt.truth(&play.standing(), &policy.carriers[&play.application], &scene, &rule.missing);
            matches!(truth, Truth::Yes | Truth::Pending)
        });
        let is_older = (play.started, play.stream) < (self.candidate.started, self.candidate.stream);
        is_older && scene.now.since(play.tenure) >= TENURE && !exempt
    }

    /// The streams that this violation may terminate, with all that share their value.
    pub(super) fn may_end(&self, violation: &Violation) -> Vec<StreamId> {
        let own = self.own_value(violation);
        let conflicts = &violation.conflicts;
        let may = |value: &Option<Arc<str>>, stream| match value {
            None => self.may_end_alone(violation, stream),
            Some(value) => {
                own.as_deref() != Some(&**value)
                    && conflicts
                        .iter()
                        .filter(|other| other.value.as_ref() == Some(value))
                        .all(|other| self.may_end_alone(violation, other.stream))
            }
        };
        conflicts.iter().filter(|conflict| may(&conflict.value, conflict.stream)).map(|c| c.stream).collect()
    }

    /// The candidate's value of the counted attribute, unless streams are counted.
    fn own_value(&self, violation: &Violation) -> Option<String> {
        let (policy, rule) = self.rule(violation);
        let Count::Distinct(field) = &rule.count else { return None };
        let (scene, candidate) = (scene(TENURE), self.candidate.standing());
        Some(match (field.resolve(&candidate, &policy.carriers[&self.candidate.application], &scene), &rule.missing) {
            (Found::Known(value), _) => value.into(),
            (_, Missing::TreatAs(value)) => value.to_string(),
            _ => "Unknown".into(),
        })
    }
}

fn one_of<T: Clone + std::fmt::Debug + 'static>(choices: &[T]) -> impl Strategy<Value = T> + use<T> {
    prop::sample::select(choices.to_vec())
}

/// Stream `n`. Many share start, tenure and heartbeat times.
fn play(n: u8) -> impl Strategy<Value = Play> {
    let contents = one_of(&[Content::Live, Content::Vod, Content::Pending, Content::Unknown]);
    let devices = one_of(&[None, Some("a"), Some("b"), Some("c"), Some("lobby")]);
    let attributes = (
        one_of(&["", "news", "kids"]),
        one_of(&["", "1", "3", "many"]),
        one_of(&["", "basic", "premium"]),
        one_of(&["", "true", "false"]),
    );
    let times = (one_of(&[100, 200, 300, 400, 990]), one_of(&[0, 0, 0, 0, 0, 590]), one_of(&[500, 990, 999]));
    // Most on one application, where they meet the same rules.
    let applications = prop_oneof![2 => Just("tv"), 1 => one_of(&APPLICATIONS)];
    (applications, devices, attributes, contents, times).prop_map(
        move |(application, device, (channel, maximum, contract, home), content, (started, rested, seen))| Play {
            device,
            ..stream(n, application)
                .with("channel", channel)
                .with("maxStreams", maximum)
                .with("contractType", contract)
                .with("hba", home)
                .content(content)
                .started(started)
                .tenure(NOW.min(started + rested))
                .seen(seen)
        },
    )
}

pub(super) fn rule(n: usize) -> impl Strategy<Value = Rule> {
    let target = one_of(&[
        None,
        None,
        Some("contentType == 'live'"),
        Some("channel == 'news'"),
        Some("channel != 'news' || hba"),
        Some("application == 'tv'"),
        Some("!hba"),
    ]);
    let count = one_of(&["", "", "deviceId", "channel", "contentType"]);
    let per = one_of(&[&[][..], &[], &["channel"], &["application"], &["deviceId", "contentType"]]);
    let limit = (0..4_u32, 0..8_u8);
    let when = (0..5_u8, one_of(&["channel == 'kids'", "deviceId == 'a'", "hba"]));
    let exempt = one_of(&[None, None, None, Some("deviceId == 'lobby'"), Some("contentType == 'vod'"), Some("hba")]);
    let missing = one_of(&[
        Missing::Unknown,
        Missing::Unknown,
        Missing::TreatAs("news".into()),
        Missing::TreatAs("2".into()),
        Missing::IgnoreRule,
        Missing::Refuse,
    ]);
    let mode = one_of(&[Mode::Enforce, Mode::Enforce, Mode::Enforce, Mode::Annotate, Mode::Shadow]);
    (target, count, per, limit, when, exempt, missing, mode).prop_map(
        move |(target, count, per, (limit, kind), (when, preference), exempt, missing, mode)| {
            let name = format!("rule {n}");
            let rule = if count.is_empty() { streams(&name, limit) } else { distinct(count, &name, limit) };
            let rule = match kind {
                0 => rule.limit_attribute("maxStreams", None),
                1 => rule.limit_attribute("maxStreams", Some(limit)),
                2 => rule.limits("contractType", &[("basic", 1), ("premium", 3)], None),
                3 => rule.limits("contractType", &[("basic", 1), ("premium", 3)], Some(limit)),
                _ => Rule { limit: Limit::Fixed(limit), ..rule },
            };
            let rule = match when {
                0 => rule,
                1 => rule.idlest_goes(),
                2 => rule.terminate_first(condition(preference)),
                3 => rule.terminate_first(number("int(maxStreams)")),
                _ => rule.latest_wins(),
            };
            let target = target.map(condition);
            Rule { target, exempt: exempt.map(condition), ..rule.per(per).missing(missing).mode(mode) }
        },
    )
}

/// A rule that terminates running streams.
fn yielding(n: usize) -> impl Strategy<Value = Rule> {
    let target = one_of(&[None, None, Some("channel == 'news'"), Some("application == 'tv'"), Some("deviceId != 'b'")]);
    (rule(n), target, 1..4_u32, one_of(&["", "", "lobby"])).prop_map(|(rule, target, limit, exempt)| {
        let rule = if rule.when_exceeded.terminates() { rule } else { rule.latest_wins() };
        let exempt = (!exempt.is_empty()).then(|| condition("deviceId == 'lobby'"));
        let rule = rule.missing(Missing::Unknown).mode(Mode::Enforce);
        Rule { target: target.map(condition), limit: Limit::Fixed(limit), exempt, ..rule }
    })
}

fn policies<R: Strategy<Value = Rule>>(rule: impl Fn(usize) -> R) -> impl Strategy<Value = Vec<Arc<Policy>>> {
    let one = |n: usize| {
        let rules = (rule(0), rule(1), rule(2), 1..=3_usize);
        (rules, subsequence(APPLICATIONS[..3].to_vec(), 1..=3)).prop_map(move |((a, b, c, count), carriers)| {
            policy(&format!("policy {n}"), [a, b, c].into_iter().take(count).collect(), &carriers)
        })
    };
    (one(0), one(1), one(2), 1..=3_usize).prop_map(|(a, b, c, count)| [a, b, c].into_iter().take(count).collect())
}

pub(super) fn case() -> impl Strategy<Value = Case> {
    let running = (play(1), play(2), play(3), play(4), play(5), play(6), play(7), play(8));
    // One that starts now, or one that returns.
    let candidate = (play(9), prop::bool::weighted(0.2), any::<bool>());
    let candidate = candidate.prop_map(|(play, returns, below)| {
        let play = if returns { play } else { play.started(NOW) };
        Play { stream: id(if below { 0 } else { 9 }), ..play }
    });
    let policies = prop_oneof![policies(rule).boxed(), policies(yielding).boxed()];
    let count = prop_oneof![0..=8_usize, 4..=8_usize];
    (policies, running, count, candidate).prop_map(|(policies, (a, b, c, d, e, f, g, h), count, candidate)| Case {
        policies,
        running: [a, b, c, d, e, f, g, h].into_iter().take(count).collect(),
        candidate,
    })
}
