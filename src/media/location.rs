//! The target of an origin's redirect.

use super::Target;
use super::path::path_end;
use super::reference::{Base, Change, Judge, authority_end};

/// The reference with the prefix, if a player that follows it would lose the prefix; `None` if it stays unchanged.
pub fn prefixed(reference: &str, target: &Target<'_>) -> Option<String> {
    let judge = Judge::new(target);
    let document = target.document.as_bytes();
    let base = if target.inherited { Base::Inherited(document) } else { Base::Bare(document) };
    match judge.judge(reference.as_bytes(), base) {
        Change::Keep | Change::Foreign => None,
        Change::Splice { keep, middle, rest } => {
            let reference = reference.as_bytes();
            let (head, tail) = (reference.get(..keep)?, reference.get(rest..)?);
            String::from_utf8([head, judge.prefix(), &middle, tail].concat()).ok()
        }
    }
}

/// True if a reference points to another host.
pub fn is_elsewhere(reference: &str, target: &Target<'_>) -> bool {
    // With an empty prefix nothing is checked.
    let judge = Judge::new(&Target { prefix: "/~s", ..*target });
    matches!(judge.judge(reference.as_bytes(), Base::Inherited(target.document.as_bytes())), Change::Foreign)
}

/// The path of a reference to any host.
pub fn path_of(reference: &str) -> &str {
    let from = authority_end(reference.as_bytes());
    reference.get(from..path_end(reference.as_bytes(), from)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(inherited: bool, location: &str) -> Option<String> {
        let document = "/live/a.m3u8";
        prefixed(
            location,
            &Target {
                prefix: "/~s/X",
                document,
                query: None,
                inherited,
                authority: "tv.example",
                site: "",
                origin: None,
            },
        )
    }

    #[test]
    fn a_redirect_keeps_the_play_session() {
        assert_eq!(from(false, "/b.m3u8").as_deref(), Some("/~s/X/b.m3u8"));
        assert_eq!(from(false, "b.m3u8?v=1").as_deref(), Some("/~s/X/live/b.m3u8?v=1"));
        assert_eq!(from(true, "http://tv.example/b.m3u8").as_deref(), Some("http://tv.example/~s/X/b.m3u8"));
    }

    #[test]
    fn a_redirect_to_the_origins_own_name_comes_back_to_us() {
        let target = Target {
            prefix: "/~s/X",
            document: "/a",
            query: None,
            inherited: true,
            authority: "tv.example",
            site: "",
            origin: Some("o.example:8443"),
        };
        assert_eq!(prefixed("https://O.example:8443/b.m3u8?v=1", &target).as_deref(), Some("/~s/X/b.m3u8?v=1"));
        assert_eq!(prefixed("//o.example:8443/b.m3u8", &target).as_deref(), Some("/~s/X/b.m3u8"));
        assert_eq!(prefixed("https://o.example:8443", &target).as_deref(), Some("/~s/X/"));
        assert_eq!(prefixed("https://o.example/b.m3u8", &target), None, "another port is another server");
    }

    #[test]
    fn a_redirect_to_ourselves_leads_nobody_out_of_tls() {
        for (site, reference, expected) in [
            ("https://tv.example:8443", "http://tv.example:8443/b.m3u8?v", "/~s/X/b.m3u8?v"),
            ("https://tv.example:8443", "https://tv.example:8443/b.m3u8", "https://tv.example:8443/~s/X/b.m3u8"),
            ("http://tv.example:8443", "HTTPS://tv.example:8443/b.m3u8", "HTTPS://tv.example:8443/~s/X/b.m3u8"),
            ("", "http://tv.example:8443/b.m3u8", "http://tv.example:8443/~s/X/b.m3u8"),
        ] {
            let target = Target {
                prefix: "/~s/X",
                document: "/a",
                query: None,
                inherited: true,
                authority: "tv.example:8443",
                site,
                origin: None,
            };
            assert_eq!(prefixed(reference, &target).as_deref(), Some(expected), "{site} {reference}");
        }
    }

    #[test]
    fn another_host_is_told_from_our_own_and_that_of_the_origin() {
        let target = Target {
            prefix: "",
            document: "/a",
            query: None,
            inherited: false,
            authority: "tv.example",
            site: "",
            origin: Some("o.example"),
        };
        for ours in ["/b", "b", "?x", "", "https://tv.example/b", "//o.example/b", "http://TV.example:80/b"] {
            assert!(!is_elsewhere(ours, &target), "{ours}");
        }
        for foreign in ["https://cdn.example/b", "//cdn.example/b", "http://tv.example:81/b"] {
            assert!(is_elsewhere(foreign, &target), "{foreign}");
        }
        assert_eq!(path_of("https://cdn.example/b/c.ts?x=/y#z"), "/b/c.ts");
        assert_eq!(path_of("b/c.ts?x"), "b/c.ts");
        assert_eq!(path_of("https://cdn.example"), "");
    }

    #[test]
    fn what_inherits_it_and_what_is_not_ours_stays() {
        assert_eq!(from(true, "b.m3u8"), None);
        assert_eq!(from(true, "/~s/X/b.m3u8"), None);
        assert_eq!(from(false, "https://ads.example/b.m3u8"), None);
    }
}
