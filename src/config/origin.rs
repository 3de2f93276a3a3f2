//! Origins.

use std::sync::Arc;
use std::time::Duration;

use super::server::Server;

/// One origin: servers with the same content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Key in the configuration.
    pub name: Arc<str>,
    /// Never empty.
    pub servers: Vec<Server>,
    /// Connect with TLS.
    pub tls: bool,
    /// `Host` to send instead of the viewer's.
    pub host_header: Option<String>,
    /// Refuse a server whose certificate is not valid for its name.
    pub verify_certificate: bool,
    /// Time to connect, including TLS.
    pub connect_timeout: Duration,
    /// Maximum silence of a server.
    pub read_timeout: Duration,
    /// Maximum time for a server to accept more of a request.
    pub write_timeout: Duration,
    /// How long an idle connection is kept.
    pub idle_timeout: Duration,
    /// Connections per server; 0: unlimited.
    pub max_connections: usize,
    /// Consecutive 5xx responses that eject a server for a time; 0: never.
    pub consecutive_5xx: u32,
    /// Interval of name resolution.
    pub resolve_every: Duration,
}
