//! The four questions, asked of one request: what is asked for, who asks, is it playing, may it?
//!
//! Whoever answers requests asks them here: the gateway for traffic that passes it, the control port for proxies that are
//! not ours. What is HTTP here are the words of a request and of a refusal; servers and their frameworks stay outside.

mod annotate;
mod asked;
mod authz;
mod belongs;
mod context;
mod decide;
mod host;
mod judge;
mod listed;
mod misuse;
mod over;
mod request_ids;
mod respond;
mod snapshot;
mod told;

use std::sync::Arc;

use crate::model::{Clock, Entropy};
use crate::streams::StreamTable;
use crate::telemetry::{Decisions, Metrics};

pub(crate) use annotate::{CMSD_DYNAMIC, OURS, attributes, cmsd, field, rule, whose};
pub(crate) use asked::{ClientInfo, RequestView, host, is_forwarded_tls, strip_path_token};
pub use context::Context;
pub(crate) use context::InFlightGuard;
pub(crate) use host::is_host_and_port;
pub use judge::RecentExplanations;
pub use listed::ListedSegments;
pub use request_ids::RequestIds;
pub(crate) use respond::Problem;
pub use snapshot::RuntimeConfig;
pub(crate) use told::PATH as AUTHZ;

/// Gives what is in force.
pub type Current = Arc<dyn Fn() -> Arc<RuntimeConfig> + Send + Sync>;

/// What is needed to answer, shared by all requests, whichever way they come.
pub struct Admission {
    /// The streams of all accounts.
    pub table: Arc<StreamTable>,
    /// Where counts go.
    pub metrics: Arc<Metrics>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Whose refusals were explained a moment ago.
    pub explained: RecentExplanations,
    /// What was decided a while ago.
    pub decisions: Arc<Decisions>,
    /// What manifests listed as segments under names of something harmless.
    pub listed: ListedSegments,
    /// Names requests in logs and refusals.
    pub requests: RequestIds,
}

impl Admission {
    /// The name of the next request.
    pub(crate) fn next_request(&self) -> u64 {
        self.requests.next()
    }
}
