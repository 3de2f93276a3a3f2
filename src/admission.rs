//! Decides about one request: what it asks for, who asks, which stream it belongs to, and whether the policies admit it.
//!
//! [`Admission::decide`] takes a request apart as a [`RequestView`] and answers with a [`Decision`]. The gateway calls it for
//! traffic that it proxies, the control port for other proxies. This module knows HTTP requests and refusals, and no server.

mod abuse;
mod admit;
mod annotate;
mod authz;
mod decide;
mod decision;
mod fields;
mod forwarded;
mod host;
mod in_flight;
mod listed_segments;
mod play_context;
mod problem;
mod reevaluate;
mod refusal_details;
mod request_ids;
mod request_view;
mod resolve;
mod runtime_config;
mod stream_lookup;

use std::sync::Arc;

use crate::model::{Clock, Entropy};
use crate::streams::StreamTable;
use crate::telemetry::{Decisions, Metrics};

pub(crate) use annotate::{CMSD_DYNAMIC, attributes, cmsd, rule, whose};
pub(crate) use decision::{Decided, Decision, PassReason, Permit, Slot, Subject, pass_outcome};
pub(crate) use fields::{OURS, field};
pub(crate) use forwarded::PATH as AUTHZ;
pub(crate) use host::is_host_and_port;
pub(crate) use in_flight::InFlightGuard;
pub use listed_segments::ListedSegments;
pub(crate) use play_context::{CachedPlay, PlayContext};
pub(crate) use problem::Problem;
pub use reevaluate::RecentExplanations;
pub use request_ids::RequestIds;
pub(crate) use request_view::{
    Arrival, ClientInfo, Ingress, RequestView, host, is_forwarded_tls, logged_path, origin_path, strip_path_token,
};
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
