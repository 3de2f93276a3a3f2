//! What the house tells the outside: metrics, the access log, and a listener that turns stream events into both.

mod access;
mod family;
mod log;
mod metrics;
mod streams;
mod trust;
mod usage;

pub use access::Access;
pub use log::{Format, LogGuard, init};
pub use metrics::{ManifestResult, Metrics, Outcome};
