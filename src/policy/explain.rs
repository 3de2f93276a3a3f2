//! A decision as data: what went in, what each rule saw, what came out.

use std::sync::Arc;

use serde::Serialize;

use crate::model::{Attributes, Millis, StreamId};

use super::decision::{Conflict, Decision, Effect};
use super::evaluate::{conflicts, evaluate, oldest_first, scope};
use super::expression::Truth;
use super::rule::{Policy, Rule};
use super::rule_evaluation::{Claim, Member, RuleResult, judge, relevant};
use super::stream_view::{Content, EvalContext, StreamView};

/// Everything that a decision rests on, and how it came about. Whoever has it can repeat it.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// When it was decided, milliseconds since the epoch.
    pub now: Millis,
    /// The account's identity provider.
    pub idp: Arc<str>,
    /// How long a stream was sheltered from termination, in milliseconds.
    pub min_tenure: u64,
    /// Who wanted to start.
    pub candidate: Facts,
    /// The streams that held slots, oldest first.
    pub running: Vec<Facts>,
    /// Each policy that the candidate's application carries, in configuration order.
    pub policies: Vec<PolicyExplained>,
    /// `admitted` or `refused`.
    pub outcome: &'static str,
    /// The streams that end so that the candidate may start.
    pub ending: Vec<StreamId>,
}

/// A stream, as policies see it.
#[derive(Clone, Debug, Serialize)]
pub struct Facts {
    /// Which stream.
    pub stream: StreamId,
    /// The application that started it.
    pub application: Arc<str>,
    /// The device, where something names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<Arc<str>>,
    /// What is played.
    pub asset: Arc<str>,
    /// What is known of it.
    #[serde(skip_serializing_if = "Attributes::is_empty")]
    pub attributes: Attributes,
    /// What the manifest said: `live`, `vod`, `awaited` or `unknown`.
    pub content: &'static str,
    /// When it started.
    pub started: Millis,
    /// Since when it has held its slot.
    pub tenure: Millis,
    /// When it was last heard of.
    pub seen: Millis,
}

/// What a policy said.
#[derive(Clone, Debug, Serialize)]
pub struct PolicyExplained {
    /// Its name.
    pub policy: Arc<str>,
    /// Its rules, in configuration order.
    pub rules: Vec<RuleExplained>,
}

/// What a rule said.
#[derive(Clone, Debug, Serialize)]
pub struct RuleExplained {
    /// Its name.
    pub rule: Arc<str>,
    /// Its mode.
    pub mode: &'static str,
    /// Its target, and what it is for the candidate: `true`, `false`, `awaited`, or `lacks` an attribute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<TargetExplained>,
    /// `unconcerned`, `deferred`, `lacks`, `kept`, `exempt` or `exceeded`.
    pub result: &'static str,
    /// The attribute that the candidate has to supply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lacks: Option<Arc<str>>,
    /// What it counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<CountExplained>,
    /// What it asks for where it is exceeded: `refuse` or `terminate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effect: Option<&'static str>,
    /// The streams that would end by this rule alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub terminates: Vec<StreamId>,
}

/// A target, and what it is for the candidate.
#[derive(Clone, Debug, Serialize)]
pub struct TargetExplained {
    /// The expression, as it was written.
    pub expression: Arc<str>,
    /// `true`, `false`, `awaited`, or `lacks NAME`.
    pub result: Arc<str>,
}

/// What a rule counted.
#[derive(Clone, Debug, Serialize)]
pub struct CountExplained {
    /// `streamId`, or the attribute whose different values are counted.
    pub attribute: Arc<str>,
    /// The candidate's values of what it counts by.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scope: Vec<(Arc<str>, Arc<str>)>,
    /// The highest allowed count.
    pub limit: u32,
    /// The count with the candidate.
    pub with_candidate: u32,
    /// The streams that were counted, oldest first.
    pub counted: Vec<Conflict>,
    /// The smallest limit under which the candidate would have been admitted, had that limit always been in force.
    pub required_limit: u16,
}

