//! The configuration as written. Doc comments of fields become the descriptions of the JSON Schema.
//!
//! These types define only the shape. `compile` checks the rest: that names exist, files are readable and keys agree.

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
// The schema reports missing sections; here they have defaults, so that one missing section hides no other problem.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Streamgate", extend("required" = ["applications", "sessions"]))]
pub(super) struct Config {
    /// Addresses for viewers. Required if a route has an origin.
    #[serde(default)]
    #[schemars(extend("default" = null))]
    pub(super) listeners: Vec<Listener>,
    /// Proxies whose headers give the viewer's address. Default: the address of the connection.
    pub(super) trusted_proxies: Option<TrustedProxies>,
    /// The control port: health, metrics, operator API, session API, and forward authentication.
    #[serde(default)]
    #[schemars(extend("default" = null))]
    pub(super) control: Control,
    /// Video origins or caches, by name. Required if a route has an origin.
    #[serde(default)]
    #[schemars(extend("propertyNames" = named(), "default" = null))]
    pub(super) origins: BTreeMap<String, Origin>,
    /// Apps and sites, by id.
    #[serde(default)]
    #[schemars(extend("propertyNames" = named(), "minProperties" = 1, "default" = null))]
    pub(super) applications: BTreeMap<String, Application>,
    /// Policies by name. Applications refer to them by name.
    #[serde(default)]
    #[schemars(extend("propertyNames" = named(), "maxProperties" = 256))]
    pub(super) policies: BTreeMap<String, Policy>,
    /// Keys and lifetime of play sessions.
    pub(super) sessions: Option<Sessions>,
    /// Timeouts and limits of the stream table.
    #[serde(default)]
    pub(super) streams: Streams,
    /// The session API, through which applications declare streams.
    #[serde(default)]
    pub(super) session_api: SessionApi,
    /// Receivers of stream events.
    #[serde(default)]
    #[schemars(length(max = 16), extend("default" = null))]
    pub(super) webhooks: Vec<Webhook>,
    /// Outgoing requests for key sets, callbacks and webhooks.
    #[serde(default)]
    pub(super) fetch: Fetch,
    /// Blocks of accounts, devices, tokens and play sessions.
    pub(super) blocks: Option<Blocks>,
    /// Limits of connections and requests.
    #[serde(default)]
    pub(super) limits: Limits,
    /// Shutdown behavior.
    #[serde(default)]
    pub(super) shutdown: Shutdown,
    /// Worker threads. Default: the number of cores.
    #[schemars(range(min = 1, max = 1024))]
    pub(super) threads: Option<usize>,
    /// Logging.
    #[serde(default)]
    pub(super) log: Log,
}

/// Outgoing requests for key sets, callbacks and webhooks.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Fetch {
    /// PEM file with CA certificates to trust in addition to those of the system.
    pub(super) ca: Option<std::path::PathBuf>,
}

/// Blocks.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Blocks {
    /// YAML or JSON file with a list of blocks. Relative to the folder of the configuration; reloaded when it changes.
    #[schemars(length(min = 1))]
    pub(super) file: String,
}

/// Shutdown behavior.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Shutdown {
    /// How long requests are still served while `/readyz` returns 503, so that load balancers stop sending first.
    pub(super) delay: Written<Duration>,
    /// How long requests in flight may take after that.
    pub(super) grace: Written<Duration>,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self { delay: seconds(0), grace: seconds(5) }
    }
}

/// Logging.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Log {
    /// Minimum severity that is logged.
    pub(super) level: Level,
    /// Format of a line.
    pub(super) format: LogFormat,
    /// Access log: one line per request.
    pub(super) access: bool,
    /// Decision log: explains each refusal by a policy with the account's streams and the result of each rule.
    pub(super) decisions: bool,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: Level::Info, format: LogFormat::Json, access: true, decisions: true }
    }
}

/// Minimum severity that is logged.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// Format of a log line.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum LogFormat {
    /// One JSON object per line.
    Json,
    /// Human-readable text.
    Text,
}
