//! Listeners, the control port, origins, and the limits of connections.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::scalar_formats::{Bytes, Written, seconds};
use crate::config::server::Server;
use crate::identity::Forwarding;

/// One address where viewers connect.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Listener {
    /// IP:PORT. `0.0.0.0` stands for every IPv4 address of the machine, `[::]` for every IPv6 address.
    pub(in crate::config) address: Written<SocketAddr>,
    /// Speak TLS here, with HTTP/2 and HTTP/1.1. Left out: HTTP/1.1 in clear.
    pub(in crate::config) tls: Option<Tls>,
    /// Every connection begins with a header of the PROXY protocol, version 1 or 2, which names the viewer. Only networks of
    /// `trusted_proxies.networks` may connect then.
    #[serde(default)]
    pub(in crate::config) proxy_protocol: bool,
    /// Viewers speak TLS with what stands in front of this listener, which does not say so in `X-Forwarded-Proto`: tokens for
    /// `https` URLs are then good here.
    #[serde(default)]
    pub(in crate::config) assume_https: bool,
}

/// Whose word counts for the viewer's address.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct TrustedProxies {
    /// Networks of load balancers and edges in front. What others write into headers is not believed.
    #[schemars(length(min = 1))]
    pub(in crate::config) networks: Vec<Written<IpNet>>,
    /// Where they write the address: `x-forwarded-for`, `forwarded` (RFC 7239), or `header:NAME` with one address in it.
    #[serde(default = "x_forwarded_for")]
    pub(in crate::config) header: Written<Forwarding>,
}

fn x_forwarded_for() -> Written<Forwarding> {
    Written::preset("x-forwarded-for", Forwarding::XForwardedFor)
}

/// The certificate of a listener. Both files are read again when they change.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Tls {
    /// PEM file: the certificate, then those that lead to its root.
    pub(in crate::config) certificate: PathBuf,
    /// PEM file: the certificate's private key.
    pub(in crate::config) key: PathBuf,
}

/// One origin: servers that hold the same content.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Origin {
    /// HOST:PORT each. Names are resolved in the background; requests go round.
    #[schemars(length(min = 1))]
    pub(in crate::config) servers: Vec<Written<Server>>,
    /// Speak TLS to the servers.
    #[serde(default)]
    pub(in crate::config) tls: bool,
    /// With `tls`: refuse a server whose certificate is not valid for its name.
    #[serde(default = "yes")]
    pub(in crate::config) verify_certificate: bool,
    /// The `Host` that the servers are sent, and the name that their certificate must have. Left out: the viewer's
    /// `Host` goes on, and certificates are checked against the server's name.
    #[schemars(length(min = 1))]
    pub(in crate::config) host_header: Option<String>,
    /// How long a connection may take to be made, TLS included.
    #[serde(default = "connect_timeout")]
    pub(in crate::config) connect_timeout: Written<Duration>,
    /// How long a server may be silent while we wait for it. Blocking playlist reloads of LL-HLS need some seconds.
    #[serde(default = "read_timeout")]
    pub(in crate::config) read_timeout: Written<Duration>,
    /// How long a server may take to accept more of a request.
    #[serde(default = "write_timeout")]
    pub(in crate::config) write_timeout: Written<Duration>,
    /// How long an unused connection is kept. Stay below the servers' own value.
    #[serde(default = "idle_timeout")]
    pub(in crate::config) idle_timeout: Written<Duration>,
    /// Connections to each server at most; 0 for no bound.
    #[serde(default = "max_connections")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub(in crate::config) max_connections: usize,
    /// So many answers of 5xx in a row take a server out of use for ten seconds; 0: they never do, only failures do.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub(in crate::config) consecutive_5xx: u32,
    /// How often names of servers are resolved again.
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

/// What one viewer or one peer may demand of the gateway.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Limits {
    /// Connections, over all listeners at most; counted before the TLS handshake.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub(in crate::config) connections: usize,
    /// How long the TLS handshake of a connection may take, and the header of the PROXY protocol in front of it.
    pub(in crate::config) handshake_timeout: Written<Duration>,
    /// Request line and headers at most. A play session takes up to 2 KiB of the request line.
    pub(in crate::config) header_bytes: Written<Bytes>,
    /// How long the headers of one request may take to arrive, waiting time between requests included. Longer than
    /// `keep_alive`.
    pub(in crate::config) header_timeout: Written<Duration>,
    /// How long the body of a request may take to arrive, or each further MiB of a long one.
    pub(in crate::config) body_timeout: Written<Duration>,
    /// How long a viewer's connection is kept between requests.
    pub(in crate::config) keep_alive: Written<Duration>,
    /// Requests that one connection carries before it is closed.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub(in crate::config) requests_per_connection: u32,
    /// The largest MPD that is rewritten; a larger one passes unchanged. Playlists are rewritten line by line, whatever their size.
    pub(in crate::config) manifest_bytes: Written<Bytes>,
    /// How long a viewer may take to accept more of an answer.
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
