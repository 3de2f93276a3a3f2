//! Builders for accounts and rules.

use std::sync::Arc;
use std::time::Duration;

use crate::model::{ApplicationId, Attributes, Millis, StreamId};
use crate::policy::{
    Content, Count, Decision, Effect, EvalContext, Explanation, Expression, Field, Limit, Mode, Policy, RequiredLimits,
    Rule, StreamView, Type, WhenExceeded, evaluate, explain,
};

/// The default time of decisions: 1000 s after the epoch.
pub(super) const NOW: u64 = 1000;

/// A stream that holds a slot, or the candidate.
#[derive(Clone, Debug)]
pub(super) struct Play {
    pub(super) stream: StreamId,
    pub(super) application: ApplicationId,
    pub(super) device: Option<&'static str>,
    pub(super) attributes: Attributes,
    pub(super) content: Content,
    pub(super) started: Millis,
    pub(super) tenure: Millis,
    pub(super) seen: Millis,
    pub(super) ranks: RequiredLimits,
}

pub(super) fn id(n: u8) -> StreamId {
    StreamId([n; 16])
}

/// Stream `n` on that application, which started `n` seconds after the epoch.
pub(super) fn stream(n: u8, application: &str) -> Play {
    let started = Millis(u64::from(n) * 1000);
    Play {
        stream: id(n),
        application: ApplicationId(application.into()),
        device: None,
        attributes: Attributes::default(),
        content: Content::Unknown,
        started,
        tenure: started,
        seen: started,
        ranks: RequiredLimits::default(),
    }
}

/// Stream `n` on the application `tv`.
pub(super) fn tv(n: u8) -> Play {
    stream(n, "tv")
}

impl Play {
    pub(super) fn device(self, name: &'static str) -> Self {
        Self { device: Some(name), ..self }
    }

    pub(super) fn with(self, name: &str, value: &str) -> Self {
        let known = self.attributes.iter().map(|(name, value)| (name.into(), value.into()));
        let attributes = std::iter::once((Arc::from(name), Arc::from(value))).chain(known).collect();
        Self { attributes, ..self }
    }

    pub(super) fn channel(self, name: &str) -> Self {
        self.with("channel", name)
    }

    pub(super) fn content(self, content: Content) -> Self {
        Self { content, ..self }
    }

    pub(super) fn started(self, seconds: u64) -> Self {
        Self { started: Millis(seconds * 1000), tenure: Millis(seconds * 1000), ..self }
    }

    /// It lost its slot and took one again at that time.
    pub(super) fn tenure(self, seconds: u64) -> Self {
        Self { tenure: Millis(seconds * 1000), ..self }
    }

    pub(super) fn seen(self, seconds: u64) -> Self {
        Self { seen: Millis(seconds * 1000), ..self }
    }

    pub(super) fn standing(&self) -> StreamView<'_> {
        StreamView {
            stream: self.stream,
            application: &self.application,
            device: self.device,
            asset: "/live/news.m3u8",
            attributes: self.attributes.clone(),
            content: self.content,
            started: self.started,
            tenure: self.tenure,
            seen: self.seen,
            ranks: self.ranks.clone(),
        }
    }
}

pub(super) fn scene(min_tenure: Duration) -> EvalContext<'static> {
    EvalContext { idp: "mvpd-one", now: Millis(NOW * 1000), min_tenure }
}

pub(super) fn condition(source: &str) -> Expression {
    Expression::compile(source, &[Type::Bool]).unwrap()
}

pub(super) fn number(source: &str) -> Expression {
    Expression::compile(source, &[Type::Int]).unwrap()
}

/// At most `limit` streams; denies the newest.
pub(super) fn streams(name: &str, limit: u32) -> Rule {
    Rule::streams(name, limit, WhenExceeded::DenyNewest)
}

/// At most `limit` distinct values; denies the newest.
pub(super) fn distinct(attribute: &str, name: &str, limit: u32) -> Rule {
    Rule { count: Count::Distinct(Field::named(attribute)), ..streams(name, limit) }
}

impl Rule {
    fn when(self, when_exceeded: WhenExceeded) -> Self {
        Self { when_exceeded, ..self }
    }

    pub(super) fn latest_wins(self) -> Self {
        self.when(WhenExceeded::TerminateOldest)
    }

    pub(super) fn idlest_goes(self) -> Self {
        self.when(WhenExceeded::TerminateIdlest)
    }

    pub(super) fn terminate_first(self, expression: Expression) -> Self {
        self.when(WhenExceeded::TerminateFirst(expression))
    }

    pub(super) fn target(self, source: &str) -> Self {
        Self { target: Some(condition(source)), ..self }
    }

    pub(super) fn exempt(self, source: &str) -> Self {
        Self { exempt: Some(condition(source)), ..self }
    }

    pub(super) fn per(self, names: &[&str]) -> Self {
        Self { per: names.iter().map(|name| Field::named(name)).collect(), ..self }
    }

