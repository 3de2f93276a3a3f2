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
    /// What happens when a rule is exceeded.
    #[serde(default)]
    pub(in crate::config) mode: Mode,
    /// Rules. All apply.
    #[schemars(length(min = 1, max = 64))]
    pub(in crate::config) rules: Vec<Rule>,
}

/// What happens when a rule is exceeded.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Mode {
    /// Refuse or terminate streams.
    #[default]
    Enforce,
    /// Pass, and report it in headers to the origin and the player.
    Annotate,
    /// Pass and only count.
    Shadow,
}

/// One limit on concurrent streams.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Rule {
    /// Unique in its policy; shown in refusals and metrics.
    #[schemars(regex(pattern = NAME))]
    pub(in crate::config) name: String,
    /// What to count: `streams`, or distinct values of an attribute, such as `distinct(deviceId)`.
    #[serde(default = "streams")]
    pub(in crate::config) count: Written<CountWord>,
    /// Count separately for each value of these attributes: with `[channel]`, the streams per channel.
    #[serde(default)]
    #[schemars(inner(regex(pattern = NAME)), length(max = 8), extend("uniqueItems" = true))]
    pub(in crate::config) per: Vec<String>,
    /// Highest count that is allowed. 0 requires `deny_newest`. With `limit_attribute` or `limits`: the limit if those
    /// give none.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub(in crate::config) limit: Option<u32>,
    /// Attribute that contains the limit as a number. With `limits`: its value selects one of them.
    #[schemars(regex(pattern = NAME))]
    pub(in crate::config) limit_attribute: Option<String>,
    /// Limits by value of `limit_attribute` (default: `contractType`). `default` applies to any other or no value.
    pub(in crate::config) limits: Option<LimitsByValue>,
    /// Streams to which the rule applies: a CEL expression, such as `contentType == "live"`. Default: all.
    #[schemars(length(min = 1))]
    pub(in crate::config) target: Option<String>,
    /// Action: `deny_newest`, `terminate_oldest`, `terminate_idlest`, or `terminate_first(EXPRESSION)`. The last
    /// terminates first the stream for which the CEL expression is true or greatest.
    #[serde(default = "deny_newest")]
    pub(in crate::config) when_exceeded: Written<ExceededWord>,
    /// Streams that are counted but never refused or terminated: a CEL expression. Default: none.
    #[schemars(length(min = 1))]
    pub(in crate::config) exempt: Option<String>,
    /// Grace before a playing stream is terminated. Default: none if it makes room for another stream; a reduced limit
    /// alone terminates nothing.
    pub(in crate::config) grace: Option<Written<Duration>>,
    /// What happens if an attribute is missing: `refuse`, `ignore_rule`, or `treat_as("TEXT")`. Default: text counts as
    /// `Unknown`.
    pub(in crate::config) missing: Option<Written<MissingWord>>,
    /// Overrides the policy's `mode` for this rule.
    pub(in crate::config) mode: Option<Mode>,
    /// Message for the viewer, with placeholders such as `{limit}`: one text, or texts by language. `default` is for
    /// all other languages.
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

/// A message for viewers.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(in crate::config) enum Message {
    /// For all languages.
    Text(String),
    /// By language tag, with `default`.
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
