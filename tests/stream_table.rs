//! The stream table, from outside: the limit holds in every order of events, under every race, over every restart.

#![allow(clippy::expect_used, clippy::panic, reason = "tests say what failed by panicking")]

#[path = "stream_table/capacity.rs"]
mod capacity;
#[path = "stream_table/declared.rs"]
mod declared;
#[path = "stream_table/exempt.rs"]
mod exempt;
#[path = "stream_table/listing.rs"]
mod listing;
#[path = "stream_table/model.rs"]
mod model;
#[path = "stream_table/order.rs"]
mod order;
#[path = "stream_table/policies.rs"]
mod policies;
#[path = "stream_table/policy_change.rs"]
mod policy_change;
#[path = "stream_table/property.rs"]
mod property;
#[path = "stream_table/races.rs"]
mod races;
#[path = "stream_table/restarted.rs"]
mod restarted;
#[path = "stream_table/snapshot.rs"]
mod snapshot;
#[path = "stream_table/support.rs"]
mod support;
#[path = "stream_table/time.rs"]
mod time;
