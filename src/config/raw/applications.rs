//! Applications: routes and identity.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::identity::Identity;
use super::name::NAME;

/// One app or site.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Application {
    /// Display name, shown in refusals. Default: the id.
    #[schemars(length(min = 1, max = 256))]
    pub(in crate::config) name: Option<String>,
    /// Owner; the attribute `tenant` in rules.
    #[serde(default = "tenant")]
    #[schemars(regex(pattern = NAME))]
    pub(in crate::config) tenant: String,
    /// Source of its streams.
    #[serde(default)]
    pub(in crate::config) stream_source: StreamSource,
    /// Identity providers whose accounts it may use in the session API. Default: any.
    #[schemars(length(min = 1, max = 1024), extend("uniqueItems" = true), inner(length(min = 1, max = 256)))]
    pub(in crate::config) idps: Option<Vec<String>>,
    /// Which requests belong to it, and their origins. Required if streams come from traffic.
    #[serde(default)]
    #[schemars(extend("default" = null))]
    pub(in crate::config) routes: Vec<Route>,
    /// How viewers are identified. Can be omitted with `anonymous: pass`.
    pub(in crate::config) identity: Option<Identity>,
    /// What happens to media requests without a token or play session.
    #[serde(default)]
    pub(in crate::config) anonymous: Anonymous,
    /// What happens when two clients use one play session or stream at the same time.
    #[serde(default)]
    pub(in crate::config) sharing: Sharing,
    /// What happens to a sustained download above `max_download_rate`.
    #[serde(default)]
    pub(in crate::config) download_rate: DownloadRate,
    /// Maximum download rate as a multiple of real time. Separate audio and video add up.
    #[serde(default = "six")]
    #[schemars(range(min = 2, max = 1000))]
    pub(in crate::config) max_download_rate: u32,
    /// Policies of the application. All apply.
    #[serde(default)]
    #[schemars(length(max = 32), extend("uniqueItems" = true))]
    pub(in crate::config) policies: Vec<String>,
}

/// Source of an application's streams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum StreamSource {
    /// From viewers' requests.
    #[default]
    Traffic,
    /// From the session API.
    Api,
    /// From both. A stream that both report counts once.
    Both,
}

/// One route. A route with a host takes precedence over one without; then the longest path wins.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Route {
    /// Path prefix, by segments. `/live` matches `/live` and `/live/a`, not `/liver`.
    #[schemars(regex(pattern = "^/"))]
    pub(in crate::config) path: String,
    /// Name of an origin. If omitted, the route only serves forward authentication (`/authz`); viewers' requests get
    /// 404.
    pub(in crate::config) origin: Option<String>,
    /// Matches only this `Host`, ignoring port and case. Default: any.
    #[schemars(length(min = 1, max = 255))]
    pub(in crate::config) host: Option<String>,
    /// Ambiguous spellings to allow. Tokens and play sessions must then cover the path in every reading. Default:
    /// requests with such paths get 400.
    #[serde(default)]
    #[schemars(extend("uniqueItems" = true, "default" = null))]
    pub(in crate::config) ambiguous_paths: Vec<AmbiguousPath>,
}

/// A path spelling that origins interpret differently.
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

/// What happens to media requests without a token or play session.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Anonymous {
    /// 401.
    #[default]
    Refuse,
    /// Requests pass and are not counted.
    Pass,
}

/// What happens when two clients use one stream at the same time.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Sharing {
    /// Each client is a stream of the account and takes its own slot.
    #[default]
    Split,
    /// The later client gets 403.
    Refuse,
    /// Both continue as one stream.
    Allow,
}

/// What happens to a stream above `max_download_rate`.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum DownloadRate {
    /// It is counted and passes.
    #[default]
    Count,
    /// Its media gets 403 until the rate has dropped.
    Refuse,
}

fn tenant() -> String {
    "default".to_owned()
}

fn six() -> u32 {
    6
}
