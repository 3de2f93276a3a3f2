//! The control port, the session API and webhooks.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::scalar_formats::{Written, seconds};

use super::material::Material;
use super::name::NAME;

/// The control port.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Control {
    /// IP:PORT. Must be reachable only by operators, applications and proxies.
    #[serde(default = "loopback")]
    pub(in crate::config) address: Written<SocketAddr>,
    /// Tokens for the operator API below `/api`. Default: no authentication.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub(in crate::config) tokens: Vec<ControlToken>,
    /// Allow an address that other machines can reach without `tokens`.
    #[serde(default)]
    pub(in crate::config) open: bool,
    /// Maximum connections. Viewers' connections count separately: `limits.connections`.
    #[serde(default = "thousand")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(in crate::config) connections: usize,
}

impl Default for Control {
    fn default() -> Self {
        Self { address: loopback(), tokens: Vec::new(), open: false, connections: thousand() }
    }
}

fn thousand() -> usize {
    1000
}

fn loopback() -> Written<SocketAddr> {
    Written::preset("127.0.0.1:9090", SocketAddr::from(([127, 0, 0, 1], 9090)))
}

/// One bearer token of the operator API.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct ControlToken {
    /// Name of the holder, logged with each action.
    #[schemars(regex(pattern = NAME))]
    pub(in crate::config) name: String,
    /// What it permits.
    pub(in crate::config) role: Role,
    /// The token: at least 16 random printable ASCII characters without spaces.
    pub(in crate::config) secret: Material,
}

/// What a token of the operator API permits.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Role {
    /// Read only.
    Read,
    /// Read and change.
    Operate,
}

/// The session API, through which applications declare streams.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct SessionApi {
    /// Heartbeat interval of a session: `Expires` minus `Date`.
    pub(in crate::config) interval: Written<Duration>,
    /// How long a session keeps its slot after its heartbeat was due.
    pub(in crate::config) grace: Written<Duration>,
    /// Rate limit: calls per session, and starts per account.
    pub(in crate::config) throttle: Throttle,
    /// Web pages that may call it.
    pub(in crate::config) cors: Cors,
}

impl Default for SessionApi {
    fn default() -> Self {
        Self { interval: seconds(60), grace: seconds(30), throttle: Throttle::default(), cors: Cors::default() }
    }
}

/// Rate limit of calls.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Throttle {
    /// Calls per window.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(in crate::config) calls: u32,
    /// Length of the window, which starts with its first call.
    pub(in crate::config) window: Written<Duration>,
}

impl Default for Throttle {
    fn default() -> Self {
        Self { calls: 200, window: seconds(60) }
    }
}

/// Web pages that may call the session API.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Cors {
    /// Web origins, such as `https://player.example`; `*` for all.
    #[schemars(length(max = 64), extend("uniqueItems" = true), inner(regex(pattern = ORIGIN)))]
    pub(in crate::config) origins: Vec<String>,
}

/// A web origin (RFC 6454), or all.
pub(in crate::config) const ORIGIN: &str = r"^(\*|https?://[A-Za-z0-9._~\[\]:-]+)$";

/// An HTTP URL.
pub(in crate::config) const URL: &str = "^https?://";

/// A receiver of stream events (CloudEvents).
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Webhook {
    /// URL for POST requests with batches of events.
    #[schemars(length(max = 2048), regex(pattern = URL))]
    pub(in crate::config) url: String,
    /// Events to send. Default: all.
    #[serde(default = "every_event")]
    #[schemars(length(min = 1))]
    pub(in crate::config) events: BTreeSet<WebhookEvent>,
    /// Signs each batch, so that the receiver can verify the sender: at least 24 raw bytes, or `whsec_` and base64.
    /// Default: batches are not signed.
    pub(in crate::config) secret: Option<Material>,
    /// Maximum events per batch.
    #[serde(default = "hundred")]
    #[schemars(range(min = 1, max = 10_000))]
    pub(in crate::config) batch: usize,
    /// How long an event waits for others in its batch.
    #[serde(default = "one_second")]
    pub(in crate::config) flush_interval: Written<Duration>,
    /// Time limit for a response.
    #[serde(default = "five_seconds")]
    pub(in crate::config) timeout: Written<Duration>,
    /// How long a failed batch is retried. Then it is dropped and counted.
    #[serde(default = "five_minutes")]
    pub(in crate::config) max_retry_duration: Written<Duration>,
    /// Maximum queued events. More are dropped and counted.
    #[serde(default = "ten_thousand")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(in crate::config) queue: usize,
}

/// An event type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum WebhookEvent {
    /// A stream took a slot.
    Started,
    /// A start or return was refused.
    Refused,
    /// A stream took a slot that rules in `shadow` or `annotate` mode would have refused.
    WouldRefuse,
    /// A stream took a slot for which rules in `shadow` or `annotate` mode would have terminated others.
    WouldTerminate,
    /// A stream was terminated.
    Terminated,
    /// A stream released its slot without termination, for example after its idle timeout.
    Ended,
}

fn every_event() -> BTreeSet<WebhookEvent> {
    BTreeSet::from([
        WebhookEvent::Started,
        WebhookEvent::Refused,
        WebhookEvent::WouldRefuse,
        WebhookEvent::WouldTerminate,
        WebhookEvent::Terminated,
        WebhookEvent::Ended,
    ])
}

fn hundred() -> usize {
    100
}

fn ten_thousand() -> usize {
    10_000
}

fn one_second() -> Written<Duration> {
    seconds(1)
}

fn five_seconds() -> Written<Duration> {
    seconds(5)
}

fn five_minutes() -> Written<Duration> {
    seconds(300)
}
