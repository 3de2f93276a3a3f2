//! The path prefix that carries a play session: `/~s/<sealed>/live/news/720p.m3u8`.

/// What a prefixed path begins with. The sealed play session follows, up to the next `/`.
pub const MARK: &str = "/~s/";

/// RFC 3986 §2.3 makes `%7E` the same as `~`, and some clients write it.
const ESCAPED: [&str; 2] = ["/%7Es/", "/%7es/"];

/// The sealed play session and the path at the origin (with its leading `/`), where `path` carries the prefix.
///
/// Nothing is verified: the first part is whatever stands there, also nothing.
pub fn split(path: &str) -> Option<(&str, &str)> {
    let rest = path.strip_prefix(MARK).or_else(|| ESCAPED.iter().find_map(|mark| path.strip_prefix(mark)))?;
    match rest.find('/') {
        Some(at) => rest.split_at_checked(at),
        None => Some((rest, "/")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_comes_off_and_the_rest_keeps_its_slash() {
        assert_eq!(split("/~s/AbC-_/live/a.m3u8"), Some(("AbC-_", "/live/a.m3u8")));
        assert_eq!(split("/%7Es/AbC/x"), Some(("AbC", "/x")));
        assert_eq!(split("/%7es/AbC/x"), Some(("AbC", "/x")));
        assert_eq!(split("/~s/AbC"), Some(("AbC", "/")));
        assert_eq!(split("/~s//x"), Some(("", "/x")));
    }

    #[test]
    fn only_the_outermost_prefix_comes_off() {
        assert_eq!(split("/~s/A/~s/B/x"), Some(("A", "/~s/B/x")));
    }

    #[test]
    fn other_paths_have_no_prefix() {
        for path in ["", "/", "/~s", "/~S/A/x", "/live/~s/A/x", "~s/A/x", "/~sA/x"] {
            assert_eq!(split(path), None, "{path}");
        }
    }
}
