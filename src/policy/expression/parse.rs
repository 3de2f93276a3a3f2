//! Parses the source and explains syntax errors.

use std::borrow::Cow;
use std::ops::Range;

use cel::common::ast::{IdedExpr, SourceInfo};
use cel::parser::{ParseError, Parser};

use super::ExpressionError;
use super::scan::{Kind, Token, shown};

/// True if the name probably means the account's set of streams.
fn is_a_set(name: &str) -> bool {
    let name = name.replace('_', "").to_ascii_lowercase();
    let kinds = ["active", "other", "running", "concurrent"];
    let bare = kinds.iter().find_map(|kind| name.strip_prefix(kind)).unwrap_or(&name);
    name == "others" || matches!(bare, "streams" | "streamcount" | "sessions" | "sessioncount" | "count")
}

/// True if a call of that name on a list is a CEL macro, which is not supported.
fn is_a_macro(name: &str) -> bool {
    matches!(name, "all" | "exists" | "exists_one" | "existsOne" | "map" | "filter")
}

/// True if the word is reserved in CEL. `package` is too, but here it is a standard attribute.
fn is_reserved(name: &str) -> bool {
    #[rustfmt::skip]
    let reserved = [
        "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop", "namespace", "return",
        "var", "void", "while",
    ];
    reserved.contains(&name)
}

/// Nesting that the parser follows; [`scan`](super::scan::scan) rejects deeper sources.
const MAX_RECURSION: u16 = 192;

/// Replaces `package` for the parser. Names are read from the source, so that this one is never shown.
const STAND_IN: &str = "_ackage";

/// Parses `source`; positions refer to `source`.
///
/// # Errors
/// The syntax errors.
pub(super) fn parse(source: &str, words: &[Token]) -> Result<(IdedExpr, SourceInfo), Vec<ExpressionError>> {
    let words = Words { source, words };
    let slips = words.slips();
    if !slips.is_empty() {
        return Err(slips);
    }
    let parser = Parser::new().max_recursion_depth(MAX_RECURSION).error_recovery_limit(1);
    parser.parse_with_source_info(&words.for_the_parser()).map_err(|errors| {
        // Later errors follow from the first. An incomplete tree is reported at its start, which is not useful.
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

    /// Mistakes that the parser accepts or explains badly.
    fn slips(&self) -> Vec<ExpressionError> {
        let named = self.words.iter().enumerate().filter(|(_, word)| word.kind == Kind::Name);
        let found = named.filter_map(|(nth, word)| {
            let name = self.text(Some(word));
            let is_called = self.text(self.nth(Some(nth + 1))) == "(";
            let has_dot = self.text(self.nth(nth.checked_sub(1))) == ".";
            let message = if is_a_set(name) && !has_dot {
                format!(
                   "`{name}`: an expression refers to one stream at a time. A rule that depended on the number of streams \
                     would not stay true when streams end: write `limit`, `count` or `per` instead"
                )
            } else if is_a_macro(name) && has_dot && is_called {
                format!("`{name}` requires a list, and a stream has none: compare the field itself, or write `NAME in [\"A\", \"B\"]`")
            } else if name == "has" && is_called {
               "`has` is not supported: write `missing:` at the rule, or compare the attribute with \
                 \"Unknown\""
                    .to_owned()
            } else if is_reserved(name) {
                format!("`{name}` is a reserved word and cannot be the name of a field")
            } else if matches!(name, "True" | "False" | "TRUE" | "FALSE") {
                format!("`{name}` is not a value: write `{}`", name.to_lowercase())
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
                format!("`{text}` does not fit into 64 bits")
            }
            _ if signs("?") > signs(":") => "`?` requires `:`: write `CONDITION ? THIS : THAT`".to_owned(),
            None => format!("the expression ends too early: something is missing after `{last}`"),
            Some(_) if before.is_none() => format!("an expression cannot begin with `{text}`"),
            Some(_) if ends && (is_value(here) || matches!(text, "!" | "(" | "{")) => {
                format!("an operator is missing between `{last}` and `{text}`, such as `==` or `&&`")
            }
            Some(_) => {
                format!(
                    "`{text}` cannot follow `{last}`: something is missing between them, or one of them is superfluous"
                )
            }
        };
        ExpressionError { at: here.map_or(self.source.len()..self.source.len(), |word| word.at.clone()), message }
    }

    /// Operators of other languages, at or before the position of the error.
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

    /// The byte at the parser's line and column, which count characters from 1.
    fn byte(&self, (line, column): (isize, isize)) -> usize {
        let before = |n: isize| usize::try_from(n - 1).unwrap_or(0);
        let lines: Range<usize> = 0..before(line);
        let mut lines_of_source = self.source.split_inclusive('\n');
        let start: usize = lines.map(|_| lines_of_source.next().map_or(0, str::len)).sum();
        let line = lines_of_source.next().unwrap_or_default();
        start + line.char_indices().nth(before(column)).map_or(line.len(), |(at, _)| at)
    }
}
