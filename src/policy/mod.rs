//! May they? A pure function from the account's streams, a candidate and the policies in force to a decision.
//!
//! Nothing here knows tables, requests or clocks. Every rule is *monotone*: one that holds for a set of streams holds
//! for each subset, so that a decision to admit stays right when it was made over a view that lists too many.

mod decision;
mod demand;
mod ending;
mod evaluate;
mod explain;
mod expression;
mod field;
mod judge;
mod language;
mod message;
mod rule;
mod standing;
mod told;

pub use decision::{Conflict, Decision, Effect, MissingAttribute, RequiredLimit, Violation};
pub use demand::RequiredLimits;
pub use evaluate::{evaluate, evaluate_excluding, reconsider};
pub use explain::{CountExplained, Explanation, Facts, PolicyExplained, RuleExplained, TargetExplained, explain};
pub use expression::{Expression, ExpressionError, Truth};
pub use field::{Field, Found, Missing, Type};
pub use message::{Message, MessageError};
pub use rule::{Count, Limit, Mode, Policy, Rule, WhenExceeded};
pub use standing::{ApplicationBinding, Content, EvalContext, StreamView};
