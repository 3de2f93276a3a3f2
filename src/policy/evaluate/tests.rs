#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod cases;
mod counting;
mod demand;
mod endings;
mod missing;
mod property;
mod reports;
mod shared_policies;
mod support;
