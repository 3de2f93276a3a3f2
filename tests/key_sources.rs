//! What identity trusts and has to be fetched: keys, verdicts and blocks, from real servers and files that change, fail and
//! lie.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod blocks;
mod callback;
mod following;
mod key_files;
mod key_urls;
mod support;

use crate::signers;
