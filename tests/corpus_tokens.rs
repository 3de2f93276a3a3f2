//! Runs the published token vectors of the corpus against the formats: every verdict must agree.
//!
//! The corpus is a folder beside the project, or where `STREAMGATE_CORPUS` points. Without it the tests say that they skip.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod cat;
mod cmcd;
mod corpus;
mod edgeauth;
mod jwt;
mod media_cdn;
mod uri_signing;
