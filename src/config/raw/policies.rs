//! Policies and their rules.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::config::rule_keywords::{CountWord, ExceededWord, MissingWord};
use crate::config::scalar_formats::Written;

use super::name::NAME;

/// A named list of rules.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Policy {
    /// What exceeding a rule means.
    #[serde(default)]
    pub(in crate::config) mode: Mode,
    /// All of them must hold.
    #[schemars(length(min = 1, max = 64))]
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

/// One condition on the streams that play at the same time.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Rule {
    /// Unique in its policy; shown in refusals and metrics.
    #[schemars(regex(pattern = NAME))]
    pub(in crate::config) name: String,
    /// What is counted: `streams`, or the different values of an attribute, as in `distinct(deviceId)`.
    #[serde(default = "streams")]
    pub(in crate::config) count: Written<CountWord>,
    /// Counts apart for each value of these attributes: with `[channel]`, the streams on one channel.
    #[serde(default)]
    #[schemars(inner(regex(pattern = NAME)), length(max = 8), extend("uniqueItems" = true))]
    pub(in crate::config) per: Vec<String>,
    /// The highest count that is allowed. 0 (nobody) goes with `deny_newest` only. With `limit_attribute` or `limits`: where
    /// those say nothing.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub(in crate::config) limit: Option<u32>,
    /// The attribute in which the limit stands as a number. With `limits`: whose value chooses one of them.
    #[schemars(regex(pattern = NAME))]
    pub(in crate::config) limit_attribute: Option<String>,
    /// Limits by the value of `limit_attribute` (left out: of `contractType`); `default` is for any other value, and for none.
    pub(in crate::config) limits: Option<LimitsByValue>,
    /// Which streams it speaks of: a CEL expression over attributes, as in `contentType == "live"`. Left out: all.
    #[schemars(length(min = 1))]
    pub(in crate::config) target: Option<String>,
    /// Who gives way: `deny_newest`, `terminate_oldest`, `terminate_idlest`, or `terminate_first(EXPRESSION)`: where the CEL expression is
    /// true, or greatest, goes first.
    #[serde(default = "deny_newest")]
    pub(in crate::config) when_exceeded: Written<ExceededWord>,
    /// Streams that are counted, and never refused or terminated: a CEL expression. Left out: none.
    #[schemars(length(min = 1))]
    pub(in crate::config) exempt: Option<String>,
    /// How long a stream that plays goes on before it is hit. Left out: it is hit at once where it gives way to another, and not
    /// at all where only the limit shrinks.
    pub(in crate::config) grace: Option<Written<Duration>>,
    /// What happens where an attribute is missing: `refuse`, `ignore_rule`, or `treat_as("TEXT")`. Left out: text counts as
    /// `Unknown`.
    pub(in crate::config) missing: Option<Written<MissingWord>>,
    /// What exceeding this rule means, in place of the policy's `mode`.
    pub(in crate::config) mode: Option<Mode>,
    /// What the viewer is told, with places such as `{limit}`: one text, or texts by language, of which `default` is for all
    /// other languages.
    pub(in crate::config) message: Option<Message>,
}

fn streams() -> Written<CountWord> {
    Written::preset("streams", CountWord::Streams)
}

fn deny_newest() -> Written<ExceededWord> {
    Written::preset("deny_newest", ExceededWord::DenyNewest)
}

/// Limits by a value.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(in crate::config) struct LimitsByValue(pub(in crate::config) BTreeMap<String, u32>);

impl JsonSchema for LimitsByValue {
    fn schema_name() -> Cow<'static, str> {
        "limits-by-value".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "additionalProperties": { "type": "integer", "minimum": 0, "maximum": 1_000_000 },
            "minProperties": 1,
            "maxProperties": 256
        })
    }
}

/// A text for viewers.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(in crate::config) enum Message {
    /// For everybody.
    Text(String),
    /// By language tag, and `default`.
    Texts(BTreeMap<String, String>),
}

impl JsonSchema for Message {
    fn schema_name() -> Cow<'static, str> {
        "text-by-language".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "object"],
            "minLength": 1,
            "additionalProperties": { "type": "string", "minLength": 1 },
            "minProperties": 1,
            "maxProperties": 64
        })
    }
}
