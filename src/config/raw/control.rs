//! The control port: the operator's API, the session API, and what is told to others.

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
    /// IP:PORT. Keep it where only the operator, applications and proxies reach it.
    #[serde(default = "loopback")]
    pub(in crate::config) address: Written<SocketAddr>,
    /// Who may use the operator's API below `/api`. Left out: everybody who reaches the port.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub(in crate::config) tokens: Vec<ControlToken>,
    /// Listen beyond this machine although there are no `tokens`.
    #[serde(default)]
    pub(in crate::config) open: bool,
    /// Connections at most. Those of viewers are counted apart: `limits.connections`.
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

/// One bearer token of the operator's API.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct ControlToken {
    /// Whose it is; stands in the log where something is done with it.
    #[schemars(regex(pattern = NAME))]
    pub(in crate::config) name: String,
    /// What it is good for.
    pub(in crate::config) role: Role,
    /// The token: at least 16 bytes that nobody can guess.
    pub(in crate::config) secret: Material,
}

/// What a token of the operator's API is good for.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Role {
    /// Looking.
    Read,
    /// Looking and doing.
    Operate,
}

/// The session API, through which applications declare streams.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct SessionApi {
    /// How often a session has to be heard of: `Expires` less `Date`.
    pub(in crate::config) interval: Written<Duration>,
    /// How long a session that is late keeps its slot.
    pub(in crate::config) grace: Written<Duration>,
    /// How many calls are answered for one session, and how many starts for one account.
    pub(in crate::config) throttle: Throttle,
    /// Which pages may call it.
    pub(in crate::config) cors: Cors,
}

impl Default for SessionApi {
    fn default() -> Self {
        Self { interval: seconds(60), grace: seconds(30), throttle: Throttle::default(), cors: Cors::default() }
    }
}

/// How many calls are answered.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Throttle {
    /// Calls in one window.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(in crate::config) calls: u32,
    /// How long a window is; it begins with its first call.
    pub(in crate::config) window: Written<Duration>,
}

impl Default for Throttle {
    fn default() -> Self {
        Self { calls: 200, window: seconds(60) }
    }
}

/// Which pages may call the session API.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Cors {
    /// Origins of pages, such as `https://player.example`; `*` for all.
    #[schemars(length(max = 64), extend("uniqueItems" = true), inner(regex(pattern = ORIGIN)))]
    pub(in crate::config) origins: Vec<String>,
}

/// A web origin (RFC 6454), or all.
pub(in crate::config) const ORIGIN: &str = r"^(\*|https?://[A-Za-z0-9._~\[\]:-]+)$";

/// A URL of HTTP.
pub(in crate::config) const URL: &str = "^https?://";

/// Somebody who is told what happens to streams, as CloudEvents.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Webhook {
    /// Where batches of events are posted to.
    #[schemars(length(max = 2048), regex(pattern = URL))]
    pub(in crate::config) url: String,
    /// What is told. Left out: all.
    #[serde(default = "every_event")]
    #[schemars(length(min = 1))]
    pub(in crate::config) events: BTreeSet<WebhookEvent>,
    /// Signs each batch, so that the receiver can tell it from anybody else's: raw bytes, at least 24 of them, or `whsec_` and
    /// base64. Left out: nothing is signed.
    pub(in crate::config) secret: Option<Material>,
    /// Events of one batch at most.
    #[serde(default = "hundred")]
    #[schemars(range(min = 1, max = 10_000))]
    pub(in crate::config) batch: usize,
    /// How long an event waits for others.
    #[serde(default = "one_second")]
    pub(in crate::config) flush_interval: Written<Duration>,
    /// How long the receiver may take to answer.
    #[serde(default = "five_seconds")]
    pub(in crate::config) timeout: Written<Duration>,
    /// How long a batch that is not accepted is tried again; then it is dropped and counted.
    #[serde(default = "five_minutes")]
    pub(in crate::config) max_retry_duration: Written<Duration>,
    /// Events that wait at most; more are dropped and counted.
    #[serde(default = "ten_thousand")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(in crate::config) queue: usize,
}

/// What can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum WebhookEvent {
    /// A stream took a slot.
    Started,
    /// A start or a return was refused.
    Refused,
    /// A stream took a slot that rules in `shadow` or `annotate` mode would have refused.
    WouldRefuse,
    /// A stream took a slot for which rules in `shadow` or `annotate` mode would have ended others.
    WouldTerminate,
    /// A stream was terminated.
    Terminated,
    /// A stream gave its slot back by itself, as by falling silent.
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
