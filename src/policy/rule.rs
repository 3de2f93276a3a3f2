//! What an operator writes: policies and their rules, compiled.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::model::ApplicationId;

use super::expression::Expression;
use super::field::{Field, Missing};
use super::message::Message;
use super::stream_view::ApplicationBinding;

/// What a policy does when one of its rules is exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Refuse or terminate.
    Enforce,
    /// Pass, and say so in headers.
    Annotate,
    /// Pass, and only count.
    Shadow,
}

impl Mode {
    /// The word in configuration and metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Annotate => "annotate",
            Self::Shadow => "shadow",
        }
    }
}

/// Who gives way when a rule is exceeded. Where none may be terminated, the newest is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WhenExceeded {
    /// The stream that wants to start is refused.
    DenyNewest,
    /// The streams that started first are terminated.
    TerminateOldest,
    /// The streams that were last heard of the longest ago are terminated.
    TerminateIdlest,
    /// Streams for which the expression is true, or greatest, are terminated first; among equals the oldest.
    TerminateFirst(Expression),
}

impl WhenExceeded {
    /// Whether streams that play give way.
    pub fn terminates(&self) -> bool {
        !matches!(self, Self::DenyNewest)
    }
}

/// What is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Count {
    /// Streams.
    Streams,
    /// Different values of this; more streams on a value that is counted already are free.
    Distinct(Field),
}

impl Count {
    /// The name of what is counted, as the session API knows it.
    pub fn attribute(&self) -> &str {
        match self {
            Self::Streams => "streamId",
            Self::Distinct(field) => field.name(),
        }
    }
}

/// The highest count that is allowed. It is the candidate's: whoever has changed plans is judged by the new one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Limit {
    /// The same for everybody.
    Fixed(u32),
    /// The number that stands in this attribute; else `otherwise`, where there is one.
    Attribute {
        /// Where the number stands.
        field: Field,
        /// Where there is none.
        otherwise: Option<u32>,
    },
    /// By the value of this attribute; else `otherwise`, where there is one.
    ByValue {
        /// Which attribute.
        field: Field,
        /// Limits by its value.
        values: BTreeMap<Box<str>, u32>,
        /// For any other value, and for none.
        otherwise: Option<u32>,
    },
}

/// One condition on the streams of an account that play at the same time.
///
/// Every rule is *monotone* by its shape: whether a stream is counted depends on nothing but that stream, the candidate
/// and the time, and a count only falls when streams go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Unique within its policy; it stands in refusals, logs and metrics.
    pub name: Arc<str>,
    /// Stands for policy and rule where streams remember them; unique within a configuration.
    pub key: u32,
    /// What exceeding it means.
    pub mode: Mode,
    /// Which streams it speaks of; `None`: all. An expression of type bool.
    pub target: Option<Expression>,
    /// What it counts.
    pub count: Count,
    /// It counts only streams that are equal to the candidate in all of these.
    pub per: Vec<Field>,
    /// The highest count that is allowed.
    pub limit: Limit,
    /// Who gives way.
    pub when_exceeded: WhenExceeded,
    /// Streams that are counted, and never refused or terminated. An expression of type bool. Where that cannot be
    /// told for want of an attribute, it is not so.
    pub exempt: Option<Expression>,
    /// How long a running stream plays on before it is hit. `None`: it is hit at once where it gives way to another one, and
    /// not at all where only the limit has shrunk and the rule refuses the newest.
    pub grace: Option<Duration>,
    /// What happens where an attribute is missing.
    pub missing: Missing,
    /// What the viewer is told.
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

    /// The fields whose values it looks at, each once.
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
    /// In configuration order, which is the order in which violations are reported.
    pub rules: Vec<Rule>,
    /// The applications that carry this policy. Streams that they started are its relevant activity.
    pub carriers: BTreeMap<ApplicationId, ApplicationBinding>,
    /// Whether a rule asks for what only the manifest may tell.
    pub asks_content: bool,
}

impl Policy {
    /// A policy of these rules.
    pub fn from_parts(name: Arc<str>, rules: Vec<Rule>, carriers: BTreeMap<ApplicationId, ApplicationBinding>) -> Self {
        let of_manifest = |field: &Field| match field {
            Field::ContentType => true,
            Field::Attribute(name) => carriers.values().any(|carrier| carrier.from_manifest.contains(name)),
            _ => false,
        };
        let asks_content = rules.iter().any(|rule| rule.fields().into_iter().any(of_manifest));
        Self { name, rules, carriers, asks_content }
    }

    /// A policy that these applications carry, of a tenant without a name. Gives its rules the keys 1, 2, 3 and so on.
    pub fn new(name: &str, rules: Vec<Rule>, carriers: &[&str]) -> Self {
        let keyed = rules.into_iter().zip(1..).map(|(rule, key)| Rule { key, ..rule });
        let carrier = |id: &&str| (ApplicationId((*id).into()), ApplicationBinding::default());
        Self::from_parts(name.into(), keyed.collect(), carriers.iter().map(carrier).collect())
    }
}
