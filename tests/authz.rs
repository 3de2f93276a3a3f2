//! Proxies that ask about their viewers' requests: the real program's control port, in the words of each proxy.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]
#![allow(clippy::case_sensitive_file_extension_comparisons, reason = "these origins know their own names")]

mod conventions;
mod forged;
mod streams;
mod support;
mod told;
mod varnish;

use crate::gateway::support as program;
