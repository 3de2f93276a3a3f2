//! Version 1 of the session API as a black box: the real program, asked over HTTP. The names of tests begin with the items of
//! the conformance list that they show.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]
#![allow(clippy::case_sensitive_file_extension_comparisons, reason = "these origins know their own names")]

#[path = "session_api_v1/bad_input.rs"]
mod bad_input;
#[path = "session_api_v1/counters.rs"]
mod counters;
#[allow(dead_code, reason = "it is shared with the tests of the gateway")]
#[path = "gateway/support.rs"]
mod gateway;
#[path = "session_api_v1/heartbeats.rs"]
mod heartbeats;
#[path = "session_api_v1/lists.rs"]
mod lists;
#[path = "session_api_v1/one_table.rs"]
mod one_table;
#[path = "session_api_v1/starts.rs"]
mod starts;
#[path = "session_api_v1/support.rs"]
mod support;
#[path = "session_api_v1/transport.rs"]
mod transport;
#[path = "session_api_v1/walk.rs"]
mod walk;
