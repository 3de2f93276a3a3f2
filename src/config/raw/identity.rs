//! How an application recognises its viewers.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::value::{StreamFrom, ValueFrom};

use super::name::named;
use super::tokens::Token;

/// How viewers are recognised.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Identity {
    /// The token that proves an account.
    pub(in crate::config) token: Option<Token>,
    /// In place of `token`, where several kinds are accepted: the first that is present decides, and no other is tried.
    #[serde(default)]
    #[schemars(length(min = 1), extend("default" = null))]
    pub(in crate::config) tokens: Vec<Token>,
    /// Identity provider of the account: a literal, or a source such as `claim:iss`.
    pub(in crate::config) idp: ValueFrom,
    /// The account within it: `claim:sub`, for example.
    pub(in crate::config) subject: ValueFrom,
    /// The viewer's device: `claim:device`, for example. Left out: a weak hint from network and user agent.
    pub(in crate::config) device: Option<ValueFrom>,
    /// Where a stream's id comes from: `minted`, `fingerprint`, or a source that reaches every request of the play.
    #[serde(default)]
    pub(in crate::config) stream: StreamFrom,
    /// What policies may want to know, each from a source of its own.
    #[serde(default)]
    #[schemars(extend("propertyNames" = named(), "default" = null, "maxProperties" = 16))]
    pub(in crate::config) attributes: BTreeMap<String, ValueFrom>,
}
