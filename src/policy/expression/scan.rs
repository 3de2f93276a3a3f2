//! Tokenizes an expression: limits what the parser receives, and finds mistakes that the parser would explain badly.

use std::ops::Range;

use super::ExpressionError;

/// Maximum bytes of an expression.
const MAX_SOURCE: usize = 2048;

/// Maximum names, values and operators of an expression; an upper bound of its nodes.
const MAX_WORDS: usize = 200;

/// Maximum depth of brackets.
const MAX_DEPTH: usize = 32;

/// Kind of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A field, a function or a keyword.
    Name,
    Number,
    /// In quotation marks.
    Quoted,
    /// An operator, a bracket, a comma or a dot.
    Sign,
}

/// A token and its byte range in the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) at: Range<usize>,
}

/// Signs of several characters, and the replacement for those that CEL does not have.
const SIGNS: [(&str, Option<&str>); 15] = [
    ("===", Some("==")),
    ("!==", Some("!=")),
    ("<>", Some("!=")),
    ("=~", Some("NAME.matches(\"PATTERN\")")),
    ("=>", Some(">=")),
    ("=<", Some("<=")),
    ("==", None),
    ("!=", None),
    ("<=", None),
    (">=", None),
    ("&&", None),
    ("||", None),
    ("=", Some("==")),
    ("&", Some("&&")),
    ("|", Some("||")),
];

/// A piece of the source for a message.
pub(super) fn shown(text: &str) -> &str {
    if text.len() > 60 || text.contains(char::is_control) { "…" } else { text }
}

/// Splits an expression into tokens.
///
/// # Errors
/// It is too long or too deep, or contains an invalid token.
pub(super) fn scan(source: &str) -> Result<Vec<Token>, Vec<ExpressionError>> {
    let whole = |message| Err(vec![ExpressionError { at: 0..source.len(), message }]);
    if source.len() > MAX_SOURCE {
        return whole(format!("the expression is longer than {MAX_SOURCE} bytes: split it into two rules"));
    }
    let mut scan = Scan { source, words: Vec::new(), counted: 0, open: Vec::new(), errors: Vec::new() };
    let mut at = 0;
    while let Some(first) = source.get(at..).and_then(|rest| rest.chars().next()) {
        at = scan.word(at, first);
        if scan.counted > MAX_WORDS {
            return whole(format!(
                "the expression has more than {MAX_WORDS} names, values and operators: split it into two rules"
            ));
        }
        if scan.open.len() > MAX_DEPTH {
            return whole(format!("brackets are nested more than {MAX_DEPTH} deep: remove those that are not needed"));
        }
    }
    // An unclosed text has swallowed the closing brackets.
    let open = if scan.errors.is_empty() { std::mem::take(&mut scan.open) } else { Vec::new() };
    for (open, closing) in open {
        let sign = scan.text(open..open + 1);
        scan.error(open..open + 1, format!("`{sign}` is never closed: write `{closing}`"));
    }
    if scan.words.is_empty() && scan.errors.is_empty() {
        scan.error(0..source.len(), "the expression is empty: write one such as `contentType == \"live\"`");
    }
    if scan.errors.is_empty() { Ok(scan.words) } else { Err(scan.errors) }
}

struct Scan<'s> {
    source: &'s str,
    words: Vec<Token>,
    /// Tokens that become a node of the tree.
    counted: usize,
    /// Open brackets, with the sign that closes them.
    open: Vec<(usize, char)>,
    errors: Vec<ExpressionError>,
}

