//! Policy evaluation: a pure function from an account's streams, a candidate and the policies in force to a decision.
//!
//! Independent of tables, requests and clocks. Every rule is *monotone*: if it is satisfied for a set of streams, it is
//! satisfied for each subset. Admission based on a view that lists too many streams is therefore always correct.

mod decision;
mod evaluate;
mod explain;
mod expression;
mod field;
mod language;
mod message;
mod required_limit;
mod rule;
mod rule_evaluation;
mod select_terminations;
mod stream_view;
mod violation_message;

pub use decision::{Conflict, Decision, Effect, MissingAttribute, RequiredLimit, Violation};
pub use evaluate::{evaluate, evaluate_excluding, reconsider};
pub use explain::{CountExplained, Explanation, Facts, PolicyExplained, RuleExplained, TargetExplained, explain};
pub use expression::{Expression, ExpressionError, Truth};
pub use field::{Field, Found, Missing, Type};
pub use message::{Message, MessageError};
pub use required_limit::RequiredLimits;
pub use rule::{Count, Limit, Mode, Policy, Rule, WhenExceeded};
pub use stream_view::{ApplicationBinding, Content, EvalContext, StreamView};
