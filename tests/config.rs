//! The configuration, as an operator meets it: what it means, and what is said when it is wrong.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what failed by panicking")]

mod change;
mod damage;
mod declared;
mod form;
mod meaning;
mod minting;
mod policies;
mod problems;
mod support;
mod warnings;
