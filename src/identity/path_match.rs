//! Matches conditions on paths and URLs against every reading of a path.
//!
//! Both sides are percent-decoded once, so that `/caf%c3%a9/*` matches `/café/a` and `/caf%C3%A9/a`. `%2A` and `%3F` of
//! a pattern are not wildcards. A query is compared without decoding.

use std::borrow::Cow;

use crate::model::{Reading, RequestPath, first_byte};

use super::matching::Match;
use super::request::RequestFacts;

/// Kind of comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `*` matches any bytes, including none and `/`; `?` matches any one.
    Glob,
    /// Equal.
    Exact,
    /// Starts with.
    Prefix,
    /// Ends with.
    Suffix,
    /// Contains.
    Contains,
}

/// A pattern for paths.
#[derive(Clone, Copy, Debug)]
pub(super) struct PathMatch<'p> {
    form: Form,
    pattern: &'p [u8],
    /// Position from which doubled slashes of the pattern may merge: not those after a URL's scheme.
    merged_from: usize,
}

/// One step of a pattern.
#[derive(Clone, Copy)]
enum Piece {
    Run,
    One,
    /// A byte as read in a path, and as written.
    Byte {
        read: u8,
        written: u8,
        is_escaped: bool,
    },
}

impl<'p> PathMatch<'p> {
    pub(super) fn new(form: Form, pattern: &'p str) -> Self {
        Self { form, pattern: pattern.as_bytes(), merged_from: 0 }
    }

    /// Compiles a match into one of these forms; `None` for hashes and regular expressions.
    pub(super) fn compile(wanted: &'p Match) -> Option<Self> {
        let (form, pattern) = match wanted {
            Match::Exact(pattern) => (Form::Exact, pattern),
            Match::Prefix(pattern) => (Form::Prefix, pattern),
            Match::Suffix(pattern) => (Form::Suffix, pattern),
            Match::Contains(pattern) => (Form::Contains, pattern),
            Match::Regex(_) | Match::Sha256(_) | Match::Sha512T256(_) => return None,
        };
        Some(Self::new(form, pattern))
    }

    /// True if every reading of the path matches.
    pub(super) fn holds(self, path: &str) -> bool {
        RequestPath::new(path).in_every_reading(|reading, text| self.fits(reading, text, text.len()))
    }

    /// True if every reading of the path up to its last slash, exclusive, matches.
    pub(super) fn holds_for_parent(self, path: &str) -> bool {
        RequestPath::new(path).in_every_reading(|reading, text| {
            let end = memchr::memrchr(b'/', text).unwrap_or_default();
            self.fits(reading, text.get(..end).unwrap_or_default(), end)
        })
    }

    /// True if the whole URL matches in every reading of its path.
    pub(super) fn holds_for_url(self, request: &RequestFacts<'_>) -> bool {
        let scheme = memchr::memmem::find(self.pattern, b"://").map_or(0, |at| at + 3);
        let matched = Self { merged_from: scheme, ..self };
        RequestPath::new(request.path).in_every_reading(|reading, path| {
            let mut url = format!("{}://{}", request.scheme, request.host).into_bytes();
            url.extend_from_slice(path);
            let query = url.len();
            if let Some(text) = request.query.filter(|query| !query.is_empty()) {
                url.push(b'?');
                url.extend_from_slice(text.as_bytes());
            }
            matched.fits(reading, &url, query)
        })
    }

    /// True if a text in this reading matches; `query` is the start of its query. Linear space; time bounded by the
    /// product of both lengths.
    pub(super) fn fits(self, reading: Reading, text: &[u8], query: usize) -> bool {
        let (mut p, mut t) = (0, 0);
        // Position of the last `*`, and how far it has been tried.
        let mut run = matches!(self.form, Form::Suffix | Form::Contains).then_some((0, 0));
        loop {
            let piece = self.piece(reading, p);
            let is_through = match piece {
                None if matches!(self.form, Form::Prefix | Form::Contains) => return true,
                None => t >= text.len(),
                Some(_) => false,
            };
            if is_through {
                return true;
            }
            let step = match piece {
                Some((Piece::Run, next)) => {
                    run = Some((next, t));
                    Some((next, t))
                }
                Some((Piece::One, next)) if t < text.len() => Some((next, t + 1)),
                Some((Piece::Byte { read, .. }, next)) if t < query => {
                    let merges = read == b'/' && reading.merges_slashes() && p >= self.merged_from;
                    let next = if merges { self.behind_slashes(reading, next) } else { next };
                    (text.get(t) == Some(&read)).then_some((next, t + 1))
                }
                Some((Piece::Byte { written, is_escaped, .. }, next)) => {
                    // In a query an escape differs from its decoded byte.
                    let found = text.get(t..).and_then(first_byte).map(|(byte, length)| (byte, length, length > 1));
                    let plain = text.get(t).map(|byte| (*byte, 1, false));
                    let found = if is_escaped { found } else { plain };
                    found
                        .filter(|(byte, _, is)| (*byte, *is) == (written, is_escaped))
                        .map(|(_, length, _)| (next, t + length))
                }
                _ => None,
            };
            (p, t) = match (step, run) {
                (Some(step), _) => step,
                (None, Some((from, tried))) if tried < text.len() => {
                    run = Some((from, tried + 1));
                    (from, tried + 1)
                }
                (None, _) => return false,
            };
        }
    }

    /// The piece at this position of the pattern, and the start of the next one.
    fn piece(self, reading: Reading, at: usize) -> Option<(Piece, usize)> {
        let rest = self.pattern.get(at..)?;
        let ((read, length), (written, _)) = (reading.first_byte(rest)?, first_byte(rest)?);
        let piece = match rest.first() {
            Some(b'*') if self.form == Form::Glob => Piece::Run,
            Some(b'?') if self.form == Form::Glob => Piece::One,
            _ => Piece::Byte { read, written, is_escaped: length > 1 },
        };
        Some((piece, at + length))
    }

    /// Position after the slashes at this position of the pattern.
    fn behind_slashes(self, reading: Reading, at: usize) -> usize {
        let mut at = at;
        while let Some((b'/', length)) = self.pattern.get(at..).and_then(|rest| reading.first_byte(rest)) {
            at += length;
        }
        at
    }
}

/// True if the raw path matches. A regular expression must also match with escaped letters and digits decoded, which no
/// client escapes: `[^p].*` does not match `%70aid`.
pub(super) fn holds_raw(wanted: &Match, path: &str) -> bool {
    wanted.holds(path) && (!matches!(wanted, Match::Regex(_)) || wanted.holds(&with_plain_letters(path)))
}

/// The text with escaped letters and digits decoded.
fn with_plain_letters(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first_byte(rest.as_bytes()) {
            Some((byte, 3)) if byte.is_ascii_alphanumeric() => {
                plain.push(char::from(byte));
                3
            }
            _ => {
                plain.push(first);
                first.len_utf8()
            }
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests;
