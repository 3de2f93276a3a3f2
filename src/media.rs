//! What is asked for, and what a manifest says.
//!
//! [`classify()`] names the [`Kind`] of a request from its path and query; [`hls`] and [`dash`] read a manifest once: they put
//! the play session in front of every reference that would lose it otherwise, copy every other byte as it came, and report
//! the [`Facts`] (live or not, durations) from which idle windows are derived.
//!
//! Nothing here knows of HTTP servers, and nothing panics: whatever the bytes are, they pass.

mod answer;
mod bytes;
mod classify;
pub mod dash;
mod disguise;
mod facts;
pub mod hls;
pub mod json;
mod location;
mod path;
mod percent;
mod reference;

pub use answer::{Claim, classify_response, classify_unknown, is_too_large, may_list_channels};
pub use bytes::{HEAD, belied};
pub use classify::{Kind, Signal, classify, is_channel_list, sniff};
pub use disguise::{Disguised, marks_of};
pub use facts::{Facts, Form, Outcome, Unparsable};
pub use location::{is_elsewhere, path_of, prefixed};
pub use reference::Target;
