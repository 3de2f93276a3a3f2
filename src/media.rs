//! Classification of requests, and parsing and rewriting of manifests.
//!
//! [`classify()`] returns the [`Kind`] of a request from its path and query. [`hls`] and [`dash`] read a manifest once:
//! they add the play session to every reference that would otherwise lose it, copy every other byte unchanged, and
//! report the [`Facts`] (live or not, durations) from which idle timeouts are derived.
//!
//! Independent of HTTP servers. Nothing panics: any bytes pass.

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
