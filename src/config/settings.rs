//! What a configuration means: compiled, validated, immutable. Swapped whole on reload.

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

/// Everything that the gateway is told.
#[derive(Debug)]
pub struct Settings {
    /// Where viewers connect; not empty where a route leads to an origin.
    pub listeners: Vec<Listener>,
    /// Whether any listener is behind TLS.
    pub assume_https: bool,
    /// The control port.
    pub control: Control,
    /// The session API.
    pub session_api: SessionApi,
    /// Who is told what happens to streams.
    pub webhooks: Vec<Webhook>,
    /// Origins by name.
    pub origins: BTreeMap<Arc<str>, Arc<Origin>>,
    /// Applications by id.
    pub applications: BTreeMap<ApplicationId, Arc<Application>>,
    /// The applications that take tokens from paths.
    pub path_tokens: Vec<Arc<Application>>,
    /// Which request belongs to which of them.
    pub routes: Routes,
    /// Where the keys that verify tokens come from.
    pub key_sources: Vec<KeySource>,
    /// Files with keys of other formats.
    pub key_files: Vec<KeyFiles>,
    /// Services that judge tokens.
    pub callbacks: Vec<CallbackSource>,
    /// Certificates of authorities that are trusted where keys and verdicts are fetched, besides those of the system.
    pub fetch_ca: Option<PathBuf>,
    /// Where blocks are kept.
    pub blocks: Option<PathBuf>,
    /// Whose word counts for the viewer's address; `None`: nobody's.
    pub trusted_proxies: Option<TrustedHops>,
    /// Seals and opens play sessions.
    pub keys: Arc<KeyRing>,
    /// How long things last in a stream's life.
    pub streams: streams::Settings,
    /// Where streams are kept over a restart.
    pub snapshot: Option<PathBuf>,
    /// How often that is also written while the gateway runs; `None`: only at shutdown.
    pub snapshot_interval: Option<Duration>,
    /// What one viewer or one peer may demand.
    pub limits: Limits,
    /// How long requests are answered as ever once the gateway is told to stop.
    pub shutdown_delay: Duration,
    /// How long requests in flight may take after that.
    pub shutdown_grace: Duration,
    /// Worker threads; at least 1.
    pub threads: usize,
    /// What is logged.
    pub log: Log,
    /// What is not wrong and yet hardly meant, in the order of the file.
    pub warnings: Vec<Problem>,
    /// What it was compiled from, to be told from another.
    pub sections: Sections,
    /// The configuration as it would be written in full.
    pub effective: Effective,
}

impl Settings {
    /// The policies that are in force, by application.
    pub fn in_force(&self) -> streams::InForce {
        self.applications.iter().map(|(id, application)| (id.clone(), application.policies.clone())).collect()
    }
}

/// One address where viewers connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Port 0 lets the system choose.
    pub address: SocketAddr,
    /// Speak TLS, with HTTP/2.
    pub tls: Option<TlsFiles>,
    /// Connections begin with a header of the PROXY protocol.
    pub proxy_protocol: bool,
    /// Viewers speak TLS with what stands in front.
    pub assume_https: bool,
}

impl Listener {
    /// Whether connections to this address of the machine come here.
    pub fn takes(&self, local: SocketAddr) -> bool {
        let any = self.address.ip().is_unspecified();
        self.address.port() == local.port() && (any || self.address.ip() == local.ip().to_canonical())
    }
}

/// PEM files of a listener, absolute or relative to the working folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and those that lead to its root.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// The control port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// Where it listens.
    pub address: SocketAddr,
    /// Connections at most.
    pub connections: usize,
    /// Who may use the operator's API; empty: everybody who reaches it.
    pub tokens: Vec<ControlToken>,
    /// It may be reached from elsewhere without a token.
    pub open: bool,
}

impl Control {
    /// Whether what is configured goes with listening there.
    pub(super) fn keeps_strangers_out(&self, address: SocketAddr) -> bool {
        address.ip().is_loopback() || !self.tokens.is_empty() || self.open
    }
}

/// One bearer token of the operator's API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlToken {
    /// Whose it is.
    pub name: Arc<str>,
    /// What it is good for.
    pub role: Role,
    /// The token.
    pub secret: Secret,
}

/// What a token of the operator's API is good for; each includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Looking.
    Read,
    /// Doing.
    Operate,
}

/// The session API. How long its sessions last stands in [`Settings::streams`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionApi {
    /// Calls in one window.
    pub calls: u32,
    /// How long a window is; it begins with its first call.
    pub window: Duration,
    /// The web origins (RFC 6454) of pages that may call it; `*` stands for all.
    pub origins: Vec<Box<str>>,
}

/// Somebody who is told what happens to streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Where batches are posted to.
    pub url: Box<str>,
    /// What is told; never empty.
    pub events: Vec<WebhookEvent>,
    /// The key that signs each batch.
    pub secret: Option<Secret>,
    /// Events of one batch at most.
    pub batch: usize,
    /// How long an event waits for others.
    pub flush_interval: Duration,
    /// How long the receiver may take.
    pub timeout: Duration,
    /// How long a batch is tried again.
    pub max_retry_duration: Duration,
    /// Events that wait at most.
    pub queue: usize,
}

/// What can be told of streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WebhookEvent {
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

/// What one viewer or one peer may demand of the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections, over all listeners; counted before the TLS handshake.
    pub connections: usize,
    /// How long the TLS handshake of a connection may take.
    pub handshake_timeout: Duration,
    /// Bytes of request line and headers.
    pub header_bytes: usize,
    /// Until the headers of one request are there; longer than `keep_alive`.
    pub header_timeout: Duration,
    /// How long the body of a request may take, or each further MiB of it.
    pub body_timeout: Duration,
    /// How long a connection is kept between requests.
    pub keep_alive: Duration,
    /// Requests that one connection carries.
    pub requests_per_connection: u32,
    /// Bytes of the largest manifest that is rewritten.
    pub manifest_bytes: usize,
    /// How long a viewer may take to accept more of an answer.
    pub write_timeout: Duration,
}

/// What is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    /// The least important that is logged.
    pub level: LogLevel,
    /// How a line looks.
    pub format: LogFormat,
    /// One line for each request.
    pub access: bool,
    /// Whether refusals by policy are explained.
    pub decisions: bool,
}

/// The least important that is logged.
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
    /// The word that log filters take.
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

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object.
    Json,
    /// For people.
    Text,
}
