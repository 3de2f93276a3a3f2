//! Conditions on one stream, written in the Common Expression Language (CEL, the language definition of cel-spec).
//!
//! An expression is parsed and checked once, and becomes a tree whose nodes know their types. Evaluating it takes no memory
//! (but for what a regular expression keeps from one match to the next), and time that its construction bounds: each node is
//! visited at most once, there are at most 200 of them, none of them loops, and none does more than go through the text that
//! it looks at (a regular expression: once for each of its bounded number of states).
//!
//! It is a part of CEL in which every expression that is let in means what CEL says. Left out are lists other than on the right
//! of `in`, maps, macros, null, bytes, unsigned numbers, spans of time, arithmetic on fractions and the joining of text. Two
//! things differ: names are fields of a known type, so that types are checked beforehand; and `package`, which CEL keeps for
//! itself, is a field like any other.

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

/// An expression that has been checked: its types are right, its cost is bounded, and evaluating it cannot fail but for lack
/// of an attribute.
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

/// Two expressions that are written alike are the same.
impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Expression {}

/// What is wrong with an expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExpressionError {
    /// Bytes of the source that it speaks of.
    pub at: Range<usize>,
    /// What is wrong, and what to write instead.
    pub message: String,
}

/// What an expression of type bool says of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Truth<'a> {
    /// True.
    Yes,
    /// False, or without a value for a reason that is not the stream's (a division by zero, an overflow).
    No,
    /// It depends on what the manifest will say.
    Pending,
    /// It depends on an attribute that the stream lacks, or whose value is not of its type.
    Lacks(&'a Field),
}

impl Expression {
    /// Parses and checks `source`, whose type must be one of `wanted`: [`Type::Bool`], [`Type::Int`] or both. Nothing else has
    /// a use.
    ///
    /// # Errors
    /// Everything that is wrong with it, in the order of the source.
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

    /// As it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The fields that it names, with the bytes of the source where they stand.
    pub fn places(&self) -> &[(Field, Range<usize>)] {
        &self.places
    }

    /// The fields that it names.
    pub fn fields(&self) -> impl Iterator<Item = &Field> {
        self.places.iter().map(|(field, _)| field)
    }

    /// Whether it is true of the stream. `No` where its type is not bool.
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

    /// Where the stream stands in an order: true before false, greater numbers before smaller; least where it is not known.
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

/// What to say of an expression whose type is `found`.
fn unwanted(found: Type, wanted: &[Type]) -> String {
    let wants = match wanted {
        [Type::Bool] => "a condition is true or false",
        [Type::Int] => "a whole number is wanted",
        _ => "true or false, or a whole number, is wanted",
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
