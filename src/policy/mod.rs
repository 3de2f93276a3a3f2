//! May they? A pure function from the account's streams, a candidate and the policies in force to a decision.
//!
//! Nothing here knows tables, requests or clocks. Every rule is *monotone*: one that holds for a set of streams holds
//! for each subset, so that a decision to admit stays right when it was made over a view that lists too many.

mod evaluate;
mod rule;

pub use evaluate::{Decision, Effect, Standing, Violation, evaluate};
pub use rule::{Mode, Policy, Rule, WhenExceeded};
