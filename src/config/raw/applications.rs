//! Applications: their routes, and how they recognise viewers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::identity::Identity;
use super::name::NAME;

/// One app or site.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Application {
    /// For people: shown in refusals. Left out: the id.
    #[schemars(length(min = 1, max = 256))]
    pub(in crate::config) name: Option<String>,
    /// Who owns it. Rules know it as `tenant`.
    #[serde(default = "tenant")]
    #[schemars(regex(pattern = NAME))]
    pub(in crate::config) tenant: String,
    /// Which requests belong to it, and where they go.
    #[schemars(length(min = 1))]
    pub(in crate::config) routes: Vec<Route>,
    /// How viewers are recognised. Left out: not at all, with `unidentified: pass`.
    pub(in crate::config) identity: Option<Identity>,
    /// What happens to media requests without a token or play session.
    #[serde(default)]
    pub(in crate::config) unidentified: Unidentified,
    /// What happens when one play session or stream is used from two clients at the same time.
    #[serde(default)]
    pub(in crate::config) sharing: Sharing,
    /// What happens when media is pulled faster than `ripping_above` times real time, for long.
    #[serde(default)]
    pub(in crate::config) ripping: Ripping,
    /// How many times real time is ripping. Sound and picture that are fetched apart count each.
    #[serde(default = "six")]
    #[schemars(range(min = 2, max = 1000))]
    pub(in crate::config) ripping_above: u32,
    /// The policies that it carries, all of which must hold.
    #[serde(default)]
    #[schemars(length(max = 32), extend("uniqueItems" = true))]
    pub(in crate::config) policies: Vec<String>,
}

/// One rule of routing. A route with a host comes before those without; then the longest path wins.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Route {
    /// The path itself and everything below it. `/live` holds `/live` and `/live/a`, not `/liver`.
    #[schemars(regex(pattern = "^/"))]
    pub(in crate::config) path: String,
    /// The name of an origin.
    pub(in crate::config) origin: String,
    /// Only requests with this `Host`, whatever the port and the case. Left out: any.
    #[schemars(length(min = 1, max = 255))]
    pub(in crate::config) host: Option<String>,
}

/// What happens to media requests of nobody.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Unidentified {
    /// 401.
    #[default]
    Refuse,
    /// They pass and are not counted.
    Pass,
}

/// What happens to two clients on one stream.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Sharing {
    /// Each client is a stream of the account and takes its own slot.
    #[default]
    Split,
    /// The client that came later gets 403.
    Refuse,
    /// They go on as one stream.
    Allow,
}

/// What happens to a stream that is pulled too fast.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Ripping {
    /// It is counted, and passes.
    #[default]
    Count,
    /// Its media gets 403 until the pace has gone down.
    Refuse,
}

fn tenant() -> String {
    "default".to_owned()
}

fn six() -> u32 {
    6
}
