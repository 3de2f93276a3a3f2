//! What a token was good for, carried on in the play session.

use std::sync::Arc;

use super::condition::{Condition, Part};
use super::matching::Match;

/// Bytes that a scope has at most; a longer one is none.
pub(super) const SCOPE_MAX: usize = 256;

/// Prefixes of paths at the origin, one of which every manifest must have. Empty: any path will do.
///
/// A token whose demands cover whole folders (`acl=/live/*`, `catu` by prefix, a URL prefix, a resource with a wildcard) opens
/// nothing outside of them with the play session that it leads to. Tokens for one exact URL, as for an entry manifest, and
/// regular expressions say nothing of what follows. Segments are not judged: what a manifest refers to may lie elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope(Option<Arc<str>>);

impl Scope {
    /// What these conditions, all of which hold for the entry, say of what follows from it: the first that says anything.
    pub(super) fn of(conditions: &[Condition]) -> Self {
        let prefixes = conditions.iter().find_map(prefixes).unwrap_or_default();
        Self::from(&prefixes.join("\n"))
    }

    /// One prefix a line.
    pub(super) fn from(lines: &str) -> Self {
        let fits = !lines.is_empty() && lines.len() <= SCOPE_MAX && lines.lines().all(|prefix| prefix.starts_with('/'));
        Self((fits && lines.lines().all(|prefix| prefix != "/")).then(|| lines.into()))
    }

    /// One prefix a line; empty where any path will do.
    pub(super) fn lines(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }

    /// Whether a manifest at this path is one that the token was good for.
    pub fn covers(&self, path: &str) -> bool {
        // A token may stand for the whole path, `/TOKEN`.
        let is_below = |prefix: &str| path.starts_with(prefix) || prefix.strip_suffix('/') == Some(path);
        self.0.as_ref().is_none_or(|lines| lines.lines().any(is_below))
    }
}

/// What every path begins with that fits the condition, in each of its alternatives; `None` where it says nothing of folders.
fn prefixes(condition: &Condition) -> Option<Vec<String>> {
    match condition {
        Condition::Globs(globs) => globs.iter().map(|glob| before_wildcard(glob)).collect(),
        Condition::Part(Part::Path | Part::ParentPath, Match::Prefix(prefix)) => Some(vec![prefix.to_string()]),
        Condition::Url(Match::Prefix(url)) => path_of(url).map(|path| vec![path.to_owned()]),
        Condition::UrlGlob(glob) => path_of(glob).and_then(before_wildcard).map(|prefix| vec![prefix]),
        _ => None,
    }
}

/// The part of a glob in front of its first wildcard; `None` where it has none.
fn before_wildcard(glob: &str) -> Option<String> {
    glob.find(['*', '?']).and_then(|at| glob.get(..at)).map(str::to_owned)
}

/// The path of a URL whose host is written out.
fn path_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let (host, path) = rest.find('/').and_then(|at| rest.split_at_checked(at))?;
    (!host.contains(['*', '?'])).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn globs(globs: &[&str]) -> Scope {
        Scope::of(&[Condition::Globs(globs.iter().map(|glob| (*glob).into()).collect())])
    }

    #[test]
    fn folders_that_a_token_was_good_for_stay_the_only_ones() {
        let scope = globs(&["/free/*", "/trailers/a?/*"]);
        for (path, covered) in
            [("/free/a/b.m3u8", true), ("/trailers/ab/x", true), ("/paid/x.m3u8", false), ("/freeze/x", false)]
        {
            assert_eq!(scope.covers(path), covered, "{path}");
        }
        assert!(Scope::from("/alice/").covers("/alice") && !Scope::from("/alice/").covers("/alicea"));
        let prefix = Scope::of(&[Condition::Url(Match::Prefix("https://a.example/free/".into()))]);
        assert!(prefix.covers("/free/x") && !prefix.covers("/paid/x"));
        let resource = Scope::of(&[Condition::UrlGlob("http://a.example/free/*?v=1".into())]);
        assert!(resource.covers("/free/x") && !resource.covers("/paid/x"));
    }

    #[test]
    fn what_speaks_of_one_file_or_of_everything_says_nothing_of_what_follows() {
        for scope in [
            globs(&["/*"]),
            globs(&["*"]),
            globs(&["/live/a.m3u8"]),
            globs(&["/live/a.m3u8", "/live/*"]),
            globs(&[&format!("/{}/*", "x".repeat(300))]),
            Scope::of(&[Condition::Part(Part::Path, Match::Exact("/live/a.m3u8".into()))]),
            Scope::of(&[Condition::UrlGlob("http*://*/free/*".into())]),
            Scope::default(),
        ] {
            assert!(scope.covers("/anything/x.m3u8"), "{scope:?}");
        }
    }

    #[test]
    fn a_scope_reads_back_what_it_writes() {
        let scope = globs(&["/a/*", "/b/*"]);
        assert_eq!(Scope::from(scope.lines()), scope);
        assert_eq!(Scope::from(Scope::default().lines()), Scope::default());
    }
}
