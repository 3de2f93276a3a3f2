//! One rule of a policy.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::pointer::Pointer;
use crate::config::raw;
use crate::config::rule_keywords::{CountWord, ExceededWord, MissingWord};
use crate::identity::MAX_ATTRIBUTE;
use crate::policy::{Count, Expression, Field, Limit, Message, Missing, Mode, Rule, Type, WhenExceeded};

use super::attribute_sources::Supply;
use super::context::Context;
use super::times::{self, bounded};

/// Default attribute of `limits`.
const PLAN: &str = "contractType";
/// In `limits`: any other value.
const OTHERWISE: &str = "default";
/// Placeholders of messages besides attributes.
pub(super) const PLACES: [&str; 4] = ["limit", "count", "policy", "rule"];

/// Compiles the rule at `at`. The caller sets its key.
pub(super) fn rule(context: &mut Context<'_>, supply: &Supply, at: &Pointer, raw: &raw::Rule, mode: Mode) -> Rule {
    let mut names = Names { context, supply };
    let count = names.count(&at.key("count"), raw);
    let per = names.per(&at.key("per"), raw, &count);
    let limit = names.limit(at, raw);
    let target = raw.target.as_ref();
    let target =
        target.and_then(|source| names.condition(&at.key("target"), source, "`target` selects all streams or none"));
    let exempt = raw.exempt.as_ref();
    let exempt =
        exempt.and_then(|source| names.condition(&at.key("exempt"), source, "`exempt` exempts all streams or none"));
    let when_exceeded = names.when_exceeded(&at.key("when_exceeded"), &raw.when_exceeded.value);
    let message = raw.message.as_ref().and_then(|message| names.message(&at.key("message"), message));
    let prefer = if let WhenExceeded::TerminateFirst(expression) = &when_exceeded { Some(expression) } else { None };
    let expressions: Vec<&Expression> = target.iter().chain(&exempt).chain(prefer).collect();
    let missing = missing(context, &at.key("missing"), raw, &expressions);
    let grace = raw.grace.as_ref().map(|grace| bounded(context, &at.key("grace"), grace, times::GRACE));
    Rule {
        mode: raw.mode.map_or(mode, Mode::from),
        target,
        count,
        per,
        limit,
        exempt,
        grace,
        missing,
        message: message.map(Arc::new),
        ..Rule::streams(&raw.name, 0, when_exceeded)
    }
}

impl From<raw::Mode> for Mode {
    fn from(raw: raw::Mode) -> Self {
        match raw {
            raw::Mode::Enforce => Self::Enforce,
            raw::Mode::Annotate => Self::Annotate,
            raw::Mode::Shadow => Self::Shadow,
        }
    }
}

/// Resolves names of attributes.
struct Names<'c, 'a> {
    context: &'c mut Context<'a>,
    supply: &'c Supply,
}

impl Names<'_, '_> {
    /// The attribute of that name. Reports it if no application supplies it.
    fn field(&mut self, at: &Pointer, name: &str) -> Field {
        if let Some(message) = self.supply.unknown(name, &[]) {
            self.context.say(at, message);
        }
        Field::named(name)
    }

    fn count(&mut self, at: &Pointer, raw: &raw::Rule) -> Count {
        match &raw.count.value {
            CountWord::Streams => Count::Streams,
            CountWord::Distinct(name) => {
                let field = self.field(at, name);
                if field == Field::Idp {
                    self.context.warn(at, "all streams of an account have the same `idp`: count something else");
                }
                Count::Distinct(field)
            }
        }
    }

    fn per(&mut self, at: &Pointer, raw: &raw::Rule, count: &Count) -> Vec<Field> {
        let mut per = Vec::new();
        for (nth, name) in raw.per.iter().enumerate() {
            let at = at.item(nth);
            let field = self.field(&at, name);
            if *count == Count::Distinct(field.clone()) {
                let message =
                    format!("`{name}` is the attribute that is counted, so each count would be 1: remove it here");
                self.context.say(&at, message);
            } else if field == Field::Idp {
                self.context.warn(&at, "all streams of an account have the same `idp`: remove it here");
            }
            per.push(field);
        }
        per
    }

