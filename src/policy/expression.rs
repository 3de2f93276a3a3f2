//! Conditions on one stream, in the Common Expression Language (CEL; see cel-spec).
//!
//! An expression is parsed and checked once, into a typed tree. Evaluation allocates nothing, except what a regular
//! expression keeps between matches. Its time is bounded: at most 200 nodes without loops, each visited at most once.
//! No node does more than scan its text (a regular expression: once per state, of which there is a bounded number).
//!
//! A subset of CEL: every accepted expression means what CEL defines. Not supported: lists other than on the right of
//! `in`, maps, macros, null, bytes, unsigned numbers, durations, arithmetic on fractions, and concatenation. Two
//! differences: names are fields with known types, checked in advance; and `package`, reserved in CEL, is an ordinary
//! field.

mod call;
mod check;
mod node;
mod parse;
mod scan;
mod time;

use std::ops::Range;
use std::sync::Arc;

use super::field::{Field, Missing, Type};
use super::stream_view::{ApplicationBinding, EvalContext, StreamView};
use check::{Checker, with_article};
use node::{BoolExpr, EvalError, EvalInput, Int, Typed};

/// A checked expression: its types are correct, its cost is bounded, and evaluation fails only if an attribute is
/// missing.
#[derive(Clone, Debug)]
pub struct Expression {
    source: Box<str>,
    places: Vec<(Field, Range<usize>)>,
    tree: Arc<Tree>,
}

#[derive(Debug)]
enum Tree {
    Test(BoolExpr),
    Int(Int),
}

/// Expressions are equal if their sources are.
impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Expression {}

/// An error in an expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExpressionError {
    /// The range in the source, in bytes.
    pub at: Range<usize>,
    /// What is wrong, and what to write instead.
    pub message: String,
}

/// Result of a bool expression for a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Truth<'a> {
    /// True.
    Yes,
    /// False, or undefined for a reason unrelated to the stream (division by zero, overflow).
    No,
    /// Depends on the manifest, which is not known yet.
    Pending,
    /// Depends on an attribute that the stream lacks, or whose value has the wrong type.
    Lacks(&'a Field),
}

impl Expression {
    /// Parses and checks `source`, whose type must be one of `wanted`: [`Type::Bool`], [`Type::Int`] or both.
    ///
    /// # Errors
    /// All errors, in source order.
    pub fn compile(source: &str, wanted: &[Type]) -> Result<Self, Vec<ExpressionError>> {
        let words = scan::scan(source)?;
        let (root, info) = parse::parse(source, &words)?;
        let mut checker = Checker { source, words: &words, info, places: Vec::new(), errors: Vec::new() };
        let tree = match checker.typed(&root) {
            Some(Typed::Test(test)) if wanted.contains(&Type::Bool) => Some(Tree::Test(test)),
            Some(Typed::Int(int)) if wanted.contains(&Type::Int) => Some(Tree::Int(int)),
            Some(typed) => {
                let message = unwanted(typed.kind(), wanted);
                checker.error(0..source.len(), message)
            }
            None => None,
        };
        let Checker { places, mut errors, .. } = checker;
        match tree {
            Some(tree) if errors.is_empty() => Ok(Self { source: source.into(), places, tree: Arc::new(tree) }),
            _ => {
                errors.sort_by_key(|error| error.at.start);
                Err(errors)
            }
        }
    }

    /// The source.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The fields that it uses, with their byte ranges in the source.
    pub fn places(&self) -> &[(Field, Range<usize>)] {
        &self.places
    }

    /// The fields that it uses.
    pub fn fields(&self) -> impl Iterator<Item = &Field> {
        self.places.iter().map(|(field, _)| field)
    }

    /// Evaluates a bool expression for the stream. `No` for other types.
    pub fn truth(
        &self,
        standing: &StreamView<'_>,
        carrier: &ApplicationBinding,
        scene: &EvalContext<'_>,
        missing: &Missing,
    ) -> Truth<'_> {
        let Tree::Test(test) = &*self.tree else { return Truth::No };
        match test.evaluate(&EvalInput { standing, carrier, scene, missing }) {
            Ok(true) => Truth::Yes,
            Ok(false) | Err(EvalError::Undefined) => Truth::No,
            Err(EvalError::Pending) => Truth::Pending,
            Err(EvalError::Lacks(field)) => Truth::Lacks(field),
        }
    }

    /// The stream's sort weight: true before false, greater numbers before smaller ones; lowest if unknown.
    pub fn weight(
        &self,
        standing: &StreamView<'_>,
        carrier: &ApplicationBinding,
        scene: &EvalContext<'_>,
        missing: &Missing,
    ) -> i64 {
        let look = EvalInput { standing, carrier, scene, missing };
        let weight = match &*self.tree {
            Tree::Test(test) => test.evaluate(&look).map(i64::from),
            Tree::Int(int) => int.evaluate(&look),
        };
        weight.unwrap_or(i64::MIN)
    }
}

/// The error for an expression of type `found`.
fn unwanted(found: Type, wanted: &[Type]) -> String {
    let wants = match wanted {
        [Type::Bool] => "a condition is true or false",
        [Type::Int] => "a whole number is required",
        _ => "true or false, or a whole number, is required",
    };
    let instead = match (found, wanted) {
        (Type::Bool, _) => "write `… ? 1 : 0`",
        (Type::Text, wanted) if !wanted.contains(&Type::Bool) => "write `int(NAME)`",
        (Type::Timestamp, wanted) if !wanted.contains(&Type::Bool) => "write `now.getHours()` or the like",
        _ => "compare it with something",
    };
    format!("this is {}: {wants}; {instead}", with_article(found))
}

#[cfg(test)]
mod tests;
