//! What a configuration means: compiled, validated, immutable. Swapped whole on reload.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::identity::{Identity, KeyRing};
use crate::model::{ApplicationId, Millis};
use crate::policy::Policy;
use crate::streams;

use super::mint::{MintError, Signing};
use super::routes::Routes;
use super::server::Server;

/// Everything that the gateway is told.
#[derive(Debug)]
pub struct Settings {
    /// Where viewers connect; never empty.
    pub listeners: Vec<Listener>,
    /// The control port.
    pub control: Control,
    /// Origins by name.
    pub origins: BTreeMap<Arc<str>, Arc<Origin>>,
    /// Applications by id.
    pub applications: BTreeMap<ApplicationId, Arc<Application>>,
    /// Which request belongs to which of them.
    pub routes: Routes,
    /// Seals and opens play sessions.
    pub keys: Arc<KeyRing>,
    /// How long things last in a stream's life.
    pub streams: streams::Settings,
    /// Where streams are kept over a restart.
    pub snapshot: Option<PathBuf>,
    /// What one viewer or one peer may demand.
    pub limits: Limits,
    /// How long requests in flight may take once the gateway is told to stop.
    pub shutdown_grace: Duration,
    /// Worker threads; at least 1.
    pub threads: usize,
    /// What is logged.
    pub log: Log,
}

/// One address where viewers connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Port 0 lets the system choose.
    pub address: SocketAddr,
    /// Speak TLS, with HTTP/2.
    pub tls: Option<TlsFiles>,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Control {
    /// Where it listens.
    pub address: SocketAddr,
}

/// One origin: servers that hold the same content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// As the configuration calls it.
    pub name: Arc<str>,
    /// Never empty.
    pub servers: Vec<Server>,
    /// Speak TLS to them.
    pub tls: bool,
    /// The `Host` to send in place of the viewer's.
    pub host_header: Option<String>,
    /// Refuse a server whose certificate is not valid for its name.
    pub verify_certificate: bool,
    /// Until a connection stands, TLS included.
    pub connect_timeout: Duration,
    /// How long a server may be silent.
    pub read_timeout: Duration,
    /// How long a server may take to accept more of a request.
    pub write_timeout: Duration,
    /// How long an unused connection is kept.
    pub idle_timeout: Duration,
    /// Connections per server; 0 for no bound.
    pub max_connections: usize,
    /// How often names are resolved again.
    pub resolve_every: Duration,
}

/// What happens to media requests without a token or play session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unidentified {
    /// 401.
    Refuse,
    /// They pass and are not counted.
    Pass,
}

/// One app or site.
pub struct Application {
    /// As the configuration calls it.
    pub id: ApplicationId,
    /// For people.
    pub name: Arc<str>,
    /// How viewers are recognised; `None` for not at all.
    pub identity: Option<Identity>,
    /// What happens to requests of nobody.
    pub unidentified: Unidentified,
    /// All of them must hold; in configuration order.
    pub policies: Vec<Arc<Policy>>,
    /// What test tokens are made of, or why none can be made.
    pub signing: Result<Signing, MintError>,
}

impl Application {
    /// A token that this application accepts, for trials. `id` becomes the token's `jti`, and the stream's name where
    /// tokens name the stream. Where the identity provider is a claim, the application's id stands in for it.
    ///
    /// # Errors
    /// The application has no secret to sign with, or takes the subject or device from elsewhere.
    pub fn mint(
        &self,
        subject: &str,
        device: Option<&str>,
        lifetime: Duration,
        now: Millis,
        id: &str,
    ) -> Result<String, MintError> {
        self.signing.as_ref().map_err(Clone::clone)?.mint(&self.id, subject, device, lifetime, now, id)
    }
}

impl fmt::Debug for Application {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Application")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("identity", &self.identity)
            .field("unidentified", &self.unidentified)
            .field("policies", &self.policies)
            .field("signing", &self.signing)
            .finish()
    }
}

/// What one viewer or one peer may demand of the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections per listener.
    pub connections: usize,
    /// Bytes of request line and headers.
    pub header_bytes: usize,
    /// Until the headers of one request are there; longer than `keep_alive`.
    pub header_timeout: Duration,
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