    fn limit(&mut self, at: &Pointer, raw: &raw::Rule) -> Limit {
        let (at_limit, at_limits, at_attribute) = (at.key("limit"), at.key("limits"), at.key("limit_attribute"));
        let values = raw.limits.as_ref().map(|raw::LimitsByValue(values)| values);
        let written = raw.limit.map(|limit| (limit, at_limit.clone()));
        let by_value = values.into_iter().flatten().map(|(value, limit)| (*limit, at_limits.key(value)));
        if raw.when_exceeded.value.terminates() {
            for (_, at) in written.into_iter().chain(by_value).filter(|(limit, _)| *limit == 0) {
                let message = "with a limit of 0 there is no stream to terminate: write 1 or more, or `when_exceeded: \
                               deny_newest`";
                self.context.say(&at, message);
            }
        }
        let named = raw.limit_attribute.as_ref().map(|name| self.field(&at_attribute, name));
        match (named, values, raw.limit) {
            (None, None, Some(limit)) => Limit::Fixed(limit),
            (None, None, None) => {
                if ![&at_limit, &at_limits, &at_attribute].into_iter().any(|key| self.context.has(key)) {
                    let message = "`limit` is missing: write `limit:` with a whole number, `limit_attribute:` with the \
                                   attribute that contains it, or `limits:` by attribute value";
                    self.context.say_at_key(at, message);
                }
                Limit::Fixed(0)
            }
            (Some(field), None, otherwise) => {
                self.number(&at_attribute, &field, raw);
                Limit::Attribute { field, otherwise }
            }
            (field, Some(values), limit) => {
                let field = field.unwrap_or_else(|| Field::named(PLAN));
                self.by_value(&at_limits, &field, values, limit)
            }
        }
    }

    /// Checks a field that contains the limit.
    fn number(&mut self, at: &Pointer, field: &Field, raw: &raw::Rule) {
        let standing = matches!(field, Field::DeviceId | Field::ContentType) || field.is_built_in();
        if standing || field.kind() == Type::Bool {
            let message = format!(
                "`{field}` is not a number: write an attribute that contains the limit, such as `maxStreams`, or \
                 write `limits:` by \
                 its value"
            );
            self.context.say(at, message);
        }
        let treated = match raw.missing.as_ref().map(|missing| &missing.value) {
            None => false,
            Some(MissingWord::TreatAs(text)) => text.parse::<u32>().is_ok(),
            Some(MissingWord::Refuse | MissingWord::IgnoreRule) => true,
        };
        if raw.limit.is_none() && !treated && !self.context.has(&at.parent().unwrap_or_default().key("limit")) {
            let message = format!(
                "where `{field}` is missing or not a number, there is no limit: write `limit:` for these streams"
            );
            self.context.warn(at, message);
        }
    }

    fn by_value(&mut self, at: &Pointer, field: &Field, values: &BTreeMap<String, u32>, limit: Option<u32>) -> Limit {
        let default = values.get(OTHERWISE).copied();
        for value in values.keys().filter(|value| value.is_empty() || value.len() > MAX_ATTRIBUTE) {
            let message = format!("this cannot be the value of an attribute: write 1 to {MAX_ATTRIBUTE} bytes");
            self.context.say_at_key(&at.key(value), message);
        }
        if default.is_some() && limit.is_some() {
            let message = "`limit` already applies to other values: remove this or `limit:`";
            self.context.say_at_key(&at.key(OTHERWISE), message);
        }
        let has = |key: &Pointer| self.context.has(key);
        if default.or(limit).is_none()
            && !has(&at.key(OTHERWISE))
            && !has(&at.parent().unwrap_or_default().key("limit"))
        {
            let message =
                format!("there is no limit for other values of `{field}`: write `{OTHERWISE}:` here, or `limit:`");
            self.context.say_at_key(at, message);
        }
        let named = values.iter().filter(|(value, _)| *value != OTHERWISE);
        Limit::ByValue {
            field: field.clone(),
            values: named.map(|(value, limit)| (value.as_str().into(), *limit)).collect(),
            otherwise: default.or(limit),
        }
    }

    /// Parses the expression at byte `start` of the text at `at` and reports its problems at their positions.
    fn expression(&mut self, at: &Pointer, start: usize, source: &str, wanted: &[Type]) -> Option<Expression> {
        let what = if start == 0 { "the expression" } else { "the text" };
        let expression = match Expression::compile(source, wanted) {
            Ok(expression) => expression,
            Err(errors) => {
                for error in errors {
                    // A misspelled name is taken for text, and has no other problem.
                    let name = source.get(error.at.clone()).map(str::trim).filter(|name| is_text(name));
                    let unknown = name.and_then(|name| self.supply.unknown(name, &[]));
                    self.context.say_inside(at, start + error.at.start, what, &unknown.unwrap_or(error.message));
                }
                return None;
            }
        };
        let mut told: Vec<&str> = Vec::new();
        for (field, place) in expression.places() {
            if let Some(message) = self.supply.unknown(field.name(), &[])
                && !told.contains(&field.name())
            {
                self.context.say_inside(at, start + place.start, what, &message);
                told.push(field.name());
            }
        }
        Some(expression)
    }

