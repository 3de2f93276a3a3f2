//! Connections that begin with a PROXY protocol header, which names the viewer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use pingora_timeout::fast_timeout::fast_timeout;

use super::proxy_header::{self, MAX_HEADER, Parsed};
use super::runtime_config::ProxyConfig;
use super::socket::Socket;
use crate::config::Listener;

/// Time limit for the header. It is short and comes first on a connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// Reads the header on listeners that expect one.
pub(super) struct ProxyProtocol {
    /// The listeners that expect one.
    pub(super) listeners: Arc<[Listener]>,
    /// Contains the trusted proxies.
    pub(super) current: Arc<ArcSwap<ProxyConfig>>,
}

/// The connection has no header, or its peer is not trusted. Close it.
#[derive(Debug)]
pub(super) struct NoHeader;

impl ProxyProtocol {
    fn expects(&self, socket: &Socket) -> bool {
        let local = socket.local().ok();
        local.is_some_and(|local| self.listeners.iter().any(|listener| listener.takes(local)))
    }

    /// Reads the header from a connection of `peer`, if its listener expects one. With TLS it precedes the handshake.
    pub(super) async fn strip(&self, socket: &mut Socket, peer: SocketAddr) -> Result<(), NoHeader> {
        if self.listeners.is_empty() || !self.expects(socket) {
            return Ok(());
        }
        let trusted =
            self.current.load().runtime.settings.trusted_proxies.as_ref().is_some_and(|hops| hops.trusts(peer.ip()));
        if !trusted {
            return Err(NoHeader);
        }
        let viewer = fast_timeout(PATIENCE, read_header(socket)).await.ok().flatten().ok_or(NoHeader)?;
        if let Some(viewer) = viewer {
            socket.set_peer(viewer);
        }
        Ok(())
    }
}

/// The viewer in the header. `Some(None)` for the sender's own health check, `None` without a header.
async fn read_header(socket: &mut Socket) -> Option<Option<SocketAddr>> {
    let mut header = Vec::with_capacity(MAX_HEADER);
    while header.len() < MAX_HEADER {
        let room = MAX_HEADER - header.len();
        if socket.read_some(&mut header, room).await.ok()? == 0 {
            return None;
        }
        let (viewer, length) = match proxy_header::parse(&header) {
            Parsed::Incomplete => continue,
            Parsed::From(viewer, length) => (Some(viewer), length),
            Parsed::Local(length) => (None, length),
            Parsed::NotProxy | Parsed::Malformed => return None,
        };
        // Later bytes belong to the request.
        socket.put_back(header.get(length..).unwrap_or_default());
        return Some(viewer);
    }
    None
}
