//! The control port: health, readiness, metrics, and decisions for other proxies. It answers operators, never viewers.

mod authz;
mod operator;
mod server;
mod session;
mod state;

pub use session::Throttle;
pub use state::{Control, Readiness};
