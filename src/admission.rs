//! The four questions, asked of one request: what is asked for, who asks, is it playing, may it?
//!
//! Whoever answers requests asks them here: the gateway for traffic that passes it, the control port for proxies that are
//! not ours. What is HTTP here are the words of a request and of a refusal; servers and their frameworks stay outside.

mod abuse;
mod annotate;
mod authz;
mod context;
mod decide;
mod forwarded;
mod host;
mod listed_segments;
mod problem;
mod reevaluate;
mod refusal_details;
mod request_ids;
mod request_view;
mod runtime_config;
mod stream_lookup;

use std::sync::Arc;

use crate::model::{Clock, Entropy};
use crate::streams::StreamTable;
use crate::telemetry::{Decisions, Metrics};

pub(crate) use annotate::{CMSD_DYNAMIC, OURS, attributes, cmsd, field, rule, whose};
pub use context::Context;
pub(crate) use context::InFlightGuard;
pub(crate) use forwarded::PATH as AUTHZ;
pub(crate) use host::is_host_and_port;
pub use listed_segments::ListedSegments;
pub(crate) use problem::Problem;
pub use reevaluate::RecentExplanations;
pub use request_ids::RequestIds;
pub(crate) use request_view::{ClientInfo, RequestView, host, is_forwarded_tls, strip_path_token};
pub use runtime_config::RuntimeConfig;

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
