//! The control port: health, readiness, metrics, APIs, and forward auth for other proxies. For operators and
//! applications, not for viewers.

mod authz;
mod connection;
mod document;
mod operator;
mod server;
mod session;
mod state;
mod stream_counts;

pub use session::Throttle;
pub use state::{Control, ControlParts, ProcessControl, Readiness, Reloaded, Revision};
pub use stream_counts::Counted;
