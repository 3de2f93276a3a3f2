//! The gateway as a black box: the real program, started with a configuration, between a client and an origin.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]
#![allow(clippy::type_complexity, reason = "tables of cases")]
#![allow(clippy::items_after_statements, reason = "what a case needs stands beside it")]
#![allow(clippy::float_cmp, reason = "counters are whole numbers")]
#![allow(clippy::case_sensitive_file_extension_comparisons, reason = "these origins know their own names")]

mod admission;
mod alone;
mod clients;
mod clock;
mod codings;
mod demo;
mod fields;
mod formats;
mod forms;
mod guards;
mod hosts;
mod http2;
mod machine;
mod manifests;
mod media;
mod memory;
mod metrics;
mod named;
mod nested;
mod origins;
mod policies;
mod raw_origin;
mod redirects;
mod restart;
mod shutdown;
mod slow;
mod spellings;
pub(crate) mod support;
mod tls;
mod tokens;
mod translation;

use crate::signers;
