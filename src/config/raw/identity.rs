//! How an application identifies viewers.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::value::{StreamFrom, ValueFrom};

use super::name::named;
use super::tokens::Token;

/// How viewers are identified.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Identity {
    /// The token that proves an account.
    pub(in crate::config) token: Option<Token>,
    /// Several kinds of tokens, instead of `token`. The first that is present decides; no other is tried.
    #[serde(default)]
    #[schemars(length(min = 1), extend("default" = null))]
    pub(in crate::config) tokens: Vec<Token>,
    /// Identity provider of the account: a literal, or a source such as `claim:iss`.
    pub(in crate::config) idp: ValueFrom,
    /// The account at the identity provider, such as `claim:sub`.
    pub(in crate::config) subject: ValueFrom,
    /// The viewer's device, such as `claim:device`. Default: a weak hint from network and user agent.
    pub(in crate::config) device: Option<ValueFrom>,
    /// Source of the stream id: `minted`, `fingerprint`, or a source that every request of the stream has.
    #[serde(default)]
    pub(in crate::config) stream: StreamFrom,
    /// Attributes for policies, each with its source.
    #[serde(default)]
    #[schemars(extend("propertyNames" = named(), "default" = null, "maxProperties" = 16))]
    pub(in crate::config) attributes: BTreeMap<String, ValueFrom>,
}
