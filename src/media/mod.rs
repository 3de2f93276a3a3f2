//! What is asked for, and what a manifest says.
//!
//! [`classify()`] names the [`Kind`] of a request from its path and query; [`hls`] and [`dash`] read a manifest once: they put
//! the play session in front of every reference that would lose it otherwise, copy every other byte as it came, and report
//! the [`Facts`] (live or not, durations) from which idle windows are derived.
//!
//! Nothing here knows of HTTP servers, and nothing panics: whatever the bytes are, they pass.

mod classify;
pub mod dash;
mod facts;
pub mod hls;
mod location;
mod path;
mod percent;
mod reference;

pub use classify::{Kind, Signal, classify, classify_response, sniff};
pub use facts::{Facts, Form, Outcome, Unparsable};
pub use location::{is_elsewhere, path_of, prefixed};
pub use reference::Target;
