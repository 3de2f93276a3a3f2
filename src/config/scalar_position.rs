//! Position of a part of a scalar in the file.

/// The text of the file, by lines.
#[derive(Debug)]
pub(super) struct Lines {
    text: Box<str>,
    /// Byte offset of each line.
    starts: Vec<usize>,
}

impl Lines {
    pub(super) fn new(text: &str) -> Self {
        let starts = [0].into_iter().chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text: text.into(), starts }
    }

    /// The rest of the line from there; both are counted from 1.
    pub(super) fn behind(&self, line: usize, column: usize) -> Option<&str> {
        let start = *self.starts.get(line.checked_sub(1)?)?;
        let line = self.text.get(start..)?.lines().next()?;
        let (at, _) = line.char_indices().nth(column.checked_sub(1)?)?;
        line.get(at..)
    }
}

/// Offset in `raw`, in characters, of the `nth` character of `text`. `raw` must start with a YAML scalar for `text` on
/// one line: plain, in `'…'`, or in `"…"` with no escapes but those of `"`, `\` and `/`.
pub(super) fn column(raw: &str, text: &str, nth: usize) -> Option<usize> {
    let quote = raw.chars().next().filter(|first| matches!(first, '\'' | '"'));
    let Some(quote) = quote else { return raw.starts_with(text).then_some(nth) };
    let mut raw = raw.chars().enumerate().skip(1).peekable();
    let mut found = None;
    for (at, wanted) in text.chars().enumerate() {
        let (column, mut written) = raw.next()?;
        match (quote, written) {
            ('"', '\\') => {
                (_, written) = raw.next()?;
                if !matches!(written, '"' | '\\' | '/') {
                    return None;
                }
            }
            ('\'', '\'') => (_, written) = raw.next_if(|(_, next)| *next == '\'')?,
            _ => {}
        }
        if written != wanted {
            return None;
        }
        if at == nth {
            found = Some(column);
        }
    }
    let (end, _) = raw.next().filter(|(_, closing)| *closing == quote)?;
    found.or(Some(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_is_found_in_each_way_to_write_a_text_in_one_line() {
        assert_eq!(column("a == b # why", "a == b", 5), Some(5));
        assert_eq!(column("'it''s' }", "it's", 3), Some(5));
        assert_eq!(column(r#""a == \"b\"" }"#, r#"a == "b""#, 6), Some(8));
        assert_eq!(column("'a'", "a", 1), Some(2), "the end");
        assert_eq!(column("\"é\" x", "é", 1), Some(2));
    }

    #[test]
    fn what_is_folded_or_escaped_otherwise_is_not_found() {
        for (raw, text) in [
            (">-", "a b"),
            ("'a", "a b"),
            ("\"a\\tb\"", "a\tb"),
            ("\"\\x61\"", "a"),
            ("&here 'a'", "a"),
            ("'a' b", "a' b"),
            ("'a", "a"),
            ("", "a"),
        ] {
            assert_eq!(column(raw, text, 0), None, "{raw}");
        }
    }

    #[test]
    fn lines_and_columns_count_characters() {
        let lines = Lines::new("één: 1\r\ntwee: x\n");
        assert_eq!(lines.behind(1, 4), Some(": 1"));
        assert_eq!(lines.behind(2, 7), Some("x"));
        assert_eq!(lines.behind(2, 8), None);
        assert_eq!((lines.behind(0, 1), lines.behind(9, 1), lines.behind(1, 0)), (None, None, None));
    }
}
