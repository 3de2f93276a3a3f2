//! The gateway as services of the framework.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use parking_lot::Mutex;
use pingora::proxy::{HttpProxy, http_proxy};
use pingora::server::ShutdownWatch;
use pingora::server::configuration::ServerConf;
use pingora::services::background::{BackgroundService, GenBackgroundService, background_service};
use tokio::task::{JoinSet, spawn_blocking};

use super::expiry::Expiry;
use super::listener::{Connections, Listeners};
use super::proxy_protocol::ProxyProtocol;
use super::tls::Certificate;
use super::tls_stream::acceptor;
use super::{Gateway, ProxyConfig};
use crate::model::Clock;
use crate::telemetry::Metrics;

/// A viewers' listener, with a certificate if it uses TLS.
pub type Endpoint = (SocketAddr, Option<Arc<Certificate>>);

/// The service for viewers, on all listeners. A listener with a certificate uses TLS, with HTTP/2 and HTTP/1.1.
/// Listeners close when `stop` is set; it has no receiver left when the last connection has ended.
///
/// # Errors
/// The TLS settings of a listener are invalid.
pub fn service(
    conf: &Arc<ServerConf>,
    gateway: Gateway,
    listeners: Vec<(TcpListener, Option<Arc<Certificate>>)>,
    stop: ShutdownWatch,
) -> Result<GenBackgroundService<Listeners<HttpProxy<Gateway>>>, rustls::Error> {
    let settings = gateway.current.load().runtime.settings.clone();
    let expecting = settings.listeners.iter().filter(|listener| listener.proxy_protocol);
    let proxy_protocol = ProxyProtocol { listeners: expecting.cloned().collect(), current: gateway.current.clone() };
    let (current, metrics) = (gateway.current.clone(), gateway.admission.metrics.clone());
    let app = Arc::new(http_proxy(conf, gateway));
    let door = Connections { app, limiter: Arc::default(), proxy_protocol, current, metrics };
    let mut endpoints = Vec::new();
    for (listener, certificate) in listeners {
        endpoints.push((listener, certificate.map(|certificate| acceptor(certificate)).transpose()?));
    }
    let listeners = Listeners { endpoints: Mutex::new(Some((endpoints, stop))), door: Arc::new(door) };
    let mut service = background_service("gateway", listeners);
    service.threads = Some(settings.threads);
    Ok(service)
}

/// Work that is done once a second, independent of requests.
pub struct Background {
    /// Expiry of streams.
    pub expiry: Arc<Expiry>,
    /// The origins' names to resolve.
    pub current: Arc<ArcSwap<ProxyConfig>>,
    /// The certificates to reload.
    pub certificates: Vec<Arc<Certificate>>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

#[async_trait]
impl BackgroundService for Background {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let resolver = async {
            for second in 0_u64.. {
                self.current.load().upstreams.refresh(second);
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        let reporter = async {
            let mut seconds = tokio::time::interval(Duration::from_secs(1));
            let mut told = self.current.load().upstreams.clone();
            loop {
                seconds.tick().await;
                let now = self.clock.now();
                let upstreams = self.current.load().upstreams.clone();
                upstreams.report(&self.metrics, now, &told);
                told = upstreams;
            }
        };
        // One task each: a disk that hangs does not delay other files.
        let mut certificates: JoinSet<()> = self.certificates.iter().cloned().map(keep_fresh).collect();
        // Keeps the set pending even without certificates.
        certificates.spawn(std::future::pending());
        tokio::select! {
            () = resolver => {}
            () = reporter => {}
            () = self.expiry.run() => {}
            _ = certificates.join_all() => {}
            _ = shutdown.changed() => {}
        }
    }
}

/// Checks once a second if the files of a certificate have changed.
async fn keep_fresh(certificate: Arc<Certificate>) {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let files = certificate.clone();
        if let Err(error) = spawn_blocking(move || files.reread()).await {
            tracing::error!(%error, "reloading a certificate failed");
        }
    }
}
