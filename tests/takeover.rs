//! Viewers who change their minds, and viewers who are one too many: whole evenings of them, with a clock that is moved by hand.

#![allow(
    clippy::unused_self,
    clippy::struct_excessive_bools,
    clippy::type_complexity,
    clippy::single_match,
    clippy::single_match_else,
    clippy::doc_markdown,
    reason = "a model of viewers, in their words"
)]
#![allow(clippy::expect_used, clippy::panic, reason = "tests say what failed by panicking")]

mod gateway;
mod one_client;
mod player;
mod random;
mod settling;
mod soak;
mod tally;
mod truth;
mod viewers;
