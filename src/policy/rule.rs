//! Compiled policies and rules.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::model::ApplicationId;

use super::expression::Expression;
use super::field::{Field, Missing};
use super::message::Message;
use super::stream_view::ApplicationBinding;

/// What a policy does if one of its rules is exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Refuse or terminate.
    Enforce,
    /// Pass, and report it in headers.
    Annotate,
    /// Pass, and only count.
    Shadow,
}

impl Mode {
    /// The label in configuration and metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Annotate => "annotate",
            Self::Shadow => "shadow",
        }
    }
}

/// What happens if a rule is exceeded. If no stream may be terminated, the newest is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WhenExceeded {
    /// The new stream is refused.
    DenyNewest,
    /// The streams that started first are terminated.
    TerminateOldest,
    /// The streams with the oldest heartbeat are terminated.
    TerminateIdlest,
    /// Streams for which the expression is true, or greatest, are terminated first; among equals the oldest.
    TerminateFirst(Expression),
}

impl WhenExceeded {
    /// True if running streams may be terminated.
    pub fn terminates(&self) -> bool {
        !matches!(self, Self::DenyNewest)
    }
}

/// What is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Count {
    /// Streams.
    Streams,
    /// Distinct values of this field; further streams with a counted value are free.
    Distinct(Field),
}

impl Count {
    /// The name of what is counted, as in the session API.
    pub fn attribute(&self) -> &str {
        match self {
            Self::Streams => "streamId",
            Self::Distinct(field) => field.name(),
        }
    }
}

/// The limit. It is the candidate's own: after a change of plan, the new plan applies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Limit {
    /// The same for everybody.
    Fixed(u32),
    /// The number in this attribute, else `otherwise`.
    Attribute {
        /// The attribute.
        field: Field,
        /// If the attribute is missing or not a number.
        otherwise: Option<u32>,
    },
    /// By the value of this attribute, else `otherwise`.
    ByValue {
        /// The attribute.
        field: Field,
        /// Limits by its value.
        values: BTreeMap<Box<str>, u32>,
        /// For other values, and if the attribute is missing.
        otherwise: Option<u32>,
    },
}

/// A limit on the concurrent streams of an account.
///
/// Every rule is *monotone* by construction: whether a stream counts depends only on that stream, the candidate and the
/// time, and a count only decreases when streams end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Unique within its policy; used in refusals, logs and metrics.
    pub name: Arc<str>,
    /// Identifies policy and rule in stored streams; unique within a configuration.
    pub key: u32,
    /// What happens if it is exceeded.
    pub mode: Mode,
    /// Which streams it applies to: an expression of type bool; `None` for all.
    pub target: Option<Expression>,
    /// What it counts.
    pub count: Count,
    /// Counts only streams that equal the candidate in all of these fields.
    pub per: Vec<Field>,
    /// The limit.
    pub limit: Limit,
    /// What happens to which stream.
    pub when_exceeded: WhenExceeded,
    /// Streams that count, but are never refused or terminated: an expression of type bool. If an attribute for it is
    /// missing, the stream is not exempt.
    pub exempt: Option<Expression>,
    /// How long a running stream plays on before it is terminated. `None`: it is terminated at once when it makes room
    /// for another, and not at all if only the limit was lowered and the rule refuses the newest.
    pub grace: Option<Duration>,
    /// What happens if an attribute is missing.
    pub missing: Missing,
    /// The viewer message.
    pub message: Option<Arc<Message>>,
}

impl Rule {
    /// At most `limit` streams, enforced.
    pub fn streams(name: &str, limit: u32, when_exceeded: WhenExceeded) -> Self {
        Self {
            name: name.into(),
            key: 0,
            mode: Mode::Enforce,
            target: None,
            count: Count::Streams,
            per: Vec::new(),
            limit: Limit::Fixed(limit),
            when_exceeded,
            exempt: None,
            grace: None,
            missing: Missing::default(),
            message: None,
        }
    }

    /// The fields that it uses, each once.
    pub fn fields(&self) -> Vec<&Field> {
        let prefer = match &self.when_exceeded {
            WhenExceeded::TerminateFirst(expression) => Some(expression),
            _ => None,
        };
        let counted = match &self.count {
            Count::Streams => None,
            Count::Distinct(field) => Some(field),
        };
        let limit = match &self.limit {
            Limit::Fixed(_) => None,
            Limit::Attribute { field, .. } | Limit::ByValue { field, .. } => Some(field),
        };
        let expressions = self.target.iter().chain(&self.exempt).chain(prefer);
        let all = expressions.flat_map(Expression::fields).chain(counted).chain(&self.per).chain(limit);
        let mut fields: Vec<&Field> = Vec::new();
        for field in all {
            if !fields.contains(&field) {
                fields.push(field);
            }
        }
        fields
    }
}

/// A named list of rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Unique within the configuration.
    pub name: Arc<str>,
    /// In configuration order, which is also the order of reported violations.
    pub rules: Vec<Rule>,
    /// The applications with this policy. Their streams are its relevant activity.
    pub carriers: BTreeMap<ApplicationId, ApplicationBinding>,
    /// True if a rule uses what only the manifest provides.
    pub asks_content: bool,
}

impl Policy {
    /// Creates a policy from its parts.
    pub fn from_parts(name: Arc<str>, rules: Vec<Rule>, carriers: BTreeMap<ApplicationId, ApplicationBinding>) -> Self {
        let of_manifest = |field: &Field| match field {
            Field::ContentType => true,
            Field::Attribute(name) => carriers.values().any(|carrier| carrier.from_manifest.contains(name)),
            _ => false,
        };
        let asks_content = rules.iter().any(|rule| rule.fields().into_iter().any(of_manifest));
        Self { name, rules, carriers, asks_content }
    }

    /// Creates a policy for these applications, of a tenant without a name. Its rules get the keys 1, 2, 3 and so on.
    pub fn new(name: &str, rules: Vec<Rule>, carriers: &[&str]) -> Self {
        let keyed = rules.into_iter().zip(1..).map(|(rule, key)| Rule { key, ..rule });
        let carrier = |id: &&str| (ApplicationId((*id).into()), ApplicationBinding::default());
        Self::from_parts(name.into(), keyed.collect(), carriers.iter().map(carrier).collect())
    }
}