    /// A boolean expression. `useless` is the message for one that uses no attribute.
    fn condition(&mut self, at: &Pointer, source: &str, useless: &str) -> Option<Expression> {
        let expression = self.expression(at, 0, source, &[Type::Bool])?;
        if expression.places().is_empty() && !source.contains("now") {
            let message = format!("{useless}: this is the same for every stream; use an attribute, or remove it");
            self.context.warn(at, message);
        }
        Some(expression)
    }

    fn when_exceeded(&mut self, at: &Pointer, raw: &ExceededWord) -> WhenExceeded {
        match raw {
            ExceededWord::DenyNewest => WhenExceeded::DenyNewest,
            ExceededWord::TerminateOldest => WhenExceeded::TerminateOldest,
            ExceededWord::TerminateIdlest => WhenExceeded::TerminateIdlest,
            ExceededWord::TerminateFirst { at: start, expression } => {
                let compiled = self.expression(at, *start, expression, &[Type::Bool, Type::Int]);
                if compiled.as_ref().is_some_and(|compiled| compiled.places().is_empty()) {
                    let message = "this is the same for every stream: use an attribute, or write \
                                   `terminate_oldest`";
                    self.context.say_inside(at, *start, "the text", message);
                }
                compiled.map_or(WhenExceeded::TerminateOldest, WhenExceeded::TerminateFirst)
            }
        }
    }

    fn message(&mut self, at: &Pointer, raw: &raw::Message) -> Option<Message> {
        match raw {
            raw::Message::Text(text) => self.text(at, text),
            raw::Message::Texts(texts) => {
                let mut all_good = true;
                for (language, text) in texts {
                    let at = at.key(language);
                    let good = self.text(&at, text).is_some();
                    // Each text is parsed separately, so that each problem is reported.
                    let alone = BTreeMap::from([(language.clone(), text.clone())]);
                    match Message::in_languages(&alone) {
                        Err(error) if good => self.context.say_at_key(&at, error.to_string()),
                        Ok(_) if good => continue,
                        _ => {}
                    }
                    all_good = false;
                }
                match Message::in_languages(texts) {
                    Ok(message) => Some(message),
                    Err(error) => {
                        if all_good {
                            self.context.say(at, error.to_string());
                        }
                        None
                    }
                }
            }
        }
    }

    /// Parses one text and reports its problems.
    fn text(&mut self, at: &Pointer, text: &str) -> Option<Message> {
        let message = match Message::one(text) {
            Ok(message) => message,
            Err(error) => {
                self.context.say(at, error.to_string());
                return None;
            }
        };
        let mut told: Vec<&str> = Vec::new();
        for name in message.places() {
            if let Some(wrong) = self.supply.unknown(name, &PLACES)
                && !told.contains(&name)
            {
                let place = format!("{{{name}}}");
                let mut places = text.match_indices(&place).map(|(start, _)| start);
                let place = places.find(|start| !text.get(..*start).is_some_and(|before| before.ends_with('{')));
                self.context.say_inside(at, place.map_or(0, |start| start + 1), "the text", &wrong);
                told.push(name);
            }
        }
        Some(message)
    }
}

/// True if `part` of an expression is the name of a text field.
fn is_text(part: &str) -> bool {
    let compared = Expression::compile(&format!("{part} == \"\""), &[Type::Bool]);
    compared.is_ok_and(|compared| compared.places().iter().any(|(_, place)| *place == (0..part.len())))
}

fn missing(context: &mut Context<'_>, at: &Pointer, raw: &raw::Rule, expressions: &[&Expression]) -> Missing {
    match raw.missing.as_ref().map(|missing| &missing.value) {
        None => Missing::Unknown,
        Some(MissingWord::Refuse) => Missing::Refuse,
        Some(MissingWord::IgnoreRule) => Missing::IgnoreRule,
        Some(MissingWord::TreatAs(text)) => {
            let mut fields = expressions.iter().flat_map(|expression| expression.fields());
            if let Some(field) = fields.find(|field| !field.kind().reads(text)) {
                let (kind, example) = match field.kind() {
                    Type::Bool => ("true or false", "false"),
                    _ => ("a number", "0"),
                };
                let message = format!("`{field}` is {kind} and cannot be `{text}`: write `treat_as(\"{example}\")`");
                context.say(at, message);
            }
            Missing::TreatAs(text.as_ref().into())
        }
    }
}
