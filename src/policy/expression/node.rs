//! Checked expressions as typed trees, and their evaluation.

use chrono::{DateTime, Utc};
use regex::Regex;

use super::super::field::{Field, Found, Missing, Type, read_bool, read_int};
use super::super::stream_view::{ApplicationBinding, EvalContext, StreamView};
use super::time::{Part, Zone};

/// Why there is no value. As in CEL, a logical operator ignores it if the other side decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EvalError<'e> {
    /// Depends on the manifest, which is not known yet.
    Pending,
    /// The stream lacks this field, or its value has the wrong type.
    Lacks(&'e Field),
    /// Overflow, division by zero, or text that is not a number.
    Undefined,
}

impl EvalError<'_> {
    /// Combines two errors: those that may resolve later first, then those with a field.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Pending, _) | (_, Self::Pending) => Self::Pending,
            (Self::Lacks(field), _) | (_, Self::Lacks(field)) => Self::Lacks(field),
            (Self::Undefined, Self::Undefined) => Self::Undefined,
        }
    }
}

type Outcome<'e, T> = Result<T, EvalError<'e>>;

/// Both values, or their combined errors.
fn both<'e, A, B>(left: Outcome<'e, A>, right: Outcome<'e, B>) -> Outcome<'e, (A, B)> {
    match (left, right) {
        (Ok(left), Ok(right)) => Ok((left, right)),
        (Err(one), Err(other)) => Err(one.and(other)),
        (Err(fault), Ok(_)) | (Ok(_), Err(fault)) => Err(fault),
    }
}

/// Input of an evaluation.
pub(super) struct EvalInput<'v> {
    pub(super) standing: &'v StreamView<'v>,
    pub(super) carrier: &'v ApplicationBinding,
    pub(super) scene: &'v EvalContext<'v>,
    pub(super) missing: &'v Missing,
}

impl<'v> EvalInput<'v> {
    /// The field's value, parsed by `read`. A value that does not parse counts as missing.
    fn read<'e, T>(&self, field: &'e Field, read: impl Fn(&'v str) -> Option<T>) -> Outcome<'e, T> {
        let value = match field.resolve(self.standing, self.carrier, self.scene) {
            Found::Known(value) => read(value),
            Found::Pending => return Err(EvalError::Pending),
            Found::Missing => None,
        };
        match (value, self.missing) {
            (Some(value), _) => Ok(value),
            (None, Missing::TreatAs(value)) => read(value).ok_or(EvalError::Lacks(field)),
            (None, Missing::Unknown | Missing::IgnoreRule | Missing::Refuse) => Err(EvalError::Lacks(field)),
        }
    }

    fn text<'e>(&self, field: &'e Field) -> Outcome<'e, &'v str> {
        match self.read(field, Some) {
            Err(EvalError::Lacks(_)) if *self.missing == Missing::Unknown => Ok("Unknown"),
            known => known,
        }
    }
}

/// Comparison of two values of one type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    Equal,
    NotEqual,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

impl Relation {
    fn holds<T: PartialOrd + ?Sized>(self, left: &T, right: &T) -> bool {
        match self {
            Self::Equal => left == right,
            Self::NotEqual => left != right,
            Self::Less => left < right,
            Self::AtMost => left <= right,
            Self::Greater => left > right,
            Self::AtLeast => left >= right,
        }
    }

    pub(super) fn is_order(self) -> bool {
        !matches!(self, Self::Equal | Self::NotEqual)
    }
}

/// `when ? then : otherwise`.
#[derive(Debug)]
pub(super) struct Choice<T> {
    pub(super) when: BoolExpr,
    pub(super) then: T,
    pub(super) otherwise: T,
}

impl<T> Choice<T> {
    fn pick<'e>(&'e self, look: &EvalInput<'_>) -> Outcome<'e, &'e T> {
        Ok(if self.when.evaluate(look)? { &self.then } else { &self.otherwise })
    }
}

/// A typed part of an expression.
#[derive(Debug)]
pub(super) enum Typed {
    Test(BoolExpr),
    Int(Int),
    Double(Double),
    Text(Text),
    Time(Time),
}

