use proptest::prelude::*;

use super::*;

fn ambiguities(path: &str) -> Vec<Ambiguity> {
    let all = [Ambiguity::DotSegments, Ambiguity::EncodedSlashes, Ambiguity::Backslashes, Ambiguity::Nul];
    all.into_iter().filter(|one| RequestPath::new(path).ambiguities().has(*one)).collect()
}

fn readings(path: &str) -> Vec<String> {
    let mut all = Vec::new();
    RequestPath::new(path).in_every_reading(|_, text| {
        all.push(String::from_utf8_lossy(text).into_owned());
        true
    });
    all
}

#[test]
fn what_origins_read_in_different_ways_is_seen_however_it_is_written() {
    use Ambiguity::{Backslashes, DotSegments, EncodedSlashes, Nul};
    for (path, expected) in [
        ("/a/../b", &[DotSegments][..]),
        ("/..", &[DotSegments]),
        ("/a/.", &[DotSegments]),
        ("/./x", &[DotSegments]),
        ("/a/%2e%2E/b", &[DotSegments]),
        ("/a/.%2e", &[DotSegments]),
        ("/a/%2e", &[DotSegments]),
        ("/a/..;x/b", &[DotSegments]),
        ("/a/..;/b", &[DotSegments]),
        ("/a/..%3Bx=y/b", &[DotSegments]),
        ("/a/.;/b", &[DotSegments]),
        ("/a/%2e%2e%2fb", &[DotSegments, EncodedSlashes]),
        ("/a%2f..%2Fb", &[DotSegments, EncodedSlashes]),
        ("/a/..%2fb", &[DotSegments, EncodedSlashes]),
        ("/a/..%5Cb", &[DotSegments, Backslashes]),
        ("/a\\..\\b", &[DotSegments, Backslashes]),
        ("/a%5cb", &[Backslashes]),
        ("/a%2Fb", &[EncodedSlashes]),
        ("/a/%2fb", &[EncodedSlashes]),
        ("/%2F/a", &[EncodedSlashes]),
        ("/a.ts%2F", &[EncodedSlashes]),
        ("/a.ts%00.jpg", &[Nul]),
    ] {
        assert_eq!(ambiguities(path), expected, "{path}");
    }
}

#[test]
fn what_every_origin_reads_in_one_way_passes() {
    for path in [
        "/",
        "",
        "*",
        "/a/...",
        "/.well-known/x",
        "/a/..b",
        "/a/b..",
        "/a.m3u8",
        "/a/%2ex",
        "/a/x;..",
        "/a/;..",
        "/a//b",
        "/a/%20b%2Bc%C3%A9.ts",
        "/a/%252e%252e/b",
        "/a%252Fb",
        "/a/%2%65%2%65/b",
        "/a/%",
        "/a/100%/b",
        "/a/b?",
        "/~x/b=c,d;e=f/g:h@i!j'(k)*l+m&n$o",
    ] {
        assert!(ambiguities(path).is_empty(), "{path}");
    }
}

#[test]
fn each_way_in_which_an_origin_may_read_a_path_is_tried() {
    for (path, expected) in [
        ("/live/a.ts", &["/live/a.ts"][..]),
        ("/.x/a.ts", &["/.x/a.ts"]),
        ("/%6Cive/a%20b%2Bc%c3%a9", &["/live/a b+cé"]),
        ("/a%252Fb%", &["/a%2Fb%"]),
        ("/a//b///c/", &["/a/b/c/", "/a//b///c/"]),
        ("/a/../b", &["/b", "/a/../b"]),
        ("/a%2Fb", &["/a\0b", "/a/b"]),
        ("/a\\b", &["/a/b", "/a\\b"]),
        ("/a//../b", &["/b", "/a/b", "/a/../b", "/a//../b"]),
    ] {
        let mut found = readings(path);
        let mut wanted: Vec<&str> = expected.to_vec();
        found.sort();
        wanted.sort_unstable();
        assert_eq!(found, wanted, "{path}");
    }
}

#[test]
fn routes_go_by_the_path_that_is_seen_through() {
    for (path, resolved) in [
        ("/live/a", "/live/a"),
        ("//live//a/", "/live/a/"),
        ("/x/../live/./a", "/live/a"),
        ("/x/%2e%2E/live/a", "/live/a"),
        ("/live%2Fa", "/live/a"),
        ("/x\\..\\live\\a", "/live/a"),
        ("/x/..;y/live", "/live"),
        ("/../live", "/live"),
        ("/live/..", "/"),
        ("/live/.", "/live/"),
        ("/", "/"),
    ] {
        assert_eq!(RequestPath::new(path).resolved(), resolved.as_bytes(), "{path}");
    }
}

proptest! {
    /// A file server that decodes once reads one of the readings, whether it merges doubled slashes or not.
    #[test]
    fn a_file_server_reads_one_of_the_readings(path in "/([ab/]|%2[eEfF5]|%5[cC]|%61|\\.|\\\\|;|%){0,12}", merges: bool) {
        let once = super::super::percent_decoded(path.as_bytes()).into_owned();
        let mut kept: Vec<&[u8]> = Vec::new();
        let names = once.split(|byte| *byte == b'/').skip(1);
        let count = once.split(|byte| *byte == b'/').count() - 1;
        for (nth, name) in names.enumerate() {
            let is_last = nth + 1 == count;
            match name {
                b"" if merges && !is_last => {}
                b"." if is_last => kept.push(b""),
                b"." => {}
                b".." => {
                    kept.pop();
                    if is_last {
                        kept.push(b"");
                    }
                }
                name => kept.push(name),
            }
        }
        let read: Vec<u8> = kept.iter().flat_map(|name| [b"/", *name]).flatten().copied().collect();
        let request = RequestPath::new(&path);
        let mut all = Vec::new();
        request.in_every_reading(|_, text| {
            all.push(text.to_vec());
            true
        });
        // Parameters behind dots are left to those who cut them off: such a path is an ambiguity in any case.
        let is_odd = all.iter().any(|text| text.contains(&b';'));
        prop_assert!(is_odd || all.contains(&read), "{path}: {:?} is none of {:?}",
            String::from_utf8_lossy(&read), all.iter().map(|text| String::from_utf8_lossy(text)).collect::<Vec<_>>());
    }

    #[test]
    fn a_path_without_ambiguities_has_one_folder_list(path in "/([ab/]|%2[eEfF5]|%5[cC]|%61|\\.|\\\\|;|%){0,12}") {
        let request = RequestPath::new(&path);
        prop_assume!(request.ambiguities().is_empty());
        let names = |text: &[u8]| -> Vec<Vec<u8>> {
            text.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).map(<[u8]>::to_vec).collect()
        };
        let first = names(&request.resolved());
        prop_assert!(request.in_every_reading(|_, text| names(text) == first), "{path}");
    }
}
