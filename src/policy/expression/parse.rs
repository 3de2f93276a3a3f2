//! From source to the parser's tree, and what to say where it finds none.

use std::borrow::Cow;
use std::ops::Range;

use cel::common::ast::{IdedExpr, SourceInfo};
use cel::parser::{ParseError, Parser};

use super::ExpressionError;
use super::scan::{Kind, Token, shown};

/// Whether somebody who writes this name means the account's set of streams.
fn is_a_set(name: &str) -> bool {
    let name = name.replace('_', "").to_ascii_lowercase();
    let kinds = ["active", "other", "running", "concurrent"];
    let bare = kinds.iter().find_map(|kind| name.strip_prefix(kind)).unwrap_or(&name);
    name == "others" || matches!(bare, "streams" | "streamcount" | "sessions" | "sessioncount" | "count")
}

/// Whether a call of that name on a list is one of CEL's macros, which stand for nothing here.
fn is_a_macro(name: &str) -> bool {
    matches!(name, "all" | "exists" | "exists_one" | "existsOne" | "map" | "filter")
}

/// Whether CEL keeps the word for itself. `package` is one too; here it is the standard attribute of that name.
fn is_reserved(name: &str) -> bool {
    #[rustfmt::skip]
    let reserved = [
        "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop", "namespace", "return",
        "var", "void", "while",
    ];
    reserved.contains(&name)
}

/// Brackets and choices that the parser follows; what [`scan`](super::scan::scan) lets through is never deeper.
const MAX_RECURSION: u16 = 192;

/// What the parser is shown where `package` stands. Names are read from the source, so that this one is never seen.
const STAND_IN: &str = "_ackage";

/// The tree that `source` stands for, with positions in `source`.
///
/// # Errors
/// What is wrong with it.
pub(super) fn parse(source: &str, words: &[Token]) -> Result<(IdedExpr, SourceInfo), Vec<ExpressionError>> {
    let words = Words { source, words };
    let slips = words.slips();
    if !slips.is_empty() {
        return Err(slips);
    }
    let parser = Parser::new().max_recursion_depth(MAX_RECURSION).error_recovery_limit(1);
    parser.parse_with_source_info(&words.for_the_parser()).map_err(|errors| {
        // The later ones come of the first. An incomplete tree is reported where it begins, and tells nothing.
        let errors = &errors.errors;
        let first = errors.iter().find(|error| error.msg.starts_with("Syntax error")).or_else(|| errors.first());
        vec![words.explain(first)]
    })
}

struct Words<'s> {
    source: &'s str,
    words: &'s [Token],
}

