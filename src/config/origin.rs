//! Where requests go.

use std::sync::Arc;
use std::time::Duration;

use super::server::Server;

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
    /// So many answers of 5xx in a row take a server out of use for a time; 0: they never do.
    pub consecutive_5xx: u32,
    /// How often names are resolved again.
    pub resolve_every: Duration,
}
