//! The compiled configuration: validated and immutable. Replaced as a whole on reload.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::identity::{CallbackSource, KeyFiles, KeyRing, KeySource, TrustedHops};
use crate::model::ApplicationId;
use crate::streams;

use super::application::Application;
use super::effective::Effective;
use super::origin::Origin;
use super::report::Problem;
use super::routes::Routes;
use super::secret::Secret;
use super::section_digests::Sections;

/// The compiled configuration.
#[derive(Debug)]
pub struct Settings {
    /// Listeners for viewers; not empty if a route has an origin.
    pub listeners: Vec<Listener>,
    /// True if any listener has `assume_https`.
    pub assume_https: bool,
    /// The control port.
    pub control: Control,
    /// The session API.
    pub session_api: SessionApi,
    /// Receivers of stream events.
    pub webhooks: Vec<Webhook>,
    /// Origins by name.
    pub origins: BTreeMap<Arc<str>, Arc<Origin>>,
    /// Applications by id.
    pub applications: BTreeMap<ApplicationId, Arc<Application>>,
    /// The applications that take tokens from paths.
    pub path_tokens: Vec<Arc<Application>>,
    /// Routes of all applications.
    pub routes: Routes,
    /// Sources of the keys that verify tokens.
    pub key_sources: Vec<KeySource>,
    /// Files with keys of other formats.
    pub key_files: Vec<KeyFiles>,
    /// Services that verify tokens.
    pub callbacks: Vec<CallbackSource>,
    /// CA certificates for outgoing requests, in addition to those of the system.
    pub fetch_ca: Option<PathBuf>,
    /// File with blocks.
    pub blocks: Option<PathBuf>,
    /// Proxies whose headers give the viewer's address; `None`: none.
    pub trusted_proxies: Option<TrustedHops>,
    /// Seals and opens play sessions.
    pub keys: Arc<KeyRing>,
    /// Timeouts and limits of the stream table.
    pub streams: streams::Settings,
    /// File that keeps streams across a restart.
    pub snapshot: Option<PathBuf>,
    /// Interval of snapshots while the gateway runs; `None`: only at shutdown.
    pub snapshot_interval: Option<Duration>,
    /// Limits of connections and requests.
    pub limits: Limits,
    /// How long requests are still served after the signal to stop.
    pub shutdown_delay: Duration,
    /// How long requests in flight may take after that.
    pub shutdown_grace: Duration,
    /// Worker threads; at least 1.
    pub threads: usize,
    /// Logging.
    pub log: Log,
    /// What is valid but probably not intended, in file order.
    pub warnings: Vec<Problem>,
    /// Digests of its sections, to compare configurations.
    pub sections: Sections,
    /// The configuration with all defaults.
    pub effective: Effective,
}

impl Settings {
    /// The policies in force, by application.
    pub fn in_force(&self) -> streams::InForce {
        self.applications.iter().map(|(id, application)| (id.clone(), application.policies.clone())).collect()
    }
}

/// One address for viewers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Port 0 lets the system choose.
    pub address: SocketAddr,
    /// TLS, with HTTP/2.
    pub tls: Option<TlsFiles>,
    /// Connections start with a PROXY protocol header.
    pub proxy_protocol: bool,
    /// Requests count as `https`, as a proxy in front terminates TLS.
    pub assume_https: bool,
}

impl Listener {
    /// True if this listener accepts connections to that local address.
    pub fn takes(&self, local: SocketAddr) -> bool {
        let any = self.address.ip().is_unspecified();
        self.address.port() == local.port() && (any || self.address.ip() == local.ip().to_canonical())
    }
}

/// PEM files of a listener, absolute or relative to the working folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// The control port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// Listening address.
    pub address: SocketAddr,
    /// Maximum connections.
    pub connections: usize,
    /// Tokens for the operator API; empty: no authentication.
    pub tokens: Vec<ControlToken>,
    /// Other machines may use it without a token.
    pub open: bool,
}

impl Control {
    /// True if the access settings are safe for that address.
    pub(super) fn keeps_strangers_out(&self, address: SocketAddr) -> bool {
        address.ip().is_loopback() || !self.tokens.is_empty() || self.open
    }
}

/// One bearer token of the operator API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlToken {
    /// Name of the holder.
    pub name: Arc<str>,
    /// What it permits.
    pub role: Role,
    /// The token.
    pub secret: Secret,
}

/// What a token of the operator API permits; each role includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Read only.
    Read,
    /// Read and change.
    Operate,
}

/// The session API. [`Settings::streams`] has the timeouts of its sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionApi {
    /// Calls per window.
    pub calls: u32,
    /// Length of the window, which starts with its first call.
    pub window: Duration,
    /// Web origins (RFC 6454) of pages that may call it; `*` for all.
    pub origins: Vec<Box<str>>,
}

/// A receiver of stream events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// URL for batches.
    pub url: Box<str>,
    /// Events to send; never empty.
    pub events: Vec<WebhookEvent>,
    /// The key that signs each batch.
    pub secret: Option<Secret>,
    /// Maximum events per batch.
    pub batch: usize,
    /// How long an event waits for others in its batch.
    pub flush_interval: Duration,
    /// Time limit for a response.
    pub timeout: Duration,
    /// How long a failed batch is retried.
    pub max_retry_duration: Duration,
    /// Maximum queued events.
    pub queue: usize,
}

/// Types of stream events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WebhookEvent {
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

/// Limits of connections and requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Maximum connections over all listeners, counted before the TLS handshake.
    pub connections: usize,
    /// Time limit for the TLS handshake.
    pub handshake_timeout: Duration,
    /// Maximum bytes of request line and headers.
    pub header_bytes: usize,
    /// Time limit for the headers of one request; longer than `keep_alive`.
    pub header_timeout: Duration,
    /// Time limit for the body of a request, or for each further MiB.
    pub body_timeout: Duration,
    /// How long an idle connection is kept.
    pub keep_alive: Duration,
    /// Requests per connection.
    pub requests_per_connection: u32,
    /// Maximum bytes of a manifest that is rewritten.
    pub manifest_bytes: usize,
    /// Time limit for a viewer to accept more of a response.
    pub write_timeout: Duration,
}

/// Logging.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    /// Minimum severity that is logged.
    pub level: LogLevel,
    /// Format of a line.
    pub format: LogFormat,
    /// Access log: one line per request.
    pub access: bool,
    /// Decision log: explain refusals by policy.
    pub decisions: bool,
}

/// Minimum severity that is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the words say it all")]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl LogLevel {
    /// The name in log filters.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// Format of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object.
    Json,
    /// Human-readable text.
    Text,
}
