//! A decision as data: input, result of each rule, outcome.

use std::sync::Arc;

use serde::Serialize;

use crate::model::{Attributes, Millis, StreamId};

use super::decision::{Conflict, Decision, Effect};
use super::evaluate::{conflicts, evaluate, oldest_first, scope};
use super::expression::Truth;
use super::rule::{Policy, Rule};
use super::rule_evaluation::{Claim, Member, RuleResult, judge, relevant};
use super::stream_view::{Content, EvalContext, StreamView};

/// The full input and outcome of a decision. Sufficient to repeat it.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// Time of the decision, in milliseconds since the epoch.
    pub now: Millis,
    /// The account's identity provider.
    pub idp: Arc<str>,
    /// Minimum tenure before a stream may be terminated, in milliseconds.
    pub min_tenure: u64,
    /// The candidate.
    pub candidate: Facts,
    /// The streams that held slots, oldest first.
    pub running: Vec<Facts>,
    /// The policies of the candidate's application, in configuration order.
    pub policies: Vec<PolicyExplained>,
    /// `admitted` or `refused`.
    pub outcome: &'static str,
    /// The streams that are terminated for the candidate.
    pub ending: Vec<StreamId>,
}

/// A stream as seen by policies.
#[derive(Clone, Debug, Serialize)]
pub struct Facts {
    /// The stream.
    pub stream: StreamId,
    /// The application that started it.
    pub application: Arc<str>,
    /// The device, if identified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<Arc<str>>,
    /// The asset.
    pub asset: Arc<str>,
    /// Its attributes.
    #[serde(skip_serializing_if = "Attributes::is_empty")]
    pub attributes: Attributes,
    /// Content type from the manifest: `live`, `vod`, `awaited` or `unknown`.
    pub content: &'static str,
    /// When it started.
    pub started: Millis,
    /// Since when it has held its slot.
    pub tenure: Millis,
    /// Its last heartbeat.
    pub seen: Millis,
}

/// Result of a policy.
#[derive(Clone, Debug, Serialize)]
pub struct PolicyExplained {
    /// Its name.
    pub policy: Arc<str>,
    /// Its rules, in configuration order.
    pub rules: Vec<RuleExplained>,
}

/// Result of a rule.
#[derive(Clone, Debug, Serialize)]
pub struct RuleExplained {
    /// Its name.
    pub rule: Arc<str>,
    /// Its mode.
    pub mode: &'static str,
    /// Its target, with the result for the candidate: `true`, `false`, `awaited`, or `lacks` an attribute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<TargetExplained>,
    /// `unconcerned`, `deferred`, `lacks`, `kept`, `exempt` or `exceeded`.
    pub result: &'static str,
    /// The required attribute that the candidate lacks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lacks: Option<Arc<str>>,
    /// What it counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<CountExplained>,
    /// What it does if exceeded: `refuse` or `terminate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effect: Option<&'static str>,
    /// The streams that this rule alone would terminate.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub terminates: Vec<StreamId>,
}

/// A target and its result for the candidate.
#[derive(Clone, Debug, Serialize)]
pub struct TargetExplained {
    /// The expression as configured.
    pub expression: Arc<str>,
    /// `true`, `false`, `awaited`, or `lacks NAME`.
    pub result: Arc<str>,
}

/// What a rule counted.
#[derive(Clone, Debug, Serialize)]
pub struct CountExplained {
    /// `streamId`, or the attribute whose distinct values count.
    pub attribute: Arc<str>,
    /// The candidate's values of the attributes that it counts by.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scope: Vec<(Arc<str>, Arc<str>)>,
    /// The limit.
    pub limit: u32,
    /// The count with the candidate.
    pub with_candidate: u32,
    /// The counted streams, oldest first.
    pub counted: Vec<Conflict>,
    /// The smallest limit that would have admitted the candidate, had that limit always been in force.
    pub required_limit: u16,
}

/// Decides like [`evaluate`], and explains the decision.
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
