//! Connections that begin with a header of the PROXY protocol, which names the viewer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use pingora_timeout::fast_timeout::fast_timeout;

use super::proxy_header::{self, MAX_HEADER, Parsed};
use super::runtime_config::ProxyConfig;
use super::socket::Socket;
use crate::config::Listener;

/// How long the header may take. It is the first thing on a connection, and short.
const PATIENCE: Duration = Duration::from_secs(5);

/// Reads the header on those listeners that expect one.
pub(super) struct ProxyProtocol {
    /// The listeners that expect one.
    pub(super) listeners: Arc<[Listener]>,
    /// Who is trusted.
    pub(super) current: Arc<ArcSwap<ProxyConfig>>,
}

/// The connection has no header, or comes from somebody who is not trusted. It is to be closed.
#[derive(Debug)]
pub(super) struct NoHeader;

impl ProxyProtocol {
    fn expects(&self, socket: &Socket) -> bool {
        let local = socket.local().ok();
        local.is_some_and(|local| self.listeners.iter().any(|listener| listener.takes(local)))
    }

    /// Takes the header off a connection of `peer`, if its listener expects one. With TLS it comes before the handshake.
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

/// The viewer that the header names, `Some(None)` for a health check of the sender itself; `None` where there is no header.
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
        // What follows the header is not ours.
        socket.put_back(header.get(length..).unwrap_or_default());
        return Some(viewer);
    }
    None
}
