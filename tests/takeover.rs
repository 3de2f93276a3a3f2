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

#[path = "takeover/gateway.rs"]
mod gateway;
#[path = "takeover/one_client.rs"]
mod one_client;
#[path = "takeover/player.rs"]
mod player;
#[path = "takeover/random.rs"]
mod random;
#[path = "takeover/settling.rs"]
mod settling;
#[path = "takeover/soak.rs"]
mod soak;
#[path = "takeover/tally.rs"]
mod tally;
#[path = "takeover/truth.rs"]
mod truth;
#[path = "takeover/viewers.rs"]
mod viewers;
