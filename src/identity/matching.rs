//! One text against another, in the ways that tokens ask for.

use aws_lc_rs::digest;
use regex::Regex;

/// Bytes that a compiled regular expression may take. One that needs more is refused.
pub(super) const MAX_REGEX: usize = 256 << 10;

/// Bytes of a regular expression in a token. Its classes are written out before anybody can tell how large it becomes:
/// some 2 KiB for each byte of `\pL\pL\pL`.
const MAX_PATTERN: usize = 1024;

/// What a text has to be like.
#[derive(Clone, Debug)]
pub enum Match {
    /// The very text.
    Exact(Box<str>),
    /// It begins so.
    Prefix(Box<str>),
    /// It ends so.
    Suffix(Box<str>),
    /// It has this somewhere.
    Contains(Box<str>),
    /// The regular expression finds something in the text, or covers all of it, as it was compiled. The engine takes linear time.
    Regex(Box<Regex>),
    /// The text has this SHA-256.
    Sha256([u8; 32]),
    /// The text has this SHA-512/256.
    Sha512T256([u8; 32]),
}

impl Match {
    /// A regular expression, anchored at both ends: without anchors it would allow more than its writer meant. `None`
    /// where it is none, or too costly.
    pub fn regex(pattern: &str) -> Option<Self> {
        if pattern.len() > MAX_PATTERN {
            return None;
        }
        let anchored = format!("^(?:{pattern})$");
        let regex = regex::RegexBuilder::new(&anchored).size_limit(MAX_REGEX).build().ok()?;
        // A pattern such as `a)|(b` would close the group that holds it, and be anchored no more.
        Regex::new(pattern).ok()?;
        Some(Self::Regex(Box::new(regex)))
    }

    /// A regular expression that is searched for, as POSIX has it: it says itself with `^` and `$` where it begins and ends.
    /// `None` where it is none, or too costly.
    pub fn search(pattern: &str) -> Option<Self> {
        if pattern.len() > MAX_PATTERN {
            return None;
        }
        let regex = regex::RegexBuilder::new(pattern).size_limit(MAX_REGEX).build().ok()?;
        Some(Self::Regex(Box::new(regex)))
    }

    /// Whether the text is like that.
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
