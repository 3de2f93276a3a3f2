//! The control port: health, readiness and metrics. It answers operators, never viewers.

mod server;

pub use server::{Control, Readiness};
