//! Webhooks as their receivers meet them: the real program between viewers, an origin and an HTTP server that is told.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]
#![allow(clippy::case_sensitive_file_extension_comparisons, reason = "these origins know their own names")]

mod delivery;
mod events;
mod receiver;
mod reload;

use crate::gateway::support as program;
