//! Connections that begin with a header of the PROXY protocol, which names the viewer.

use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use pingora::listeners::PreTlsProcess;
use pingora::protocols::l4::stream::Stream as L4Stream;
use pingora::protocols::{GetSocketDigest, SocketDigest, Stream};
use pingora::{Error, ErrorType};
use pingora_timeout::fast_timeout::fast_timeout;
use tokio::io::AsyncReadExt;

use super::proxy_header::{self, HEADER_MAX, Parsed};
use super::snapshot::Snapshot;
use crate::config::Listener;
use crate::telemetry::Metrics;

/// How long the header may take. It is the first thing on a connection, and short.
const PATIENCE: Duration = Duration::from_secs(5);

/// Reads the header on those listeners that expect one.
#[derive(Clone)]
pub(super) struct ProxyProtocol {
    /// The listeners that expect one.
    pub(super) listeners: Arc<[Listener]>,
    /// Who is trusted.
    pub(super) current: Arc<ArcSwap<Snapshot>>,
    pub(super) metrics: Arc<Metrics>,
}

impl ProxyProtocol {
    fn expects(&self, stream: &L4Stream) -> Option<SocketAddr> {
        let digest = stream.get_socket_digest()?;
        let peer = *digest.peer_addr()?.as_inet()?;
        let local = *digest.local_addr()?.as_inet()?;
        self.listeners.iter().any(|listener| listener.takes(local)).then_some(peer)
    }

    /// The stream behind its header. `None` where it has none, or comes from somebody who is not trusted: it is closed then.
    pub(super) async fn strip(&self, stream: Stream) -> Option<Stream> {
        if self.listeners.is_empty() || !stream.as_any().is::<L4Stream>() {
            return Some(stream); // those with TLS have been here before
        }
        let mut stream = stream.into_any().downcast::<L4Stream>().ok()?;
        self.process(&mut stream).await.ok()?;
        Some(stream)
    }

    fn refuse<T>(&self) -> pingora::Result<T> {
        self.metrics.connections_refused.with_label_values(&["proxy_header"]).inc();
        Error::e_explain(ErrorType::ConnectError, "no PROXY protocol header of a trusted network")
    }
}

#[async_trait]
impl PreTlsProcess for ProxyProtocol {
    async fn process(&self, stream: &mut L4Stream) -> pingora::Result<()> {
        let Some(peer) = self.expects(stream) else { return Ok(()) };
        let trusted = self.current.load().settings.hops.as_ref().is_some_and(|hops| hops.trusts(peer.ip()));
        if !trusted {
            return self.refuse();
        }
        let read = fast_timeout(PATIENCE, read_header(stream)).await;
        let Some(viewer) = read.ok().flatten() else { return self.refuse() };
        let digest = SocketDigest::from_raw_fd(stream.as_raw_fd());
        let _ = digest.peer_addr.set(Some(viewer.unwrap_or(peer).into())); // it is new: nobody can have set it
        stream.set_socket_digest(digest);
        Ok(())
    }
}

/// The viewer that the header names, `Some(None)` for a health check of the sender itself; `None` where there is no header.
async fn read_header(stream: &mut L4Stream) -> Option<Option<SocketAddr>> {
    let mut header = Vec::with_capacity(64);
    while header.len() < HEADER_MAX {
        // Byte by byte, from a buffer: what follows the header is not ours.
        header.push(stream.read_u8().await.ok()?);
        match proxy_header::parse(&header) {
            Parsed::Incomplete => {}
            Parsed::From(viewer, _) => return Some(Some(viewer)),
            Parsed::Local(_) => return Some(None),
            Parsed::NotProxy | Parsed::Malformed => return None,
        }
    }
    None
}
