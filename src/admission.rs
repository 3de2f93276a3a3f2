//! Decides about a request: its route, its viewer, its stream, and whether the policies admit it.
//!
//! [`Admission::decide`] takes a [`RequestView`] and returns a [`Decision`]. The gateway calls it for traffic that it
//! proxies, the control port for other proxies. This module handles HTTP requests and refusals, and depends on no
//! server.

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

/// Returns the configuration in effect.
pub type Current = Arc<dyn Fn() -> Arc<RuntimeConfig> + Send + Sync>;

/// What decisions need, shared by all requests.
pub struct Admission {
    /// The streams of all accounts.
    pub table: Arc<StreamTable>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The source of randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Accounts with a recently logged explanation.
    pub explained: RecentExplanations,
    /// Recent decisions.
    pub decisions: Arc<Decisions>,
    /// Segments that manifests list under names that do not count.
    pub listed: ListedSegments,
    /// Generates request ids for logs and refusals.
    pub requests: RequestIds,
}

impl Admission {
    /// The id of the next request.
    pub(crate) fn next_request(&self) -> u64 {
        self.requests.next()
    }
}
