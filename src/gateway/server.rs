//! The gateway as services of the framework's server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::apps::HttpServerOptions;
use pingora::listeners::ListenerConfig;
use pingora::listeners::tls::TlsSettings;
use pingora::proxy::{HttpProxy, http_proxy};
use pingora::server::ShutdownWatch;
use pingora::server::configuration::ServerConf;
use pingora::services::background::BackgroundService;
use pingora::services::listening::Service;
use tokio::sync::Semaphore;

use super::guards::{ConnectionGate, HeaderDeadline};
use super::proxy_protocol::ProxyProtocol;
use super::tls::Certificate;
use super::{Gateway, Upstreams};
use crate::model::Clock;
use crate::streams::StreamTable;
use crate::telemetry::Metrics;

/// Where viewers connect, and the certificate that makes it speak TLS.
pub type Endpoint = (SocketAddr, Option<Arc<Certificate>>);

/// The service that answers viewers, on all listeners. A listener with a certificate speaks TLS, and HTTP/2 besides
/// HTTP/1.1.
///
/// # Errors
/// A listener's TLS settings are not accepted.
pub fn service(
    conf: &Arc<ServerConf>,
    gateway: Gateway,
    listeners: &[Endpoint],
) -> pingora::Result<impl pingora::services::ServiceWithDependents + use<>> {
    let settings = gateway.settings.load_full();
    let expecting = settings.listeners.iter().filter(|listener| listener.proxy_protocol);
    let proxy_protocol = ProxyProtocol {
        listeners: expecting.cloned().collect(),
        settings: gateway.settings.clone(),
        metrics: gateway.metrics.clone(),
    };
    let metrics = gateway.metrics.clone();
    let mut proxy: HttpProxy<Gateway> = http_proxy(conf, gateway);
    let mut options = HttpServerOptions::default();
    options.keepalive_request_limit = Some(settings.limits.requests_per_connection);
    options.h2_idle_timeout = Some(settings.limits.keep_alive);
    proxy.server_options = Some(options);
    let app = HeaderDeadline { app: Arc::new(proxy), budget: settings.limits.header_timeout, metrics: metrics.clone() };
    let slots = Arc::new(Semaphore::new(settings.limits.connections));
    let gate = ConnectionGate { app: Arc::new(app), slots, proxy_protocol: proxy_protocol.clone(), metrics };
    let mut service = Service::new("gateway".to_owned(), gate);
    for (address, certificate) in listeners {
        let mut endpoint = ListenerConfig::tcp(address.to_string());
        if let Some(certificate) = certificate {
            let mut tls = TlsSettings::with_callbacks(Box::new(NoCallbacks))?;
            tls.set_cert_resolver(certificate.clone());
            tls.enable_h2();
            endpoint = endpoint.tls(tls);
        }
        service.add_listener(endpoint);
    }
    if !proxy_protocol.listeners.is_empty() {
        // With TLS the header comes before the handshake.
        service.endpoints().set_pre_tls_callback(Arc::new(proxy_protocol));
    }
    service.threads = Some(settings.threads);
    Ok(service)
}

struct NoCallbacks;

#[async_trait]
impl pingora::listeners::TlsAccept for NoCallbacks {}

/// What has to be done once a second, whether requests come or not.
pub struct Background {
    /// The streams to let fall idle.
    pub table: Arc<StreamTable>,
    /// The names to look up.
    pub upstreams: Arc<Upstreams>,
    /// The certificates to read again.
    pub certificates: Vec<Arc<Certificate>>,
    /// Where gauges go.
    pub metrics: Arc<Metrics>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

#[async_trait]
impl BackgroundService for Background {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let resolver = async {
            for second in 0_u64.. {
                self.upstreams.refresh(second).await;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        let keeper = async {
            let mut seconds = tokio::time::interval(Duration::from_secs(1));
            loop {
                seconds.tick().await;
                let now = self.clock.now();
                self.table.tick(now);
                self.table.take_leave(now).await;
                self.upstreams.report(&self.metrics, now);
                self.certificates.iter().for_each(|certificate| certificate.refresh());
            }
        };
        tokio::select! {
            () = resolver => {}
            () = keeper => {}
            _ = shutdown.changed() => {}
        }
    }
}
