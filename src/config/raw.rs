//! The configuration as an operator writes it. Doc comments of fields are the descriptions of the JSON Schema.
//!
//! Only shapes stand here. What cannot be said by a shape (names that must exist, bounds between two keys, files that
//! must be readable) is judged in `compile`.

mod applications;
mod control;
mod identity;
mod material;
mod name;
mod network;
mod policies;
mod streams;
mod tokens;

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::scalar_formats::{Written, seconds};

pub(super) use applications::{AmbiguousPath, Anonymous, Application, DownloadRate, Route, Sharing, StreamSource};
pub(super) use control::{Control, ORIGIN, Role, SessionApi, URL, Webhook, WebhookEvent};
pub(super) use identity::Identity;
pub(super) use material::Material;
pub(super) use name::NAME;
pub(super) use network::{Limits, Listener, Origin, Tls, TrustedProxies};
pub(super) use policies::{LimitsByValue, Message, Mode, Policy, Rule};
pub(super) use streams::{Evidence, Sessions, Streams};
pub(super) use tokens::{
    Callback, CallbackMethod, Cat, CloudFront, EdgeAuth, EdgeAuthHash, FailureMode, Issuer, Jwks, Jwt, Key, MediaCdn,
    Replay, Token, UriSigning,
};

use name::named;

/// Configuration of Streamgate.
// The missing sections are told by the schema; here they default, so that one that is missing hides nothing.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Streamgate", extend("required" = ["applications", "sessions"]))]
pub(super) struct Config {
    /// Where viewers connect. Needed where a route leads to an origin.
    #[serde(default)]
    #[schemars(extend("default" = null))]
    pub(super) listeners: Vec<Listener>,
    /// Whose word counts for the viewer's address. Left out: that of the connection.
    pub(super) trusted_proxies: Option<TrustedProxies>,
    /// The control port: health, metrics, the operator's API, the session API, and decisions for other proxies.
    #[serde(default)]
    #[schemars(extend("default" = null))]
    pub(super) control: Control,
    /// What stands behind: video origins or caches, by name. Needed where a route leads to one.
    #[serde(default)]
    #[schemars(extend("propertyNames" = named(), "default" = null))]
    pub(super) origins: BTreeMap<String, Origin>,
    /// The operator's apps and sites, by id.
    #[serde(default)]
    #[schemars(extend("propertyNames" = named(), "minProperties" = 1, "default" = null))]
    pub(super) applications: BTreeMap<String, Application>,
    /// Policies by name; applications carry them by that name.
    #[serde(default)]
    #[schemars(extend("propertyNames" = named(), "maxProperties" = 256))]
    pub(super) policies: BTreeMap<String, Policy>,
    /// Play sessions: how they are sealed.
    pub(super) sessions: Option<Sessions>,
    /// How long things last in a stream's life.
    #[serde(default)]
    pub(super) streams: Streams,
    /// The session API, through which applications declare streams.
    #[serde(default)]
    pub(super) session_api: SessionApi,
    /// Who is told what happens to streams.
    #[serde(default)]
    #[schemars(length(max = 16), extend("default" = null))]
    pub(super) webhooks: Vec<Webhook>,
    /// How key sets, callbacks and webhooks are asked.
    #[serde(default)]
    pub(super) fetch: Fetch,
    /// Accounts, devices, tokens and play sessions that are blocked for a time.
    pub(super) blocks: Option<Blocks>,
    /// What one viewer or one peer may demand of the gateway.
    #[serde(default)]
    pub(super) limits: Limits,
    /// How the gateway stops.
    #[serde(default)]
    pub(super) shutdown: Shutdown,
    /// Worker threads. Left out: as many as the machine has cores.
    #[schemars(range(min = 1, max = 1024))]
    pub(super) threads: Option<usize>,
    /// What is logged, and how.
    #[serde(default)]
    pub(super) log: Log,
}

/// How key sets and callbacks are asked.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Fetch {
    /// PEM file: certificates of authorities that are trusted there, besides those of the system.
    pub(super) ca: Option<std::path::PathBuf>,
}

/// Who is blocked.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Blocks {
    /// A YAML or JSON file with a list of blocks, sought from the folder of the configuration; read again when it changes.
    #[schemars(length(min = 1))]
    pub(super) file: String,
}

/// How the gateway stops.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Shutdown {
    /// How long requests are answered as ever while `/readyz` says 503, so that load balancers look elsewhere first.
    pub(super) delay: Written<Duration>,
    /// How long requests in flight may still take after that.
    pub(super) grace: Written<Duration>,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self { delay: seconds(0), grace: seconds(5) }
    }
}

/// What is logged, and how.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Log {
    /// The least important that is logged.
    pub(super) level: Level,
    /// How a line looks.
    pub(super) format: LogFormat,
    /// One line for each request.
    pub(super) access: bool,
    /// On what a refusal by policy rests: what was known of the streams that played, and what each rule made of it.
    pub(super) decisions: bool,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: Level::Info, format: LogFormat::Json, access: true, decisions: true }
    }
}

/// The least important that is logged.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum LogFormat {
    /// One JSON object.
    Json,
    /// For people.
    Text,
}
