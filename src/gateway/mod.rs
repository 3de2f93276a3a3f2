//! The Pingora adapter: asks the four questions of proxied traffic and acts on the answers.

mod annotate;
mod asked;
mod context;
mod decide;
mod guards;
mod judge;
mod manifest;
mod misuse;
mod outbound;
mod over;
mod proxy;
mod proxy_header;
mod proxy_protocol;
mod respond;
mod server;
mod snapshot;
mod tls;
mod upstream;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arc_swap::ArcSwap;

use crate::model::{Clock, Entropy};
use crate::streams::StreamTable;
use crate::telemetry::Metrics;

pub use context::Context;
pub use judge::Explained;
pub use server::{Background, Endpoint, service};
pub use snapshot::Snapshot;
pub use tls::{Certificate, CertificateError};
pub use upstream::Upstreams;

/// Everything that a request needs, shared by all of them.
pub struct Gateway {
    /// One immutable snapshot per request, swapped whole.
    pub current: Arc<ArcSwap<Snapshot>>,
    /// The streams of all accounts.
    pub table: Arc<StreamTable>,
    /// Where counts go.
    pub metrics: Arc<Metrics>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Whose refusals were explained a moment ago.
    pub explained: Explained,
    /// Names requests in logs and refusals; starts at a random number so that names differ between runs.
    pub requests: AtomicU64,
}
