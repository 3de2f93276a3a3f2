//! Turns the parser's tree into a typed one and reports all errors with their positions.

use std::ops::Range;

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, SourceInfo, operators};

use super::super::field::{Field, Type};
use super::ExpressionError;
use super::node::{Arithmetic, BoolExpr, Choice, Double, Int, Relation, Text, Time, Typed};
use super::scan::{Kind, Token, shown};

/// Types the tree. Each error is reported once; parents of an untyped node stay untyped without a further error.
pub(super) struct Checker<'s> {
    pub(super) source: &'s str,
    pub(super) words: &'s [Token],
    pub(super) info: SourceInfo,
    pub(super) places: Vec<(Field, Range<usize>)>,
    pub(super) errors: Vec<ExpressionError>,
}

impl Checker<'_> {
    pub(super) fn error<T>(&mut self, at: Range<usize>, message: impl Into<String>) -> Option<T> {
        self.errors.push(ExpressionError { at, message: message.into() });
        None
    }

    pub(super) fn typed(&mut self, node: &IdedExpr) -> Option<Typed> {
        match &node.expr {
            Expr::Literal(value) => self.literal(node, value),
            Expr::Ident(_) => self.name(node),
            Expr::Call(call) => self.operation(node, call),
            Expr::Select(select) => {
                let (field, of) = (shown(&select.field), self.quoted(&select.operand));
                let message = match &select.operand.expr {
                    Expr::Ident(name) if name == "now" => {
                        format!("{of} has no part `{field}`: write `now.getHours()` or the like")
                    }
                    Expr::Ident(_) => format!("{of} has no part `{field}`: fields stand alone, as in `{field}`"),
                    _ => format!("{of} has no part `{field}`: no value has parts; write the name of a field alone"),
                };
                self.error(self.at(node), message)
            }
            Expr::List(_) => {
                self.error(self.at(node), "a list is allowed only on the right of `in`: write `NAME in [\"A\", \"B\"]`")
            }
            Expr::Map(_) | Expr::Struct(_) => {
                self.error(self.at(node), "`{…}` is not supported: compare one field with one value at a time")
            }
            Expr::Comprehension(_) | Expr::Unspecified => {
                self.error(self.at(node), "this is not supported: compare a field with a value")
            }
        }
    }

    fn literal(&mut self, node: &IdedExpr, value: &LiteralValue) -> Option<Typed> {
        let instead = match value {
            LiteralValue::Boolean(value) => return Some(Typed::Test(BoolExpr::Literal(*value.inner()))),
            LiteralValue::Int(value) => return Some(Typed::Int(Int::Known(*value.inner()))),
            LiteralValue::Double(value) => return Some(Typed::Double(Double::Known(*value.inner()))),
            LiteralValue::String(value) => return Some(Typed::Text(Text::Known(value.inner().into()))),
            LiteralValue::UInt(_) => "unsigned numbers are not supported: remove the `u`",
            LiteralValue::Bytes(_) => "fields are text: remove the `b`",
            LiteralValue::Null => "no value is null: write \"Unknown\" for what is missing",
        };
        self.error(self.at(node), instead)
    }

    fn name(&mut self, node: &IdedExpr) -> Option<Typed> {
        let at = self.at(node);
        let name = self.source.get(at.clone()).unwrap_or_default();
        if name == "now" {
            return Some(Typed::Time(Time::Now));
        }
        let field = Field::named(name);
        self.places.push((field.clone(), at.clone()));
        match field.kind() {
            Type::Text => Some(Typed::Text(Text::Field(field))),
            Type::Bool => Some(Typed::Test(BoolExpr::Field(field))),
            Type::Int => Some(Typed::Int(Int::Field(field))),
            Type::Double | Type::Timestamp => {
                self.error(at, format!("`{name}` is not allowed here: write another field"))
            }
        }
    }

    fn operation(&mut self, node: &IdedExpr, call: &CallExpr) -> Option<Typed> {
        let relation = match (&*call.func_name, call.args.as_slice()) {
            (operators::LOGICAL_AND, _) => {
                return self.logical(node, operators::LOGICAL_AND, "&&").map(BoolExpr::All).map(Typed::Test);
            }
            (operators::LOGICAL_OR, _) => {
                return self.logical(node, operators::LOGICAL_OR, "||").map(BoolExpr::Any).map(Typed::Test);
            }
            (operators::LOGICAL_NOT, [test]) => {
                return Some(Typed::Test(BoolExpr::Not(Box::new(self.test(test, "!")?))));
            }
            (operators::CONDITIONAL, [when, then, otherwise]) => return self.choice(when, then, otherwise),
            (operators::IN, [value, list]) => return self.one_of(value, list),
            (operators::NEGATE, [value]) => return self.negative(value),
            (operators::ADD, [left, right]) => return self.arithmetic("+", Arithmetic::Add, left, right),
            (operators::SUBSTRACT, [left, right]) => return self.arithmetic("-", Arithmetic::Subtract, left, right),
            (operators::MULTIPLY, [left, right]) => return self.arithmetic("*", Arithmetic::Multiply, left, right),
            (operators::DIVIDE, [left, right]) => return self.arithmetic("/", Arithmetic::Divide, left, right),
            (operators::MODULO, [left, right]) => return self.arithmetic("%", Arithmetic::Remainder, left, right),
            (operators::INDEX, _) => {
                return self.error(
                    self.at(node),
                    "`[…]` is not supported: no value has parts: write the name of a field alone",
                );
            }
            (operators::EQUALS, _) => Relation::Equal,
            (operators::NOT_EQUALS, _) => Relation::NotEqual,
            (operators::LESS, _) => Relation::Less,
            (operators::LESS_EQUALS, _) => Relation::AtMost,
            (operators::GREATER, _) => Relation::Greater,
            (operators::GREATER_EQUALS, _) => Relation::AtLeast,
            _ => return self.call(node, call),
        };
        let [left, right] = call.args.as_slice() else { return None };
        self.relation(node, left, relation, right).map(Typed::Test)
    }

    /// Types a chain of one logical operator. The parser's nesting does not matter.
    fn logical(&mut self, node: &IdedExpr, operator: &str, sign: &str) -> Option<Vec<BoolExpr>> {
        match &node.expr {
            Expr::Call(call) if call.func_name == operator => {
                let parts: Vec<_> = call.args.iter().map(|part| self.logical(part, operator, sign)).collect();
                Some(parts.into_iter().collect::<Option<Vec<_>>>()?.into_iter().flatten().collect())
            }
            _ => self.test(node, sign).map(|test| vec![test]),
        }
    }

    /// Types an operand of `sign` that must be true or false.
    fn test(&mut self, node: &IdedExpr, sign: &str) -> Option<BoolExpr> {
        let typed = match self.typed(node)? {
            Typed::Test(test) => return Some(test),
            typed => typed,
        };
        let instead = match (&typed, sign) {
            (_, "!") => "put what it denies in brackets, as in `!(NAME == \"A\")`",
            (Typed::Text(Text::Known(_)), "||") => "repeat the comparison, or write `NAME in [\"A\", \"B\"]`",
            (Typed::Text(Text::Known(_)), _) => "repeat the comparison",
            _ => "compare it with something",
        };
        let (what, kind) = (self.quoted(node), with_article(typed.kind()));
        self.error(self.at(node), format!("{what} is {kind}, and `{sign}` takes what is true or false: {instead}"))
    }

    fn choice(&mut self, when: &IdedExpr, then: &IdedExpr, otherwise: &IdedExpr) -> Option<Typed> {
        let (test, left, right) = (self.test(when, "?"), self.typed(then), self.typed(otherwise));
        let (when, left, right) = (test?, left?, right?);
        Some(match (left, right) {
            (Typed::Test(then), Typed::Test(otherwise)) => Typed::Test(BoolExpr::Choice(boxed(when, then, otherwise))),
            (Typed::Int(then), Typed::Int(otherwise)) => Typed::Int(Int::Choice(boxed(when, then, otherwise))),
            (Typed::Double(then), Typed::Double(otherwise)) => {
                Typed::Double(Double::Choice(boxed(when, then, otherwise)))
            }
            (Typed::Text(then), Typed::Text(otherwise)) => Typed::Text(Text::Choice(boxed(when, then, otherwise))),
            (Typed::Time(then), Typed::Time(otherwise)) => Typed::Time(Time::Choice(boxed(when, then, otherwise))),
            (left, right) => return self.differ((then, &left), (otherwise, &right), false),
        })
    }

    fn relation(&mut self, node: &IdedExpr, left: &IdedExpr, relation: Relation, right: &IdedExpr) -> Option<BoolExpr> {
        let (one, other) = (self.typed(left), self.typed(right));
        Some(match (one?, other?) {
            (Typed::Text(one), Typed::Text(other)) => BoolExpr::Texts(one, relation, other),
            (Typed::Int(one), Typed::Int(other)) => BoolExpr::Ints(one, relation, other),
            (Typed::Double(one), Typed::Double(other)) => BoolExpr::Doubles(one, relation, other),
            (Typed::Time(one), Typed::Time(other)) => BoolExpr::Times(one, relation, other),
            (Typed::Test(_), Typed::Test(_)) if relation.is_order() => {
                return self.error(self.at(node), "true and false have no order: write `==` or `!=`");
            }
            (Typed::Test(one), Typed::Test(other)) => {
                BoolExpr::Tests(Box::new(one), relation == Relation::Equal, Box::new(other))
            }
            (one, other) => return self.differ((left, &one), (right, &other), relation.is_order()),
        })
    }

    fn one_of(&mut self, value: &IdedExpr, list: &IdedExpr) -> Option<Typed> {
        let typed = self.typed(value);
        let Expr::List(list_of) = &list.expr else {
            let what = self.quoted(list);
            let message = format!(
                "{what} is not a list: write one such as [\"A\", \"B\"] on the right of `in`, or `NAME.contains(\"TEXT\")`"
            );
            return self.error(self.at(list), message);
        };
        if list_of.elements.is_empty() {
            return self.error(self.at(list), "the list is empty: write at least one value in it");
        }
        let elements: Vec<_> = list_of.elements.iter().map(|element| (element, self.typed(element))).collect();
        let typed = typed?;
        let (mut texts, mut ints): (Vec<Box<str>>, Vec<i64>) = (Vec::new(), Vec::new());
        let mut wrong = false;
        for (element, found) in elements {
            match (&typed, found) {
                (_, None) => wrong = true,
                (Typed::Text(_), Some(Typed::Text(Text::Known(text)))) => texts.push(text),
                (Typed::Int(_), Some(Typed::Int(Int::Known(int)))) => ints.push(int),
                (typed, Some(found)) if found.kind() != typed.kind() => {
                    self.differ::<()>((value, typed), (element, &found), false);
                    wrong = true;
                }
                _ => {
                    let what = self.quoted(element);
                    self.error::<()>(
                        self.at(element),
                        format!("{what} is not a literal: a list holds text or whole numbers; use `||` for the rest"),
                    );
                    wrong = true;
                }
            }
        }
        match typed {
            _ if wrong => None,
            Typed::Text(text) => Some(Typed::Test(BoolExpr::TextIn(text, texts.into()))),
            Typed::Int(int) => Some(Typed::Test(BoolExpr::IntIn(int, ints.into()))),
            _ => None,
        }
    }

    fn negative(&mut self, node: &IdedExpr) -> Option<Typed> {
        match self.typed(node)? {
            Typed::Int(Int::Known(int)) if int != i64::MIN => Some(Typed::Int(Int::Known(-int))),
            Typed::Int(int) => Some(Typed::Int(Int::Negative(Box::new(int)))),
            Typed::Double(Double::Known(double)) => Some(Typed::Double(Double::Known(-double))),
            typed => {
                let (what, kind) = (self.quoted(node), with_article(typed.kind()));
                self.error(self.at(node), format!("{what} is {kind}, and `-` takes a whole number"))
            }
        }
    }

    fn arithmetic(&mut self, sign: &str, operation: Arithmetic, left: &IdedExpr, right: &IdedExpr) -> Option<Typed> {
        let (one, other) = (self.typed(left), self.typed(right));
        let mut operand = |node, typed: Typed| {
            let instead = match &typed {
                Typed::Int(_) => return Some(typed),
                Typed::Text(_) if sign == "-" => "write `int(NAME)` (a name cannot have a `-` in it)",
                Typed::Text(_) if sign == "+" => "text cannot be joined, only compared; write `int(NAME)` for a number",
                Typed::Text(_) => "write `int(NAME)`",
                Typed::Time(_) => "compare it with `timestamp(\"…\")`, or read it with `now.getHours()` or the like",
                Typed::Double(_) => "fractions are only compared",
                Typed::Test(_) => "write `NAME ? 1 : 0`",
            };
            let (what, kind) = (self.quoted(node), with_article(typed.kind()));
            self.error(self.at(node), format!("{what} is {kind}, and `{sign}` takes whole numbers: {instead}"))
        };
        let (one, other) = (operand(left, one?), operand(right, other?));
        match (one?, other?) {
            (_, Typed::Int(Int::Known(0))) if matches!(operation, Arithmetic::Divide | Arithmetic::Remainder) => {
                self.error(self.at(right), format!("division by 0: write another number after `{sign}`"))
            }
            (Typed::Int(one), Typed::Int(other)) => {
                Some(Typed::Int(Int::Arithmetic(Box::new(one), operation, Box::new(other))))
            }
            _ => None,
        }
    }

    /// Reports two values of different types.
    fn differ<T>(&mut self, left: (&IdedExpr, &Typed), right: (&IdedExpr, &Typed), order: bool) -> Option<T> {
        let sides = [left, right].map(|(node, typed)| (self.quoted(node), typed));
        let [(one, first), (other, second)] = &sides;
        let instead = if first.is_literal() && !second.is_literal() {
            remedy((other, second), (one, first), order)
        } else {
            remedy((one, first), (other, second), order)
        };
        let kinds = (with_article(first.kind()), with_article(second.kind()));
        let message = match (first, second) {
            (_, Typed::Test(BoolExpr::Literal(_))) => format!("{one} is {} and {other} is not: {instead}", kinds.0),
            (Typed::Test(BoolExpr::Literal(_)), _) => format!("{other} is {} and {one} is not: {instead}", kinds.1),
            _ => format!("{one} is {} and {other} {}: {instead}", kinds.0, kinds.1),
        };
        let (start, end) = (self.at(left.0), self.at(right.0));
        self.error(start.start..end.end, message)
    }

    /// The source of a node, quoted for a message.
    pub(super) fn quoted(&self, node: &IdedExpr) -> String {
        let text = shown(self.source.get(self.at(node)).unwrap_or_default());
        if matches!(node.expr, Expr::Literal(_)) { text.to_owned() } else { format!("`{text}`") }
    }

    /// The byte range of a node in the source, without surrounding brackets.
    pub(super) fn at(&self, node: &IdedExpr) -> Range<usize> {
        let (start, last) = self.info.offset_for(node.id).unwrap_or_default();
        let own = usize::try_from(start).unwrap_or(0)..usize::try_from(last).map_or(0, |last| last + 1);
        let nth = self.words.iter().position(|word| word.at.start == own.start);
        let mut span = own.start..nth.map_or(own.end, |nth| self.closes(nth)).max(own.end);
        let mut cover = |other: Range<usize>| span = span.start.min(other.start)..span.end.max(other.end);
        match &node.expr {
            Expr::Call(call) => {
                // The parser places a call at its bracket; the name is before that.
                let name = nth.and_then(|nth| self.words.get(nth.checked_sub(1)?));
                if let Some(name) = name.filter(|name| name.kind == Kind::Name && self.is(nth, "(")) {
                    cover(name.at.clone());
                }
                call.target.iter().for_each(|target| cover(self.at(target)));
                call.args.iter().for_each(|arg| cover(self.at(arg)));
            }
            Expr::Select(select) => {
                cover(self.at(&select.operand));
                if let Some(field) = nth.and_then(|nth| self.words.get(nth + 1)) {
                    cover(field.at.clone());
                }
            }
            _ => {}
        }
        span
    }

    fn is(&self, nth: Option<usize>, sign: &str) -> bool {
        let word = nth.and_then(|nth| self.words.get(nth));
        word.and_then(|word| self.source.get(word.at.clone())) == Some(sign)
    }

    /// The end of the token, or of what it opens.
    fn closes(&self, nth: usize) -> usize {
        let mut depth = 0usize;
        for word in self.words.iter().skip(nth) {
            match self.source.get(word.at.clone()) {
                Some("(" | "[" | "{") => depth += 1,
                Some(")" | "]" | "}") => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                return word.at.end;
            }
        }
        self.source.len()
    }
}