impl<'s> Words<'s> {
    fn text(&self, word: Option<&Token>) -> &'s str {
        word.and_then(|word| self.source.get(word.at.clone())).unwrap_or_default()
    }

    fn nth(&self, nth: Option<usize>) -> Option<&'s Token> {
        self.words.get(nth?)
    }

    fn for_the_parser(&self) -> Cow<'s, str> {
        let packages =
            self.words.iter().enumerate().filter(|(nth, word)| {
                self.text(Some(word)) == "package" && self.text(self.nth(nth.checked_sub(1))) != "."
            });
        let mut shown = Cow::Borrowed(self.source);
        for (_, package) in packages {
            shown.to_mut().replace_range(package.at.clone(), STAND_IN);
        }
        shown
    }

    /// What no parser would object to, or not in words that help.
    fn slips(&self) -> Vec<ExpressionError> {
        let named = self.words.iter().enumerate().filter(|(_, word)| word.kind == Kind::Name);
        let found = named.filter_map(|(nth, word)| {
            let name = self.text(Some(word));
            let is_called = self.text(self.nth(Some(nth + 1))) == "(";
            let has_dot = self.text(self.nth(nth.checked_sub(1))) == ".";
            let message = if is_a_set(name) && !has_dot {
                format!(
                    "`{name}`: an expression speaks of one stream at a time. A rule whose truth depended on how many there are \
                     would not stay true when streams go: write `limit`, `count` or `per` instead"
                )
            } else if is_a_macro(name) && has_dot && is_called {
                format!("`{name}` walks over a list, and a stream has none: compare the field itself, or write `NAME in [\"A\", \"B\"]`")
            } else if name == "has" && is_called {
                "whether a stream has an attribute is not asked here: write `missing:` at the rule, or compare the attribute with \
                 \"Unknown\""
                    .to_owned()
            } else if is_reserved(name) {
                format!("`{name}` is a word that expressions keep for themselves: a field of that name cannot be asked for")
            } else if matches!(name, "True" | "False" | "TRUE" | "FALSE") {
                format!("`{name}` is no value: write `{}`", name.to_lowercase())
            } else {
                return None;
            };
            Some(ExpressionError { at: word.at.clone(), message })
        });
        found.collect()
    }

    fn explain(&self, error: Option<&ParseError>) -> ExpressionError {
        let at = error.map_or(0, |error| self.byte(error.pos));
        let nth = self.words.iter().position(|word| word.at.end > at);
        let here = self.nth(nth);
        let before = match nth {
            Some(nth) => self.nth(nth.checked_sub(1)),
            None => self.words.last(),
        };
        if let Some(word) = self.misspelt(here, before) {
            return word;
        }
        let (text, last) = (shown(self.text(here)), shown(self.text(before)));
        let is_value =
            |word: Option<&Token>| word.is_some_and(|word| word.kind != Kind::Sign) && self.text(word) != "in";
        let ends = is_value(before) || matches!(last, ")" | "]" | "}");
        let signs = |sign| self.words.iter().filter(|word| self.text(Some(word)) == sign).count();
        let message = match here {
            _ if error.is_some_and(|error| error.msg.starts_with("invalid ")) => {
                format!("`{text}` is no number that fits into 64 bits")
            }
            _ if signs("?") > signs(":") => "`?` wants its `:`: write `CONDITION ? THIS : THAT`".to_owned(),
            None => format!("the expression ends too early: something is missing behind `{last}`"),
            Some(_) if before.is_none() => format!("an expression does not begin with `{text}`"),
            Some(_) if ends && (is_value(here) || matches!(text, "!" | "(" | "{")) => {
                format!("an operator is missing between `{last}` and `{text}`, such as `==` or `&&`")
            }
            Some(_) => {
                format!("`{text}` does not belong behind `{last}`: something is missing between them, or one too many")
            }
        };
        ExpressionError { at: here.map_or(self.source.len()..self.source.len(), |word| word.at.clone()), message }
    }

    /// Operators of other languages, at the place where the parser gave up or in front of it.
    fn misspelt(&self, here: Option<&Token>, before: Option<&Token>) -> Option<ExpressionError> {
        [here, before].into_iter().flatten().filter(|word| word.kind == Kind::Name).find_map(|word| {
            let name = self.text(Some(word));
            let instead = match &*name.to_ascii_lowercase() {
                "and" => "&&",
                "or" => "||",
                "not" => "!",
                "is" | "eq" | "equals" => "==",
                "ne" => "!=",
                "lt" => "<",
                "le" => "<=",
                "gt" => ">",
                "ge" => ">=",
                "like" => "NAME.startsWith(\"TEXT\")",
                _ => return None,
            };
            let follows = self.words.iter().find(|next| next.at.start >= word.at.end);
            let message = if instead == "!" && self.text(follows) == "in" {
                "there is no `not in` in expressions: write `!(NAME in [\"A\", \"B\"])`".to_owned()
            } else {
                format!("there is no `{name}` in expressions: write `{instead}`")
            };
            Some(ExpressionError { at: word.at.clone(), message })
        })
    }

    /// The byte where the parser's line and column are, which count characters from 1.
    fn byte(&self, (line, column): (isize, isize)) -> usize {
        let before = |n: isize| usize::try_from(n - 1).unwrap_or(0);
        let lines: Range<usize> = 0..before(line);
        let mut lines_of_source = self.source.split_inclusive('\n');
        let start: usize = lines.map(|_| lines_of_source.next().map_or(0, str::len)).sum();
        let line = lines_of_source.next().unwrap_or_default();
        start + line.char_indices().nth(before(column)).map_or(line.len(), |(at, _)| at)
    }
}
