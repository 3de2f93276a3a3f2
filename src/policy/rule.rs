//! What an operator writes: policies and their rules, compiled.

use std::sync::Arc;

use crate::model::ApplicationId;

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

/// Who gives way when a rule is exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WhenExceeded {
    /// The stream that wants to start is refused.
    DenyNewest,
    /// The streams that started first are terminated. Where none may be, the newest is refused.
    TerminateOldest,
}

/// At most `limit` streams of the policy's relevant activity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Unique within its policy; it stands in refusals, logs and metrics.
    pub name: Arc<str>,
    /// The highest count that is allowed.
    pub limit: u32,
    /// Who gives way.
    pub when_exceeded: WhenExceeded,
}

/// A named list of rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Unique within the configuration.
    pub name: Arc<str>,
    /// What exceeding a rule means.
    pub mode: Mode,
    /// In configuration order, which is the order in which violations are reported.
    pub rules: Vec<Rule>,
    /// The applications that carry this policy. Streams that they started are its relevant activity.
    pub applications: Vec<ApplicationId>,
}
