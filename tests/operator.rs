//! The operator's API, asked over HTTP, of the real program with viewers in front and an origin behind.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]
#![allow(clippy::type_complexity, reason = "tables of cases")]
#![allow(clippy::items_after_statements, reason = "what a case needs stands beside it")]
#![allow(clippy::float_cmp, reason = "counters are whole numbers")]
#![allow(clippy::case_sensitive_file_extension_comparisons, reason = "these origins know their own names")]

mod access;
mod acting;
mod audit;
mod explaining;
mod forms;
mod listing;
mod running;
pub(crate) mod support;

use crate::gateway::support as program;