fn boxed<T>(when: BoolExpr, then: T, otherwise: T) -> Box<Choice<T>> {
    Box::new(Choice { when, then, otherwise })
}

/// The type in plain words.
pub(super) fn with_article(kind: Type) -> &'static str {
    match kind {
        Type::Text => "text",
        Type::Bool => "true or false",
        Type::Int => "a whole number",
        Type::Double => "a number with a fraction",
        Type::Timestamp => "a point in time",
    }
}

/// What to write instead of two values of different types. `other` is the literal, if there is one.
fn remedy((one, first): (&str, &Typed), (other, second): (&str, &Typed), order: bool) -> String {
    let name = one.trim_matches('`');
    match (first, second) {
        (Typed::Text(_), Typed::Int(_)) if order || !second.is_literal() => format!("write int({name})"),
        (Typed::Text(_) | Typed::Int(_), Typed::Double(_)) => format!("write double({name})"),
        (Typed::Text(_), _) if second.is_literal() => format!("write \"{other}\""),
        (Typed::Test(_), Typed::Text(Text::Known(text))) if matches!(&**text, "true" | "false") => {
            format!("write {text} without quotation marks")
        }
        (Typed::Test(_), _) if second.is_literal() => "compare it with true or false".to_owned(),
        (Typed::Int(_), Typed::Text(Text::Known(text))) if text.parse::<i64>().is_ok() => {
            format!("write {text} without quotation marks")
        }
        (Typed::Int(_), Typed::Text(Text::Field(_))) => format!("write int({})", other.trim_matches('`')),
        (Typed::Double(_), Typed::Int(_) | Typed::Text(Text::Field(_))) => {
            format!("write double({})", other.trim_matches('`'))
        }
        (Typed::Time(_), Typed::Text(Text::Known(_))) => format!("write timestamp({other})"),
        (Typed::Time(_), Typed::Int(_)) => format!("write `{name}.getHours(\"Europe/Berlin\")` or the like"),
        _ => "write two values of one type".to_owned(),
    }
}
