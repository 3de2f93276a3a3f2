//! The stream table, from outside: the limit holds in every order of events, under every race, over every restart.

#![allow(clippy::expect_used, clippy::panic, reason = "tests say what failed by panicking")]

mod capacity;
mod declared;
mod exempt;
mod listing;
mod model;
mod order;
mod policies;
mod policy_change;
mod property;
mod races;
mod restarted;
mod snapshot;
mod support;
mod time;
