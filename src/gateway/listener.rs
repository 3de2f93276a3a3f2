//! The viewers' listeners. Each connection counts from the start, and must complete its handshake in time.

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use parking_lot::Mutex;
use pingora::apps::HttpServerApp;
use pingora::protocols::Stream;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;
use pingora_timeout::fast_timeout::fast_timeout;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::connection_limits::HeaderTimeout;
use super::proxy_protocol::ProxyProtocol;
use super::runtime_config::ProxyConfig;
use super::socket::Socket;
use super::tls_stream::TlsStream;
use crate::net::{ConnectionLimiter, OpenConnection, accept};
use crate::telemetry::Metrics;

/// Maximum unsent bytes that the kernel buffers for a connection. Bytes in flight come on top: fast viewers stay fast,
/// and slow ones do not fill the kernel's memory.
const UNSENT: u32 = 128 << 10;

/// A listener, with an acceptor if it uses TLS.
pub(super) type Endpoint = (std::net::TcpListener, Option<TlsAcceptor>);

/// All listeners, and the app that serves them.
pub struct Listeners<A> {
    /// With the signal to close. Each connection has its own receiver.
    pub(super) endpoints: Mutex<Option<(Vec<Endpoint>, ShutdownWatch)>>,
    pub(super) door: Arc<Connections<A>>,
}

/// What the connections of all listeners share.
pub(super) struct Connections<A> {
    pub(super) app: Arc<A>,
    pub(super) limiter: Arc<ConnectionLimiter>,
    pub(super) proxy_protocol: ProxyProtocol,
    pub(super) current: Arc<ArcSwap<ProxyConfig>>,
    pub(super) metrics: Arc<Metrics>,
}

#[async_trait]
impl<A: HttpServerApp + Send + Sync + 'static> BackgroundService for Listeners<A> {
    async fn start(&self, _: ShutdownWatch) {
        let Some((endpoints, shutdown)) = self.endpoints.lock().take() else { return };
        let mut loops = JoinSet::new();
        for (listener, tls) in endpoints {
            match TcpListener::from_std(listener) {
                Ok(listener) => {
                    loops.spawn(self.door.clone().listen(listener, tls, shutdown.clone()));
                }
                Err(error) => tracing::error!(%error, "cannot register a listener with the runtime"),
            }
        }
        loops.join_all().await;
        // Idle connections close now.
        self.door.app.http_cleanup().await;
    }
}

/// An open connection in the metrics.
struct Shown<'a>(&'a Metrics);

impl<'a> Shown<'a> {
    fn new(metrics: &'a Metrics) -> Self {
        metrics.connections.inc();
        Self(metrics)
    }
}

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        self.0.connections.dec();
    }
}

impl<A: HttpServerApp + Send + Sync + 'static> Connections<A> {
    /// Accepts connections until the gateway stops.
    async fn listen(self: Arc<Self>, listener: TcpListener, tls: Option<TlsAcceptor>, mut shutdown: ShutdownWatch) {
        loop {
            let (stream, peer) = tokio::select! {
                accepted = accept(&listener) => accepted,
                _ = shutdown.wait_for(|stop| *stop) => return,
            };
            let max = self.current.load().runtime.settings.limits.connections;
            match self.limiter.try_open(max) {
                Some(open) => {
                    tokio::spawn(self.clone().serve(open, stream, peer, tls.clone(), shutdown.clone()));
                }
                None => self.refuse("too_many"),
            }
        }
    }

    async fn serve(
        self: Arc<Self>,
        _open: OpenConnection,
        stream: TcpStream,
        peer: SocketAddr,
        tls: Option<TlsAcceptor>,
        mut shutdown: ShutdownWatch,
    ) {
        let _shown = Shown::new(&self.metrics);
        let _ = socket2::SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT); // optional: not all systems have it
        let (budget, write_timeout) = {
            let limits = &self.current.load().runtime.settings.limits;
            (limits.handshake_timeout, limits.write_timeout)
        };
        let socket = Socket::new(stream, peer, write_timeout);
        let opened = tokio::select! {
            opened = fast_timeout(budget, self.open(socket, peer, tls.as_ref())) => opened,
            // There is no request yet.
            _ = shutdown.wait_for(|stop| *stop) => return,
        };
        let stream = match opened {
            Ok(Ok(stream)) => stream,
            Ok(Err(reason)) => return self.refuse(reason),
            Err(_) => return self.refuse("slow_handshake"),
        };
        HeaderTimeout::new(self.app.clone(), self.current.clone(), self.metrics.clone()).serve(stream, &shutdown).await;
    }

    /// Handles what comes before the first request. The error is the reason label.
    async fn open(
        &self,
        mut socket: Socket,
        peer: SocketAddr,
        tls: Option<&TlsAcceptor>,
    ) -> Result<Stream, &'static str> {
        self.proxy_protocol.strip(&mut socket, peer).await.map_err(|_| "proxy_header")?;
        let Some(tls) = tls else { return Ok(Box::new(socket)) };
        match TlsStream::accept(tls, socket).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) => {
                tracing::debug!(%peer, %error, "TLS handshake failed");
                Err("failed_handshake")
            }
        }
    }

    fn refuse(&self, reason: &str) {
        self.metrics.connections_refused.with_label_values(&[reason]).inc();
    }
}
