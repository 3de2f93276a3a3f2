//! The functions of expressions and their arguments.

use cel::common::ast::{CallExpr, IdedExpr};
use regex::RegexBuilder;

use super::check::{Checker, with_article};
use super::node::{BoolExpr, Double, Int, Text, Time, Typed};
use super::scan::shown;
use super::time::{Part, Zone, nearest_zone, timestamp};

/// Maximum bytes of a compiled regular expression.
const MAX_REGEX: usize = 256 << 10;

/// Maximum bytes of a regular expression. Character classes are expanded before the compiled size is known.
const MAX_PATTERN: usize = 1024;

/// The functions other than [`Part::NAMED`], with their syntax.
const FUNCTIONS: [(&str, &str); 8] = [
    ("startsWith", "NAME.startsWith(\"TEXT\")"),
    ("endsWith", "NAME.endsWith(\"TEXT\")"),
    ("contains", "NAME.contains(\"TEXT\")"),
    ("matches", "NAME.matches(\"PATTERN\")"),
    ("size", "NAME.size()"),
    ("int", "int(NAME)"),
    ("double", "double(NAME)"),
    ("timestamp", "timestamp(\"2026-12-31T20:00:00Z\")"),
];

/// Maximum edit distance for a suggested function name.
const CLOSE: usize = 2;

impl Checker<'_> {
    /// Types a function call.
    pub(super) fn call(&mut self, node: &IdedExpr, call: &CallExpr) -> Option<Typed> {
        let name = &*call.func_name;
        let part = Part::NAMED.iter().find(|(known, _)| *known == name).map(|(_, part)| *part);
        match (name, call.target.as_deref(), call.args.as_slice()) {
            ("size", Some(text), []) | ("size", None, [text]) => Some(Typed::Int(Int::Size(self.text(text, name)?))),
            ("startsWith", Some(text), [head]) => self.two(text, head, name, BoolExpr::StartsWith),
            ("endsWith", Some(text), [tail]) => self.two(text, tail, name, BoolExpr::EndsWith),
            ("contains", Some(text), [inside]) => self.two(text, inside, name, BoolExpr::Contains),
            ("matches", Some(text), [pattern]) => self.matches(text, pattern),
            ("int", None, [value]) => self.int(value),
            ("double", None, [value]) => self.double(value),
            ("timestamp", None, [value]) => self.timestamp(value),
            (_, Some(time), zone @ ([] | [_])) if let Some(part) = part => self.part(part, name, time, zone.first()),
            _ => {
                let message = unknown(shown(name), part.is_some());
                self.error(self.at(node), message)
            }
        }
    }

    /// Types a text argument of `function`.
    fn text(&mut self, node: &IdedExpr, function: &str) -> Option<Text> {
        match self.typed(node)? {
            Typed::Text(text) => Some(text),
            typed => {
                let (what, kind) = (self.quoted(node), with_article(typed.kind()));
                self.error(
                    self.at(node),
                    format!(
                        "{what} is {kind}, and `{function}` takes text: write a field that is text, or text in \"…\""
                    ),
                )
            }
        }
    }

    /// Types a text literal; `example` is shown in the error.
    fn literal_text(&mut self, node: &IdedExpr, function: &str, example: &str) -> Option<Box<str>> {
        match self.text(node, function)? {
            Text::Known(text) => Some(text),
            Text::Field(_) | Text::Choice(_) => {
                let what = self.quoted(node);
                self.error(self.at(node), format!("{what} is not a literal: write {example}"))
            }
        }
    }

    fn two(
        &mut self,
        text: &IdedExpr,
        other: &IdedExpr,
        name: &str,
        make: fn(Text, Text) -> BoolExpr,
    ) -> Option<Typed> {
        let (text, other) = (self.text(text, name), self.text(other, name));
        Some(Typed::Test(make(text?, other?)))
    }

    fn matches(&mut self, text: &IdedExpr, pattern: &IdedExpr) -> Option<Typed> {
        let (text, written) =
            (self.text(text, "matches"), self.literal_text(pattern, "matches", "a pattern such as \"^sport-[0-9]+$\""));
        let written = written?;
        if written.len() > MAX_PATTERN {
            let message = format!("the pattern is longer than {MAX_PATTERN} bytes: shorten it");
            return self.error(self.at(pattern), message);
        }
        match RegexBuilder::new(&written).size_limit(MAX_REGEX).build() {
            Ok(regex) => Some(Typed::Test(BoolExpr::Matches(text?, regex))),
            Err(regex::Error::CompiledTooBig(_)) => self.error(
                self.at(pattern),
                "the pattern is too costly: repeat less, or write less of it as classes of characters",
            ),
            Err(error) => {
                // The last line of a syntax error has the cause; the lines above show the position.
                let text = error.to_string();
                let why = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
                self.error(self.at(pattern), format!("this is not a regular expression: {why}"))
            }
        }
    }

    fn int(&mut self, node: &IdedExpr) -> Option<Typed> {
        match self.typed(node)? {
            Typed::Int(int) => Some(Typed::Int(int)),
            Typed::Text(Text::Known(text)) if text.parse::<i64>().is_err() => {
                let what = self.quoted(node);
                self.error(self.at(node), format!("{what} is not a whole number: write one without quotation marks"))
            }
            Typed::Text(text) => Some(Typed::Int(Int::OfText(text))),
            typed => self.no_number(node, &typed, "int"),
        }
    }

    fn double(&mut self, node: &IdedExpr) -> Option<Typed> {
        match self.typed(node)? {
            Typed::Double(double) => Some(Typed::Double(double)),
            Typed::Int(int) => Some(Typed::Double(Double::OfInt(int))),
            Typed::Text(Text::Known(text)) if text.parse::<f64>().is_err() => {
                let what = self.quoted(node);
                self.error(self.at(node), format!("{what} is not a number: write one without quotation marks"))
            }
            Typed::Text(text) => Some(Typed::Double(Double::OfText(text))),
            typed => self.no_number(node, &typed, "double"),
        }
    }

    fn no_number(&mut self, node: &IdedExpr, typed: &Typed, function: &str) -> Option<Typed> {
        let (what, kind) = (self.quoted(node), with_article(typed.kind()));
        let instead = match typed {
            Typed::Test(_) => "write `NAME ? 1 : 0`",
            Typed::Time(_) => "write `now.getHours()` or the like",
            _ => "compare it with a number that also has a fraction",
        };
        self.error(self.at(node), format!("{what} is {kind}, and `{function}` does not take that: {instead}"))
    }

    fn timestamp(&mut self, node: &IdedExpr) -> Option<Typed> {
        let written = self.literal_text(node, "timestamp", "a time such as \"2026-12-31T20:00:00Z\"")?;
        match timestamp(&written) {
            Some(time) => Some(Typed::Time(Time::Known(time))),
            None => self.error(
                self.at(node),
                "this is not a point in time: write date, time and offset, as in \"2026-12-31T20:00:00Z\" or \"2026-12-31T20:00:00+01:00\"",
            ),
        }
    }

    fn part(&mut self, part: Part, name: &str, time: &IdedExpr, zone: Option<&IdedExpr>) -> Option<Typed> {
        let of = match self.typed(time)? {
            Typed::Time(of) => of,
            typed => {
                let (what, kind) = (self.quoted(time), with_article(typed.kind()));
                let message =
                    format!("{what} is {kind}, and `{name}` applies to a point in time: write `now.{name}()`");
                return self.error(self.at(time), message);
            }
        };
        let Some(zone) = zone else { return Some(Typed::Int(Int::Part(of, part, Zone::UTC))) };
        let written = self.literal_text(zone, name, "a zone such as \"Europe/Berlin\" or \"+02:00\"")?;
        if let Some(zone) = Zone::named(&written) {
            return Some(Typed::Int(Int::Part(of, part, zone)));
        }
        let what = self.quoted(zone);
        let message = match nearest_zone(shown(&written)) {
            Some(near) => format!("there is no time zone {what}: did you mean \"{near}\"?"),
            None => format!("there is no time zone {what}: write one such as \"Europe/Berlin\" or \"+02:00\""),
        };
        self.error(self.at(zone), message)
    }
}

