//! Inserts the token into the path of an origin's redirect, as the origin did not receive it.

use super::StrippedPath;
use crate::identity::token_location::Source;

impl StrippedPath {
    /// Another path at the origin, possibly relative, with the same token; `None` if a relative path inherits it, or if
    /// it cannot be inserted.
    pub fn put_back(&self, path: &str) -> Option<String> {
        let (token, rooted) = (&self.token, path.starts_with('/'));
        let segment = match &self.source {
            Source::Param(name) => {
                let fits = self.scope.is_none() && !path.is_empty() && !path.ends_with('/');
                return fits.then(|| format!("{path};{name}={token}"));
            }
            Source::Segment(name) if name.ends_with('/') => format!("{name}{token}"),
            Source::Segment(name) => format!("{name}={token}"),
            Source::Nth(_) => token.clone(),
            Source::Query(_) | Source::Header(_) | Source::Cookie(_) => return None,
        };
        if !rooted {
            return None;
        }
        // A claim replaced the token in the path: only below it does the token cover the same folder.
        let folder = self.scope.as_deref().unwrap_or(&self.before);
        if let Some(rest) = path.strip_prefix(folder) {
            return Some(format!("{}{segment}/{rest}", self.before));
        }
        match &self.source {
            _ if self.scope.is_some() => None,
            Source::Nth(number) => {
                let (at, _) = path.match_indices('/').nth(number - 1)?;
                let (head, rest) = path.split_at_checked(at)?;
                Some(format!("{head}/{segment}{rest}"))
            }
            _ => Some(format!("/{segment}{path}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bare(source: &str, before: &str, scope: Option<&str>) -> StrippedPath {
        let source = source.parse().expect("a place");
        StrippedPath {
            path: "/x".into(),
            scope: scope.map(str::to_owned),
            source,
            token: "TOKEN".into(),
            before: before.into(),
        }
    }

    #[test]
    fn a_token_is_put_back_where_it_is_found_again() {
        for (source, before, path, expected) in [
            ("segment:hdntl", "/", "/live/a.m3u8", Some("/hdntl=TOKEN/live/a.m3u8")),
            ("segment:hdntl", "/vod/", "/vod/a.m3u8", Some("/vod/hdntl=TOKEN/a.m3u8")),
            ("segment:hdntl", "/vod/", "/live/a.m3u8", Some("/hdntl=TOKEN/live/a.m3u8")),
            ("segment:package/", "/", "/live/a.m3u8", Some("/package/TOKEN/live/a.m3u8")),
            ("segment:1", "/", "/live/a.m3u8", Some("/TOKEN/live/a.m3u8")),
            ("segment:2", "/vod/", "/live/a.m3u8", Some("/live/TOKEN/a.m3u8")),
            ("segment:3", "/vod/x/", "/a.m3u8", None),
            ("segment:1", "/", "a.m3u8", None),
            ("param:URISigningPackage", "/live/x", "/live/a.m3u8", Some("/live/a.m3u8;URISigningPackage=TOKEN")),
            ("param:URISigningPackage", "/live/x", "a.m3u8", Some("a.m3u8;URISigningPackage=TOKEN")),
            ("param:URISigningPackage", "/live/x", "", None),
            ("query:token", "/", "/a.m3u8", None),
        ] {
            assert_eq!(bare(source, before, None).put_back(path).as_deref(), expected, "{source} {path}");
        }
    }

    #[test]
    fn a_token_that_stands_for_a_folder_is_put_back_only_below_it() {
        let bare = bare("segment:1", "/", Some("/v-1/"));
        assert_eq!(bare.put_back("/v-1/a.m3u8").as_deref(), Some("/TOKEN/a.m3u8"));
        assert_eq!(bare.put_back("/v-2/a.m3u8"), None);
    }
}
