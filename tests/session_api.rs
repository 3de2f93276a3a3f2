//! The session API over HTTP: the conformance items of the contract, each as a test that bears its number.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]
#![allow(clippy::case_sensitive_file_extension_comparisons, reason = "these origins know their own names")]

mod bad_input;
mod counted;
mod eviction;
mod heartbeat;
mod kill;
mod metadata;
mod one_table;
mod refusal;
mod rows;
mod running;
mod start;
mod stop;
mod support;
mod throttle;
mod transport;

use crate::gateway::support as program;