/// The error for a call that matches no function.
fn unknown(name: &str, asks_a_clock: bool) -> String {
    if asks_a_clock {
        return format!("`{name}` is written as now.{name}() or now.{name}(\"Europe/Berlin\")");
    }
    if let Some((_, usage)) = FUNCTIONS.iter().find(|(known, _)| *known == name) {
        return format!("`{name}` is written as {usage}");
    }
    let names = || FUNCTIONS.iter().map(|(known, _)| *known).chain(Part::NAMED.iter().map(|(known, _)| *known));
    let edits = |known: &str| strsim::levenshtein(&known.to_ascii_lowercase(), &name.to_ascii_lowercase());
    let near = names().map(|known| (edits(known), known)).min().filter(|(edits, _)| *edits <= CLOSE);
    match (name, near) {
        ("not", _) => "there is no `not` in expressions: write `!`".to_owned(),
        ("duration", _) => "durations are not supported: compare `now` with `timestamp(\"…\")`, or read it with \
                            `now.getHours()` or the like"
            .to_owned(),
        ("lowerAscii" | "upperAscii" | "lower" | "upper" | "toLowerCase" | "toUpperCase", _) => {
            format!("there is no function `{name}`: write `NAME.matches(\"(?i)^TEXT$\")`, where case does not matter")
        }
        (_, Some((_, near))) => format!("there is no function `{name}`: did you mean `{near}`?"),
        (_, None) => {
            let known: Vec<&str> = FUNCTIONS.iter().map(|(known, _)| *known).collect();
            format!(
                "there is no function `{name}`: there are {}, and those of `now` such as getHours",
                known.join(", ")
            )
        }
    }
}
