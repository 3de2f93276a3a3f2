//! The configuration, as an operator meets it: what it means, and what is said when it is wrong.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what failed by panicking")]

#[path = "config/change.rs"]
mod change;
#[path = "config/damage.rs"]
mod damage;
#[path = "config/declared.rs"]
mod declared;
#[path = "config/form.rs"]
mod form;
#[path = "config/meaning.rs"]
mod meaning;
#[path = "config/minting.rs"]
mod minting;
#[path = "config/policies.rs"]
mod policies;
#[path = "config/problems.rs"]
mod problems;
#[path = "config/support.rs"]
mod support;
#[path = "config/warnings.rs"]
mod warnings;
