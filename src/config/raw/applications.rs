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
    /// Where its streams come from.
    #[serde(default)]
    pub(in crate::config) stream_source: StreamSource,
    /// The identity providers that it may speak for through the session API. Left out: any.
    #[schemars(length(min = 1, max = 1024), extend("uniqueItems" = true), inner(length(min = 1, max = 256)))]
    pub(in crate::config) idps: Option<Vec<String>>,
    /// Which requests belong to it, and where they go. Needed where streams come from traffic.
    #[serde(default)]
    #[schemars(extend("default" = null))]
    pub(in crate::config) routes: Vec<Route>,
    /// How viewers are recognised. Left out: not at all, with `anonymous: pass`.
    pub(in crate::config) identity: Option<Identity>,
    /// What happens to media requests without a token or play session.
    #[serde(default)]
    pub(in crate::config) anonymous: Anonymous,
    /// What happens when one play session or stream is used from two clients at the same time.
    #[serde(default)]
    pub(in crate::config) sharing: Sharing,
    /// What happens when media is pulled faster than `max_download_rate` times real time, for long.
    #[serde(default)]
    pub(in crate::config) download_rate: DownloadRate,
    /// How many times real time is ripping. Sound and picture that are fetched apart count each.
    #[serde(default = "six")]
    #[schemars(range(min = 2, max = 1000))]
    pub(in crate::config) max_download_rate: u32,
    /// The policies that it carries, all of which must hold.
    #[serde(default)]
    #[schemars(length(max = 32), extend("uniqueItems" = true))]
    pub(in crate::config) policies: Vec<String>,
}

/// Where the streams of an application come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum StreamSource {
    /// From what viewers ask for.
    #[default]
    Traffic,
    /// From the session API.
    Api,
    /// From both; what both tell of is one stream.
    Both,
}

/// One rule of routing. A route with a host comes before those without; then the longest path wins.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Route {
    /// The path itself and everything below it. `/live` holds `/live` and `/live/a`, not `/liver`.
    #[schemars(regex(pattern = "^/"))]
    pub(in crate::config) path: String,
    /// The name of an origin. Left out: only other proxies ask for what is below it (`/authz`), and requests to this one
    /// get 404.
    pub(in crate::config) origin: Option<String>,
    /// Only requests with this `Host`, whatever the port and the case. Left out: any.
    #[schemars(length(min = 1, max = 255))]
    pub(in crate::config) host: Option<String>,
    /// Spellings that its origin may see although origins read them in different ways: tokens and play sessions are then held
    /// to their folders in every reading. Left out: requests for such paths get 400.
    #[serde(default)]
    #[schemars(extend("uniqueItems" = true, "default" = null))]
    pub(in crate::config) ambiguous_paths: Vec<AmbiguousPath>,
}

/// A way to write a path that origins read in different ways.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum AmbiguousPath {
    /// `.` and `..`, plain or encoded.
    DotSegments,
    /// `%2F`.
    EncodedSlashes,
    /// A backslash, plain or encoded.
    Backslashes,
}

/// What happens to media requests of nobody.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Anonymous {
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
pub(in crate::config) enum DownloadRate {
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