impl Typed {
    pub(super) fn kind(&self) -> Type {
        match self {
            Self::Test(_) => Type::Bool,
            Self::Int(_) => Type::Int,
            Self::Double(_) => Type::Double,
            Self::Text(_) => Type::Text,
            Self::Time(_) => Type::Timestamp,
        }
    }

    /// True if it is a literal.
    pub(super) fn is_literal(&self) -> bool {
        matches!(
            self,
            Self::Test(BoolExpr::Literal(_))
                | Self::Int(Int::Known(_))
                | Self::Double(Double::Known(_))
                | Self::Text(Text::Known(_))
        )
    }
}

/// An expression that is true or false.
#[derive(Debug)]
pub(super) enum BoolExpr {
    Literal(bool),
    Field(Field),
    Not(Box<BoolExpr>),
    All(Vec<BoolExpr>),
    Any(Vec<BoolExpr>),
    Choice(Box<Choice<BoolExpr>>),
    /// Equality of two tests; the flag is false for inequality.
    Tests(Box<BoolExpr>, bool, Box<BoolExpr>),
    Texts(Text, Relation, Text),
    Ints(Int, Relation, Int),
    Doubles(Double, Relation, Double),
    Times(Time, Relation, Time),
    TextIn(Text, Box<[Box<str>]>),
    IntIn(Int, Box<[i64]>),
    StartsWith(Text, Text),
    EndsWith(Text, Text),
    Contains(Text, Text),
    Matches(Text, Regex),
}

impl BoolExpr {
    pub(super) fn evaluate<'e>(&'e self, look: &EvalInput<'_>) -> Outcome<'e, bool> {
        match self {
            Self::Literal(known) => Ok(*known),
            Self::Field(field) => look.read(field, read_bool),
            Self::Not(test) => Ok(!test.evaluate(look)?),
            Self::All(tests) => settle(tests, false, look),
            Self::Any(tests) => settle(tests, true, look),
            Self::Choice(choice) => choice.pick(look)?.evaluate(look),
            Self::Tests(left, equal, right) => {
                both(left.evaluate(look), right.evaluate(look)).map(|(left, right)| (left == right) == *equal)
            }
            Self::Texts(left, relation, right) => texts(left, right, look, |left, right| relation.holds(left, right)),
            Self::Ints(left, relation, right) => {
                both(left.evaluate(look), right.evaluate(look)).map(|(left, right)| relation.holds(&left, &right))
            }
            Self::Doubles(left, relation, right) => {
                both(left.evaluate(look), right.evaluate(look)).map(|(left, right)| relation.holds(&left, &right))
            }
            Self::Times(left, relation, right) => {
                both(left.evaluate(look), right.evaluate(look)).map(|(left, right)| relation.holds(&left, &right))
            }
            Self::TextIn(text, list) => text.evaluate(look).map(|text| list.iter().any(|one| **one == *text)),
            Self::IntIn(int, list) => int.evaluate(look).map(|int| list.contains(&int)),
            Self::StartsWith(text, head) => texts(text, head, look, |text, head| text.starts_with(head)),
            Self::EndsWith(text, tail) => texts(text, tail, look, |text, tail| text.ends_with(tail)),
            Self::Contains(text, part) => texts(text, part, look, |text, part| text.contains(part)),
            Self::Matches(text, regex) => text.evaluate(look).map(|text| regex.is_match(text)),
        }
    }
}

fn texts<'e>(
    one: &'e Text,
    other: &'e Text,
    look: &EvalInput<'_>,
    holds: impl Fn(&str, &str) -> bool,
) -> Outcome<'e, bool> {
    both(one.evaluate(look), other.evaluate(look)).map(|(one, other)| holds(one, other))
}

/// Returns `decisive` if any of `tests` is that, whatever the others are: `&&` and `||` ignore the order.
fn settle<'e>(tests: &'e [BoolExpr], decisive: bool, look: &EvalInput<'_>) -> Outcome<'e, bool> {
    let mut fault: Option<EvalError<'e>> = None;
    for test in tests {
        match test.evaluate(look) {
            Ok(value) if value == decisive => return Ok(decisive),
            Ok(_) => {}
            Err(one) => fault = Some(fault.map_or(one, |other| other.and(one))),
        }
    }
    fault.map_or(Ok(!decisive), Err)
}

