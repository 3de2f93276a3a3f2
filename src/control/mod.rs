//! The control port: health, readiness and metrics. It answers operators, never viewers.

mod operator;
mod server;
mod session;
mod state;

pub use state::{Control, Readiness};
