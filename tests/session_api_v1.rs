//! Version 1 of the session API as a black box: the real program, asked over HTTP. The names of tests begin with the items of
//! the conformance list that they show.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]
#![allow(clippy::case_sensitive_file_extension_comparisons, reason = "these origins know their own names")]

mod bad_input;
mod counters;
#[allow(dead_code, reason = "it is shared with the tests of the gateway")]
mod heartbeats;
mod lists;
mod one_table;
mod starts;
mod support;
mod transport;
mod walk;

use crate::gateway::support as gateway;