/// A text.
#[derive(Debug)]
pub(super) enum Text {
    Known(Box<str>),
    Field(Field),
    Choice(Box<Choice<Text>>),
}

impl Text {
    fn evaluate<'e: 'v, 'v>(&'e self, look: &EvalInput<'v>) -> Outcome<'e, &'v str> {
        match self {
            Self::Known(text) => Ok(text),
            Self::Field(field) => look.text(field),
            Self::Choice(choice) => choice.pick(look)?.evaluate(look),
        }
    }

    /// The number in the text. `Unknown` does not parse, so that a missing field is missing here too.
    fn number<'e, T: std::str::FromStr>(&'e self, look: &EvalInput<'_>) -> Outcome<'e, T> {
        self.evaluate(look)?.parse().map_err(|_| match self {
            Self::Field(field) => EvalError::Lacks(field),
            Self::Known(_) | Self::Choice(_) => EvalError::Undefined,
        })
    }
}

/// An operation on whole numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

/// A whole number.
#[derive(Debug)]
pub(super) enum Int {
    Known(i64),
    Field(Field),
    /// Length of a text in Unicode code points.
    Size(Text),
    OfText(Text),
    Negative(Box<Int>),
    Arithmetic(Box<Int>, Arithmetic, Box<Int>),
    Part(Time, Part, Zone),
    Choice(Box<Choice<Int>>),
}

impl Int {
    pub(super) fn evaluate<'e>(&'e self, look: &EvalInput<'_>) -> Outcome<'e, i64> {
        match self {
            Self::Known(known) => Ok(*known),
            Self::Field(field) => look.read(field, read_int),
            Self::Size(text) => Ok(i64::try_from(text.evaluate(look)?.chars().count()).unwrap_or(i64::MAX)),
            Self::OfText(text) => text.number(look),
            Self::Negative(int) => int.evaluate(look)?.checked_neg().ok_or(EvalError::Undefined),
            Self::Arithmetic(left, operation, right) => {
                let (left, right) = both(left.evaluate(look), right.evaluate(look))?;
                let result = match operation {
                    Arithmetic::Add => left.checked_add(right),
                    Arithmetic::Subtract => left.checked_sub(right),
                    Arithmetic::Multiply => left.checked_mul(right),
                    Arithmetic::Divide => left.checked_div(right),
                    Arithmetic::Remainder => left.checked_rem(right),
                };
                result.ok_or(EvalError::Undefined)
            }
            Self::Part(time, part, zone) => Ok(part.extract(zone.local(time.evaluate(look)?))),
            Self::Choice(choice) => choice.pick(look)?.evaluate(look),
        }
    }
}

/// A number with a fraction.
#[derive(Debug)]
pub(super) enum Double {
    Known(f64),
    OfText(Text),
    OfInt(Int),
    Choice(Box<Choice<Double>>),
}

impl Double {
    fn evaluate<'e>(&'e self, look: &EvalInput<'_>) -> Outcome<'e, f64> {
        match self {
            Self::Known(known) => Ok(*known),
            Self::OfText(text) => text.number(look),
            #[expect(clippy::cast_precision_loss, reason = "the nearest one is what CEL asks for")]
            Self::OfInt(int) => int.evaluate(look).map(|int| int as f64),
            Self::Choice(choice) => choice.pick(look)?.evaluate(look),
        }
    }
}

/// A point in time.
#[derive(Debug)]
pub(super) enum Time {
    Now,
    Known(DateTime<Utc>),
    Choice(Box<Choice<Time>>),
}

impl Time {
    fn evaluate<'e>(&'e self, look: &EvalInput<'_>) -> Outcome<'e, DateTime<Utc>> {
        match self {
            Self::Now => i64::try_from(look.scene.now.0)
                .ok()
                .and_then(DateTime::from_timestamp_millis)
                .ok_or(EvalError::Undefined),
            Self::Known(known) => Ok(*known),
            Self::Choice(choice) => choice.pick(look)?.evaluate(look),
        }
    }
}
