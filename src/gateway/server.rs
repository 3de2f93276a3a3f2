//! The gateway as services of the framework's server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use pingora::listeners::ListenerConfig;
use pingora::listeners::tls::TlsSettings;
use pingora::proxy::{HttpProxy, http_proxy};
use pingora::server::ShutdownWatch;
use pingora::server::configuration::ServerConf;
use pingora::services::background::BackgroundService;
use pingora::services::listening::Service;

use super::guards::ConnectionGate;
use super::proxy_protocol::ProxyProtocol;
use super::tls::Certificate;
use super::{Gateway, Snapshot};
use crate::model::Clock;
use crate::streams::StreamTable;
use crate::telemetry::{ClockWatch, Metrics};

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
    let settings = gateway.current.load().settings.clone();
    let expecting = settings.listeners.iter().filter(|listener| listener.proxy_protocol);
    let proxy_protocol = ProxyProtocol {
        listeners: expecting.cloned().collect(),
        current: gateway.current.clone(),
        metrics: gateway.metrics.clone(),
    };
    let (current, metrics) = (gateway.current.clone(), gateway.metrics.clone());
    let proxy: HttpProxy<Gateway> = http_proxy(conf, gateway);
    let (app, open) = (Arc::new(proxy), AtomicUsize::new(0));
    let gate = ConnectionGate { app, open, proxy_protocol: proxy_protocol.clone(), current, metrics };
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
    pub current: Arc<ArcSwap<Snapshot>>,
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
                let upstreams = self.current.load().upstreams.clone();
                upstreams.refresh(second).await;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        let keeper = async {
            let mut seconds = tokio::time::interval(Duration::from_secs(1));
            let mut told = self.current.load().upstreams.clone();
            let watched = ClockWatch::default();
            loop {
                seconds.tick().await;
                let moment = self.clock.moment();
                let now = moment.now;
                self.table.tell_wall(moment);
                watched.look(moment);
                self.table.tick(now);
                self.table.take_leave(now).await;
                let upstreams = self.current.load().upstreams.clone();
                upstreams.report(&self.metrics, now, &told);
                told = upstreams;
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
