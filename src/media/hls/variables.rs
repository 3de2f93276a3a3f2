//! `EXT-X-DEFINE` and `{$name}` (draft-pantos-hls-rfc8216bis §4.3 and §4.4.2.3).

use std::collections::BTreeMap;

use memchr::memchr;
use memchr::memmem;

use crate::media::percent::PercentDecoded;

/// Maximum bytes of an expanded reference. A line that repeats one long variable would grow without a limit.
const MAX_EXPANDED: usize = 64 * 1024;

/// The variables defined so far.
#[derive(Debug, Default)]
pub(super) struct Variables {
    values: BTreeMap<Box<[u8]>, Box<[u8]>>,
}

/// A reference with its variables replaced by their values, to find its target.
#[derive(Debug)]
pub(super) struct Expanded {
    pub(super) text: Vec<u8>,
    /// Position in `text` of the first undefined variable, which stays verbatim.
    pub(super) undefined_at: Option<usize>,
    pieces: Vec<Piece>,
}

/// A stretch of the text and of the line it came from.
#[derive(Debug)]
struct Piece {
    text: (usize, usize),
    line: (usize, usize),
}

/// True if a text may have variables.
pub(super) fn present(text: &[u8]) -> bool {
    memmem::find(text, b"{$").is_some()
}

impl Variables {
    /// Sets a variable.
    pub(super) fn define(&mut self, name: &[u8], value: &[u8]) {
        self.values.insert(name.into(), value.into());
    }

    /// Replaces variables by their values. Undefined ones stay verbatim. `None` if the text gets too long.
    pub(super) fn expand(&self, line: &[u8]) -> Option<Expanded> {
        let mut expanded =
            Expanded { text: Vec::with_capacity(line.len() * 2), undefined_at: None, pieces: Vec::new() };
        let mut at = 0;
        while let Some(rest) = line.get(at..).filter(|rest| !rest.is_empty()) {
            let literal = memmem::find(rest, b"{$").unwrap_or(rest.len());
            expanded.push(rest.get(..literal)?, (at, at + literal));
            at += literal;
            let reference = line.get(at..)?;
            if reference.is_empty() {
                break;
            }
            // Without a closing brace, the rest is literal.
            let length = memchr(b'}', reference).map_or(reference.len(), |close| close + 1);
            let written = reference.get(..length)?;
            let name = written.strip_suffix(b"}").and_then(|open| open.get(2..));
            let value = name.and_then(|name| self.values.get(name));
            if value.is_none() {
                expanded.undefined_at.get_or_insert(expanded.text.len());
            }
            expanded.push(value.map_or(written, AsRef::as_ref), (at, at + length));
            at += length;
            if expanded.text.len() > MAX_EXPANDED {
                return None;
            }
        }
        Some(expanded)
    }
}

impl Expanded {
    fn push(&mut self, text: &[u8], line: (usize, usize)) {
        let start = self.text.len();
        self.text.extend_from_slice(text);
        self.pieces.push(Piece { text: (start, self.text.len()), line });
    }

    /// The position in the line for a position in the text. `None` inside the value of a variable.
    pub(super) fn place(&self, at: usize) -> Option<usize> {
        self.pieces.iter().find_map(|Piece { text, line }| {
            if at == text.0 {
                return Some(line.0);
            }
            if at == text.1 {
                return Some(line.1);
            }
            let literal = text.1 - text.0 == line.1 - line.0;
            (literal && (text.0..text.1).contains(&at)).then(|| line.0 + (at - text.0))
        })
    }
}

/// The percent-decoded value of the first query parameter of this name.
pub(super) fn query_parameter(query: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    query.split(|byte| *byte == b'&').find_map(|pair| {
        let at = memchr(b'=', pair)?;
        (pair.get(..at)? == name).then(|| pair.get(at + 1..).map(|value| PercentDecoded::new(value).collect()))?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_in_the_text_lead_back_to_the_line_unless_they_lie_inside_a_value() {
        let mut variables = Variables::default();
        variables.define(b"host", b"https://tv.example");
        let expanded = variables.expand(b"{$host}/a/{$none}/b").expect("short");
        assert_eq!(expanded.text, b"https://tv.example/a/{$none}/b");
        assert_eq!(expanded.undefined_at, Some(21));
        assert_eq!(expanded.place(0), Some(0));
        assert_eq!(expanded.place(5), None);
        assert_eq!(expanded.place(18), Some(7));
        assert_eq!(expanded.place(20), Some(9));
    }

    #[test]
    fn an_open_brace_is_text_and_a_text_that_grows_too_long_is_given_up() {
        let mut variables = Variables::default();
        variables.define(b"v", &vec![b'x'; 40_000]);
        assert_eq!(variables.expand(b"a{$v").map(|expanded| expanded.text), Some(b"a{$v".to_vec()));
        assert!(variables.expand(b"{$v}{$v}").is_none());
    }

    #[test]
    fn query_parameters_are_percent_decoded_and_the_first_of_a_name_counts() {
        assert_eq!(query_parameter(b"a=1&b=%2Fx%zz&b=2", b"b"), Some(b"/x%zz".to_vec()));
        assert_eq!(query_parameter(b"a=1&c", b"c"), None);
    }
}
