//! Policies and their rules.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::name::NAME;

/// A named list of rules.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Policy {
    /// What exceeding a rule means.
    #[serde(default)]
    pub(in crate::config) mode: Mode,
    /// All of them must hold.
    #[schemars(length(min = 1))]
    pub(in crate::config) rules: Vec<Rule>,
}

/// What exceeding a rule means.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Mode {
    /// Refuse or terminate.
    #[default]
    Enforce,
    /// Pass, and say so in headers.
    Annotate,
    /// Pass, and only count.
    Shadow,
}

/// At most so many streams of one account.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Rule {
    /// Unique in its policy; shown in refusals and metrics.
    #[schemars(regex(pattern = NAME))]
    pub(in crate::config) name: String,
    /// The highest number of streams that is allowed. 0 (nobody) goes with `deny_newest` only.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub(in crate::config) limit: u32,
    /// Who gives way.
    #[serde(default)]
    pub(in crate::config) when_exceeded: WhenExceeded,
}

/// Who gives way when a rule is exceeded.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum WhenExceeded {
    /// The stream that wants to start is refused.
    #[default]
    DenyNewest,
    /// The streams that started first are terminated.
    TerminateOldest,
}
