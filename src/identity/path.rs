//! The path prefix that carries a play session: `/~s/<sealed>/live/news/720p.m3u8`.

use std::borrow::Cow;

use crate::model::{PercentDecoded, first_byte};

/// Start of a prefixed path. The sealed play session follows, up to the next `/`.
pub const MARK: &str = "/~s/";

/// The first segment of a prefixed path. RFC 3986 §2.3 makes `%7Es` the same as `~s`, and some clients write it.
const NAME: [u8; 2] = *b"~s";

/// The sealed play session and the path at the origin (with its leading `/`), if `path` has the prefix.
///
/// Nothing is verified: the first part may be anything, even empty.
pub fn split(path: &str) -> Option<(&str, &str)> {
    let (name, rest) = path.strip_prefix('/')?.split_once('/')?;
    // No sealed play session equals the name of the prefix: `/~s/~s/SEALED` is not split, so that `find` sees all of
    // it.
    if !PercentDecoded::new(name.as_bytes()).eq(NAME) || is_prefix(path.as_bytes(), name.len() + 2) {
        return None;
    }
    match rest.find('/') {
        Some(at) => rest.split_at_checked(at),
        None => Some((rest, "/")),
    }
}

/// Position of the first play session prefix in a path, in any spelling: with doubled slashes, backslashes and
/// parameters, percent-encoded once or more. A play session is a credential that must not reach origins or logs.
pub fn find(path: &str) -> Option<usize> {
    let bytes = path.as_bytes();
    memchr::memchr2(b'~', b'%', bytes)?;
    let mut at = 0;
    while let Some((byte, length)) = deep_byte(bytes, at) {
        if is_slash(byte) && is_prefix(bytes, at + length) {
            return Some(at);
        }
        at += length;
    }
    None
}

/// The path for logs: without the play session after the prefix.
pub fn without_sealed(path: &str) -> Cow<'_, str> {
    match find(path).and_then(|at| path.get(..at)) {
        Some(head) => Cow::Owned(format!("{head}{MARK}***")),
        None => Cow::Borrowed(path),
    }
}

/// True if the name of the prefix is at that position, followed by anything.
fn is_prefix(path: &[u8], at: usize) -> bool {
    let mut at = at;
    for wanted in NAME {
        match deep_byte(path, at) {
            Some((byte, length)) if byte == wanted => at += length,
            _ => return false,
        }
    }
    let mut behind_name = false;
    while let Some((byte, length)) = deep_byte(path, at) {
        match byte {
            byte if is_slash(byte) => behind_name = true,
            _ if behind_name => return true,
            // Parameters of the segment.
            b';' => at = end_of_segment(path, at) - length,
            _ => return false,
        }
        at += length;
    }
    false
}

fn end_of_segment(path: &[u8], at: usize) -> usize {
    let mut at = at;
    while let Some((byte, length)) = deep_byte(path, at) {
        if is_slash(byte) {
            break;
        }
        at += length;
    }
    at
}

fn is_slash(byte: u8) -> bool {
    matches!(byte, b'/' | b'\\')
}

/// The byte at a position, percent-decoded repeatedly, and its length in the path.
fn deep_byte(path: &[u8], at: usize) -> Option<(u8, usize)> {
    let rest = path.get(at..)?;
    let (mut byte, mut length) = first_byte(rest)?;
    // `%25` is a percent sign, which may start another escape.
    while byte == b'%' && length > 1 {
        let inner = rest.get(length..).and_then(|rest| rest.first_chunk::<2>());
        let Some((inner, 3)) = inner.and_then(|[high, low]| first_byte(&[b'%', *high, *low])) else { break };
        (byte, length) = (inner, length + 2);
    }
    Some((byte, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_comes_off_and_the_rest_keeps_its_slash() {
        assert_eq!(split("/~s/AbC-_/live/a.m3u8"), Some(("AbC-_", "/live/a.m3u8")));
        for mark in ["/%7Es/", "/%7es/", "/~%73/", "/%7e%73/"] {
            assert_eq!(split(&format!("{mark}AbC/x")), Some(("AbC", "/x")), "{mark}");
        }
        assert_eq!(split("/~s/AbC"), Some(("AbC", "/")));
        assert_eq!(split("/~s/AbC/"), Some(("AbC", "/")));
        assert_eq!(split("/~s//x"), Some(("", "/x")));
        assert_eq!(split("/~s/"), Some(("", "/")));
    }

    #[test]
    fn only_the_outermost_prefix_comes_off() {
        assert_eq!(split("/~s/A/~s/B/x"), Some(("A", "/~s/B/x")));
    }

    #[test]
    fn other_paths_have_no_prefix() {
        for path in
            ["", "/", "/~s", "/~S/A/x", "/live/~s/A/x", "~s/A/x", "/~sA/x", "//~s/A/x", "/%257Es/A/x", "/~s/~s/A"]
        {
            assert_eq!(split(path), None, "{path}");
        }
    }

    #[test]
    fn a_prefix_is_found_wherever_it_stands_and_however_it_is_written() {
        for (path, at) in [
            ("/~s/A/x", 0),
            ("/~s/A", 0),
            ("/vod/~s/A/x", 4),
            ("/vod/%7es/A", 4),
            ("/vod/~%73/A/x", 4),
            ("//~s/A/x", 1),
            ("/vod/~s//A", 4),
            ("/vod%2F~s%2FA", 4),
            ("/vod%2f%7E%73%2fA%2fx", 4),
            ("/vod\\~s\\A", 4),
            ("/vod%5c~s/A", 4),
            ("/vod/~s;x=y/A", 4),
            ("/vod/~s;/A", 4),
            ("/vod/%257Es/A", 4),
            ("/vod%25252F%25257e%252573%252fA", 4),
            ("/~s;a/~s/A/x", 0),
            ("/a/~s/~s/A", 2),
        ] {
            assert_eq!(find(path), Some(at), "{path}");
            assert_eq!(without_sealed(path), format!("{}/~s/***", &path[..at]), "{path}");
        }
    }

    #[test]
    fn names_that_are_none_of_ours_stay() {
        for path in [
            "",
            "/",
            "/~s",
            "/vod/~s",
            "/vod/~s/",
            "/vod/~s;x",
            "/~sam/x",
            "/~S/x",
            "/a~s/x",
            "/~/s/x",
            "/%",
            "/a%2",
            "/a b/%25/%2525",
        ] {
            assert_eq!(find(path), None, "{path}");
            assert_eq!(without_sealed(path), path);
        }
    }
}