    pub(super) fn mode(self, mode: Mode) -> Self {
        Self { mode, ..self }
    }

    pub(super) fn grace(self, seconds: u64) -> Self {
        Self { grace: Some(Duration::from_secs(seconds)), ..self }
    }

    pub(super) fn missing(self, missing: crate::policy::Missing) -> Self {
        Self { missing, ..self }
    }

    pub(super) fn limit_attribute(self, name: &str, otherwise: Option<u32>) -> Self {
        Self { limit: Limit::Attribute { field: Field::named(name), otherwise }, ..self }
    }

    pub(super) fn limits(self, name: &str, values: &[(&str, u32)], otherwise: Option<u32>) -> Self {
        let values = values.iter().map(|(value, limit)| ((*value).into(), *limit)).collect();
        Self { limit: Limit::ByValue { field: Field::named(name), values, otherwise }, ..self }
    }
}

pub(super) fn policy(name: &str, rules: Vec<Rule>, carriers: &[&str]) -> Arc<Policy> {
    Arc::new(Policy::new(name, rules, carriers))
}

/// One policy with these rules, on the application `tv`.
pub(super) fn household(rules: Vec<Rule>) -> [Arc<Policy>; 1] {
    [policy("household", rules, &["tv"])]
}

/// Decides without minimum tenure, and checks that the explanation agrees.
pub(super) fn decide(policies: &[Arc<Policy>], running: &[Play], candidate: &Play) -> Decision {
    decide_in(&scene(Duration::ZERO), policies, running, candidate)
}

pub(super) fn decide_in(
    scene: &EvalContext<'_>,
    policies: &[Arc<Policy>],
    running: &[Play],
    candidate: &Play,
) -> Decision {
    let (standings, candidate) = (running.iter().map(Play::standing).collect::<Vec<_>>(), candidate.standing());
    let decision = evaluate(policies, &standings, &candidate, scene);
    assert_same(&decision, &explain(policies, &standings, &candidate, scene));
    decision
}

/// Nothing is refused, and no enforced rule is exceeded.
pub(super) fn is_quiet(decision: &Decision) -> bool {
    !decision.refuses() && decision.enforced().next().is_none()
}

/// The terminated streams.
pub(super) fn ended(decision: &Decision) -> Vec<StreamId> {
    decision.terminations().map(|(stream, _)| stream).collect()
}

/// The names of the violated rules.
pub(super) fn violated(decision: &Decision) -> Vec<&str> {
    decision.violations.iter().map(|violation| &*violation.rule).collect()
}

/// Checks that the explanation agrees with the decision.
fn assert_same(decision: &Decision, explanation: &Explanation) {
    assert_eq!(explanation.outcome == "refused", decision.refuses());
    assert_eq!(explanation.ending, ended(decision));
    let of = |result: &'static str| {
        explanation.policies.iter().flat_map(move |policy| {
            let rules = policy.rules.iter().filter(move |rule| rule.result == result);
            rules.map(|rule| (&*policy.policy, rule))
        })
    };
    let exceeded: Vec<_> = of("exceeded")
        .map(|(policy, rule)| {
            let count = rule.count.as_ref().unwrap();
            let counted = (count.attribute.clone(), count.scope.clone(), count.limit, count.with_candidate);
            let effect = match rule.effect.unwrap() {
                "refuse" => Effect::Refuse,
                _ => Effect::Terminate(rule.terminates.clone()),
            };
            (policy, &*rule.rule, rule.mode, counted, &count.counted, effect)
        })
        .collect();
    let violations: Vec<_> = decision
        .violations
        .iter()
        .map(|v| {
            let counted = (v.attribute.clone(), v.scope.clone(), v.threshold, v.reached);
            (&*v.policy, &*v.rule, v.mode.label(), counted, &v.conflicts, v.effect.clone())
        })
        .collect();
    assert_eq!(exceeded, violations);
    let lacking: Vec<_> =
        of("lacks").map(|(policy, rule)| (policy, &*rule.rule, rule.mode, rule.lacks.as_deref().unwrap())).collect();
    let lacks: Vec<_> =
        decision.missing_attributes.iter().map(|l| (&*l.policy, &*l.rule, l.mode.label(), &*l.attribute)).collect();
    assert_eq!(lacking, lacks);
    assert_eq!(of("deferred").next().is_some(), decision.deferred);
    let mut needed: Vec<_> = of("exceeded")
        .chain(of("kept"))
        .map(|(policy, rule)| (policy, &*rule.rule, rule.count.as_ref().unwrap().required_limit))
        .collect();
    let mut demanded: Vec<_> = decision.required_limits.iter().map(|d| (&*d.policy, &*d.rule, d.limit)).collect();
    needed.sort_unstable();
    demanded.sort_unstable();
    assert_eq!(needed, demanded);
}