impl<'s> Scan<'s> {
    fn text(&self, at: Range<usize>) -> &'s str {
        self.source.get(at).unwrap_or_default()
    }

    fn error(&mut self, at: Range<usize>, message: impl Into<String>) {
        self.errors.push(ExpressionError { at, message: message.into() });
    }

    fn push(&mut self, kind: Kind, at: Range<usize>) -> usize {
        let end = at.end;
        self.counted += usize::from(!matches!(self.text(at.clone()), "(" | ")" | "]" | "}" | "," | "."));
        self.words.push(Token { kind, at });
        end
    }

    /// Reads white space, a comment or a token at `at`. Returns its end.
    fn word(&mut self, at: usize, first: char) -> usize {
        let rest = self.text(at..self.source.len());
        match first {
            ' ' | '\t' | '\n' | '\r' | '\x0c' => at + 1,
            '/' if rest.starts_with("//") => at + rest.find('\n').unwrap_or(rest.len()),
            '"' | '\'' => self.quoted(at, 0),
            'a'..='z' | 'A'..='Z' | '_' => {
                let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
                let (name, behind) = rest.split_at(length);
                if name.len() <= 2 && name.bytes().all(|c| b"rRbB".contains(&c)) && behind.starts_with(['"', '\'']) {
                    return self.quoted(at, length);
                }
                self.push(Kind::Name, at..at + length)
            }
            '0'..='9' => self.push(Kind::Number, at..at + number(rest)),
            '(' => self.open(at, ')'),
            '[' => self.open(at, ']'),
            '{' => self.open(at, '}'),
            ')' | ']' | '}' => self.close(at, first),
            '\u{201c}'..='\u{201f}' | '\u{2018}'..='\u{201b}' | '\u{ab}' | '\u{bb}' => {
                let end = at + first.len_utf8();
                self.error(at..end, format!("`{first}` is not a quotation mark here: write \""));
                end
            }
            _ => self.sign(at, first, rest),
        }
    }

    fn open(&mut self, at: usize, closing: char) -> usize {
        self.open.push((at, closing));
        self.push(Kind::Sign, at..at + 1)
    }

    fn close(&mut self, at: usize, sign: char) -> usize {
        match self.open.pop() {
            Some((_, wanted)) if wanted == sign => {}
            Some((open, wanted)) => {
                let opened = self.text(open..open + 1);
                self.error(at..at + 1, format!("`{sign}` does not close `{opened}`: write `{wanted}`"));
            }
            None => self.error(at..at + 1, format!("`{sign}` closes nothing: remove it")),
        }
        self.push(Kind::Sign, at..at + 1)
    }

    fn sign(&mut self, at: usize, first: char, rest: &str) -> usize {
        if let Some((sign, instead)) = SIGNS.iter().find(|(sign, _)| rest.starts_with(sign)) {
            let end = at + sign.len();
            if let Some(instead) = instead {
                self.error(at..end, format!("there is no `{sign}` in expressions: write `{instead}`"));
            }
            return self.push(Kind::Sign, at..end);
        }
        let end = at + first.len_utf8();
        if "+-*/%<>!?:.,".contains(first) {
            return self.push(Kind::Sign, at..end);
        }
        let message = match first {
            '`' | '$' | '@' | '#' => {
                format!("`{first}` has no meaning here: write a field's name alone, as in `channel`")
            }
            _ if first.is_alphanumeric() => {
                format!(
                    "`{first}` is not allowed here: names consist of letters A to Z and a to z, digits and `_`; write other text in \"…\""
                )
            }
            _ => format!("`{}` has no meaning here: remove it", first.escape_debug()),
        };
        self.error(at..end, message);
        end
    }

    /// Reads quoted text, after `prefix` bytes of prefix.
    fn quoted(&mut self, at: usize, prefix: usize) -> usize {
        let raw = self.text(at..at + prefix).contains(['r', 'R']);
        let start = at + prefix;
        let rest = self.text(start..self.source.len());
        let quote = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quote| rest.starts_with(quote)).unwrap_or("\"");
        let long = quote.len() == 3;
        let mut escaped = false;
        for (inside, next) in rest.char_indices().skip(quote.len()) {
            let here = start + inside;
            if std::mem::take(&mut escaped) {
                if !r#"abfnrtv\?"'`xXuU0123"#.contains(next) {
                    let message =
                        format!("`\\{next}` is not an escape: write `\\\\{next}`, or r\"…\" for text without escapes");
                    self.error(here - 1..here + next.len_utf8(), message);
                }
            } else if self.text(here..self.source.len()).starts_with(quote) {
                return self.push(Kind::Quoted, at..here + quote.len());
            } else if !long && matches!(next, '\n' | '\r') {
                break;
            } else {
                escaped = next == '\\' && !raw;
            }
        }
        let end = self.source.len();
        self.error(at..end, format!("the text that begins here is never closed: write `{quote}` after it"));
        end
    }
}

/// Length of the number at the start of `rest`: digits, a fraction, an exponent, hexadecimal digits, and a suffix.
fn number(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let hexadecimal = rest.starts_with("0x") || rest.starts_with("0X");
    let mut end = 0;
    while let Some(byte) = bytes.get(end) {
        let next_is_digit = bytes.get(end + 1).is_some_and(u8::is_ascii_digit);
        let before = end.checked_sub(1).and_then(|at| bytes.get(at));
        let in_exponent = !hexadecimal && before.is_some_and(|before| matches!(before, b'e' | b'E'));
        match byte {
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'_' => end += 1,
            b'.' if next_is_digit => end += 1,
            b'+' | b'-' if in_exponent && next_is_digit => end += 1,
            _ => break,
        }
    }
    end
}
