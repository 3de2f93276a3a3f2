//! Another configuration while the gateway serves: the real program, its file, and SIGHUP.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]
#![allow(clippy::case_sensitive_file_extension_comparisons, reason = "these origins know their own names")]

mod asking;
mod fixed;
mod key_sources;
mod names;
mod policies;
mod refusing;
mod serving;
mod shortage;
mod support;

use crate::signers;

use crate::gateway::support as program;
