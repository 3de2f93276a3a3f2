//! Results of an evaluation.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use smallvec::SmallVec;

use crate::model::StreamId;

use super::message::Message;
use super::rule::{Mode, Policy, Rule};
use super::stream_view::Content;

/// What a violated rule does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Refuses the candidate.
    Refuse,
    /// Terminates these streams to make room, considering this rule alone, in this order.
    Terminate(Vec<StreamId>),
}

impl Effect {
    /// Label of [`Refuse`](Self::Refuse).
    pub const REFUSE: &str = "refuse";
    /// Label of [`Terminate`](Self::Terminate).
    pub const TERMINATE: &str = "terminate";
    /// Label of a rule whose required attribute is missing.
    pub const LACK: &str = "lack";

    /// The label in metrics and explanations.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Refuse => Self::REFUSE,
            Self::Terminate(_) => Self::TERMINATE,
        }
    }
}

/// A stream counted by a violated rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Conflict {
    /// The stream.
    pub stream: StreamId,
    /// Its value of the counted attribute, unless streams are counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Arc<str>>,
}

/// A rule that the candidate would exceed.
#[derive(Clone, Debug)]
pub struct Violation {
    /// The policy.
    pub policy: Arc<str>,
    /// The rule.
    pub rule: Arc<str>,
    /// The rule's mode. Only `Enforce` has consequences.
    pub mode: Mode,
    /// What is counted: `streamId`, or the attribute whose distinct values count.
    pub attribute: Arc<str>,
    /// The candidate's values of the attributes that the rule counts by.
    pub scope: Vec<(Arc<str>, Arc<str>)>,
    /// The limit.
    pub threshold: u32,
    /// The count without the candidate.
    pub counted: u32,
    /// The count with the candidate.
    pub reached: u32,
    /// The counted streams, oldest first.
    pub conflicts: Vec<Conflict>,
    /// What the rule does.
    pub effect: Effect,
    /// How long running streams play on before termination.
    pub grace: Option<Duration>,
    /// The viewer message.
    pub message: Option<Arc<Message>>,
    /// The values for the placeholders of the message, by name.
    pub values: Vec<(Arc<str>, Arc<str>)>,
}

/// An attribute that a rule requires and the candidate lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingAttribute {
    /// The policy.
    pub policy: Arc<str>,
    /// The rule.
    pub rule: Arc<str>,
    /// The rule's mode.
    pub mode: Mode,
    /// The missing attribute.
    pub attribute: Arc<str>,
}

/// The smallest limit of a rule that would have admitted the candidate, had that limit always been in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequiredLimit {
    /// The policy.
    pub policy: Arc<str>,
    /// The rule.
    pub rule: Arc<str>,
    /// The rule's key.
    pub key: u32,
    /// The limit.
    pub limit: u16,
}

/// The decision about one candidate.
#[derive(Clone, Debug, Default)]
pub struct Decision {
    /// All violated rules of any mode, in configuration order.
    pub violations: Vec<Violation>,
    /// Required attributes that the candidate lacks, in configuration order.
    pub missing_attributes: Vec<MissingAttribute>,
    /// The required limit of each applicable rule.
    pub required_limits: SmallVec<[RequiredLimit; 4]>,
    /// What was known of the candidate's content.
    pub content: Content,
    /// True if a rule depends on the manifest, so that the stream must be evaluated again once it is known.
    pub deferred: bool,
    /// True if a rule uses what only the manifest provides, so that the stream must be evaluated again when that
    /// changes.
    pub asks_content: bool,
    /// The streams to terminate, each with the index in `violations` of the first rule responsible: the fewest that
    /// satisfy every enforced rule. Empty if the candidate is refused, which changes nothing.
    pub ending: Vec<(StreamId, usize)>,
}

impl Decision {
    /// True if the rule is exceeded, or its required attribute is missing.
    pub fn speaks_of(&self, policy: &Policy, rule: &Rule) -> bool {
        self.violations.iter().any(|one| one.policy == policy.name && one.rule == rule.name)
            || self.missing_attributes.iter().any(|one| one.policy == policy.name && one.rule == rule.name)
    }

    /// True if the rule is enforced and refuses the candidate.
    pub fn has_refused(&self, policy: &Policy, rule: &Rule) -> bool {
        let refuses =
            |one: &Violation| one.effect == Effect::Refuse && one.policy == policy.name && one.rule == rule.name;
        let lacks =
            |one: &MissingAttribute| one.mode == Mode::Enforce && one.policy == policy.name && one.rule == rule.name;
        self.enforced().any(refuses) || self.missing_attributes.iter().any(lacks)
    }

    /// True if an enforced rule refuses the candidate.
    pub fn refuses(&self) -> bool {
        self.enforced().any(|violation| violation.effect == Effect::Refuse)
            || self.missing_attributes.iter().any(|lack| lack.mode == Mode::Enforce)
    }

    /// The violations of enforced rules.
    pub fn enforced(&self) -> impl Iterator<Item = &Violation> {
        self.violations.iter().filter(|violation| violation.mode == Mode::Enforce)
    }

    /// True if an unenforced rule is exceeded, or its required attribute is missing.
    pub fn has_unenforced(&self) -> bool {
        self.violations.iter().any(|violation| violation.mode != Mode::Enforce)
            || self.missing_attributes.iter().any(|lack| lack.mode != Mode::Enforce)
    }

    /// True if an unenforced rule would have refused the candidate. Otherwise unenforced rules would at most have
    /// terminated other streams.
    pub fn would_refuse(&self) -> bool {
        let unenforced = self.violations.iter().filter(|violation| violation.mode != Mode::Enforce);
        unenforced.into_iter().any(|violation| violation.effect == Effect::Refuse)
            || self.missing_attributes.iter().any(|lack| lack.mode != Mode::Enforce)
    }

    /// The streams to terminate if the candidate is admitted, each once, with the responsible rule.
    pub fn terminations(&self) -> impl Iterator<Item = (StreamId, &Violation)> {
        self.ending.iter().filter_map(|(stream, at)| Some((*stream, self.violations.get(*at)?)))
    }
}
