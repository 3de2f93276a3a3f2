//! The document of the control port, held against the program: it is valid, and the program does what it says.
//!
//! Both need packages that `scripts/install test` installs; without them these tests say so and pass.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]
#![allow(clippy::case_sensitive_file_extension_comparisons, reason = "these origins know their own names")]

mod schemathesis;

use crate::gateway::support as program;
use crate::operator::support;
