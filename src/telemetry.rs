//! Metrics, logs and webhooks, and the observers that feed them with stream events.

mod access;
mod calls;
mod clock;
mod decision_log;
mod family;
mod initial_series;
mod key_sources;
mod log;
mod log_limit;
mod metrics;
mod origins;
mod streams;
mod usage;
mod webhooks;

pub use access::Access;
pub use calls::{ApiOperation, ApiOutcome, ApiVersion, LoginFailure};
pub use clock::ClockWatch;
pub use decision_log::{AuditEntry, AuditKind, Decisions, KEPT, Refused, Verdict};
pub use log::{Format, LogGuard, init};
pub use log_limit::LogLimit;
pub use metrics::{ManifestResult, Metrics, Outcome};
pub use origins::OriginMetrics;
pub use webhooks::{NextWebhooks, Webhooks};
