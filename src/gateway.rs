//! The Pingora adapter: obtains decisions about proxied traffic from admission and carries them out.

mod annotate;
mod client_info;
mod coding;
mod connection_limits;
mod context;
mod expiry;
mod fields;
mod held_response;
mod inspect;
mod listener;
mod manifest;
mod proxy;
mod proxy_header;
mod proxy_protocol;
mod relay;
mod resolver;
mod response_kind;
mod runtime_config;
mod server;
mod socket;
mod tls;
mod tls_stream;
mod upstream;
mod upstream_request;

use std::sync::Arc;

use arc_swap::ArcSwap;
use pingora::connectors::ConnectorOptions;
use pingora::connectors::http::Connector;

use crate::admission::Admission;

pub use context::Context;
pub use expiry::Expiry;
pub use listener::Listeners;
pub use resolver::{Resolver, SystemResolver};
pub use runtime_config::ProxyConfig;
pub use server::{Background, Endpoint, service};
pub use tls::{Certificate, CertificateError};
pub use upstream::Upstreams;

/// Serves viewers.
pub struct Gateway {
    /// The configuration: one immutable snapshot per request, replaced as a whole.
    pub current: Arc<ArcSwap<ProxyConfig>>,
    /// Makes the decisions.
    pub admission: Arc<Admission>,
    /// Connections to origins.
    connector: Connector,
}

impl Gateway {
    /// A gateway that keeps up to `kept` idle connections to origins.
    pub fn new(current: Arc<ArcSwap<ProxyConfig>>, admission: Arc<Admission>, kept: usize) -> Self {
        Self { current, admission, connector: Connector::new(Some(ConnectorOptions::new(kept))) }
    }
}
