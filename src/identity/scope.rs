//! The paths that a token covers, stored in the play session.

use std::sync::Arc;

use crate::model::RequestPath;

use super::condition::{Condition, Part};
use super::matching::Match;
use super::path_match::{Form, PathMatch};

/// Maximum bytes of a scope; a longer one is dropped.
pub(super) const MAX_SCOPE: usize = 256;

/// Start of a line that may match anywhere in a path.
const ANYWHERE: char = '*';

/// Folders at the origin, in one of which every manifest must be. Empty: any path will do.
///
/// A play session gives no access outside the folders of its token's conditions (`acl=/live/*`, `catu` by prefix, a URL
/// prefix, a resource with a wildcard). Tokens for one exact URL, such as an entry manifest, and regular expressions do
/// not restrict it. Segments are not checked: a manifest may refer to other folders.
///
/// Each folder is a line: a path prefix or, after a `*`, a part anywhere in the path (`*/live/`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope(Option<Arc<str>>);

impl Scope {
    /// The scope of these conditions, all of which hold for the entry manifest: the first that defines one.
    pub(super) fn from_conditions(conditions: &[Condition]) -> Self {
        let folders = conditions.iter().find_map(folders).unwrap_or_default();
        Self::from(&folders.join("\n"))
    }

    /// From one folder per line.
    pub(super) fn from(lines: &str) -> Self {
        let path = |line: &str| line.strip_prefix(ANYWHERE).unwrap_or(line).starts_with('/');
        let is_all = |line: &str| matches!(line, "/" | "*/");
        let fits = !lines.is_empty() && lines.len() <= MAX_SCOPE && lines.lines().all(path);
        Self((fits && !lines.lines().any(is_all)).then(|| lines.into()))
    }

    /// One folder per line; empty for any path.
    pub(super) fn lines(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }

    /// True if the scope covers a manifest at this path, in every reading.
    pub fn covers(&self, path: &str) -> bool {
        let Some(lines) = &self.0 else { return true };
        RequestPath::new(path).in_every_reading(|reading, text| {
            let fits = |form, pattern| PathMatch::new(form, pattern).fits(reading, text, text.len());
            lines.lines().any(|line| match line.strip_prefix(ANYWHERE) {
                Some(folder) => fits(Form::Contains, folder),
                // The token may be the whole path, `/TOKEN`.
                None => fits(Form::Prefix, line) || line.strip_suffix('/').is_some_and(|line| fits(Form::Exact, line)),
            })
        })
    }
}

/// The folders that contain every path that satisfies the condition; `None` if it does not define folders.
fn folders(condition: &Condition) -> Option<Vec<String>> {
    match condition {
        Condition::Globs(globs) => globs.iter().map(|glob| folder(glob)).collect(),
        Condition::Part(Part::Path | Part::ParentPath, Match::Prefix(prefix)) => Some(vec![prefix.to_string()]),
        Condition::Url(Match::Prefix(url)) => path_of(url).map(|(_, path)| vec![path.to_owned()]),
        Condition::UrlGlob(glob) => {
            let folder = match path_of(glob) {
                // The wildcard may reach into the path.
                Some(("*", path)) => folder(&format!("*{path}")),
                Some((_, path)) => folder(path),
                None => folder(glob),
            };
            folder.map(|folder| vec![folder])
        }
        _ => None,
    }
}

/// The part of a glob before its first wildcard or, if it starts with `*`, before its second one. `None` if that is not
/// a folder.
fn folder(glob: &str) -> Option<String> {
    let (anywhere, rest) = match glob.trim_start_matches('*') {
        rest if rest.len() < glob.len() => ("*", rest),
        rest => ("", rest),
    };
    let folder = rest.find(['*', '?']).and_then(|at| rest.get(..at))?;
    (anywhere.is_empty() || folder.starts_with('/')).then(|| format!("{anywhere}{folder}"))
}

/// Host and path of a URL.
fn path_of(url: &str) -> Option<(&str, &str)> {
    let (_, rest) = url.split_once("://")?;
    rest.find('/').and_then(|at| rest.split_at_checked(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn globs(globs: &[&str]) -> Scope {
        Scope::from_conditions(&[Condition::Globs(globs.iter().map(|glob| (*glob).into()).collect())])
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
        let prefix = Scope::from_conditions(&[Condition::Url(Match::Prefix("https://a.example/free/".into()))]);
        assert!(prefix.covers("/free/x") && !prefix.covers("/paid/x"));
        let resource = Scope::from_conditions(&[Condition::UrlGlob("http://a.example/free/*?v=1".into())]);
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
            Scope::from_conditions(&[Condition::Part(Part::Path, Match::Exact("/live/a.m3u8".into()))]),
            Scope::from_conditions(&[Condition::UrlGlob("http*://*/*".into())]),
            Scope::from_conditions(&[Condition::UrlGlob("*".into())]),
            Scope::from_conditions(&[Condition::UrlGlob("*free*".into())]),
            Scope::from_conditions(&[Condition::UrlGlob("http*://*/live/a.m3u8".into())]),
            Scope::default(),
        ] {
            assert!(scope.covers("/anything/x.m3u8"), "{scope:?}");
        }
    }

    #[test]
    fn a_resource_of_any_host_still_has_its_folder() {
        for glob in ["http*://*/free/*", "*/free/*", "https://*.example.com/free/*?v=1", "http*://a?.example/free/*"] {
            let scope = Scope::from_conditions(&[Condition::UrlGlob(glob.into())]);
            assert!(scope.covers("/free/x.m3u8") && !scope.covers("/paid/x.m3u8"), "{glob}");
            assert_eq!(Scope::from(scope.lines()), scope);
        }
        assert!(globs(&["*/free/*"]).covers("/tv/free/x") && !globs(&["*/free/*"]).covers("/tv/paid/x"));
    }

    #[test]
    fn a_scope_is_about_the_path_as_the_origin_reads_it() {
        let scope = Scope::from("/free/\n/caf%c3%a9/a b/");
        for (path, covered) in [
            ("/%66ree/x.m3u8", true),
            ("/free//x.m3u8", true),
            ("/free/%2e%2e%2e/x.m3u8", true),
            ("/café/a%20b/x", true),
            ("/caf%C3%A9/a b/x", true),
            ("/free/../paid/x.m3u8", false),
            ("/free/%2e./paid/x.m3u8", false),
            ("/free%2f..%2Fpaid/x.m3u8", false),
            ("/free/..%5cpaid/x.m3u8", false),
            ("/free/..;/paid/x.m3u8", false),
            ("//free/x.m3u8", false),
            ("/free%2Fx.m3u8", false),
            ("/%2566ree/x.m3u8", false),
        ] {
            assert_eq!(scope.covers(path), covered, "{path}");
        }
    }

    #[test]
    fn a_scope_reads_back_what_it_writes() {
        let scope = globs(&["/a/*", "/b/*"]);
        assert_eq!(Scope::from(scope.lines()), scope);
        assert_eq!(Scope::from(Scope::default().lines()), Scope::default());
    }
}