/// Decides as [`evaluate`] does, and says why.
pub fn explain(
    policies: &[Arc<Policy>],
    running: &[StreamView<'_>],
    candidate: &StreamView<'_>,
    scene: &EvalContext<'_>,
) -> Explanation {
    let decision: Decision = evaluate(policies, running, candidate, scene);
    let oldest_first = oldest_first(running);
    let policies = policies.iter().filter_map(|policy| {
        let carrier = policy.carriers.get(candidate.application)?;
        let relevant = relevant(policy, &oldest_first);
        let candidate = Member { standing: candidate, carrier };
        let rules = policy.rules.iter().map(|rule| explain_rule(rule, &relevant, candidate, scene));
        Some(PolicyExplained { policy: policy.name.clone(), rules: rules.collect() })
    });
    Explanation {
        now: scene.now,
        idp: scene.idp.into(),
        min_tenure: u64::try_from(scene.min_tenure.as_millis()).unwrap_or(u64::MAX),
        candidate: Facts::new(candidate),
        policies: policies.collect(),
        running: oldest_first.iter().map(|standing| Facts::new(standing)).collect(),
        outcome: if decision.refuses() { "refused" } else { "admitted" },
        ending: decision.ending.iter().map(|(stream, _)| *stream).collect(),
    }
}

fn explain_rule<'a>(
    rule: &'a Rule,
    relevant: &[Member<'a>],
    candidate: Member<'a>,
    scene: &'a EvalContext<'a>,
) -> RuleExplained {
    let target = rule.target.as_ref().map(|target| TargetExplained {
        expression: target.source().into(),
        result: match target.truth(candidate.standing, candidate.carrier, scene, &rule.missing) {
            Truth::Yes => "true".into(),
            Truth::No => "false".into(),
            Truth::Pending => "awaited".into(),
            Truth::Lacks(field) => format!("lacks {field}").into(),
        },
    });
    let mut explained = RuleExplained {
        rule: rule.name.clone(),
        mode: rule.mode.label(),
        target,
        result: "unconcerned",
        lacks: None,
        count: None,
        effect: None,
        terminates: Vec::new(),
    };
    let tally = match judge(rule, relevant, candidate, scene) {
        RuleResult::NotApplicable => return explained,
        RuleResult::Deferred => return RuleExplained { result: "deferred", ..explained },
        RuleResult::Lacks(field) => {
            let lacks = Some(field.name().into());
            return RuleExplained { result: "lacks", lacks, effect: Some("refuse"), ..explained };
        }
        RuleResult::Counted(tally) => tally,
    };
    explained.result = match (tally.is_exceeded(), tally.exempt) {
        (true, _) => "exceeded",
        (false, true) => "exempt",
        (false, false) => "kept",
    };
    if tally.is_exceeded() {
        let effect = Claim::for_rule(rule, &tally, candidate, scene)
            .map_or(Effect::Refuse, |claim| Effect::Terminate(claim.streams()));
        explained.effect = Some(effect.label());
        if let Effect::Terminate(streams) = effect {
            explained.terminates = streams;
        }
    }
    explained.count = Some(CountExplained {
        attribute: rule.count.attribute().into(),
        scope: scope(&tally),
        limit: tally.limit,
        with_candidate: tally.with,
        counted: conflicts(rule, &tally),
        required_limit: tally.rank,
    });
    explained
}

impl Facts {
    fn new(standing: &StreamView<'_>) -> Self {
        Self {
            stream: standing.stream,
            application: standing.application.0.clone(),
            device: standing.device.map(Arc::from),
            asset: standing.asset.into(),
            attributes: standing.attributes.clone(),
            content: match standing.content {
                Content::Live => "live",
                Content::Vod => "vod",
                Content::Pending => "awaited",
                Content::Unknown => "unknown",
            },
            started: standing.started,
            tenure: standing.tenure,
            seen: standing.seen,
        }
    }
}
