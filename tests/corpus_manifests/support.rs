//! One request and one prefix for all tests, and how URLs look with and without it.

use memchr::memmem;
use streamgate::media::{Outcome, Target, Unparsable, dash, hls};
use url::Url;

pub(crate) const PREFIX: &str = "/~s/AQz-seal_ed0";
pub(crate) const AUTHORITY: &str = "tv.example";
/// Deep enough that no reference of the corpus climbs above it.
pub(crate) const DOCUMENT: &str = "/a/b/c/d/e/main.file";

/// A manifest that the viewer fetched under the prefix.
pub(crate) fn target(authority: &str) -> Target<'_> {
    Target {
        prefix: PREFIX,
        document: DOCUMENT,
        query: Some("v=1&w=2"),
        inherited: true,
        authority,
        site: "",
        origin: None,
    }
}

/// Rewrites a manifest; on an error the original is what the viewer gets, as in the gateway.
pub(crate) fn rewrite(is_hls: bool, input: &[u8], target: &Target<'_>) -> (Vec<u8>, Result<Outcome, Unparsable>) {
    let mut out = Vec::new();
    if is_hls {
        let outcome = hls::rewrite(input, target, &mut out);
        return (out, outcome);
    }
    match dash::rewrite(input, target, &mut out) {
        Ok(outcome) => (out, Ok(outcome)),
        Err(error) => {
            assert!(out.is_empty(), "an MPD that cannot be read must leave no traces");
            (input.to_vec(), Err(error))
        }
    }
}

/// The document's URL at the origin.
pub(crate) fn document_url(authority: &str) -> Url {
    Url::parse(&format!("http://{authority}{DOCUMENT}")).unwrap()
}

/// What a URL must be for the viewer: with the prefix if it is ours, and otherwise as it was.
pub(crate) fn seen_by_viewer(url: &Url, authority: &str) -> Url {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let is_ours = matches!(url.scheme(), "http" | "https")
        && url.host_str().is_some_and(|host| format!("{host}{port}").eq_ignore_ascii_case(authority));
    let mut seen = url.clone();
    if is_ours {
        seen.set_path(&format!("{PREFIX}{}", url.path()));
    }
    seen
}

/// The viewer's scheme and host, as far as a test knows them: not at all, and both.
pub(crate) fn sites(authority: &str) -> [String; 2] {
    [String::new(), format!("http://{authority}")]
}

/// The bytes with every occurrence of the prefix taken out, and of the viewer's site in front of it where the original has none.
/// A URL without a path needs a slash behind the prefix, which is taken out as well where the original has none.
pub(crate) fn without_prefix(written: &[u8], original: &[u8], site: &str) -> Vec<u8> {
    let mut stripped = Vec::with_capacity(written.len());
    let mut from = 0;
    for at in memmem::find_iter(written, PREFIX) {
        stripped.extend_from_slice(&written[from..at]);
        from = at + PREFIX.len();
        if !site.is_empty() && stripped.ends_with(site.as_bytes()) && !original.starts_with(&stripped) {
            stripped.truncate(stripped.len() - site.len());
        }
        if written.get(from) == Some(&b'/') && original.get(stripped.len()) != Some(&b'/') {
            from += 1;
        }
    }
    stripped.extend_from_slice(&written[from..]);
    stripped
}
