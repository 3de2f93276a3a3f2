//! What the engine answers.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use smallvec::SmallVec;

use crate::model::StreamId;

use super::message::Message;
use super::rule::{Mode, Policy, Rule};
use super::stream_view::Content;

/// What a violated rule asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The candidate must not start.
    Refuse,
    /// By this rule alone these would end so that it may, in the order in which they go.
    Terminate(Vec<StreamId>),
}

impl Effect {
    /// The word for [`Refuse`](Self::Refuse).
    pub const REFUSE: &str = "refuse";
    /// The word for [`Terminate`](Self::Terminate).
    pub const TERMINATE: &str = "terminate";
    /// The word for a rule that needs an attribute which is missing.
    pub const LACK: &str = "lack";

    /// The word in metrics and explanations.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Refuse => Self::REFUSE,
            Self::Terminate(_) => Self::TERMINATE,
        }
    }
}

/// A stream that a violated rule has counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Conflict {
    /// Which stream.
    pub stream: StreamId,
    /// Its value of what is counted, where that is not streams.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Arc<str>>,
}

/// One rule that admitting the candidate would exceed.
#[derive(Clone, Debug)]
pub struct Violation {
    /// The policy that the rule belongs to.
    pub policy: Arc<str>,
    /// The rule.
    pub rule: Arc<str>,
    /// The rule's mode: only `Enforce` has consequences.
    pub mode: Mode,
    /// What is counted: `streamId`, or the attribute whose different values are.
    pub attribute: Arc<str>,
    /// The candidate's values of what the rule counts by.
    pub scope: Vec<(Arc<str>, Arc<str>)>,
    /// The highest allowed count.
    pub threshold: u32,
    /// The count without the candidate.
    pub counted: u32,
    /// The count with it.
    pub reached: u32,
    /// The streams that are counted, oldest first.
    pub conflicts: Vec<Conflict>,
    /// What the rule asks for.
    pub effect: Effect,
    /// How long running streams play on before they end.
    pub grace: Option<Duration>,
    /// What the viewer is told.
    pub message: Option<Arc<Message>>,
    /// The values for the places in the message, by name.
    pub values: Vec<(Arc<str>, Arc<str>)>,
}

/// An attribute without which an enforced or watched rule admits nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingAttribute {
    /// The policy.
    pub policy: Arc<str>,
    /// The rule.
    pub rule: Arc<str>,
    /// The rule's mode.
    pub mode: Mode,
    /// What has to be supplied.
    pub attribute: Arc<str>,
}

/// The smallest limit of a rule under which the candidate would have been admitted, had that limit always been in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequiredLimit {
    /// The policy.
    pub policy: Arc<str>,
    /// The rule.
    pub rule: Arc<str>,
    /// Its key.
    pub key: u32,
    /// The limit.
    pub limit: u16,
}

/// The answer of the policies to one candidate.
#[derive(Clone, Debug, Default)]
pub struct Decision {
    /// Every violated rule of every mode, in configuration order.
    pub violations: Vec<Violation>,
    /// Attributes that rules demand and the candidate lacks, in configuration order.
    pub missing_attributes: Vec<MissingAttribute>,
    /// What the candidate takes of each rule that speaks of it.
    pub required_limits: SmallVec<[RequiredLimit; 4]>,
    /// What of the candidate's content was known.
    pub content: Content,
    /// Whether a rule waits for what the manifest will say, so that the stream has to be judged again when it has.
    pub deferred: bool,
    /// Whether a rule asks for what only the manifest may tell, so that the stream has to be judged again when that is news.
    pub asks_content: bool,
    /// The streams that end so that the candidate may start, each with the place in `violations` of the first rule that asks
    /// for it: the fewest that satisfy every enforced rule. Empty when it is refused: a refused start changes nothing.
    pub ending: Vec<(StreamId, usize)>,
}

impl Decision {
    /// Whether the rule is exceeded, or demands an attribute that is not there.
    pub fn speaks_of(&self, policy: &Policy, rule: &Rule) -> bool {
        self.violations.iter().any(|one| one.policy == policy.name && one.rule == rule.name)
            || self.missing_attributes.iter().any(|one| one.policy == policy.name && one.rule == rule.name)
    }

    /// Whether the rule is enforced and refuses the candidate.
    pub fn has_refused(&self, policy: &Policy, rule: &Rule) -> bool {
        let refuses =
            |one: &Violation| one.effect == Effect::Refuse && one.policy == policy.name && one.rule == rule.name;
        let lacks =
            |one: &MissingAttribute| one.mode == Mode::Enforce && one.policy == policy.name && one.rule == rule.name;
        self.enforced().any(refuses) || self.missing_attributes.iter().any(lacks)
    }

    /// Whether an enforced rule refuses the candidate.
    pub fn refuses(&self) -> bool {
        self.enforced().any(|violation| violation.effect == Effect::Refuse)
            || self.missing_attributes.iter().any(|lack| lack.mode == Mode::Enforce)
    }

    /// The violations that have consequences.
    pub fn enforced(&self) -> impl Iterator<Item = &Violation> {
        self.violations.iter().filter(|violation| violation.mode == Mode::Enforce)
    }

    /// Whether rules that are not enforced are exceeded, or demand an attribute that is missing.
    pub fn has_unenforced(&self) -> bool {
        self.violations.iter().any(|violation| violation.mode != Mode::Enforce)
            || self.missing_attributes.iter().any(|lack| lack.mode != Mode::Enforce)
    }

    /// Whether a rule that is not enforced would have refused the candidate. Otherwise such rules would at most have ended
    /// other streams for it.
    pub fn would_refuse(&self) -> bool {
        let unenforced = self.violations.iter().filter(|violation| violation.mode != Mode::Enforce);
        unenforced.into_iter().any(|violation| violation.effect == Effect::Refuse)
            || self.missing_attributes.iter().any(|lack| lack.mode != Mode::Enforce)
    }

    /// The streams to terminate if the candidate is admitted, each once, with the rule that asks for it.
    pub fn terminations(&self) -> impl Iterator<Item = (StreamId, &Violation)> {
        self.ending.iter().filter_map(|(stream, at)| Some((*stream, self.violations.get(*at)?)))
    }
}
