//! Listeners, origins, and limits of connections.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::scalar_formats::{Bytes, Written, seconds};
use crate::config::server::Server;
use crate::identity::Forwarding;

/// One address for viewers.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Listener {
    /// IP:PORT. `0.0.0.0` is every IPv4 address of the machine, `[::]` every IPv6 address.
    pub(in crate::config) address: Written<SocketAddr>,
    /// Use TLS, with HTTP/2 and HTTP/1.1. Default: plain HTTP/1.1.
    pub(in crate::config) tls: Option<Tls>,
    /// Require a PROXY protocol header (version 1 or 2) with the viewer's address. Only `trusted_proxies.networks` may
    /// then connect.
    #[serde(default)]
    pub(in crate::config) proxy_protocol: bool,
    /// Treat requests as `https`, so that tokens for `https` URLs are valid. For a TLS proxy in front that does not
    /// send `X-Forwarded-Proto`.
    #[serde(default)]
    pub(in crate::config) assume_https: bool,
}

/// Proxies whose headers give the viewer's address.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct TrustedProxies {
    /// Networks of load balancers and edges in front. Headers from other addresses are ignored.
    #[schemars(length(min = 1))]
    pub(in crate::config) networks: Vec<Written<IpNet>>,
    /// Header with the address: `x-forwarded-for`, `forwarded` (RFC 7239), or `header:NAME` with a single address.
    #[serde(default = "x_forwarded_for")]
    pub(in crate::config) header: Written<Forwarding>,
}

fn x_forwarded_for() -> Written<Forwarding> {
    Written::preset("x-forwarded-for", Forwarding::XForwardedFor)
}

/// Certificate of a listener. Both files are reloaded when they change.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Tls {
    /// PEM file: the certificate chain.
    pub(in crate::config) certificate: PathBuf,
    /// PEM file: the private key.
    pub(in crate::config) key: PathBuf,
}

/// One origin: servers with the same content.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Origin {
    /// HOST:PORT each. Names are resolved in the background. Requests are distributed round-robin.
    #[schemars(length(min = 1))]
    pub(in crate::config) servers: Vec<Written<Server>>,
    /// Connect with TLS.
    #[serde(default)]
    pub(in crate::config) tls: bool,
    /// With `tls`: verify that the certificate is valid for the server's name.
    #[serde(default = "yes")]
    pub(in crate::config) verify_certificate: bool,
    /// `Host` to send, and the name that certificates must have. Default: the viewer's `Host`, and the server's name
    /// for certificates.
    #[schemars(length(min = 1))]
    pub(in crate::config) host_header: Option<String>,
    /// Time limit to connect, including TLS.
    #[serde(default = "connect_timeout")]
    pub(in crate::config) connect_timeout: Written<Duration>,
    /// Time limit without data from a server. Blocking playlist reloads of LL-HLS need several seconds.
    #[serde(default = "read_timeout")]
    pub(in crate::config) read_timeout: Written<Duration>,
    /// Time limit for a server to accept more of a request.
    #[serde(default = "write_timeout")]
    pub(in crate::config) write_timeout: Written<Duration>,
    /// How long an idle connection is kept. Use less than the servers' own timeout.
    #[serde(default = "idle_timeout")]
    pub(in crate::config) idle_timeout: Written<Duration>,
    /// Maximum connections per server; 0: unlimited.
    #[serde(default = "max_connections")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub(in crate::config) max_connections: usize,
    /// Consecutive 5xx responses that eject a server for ten seconds. 0: only failures eject a server.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub(in crate::config) consecutive_5xx: u32,
    /// Interval of name resolution.
    #[serde(default = "resolve_every")]
    pub(in crate::config) resolve_every: Written<Duration>,
}

fn yes() -> bool {
    true
}

fn connect_timeout() -> Written<Duration> {
    seconds(2)
}

fn read_timeout() -> Written<Duration> {
    seconds(30)
}

fn write_timeout() -> Written<Duration> {
    seconds(10)
}

fn idle_timeout() -> Written<Duration> {
    seconds(50)
}

fn max_connections() -> usize {
    1000
}

fn resolve_every() -> Written<Duration> {
    seconds(30)
}

/// Limits of connections and requests.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Limits {
    /// Maximum connections over all listeners, counted before the TLS handshake.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub(in crate::config) connections: usize,
    /// Time limit for the PROXY protocol header and the TLS handshake of a connection.
    pub(in crate::config) handshake_timeout: Written<Duration>,
    /// Maximum size of request line and headers. A play session takes up to 2 KiB of the request line.
    pub(in crate::config) header_bytes: Written<Bytes>,
    /// Time limit for the headers of one request, including the idle time before it. Must exceed `keep_alive`.
    pub(in crate::config) header_timeout: Written<Duration>,
    /// Time limit for the body of a request, or for each further MiB of a long one.
    pub(in crate::config) body_timeout: Written<Duration>,
    /// How long an idle viewer connection is kept.
    pub(in crate::config) keep_alive: Written<Duration>,
    /// Requests per connection before it is closed.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub(in crate::config) requests_per_connection: u32,
    /// Largest MPD that is rewritten; a larger one passes unchanged. Playlists of any size are rewritten line by line.
    pub(in crate::config) manifest_bytes: Written<Bytes>,
    /// Time limit for a viewer to accept more of a response.
    pub(in crate::config) write_timeout: Written<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 20_000,
            handshake_timeout: seconds(10),
            header_bytes: Bytes(32 << 10).into(),
            header_timeout: seconds(35),
            body_timeout: seconds(60),
            keep_alive: seconds(30),
            requests_per_connection: 10_000,
            manifest_bytes: Bytes(8 << 20).into(),
            write_timeout: seconds(60),
        }
    }
}
