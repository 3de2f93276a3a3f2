//! Text matches that tokens use.

use aws_lc_rs::digest;
use regex::Regex;

/// Maximum bytes of a compiled regular expression.
pub(super) const MAX_REGEX: usize = 256 << 10;

/// Maximum bytes of a regular expression in a token. The parser expands its classes before the size limit applies:
/// about 2 KiB for each byte of `\pL\pL\pL`.
const MAX_PATTERN: usize = 1024;

/// A condition on a text.
#[derive(Clone, Debug)]
pub enum Match {
    /// Equal.
    Exact(Box<str>),
    /// Starts with.
    Prefix(Box<str>),
    /// Ends with.
    Suffix(Box<str>),
    /// Contains.
    Contains(Box<str>),
    /// The regular expression matches part or all of the text, as compiled. The engine takes linear time.
    Regex(Box<Regex>),
    /// The text has this SHA-256.
    Sha256([u8; 32]),
    /// The text has this SHA-512/256.
    Sha512T256([u8; 32]),
}

impl Match {
    /// A regular expression, anchored at both ends: without anchors it would allow more than intended. `None` if it is
    /// invalid or too costly.
    pub fn regex(pattern: &str) -> Option<Self> {
        if pattern.len() > MAX_PATTERN {
            return None;
        }
        let anchored = format!("^(?:{pattern})$");
        let regex = regex::RegexBuilder::new(&anchored).size_limit(MAX_REGEX).build().ok()?;
        // A pattern such as `a)|(b` would close the enclosing group and lose the anchors.
        Regex::new(pattern).ok()?;
        Some(Self::Regex(Box::new(regex)))
    }

    /// A regular expression that matches anywhere, as in POSIX; `^` and `$` anchor it. `None` if it is invalid or too
    /// costly.
    pub fn search(pattern: &str) -> Option<Self> {
        if pattern.len() > MAX_PATTERN {
            return None;
        }
        let regex = regex::RegexBuilder::new(pattern).size_limit(MAX_REGEX).build().ok()?;
        Some(Self::Regex(Box::new(regex)))
    }

    /// True if the text matches.
    pub fn holds(&self, text: &str) -> bool {
        match self {
            Self::Exact(wanted) => text == &**wanted,
            Self::Prefix(wanted) => text.starts_with(&**wanted),
            Self::Suffix(wanted) => text.ends_with(&**wanted),
            Self::Contains(wanted) => text.contains(&**wanted),
            Self::Regex(regex) => regex.is_match(text),
            Self::Sha256(wanted) => digest::digest(&digest::SHA256, text.as_bytes()).as_ref() == wanted,
            Self::Sha512T256(wanted) => digest::digest(&digest::SHA512_256, text.as_bytes()).as_ref() == wanted,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_regular_expression_covers_the_whole_text_whatever_it_is_written_like() {
        for (pattern, text, covered) in [
            ("/live/.*", "/live/a", true),
            ("/live/.*", "/vod/live/a", false),
            ("a|b", "ab", false),
            ("a|b", "b", true),
            ("(?i)/LIVE", "/live", true),
        ] {
            assert_eq!(Match::regex(pattern).unwrap().holds(text), covered, "{pattern} {text}");
        }
        for pattern in ["a)|(b", "(", "\\", "(?:a{1000}){1000}"] {
            assert!(Match::regex(pattern).is_none(), "{pattern}");
        }
    }

    #[test]
    fn a_regular_expression_that_is_searched_for_says_itself_where_it_begins_and_ends() {
        for (pattern, text, found) in [
            ("/live/", "/vod/live/a", true),
            ("^/live/", "/vod/live/a", false),
            ("^/live/", "/live/a", true),
            ("\\.ts$", "/live/a.ts", true),
            ("\\.ts$", "/live/a.ts.mp4", false),
            ("^/live/[a-z]+$", "/live/news", true),
            ("^/live/[a-z]+$", "/live/news/1", false),
            ("a|^b$", "xax", true),
            ("", "anything", true),
        ] {
            assert_eq!(Match::search(pattern).unwrap().holds(text), found, "{pattern} {text}");
        }
        for pattern in ["(", "a)", "\\", "(?:a{1000}){1000}", &"a".repeat(MAX_PATTERN + 1)] {
            assert!(Match::search(pattern).is_none(), "{pattern}");
        }
    }
}
