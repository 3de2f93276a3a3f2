#![allow(clippy::unwrap_used)]

use http::HeaderMap;
use proptest::prelude::*;

use super::*;
use crate::identity::condition::{Condition, Part};
use crate::model::percent_decoded;

fn holds(form: Form, pattern: &str, path: &str) -> bool {
    PathMatch::new(form, pattern).holds(path)
}

fn is_under(pattern: &str, host: &str, path: &str, query: Option<&str>) -> bool {
    let headers = HeaderMap::new();
    let request = RequestFacts { host, ..RequestFacts::new(path, query, &headers) };
    Condition::UrlGlob(pattern.into()).check(&request).is_ok()
}

#[test]
fn globs_cover_runs_and_single_bytes() {
    for (pattern, path, covered) in [
        ("/live/*", "/live/a/b.ts", true),
        ("/live/*", "/live/", true),
        ("/live/*", "/live", false),
        ("/ts/??/*", "/ts/ab/x", true),
        ("/ts/??/*", "/ts/abc/x", false),
        ("/ts/??/*", "/ts/a/x", false),
        ("*", "", true),
        ("", "", true),
        ("", "a", false),
        ("/a*b*c", "/aXbYbZc", true),
        ("/a*b*c", "/aXbYbZ", false),
        ("**", "/x", true),
        ("/a?", "/a", false),
    ] {
        assert_eq!(holds(Form::Glob, pattern, path), covered, "{pattern} {path}");
    }
    let (pattern, text) = ("*a".repeat(200), "a".repeat(4000) + "b");
    assert!(!holds(Form::Glob, &pattern, &text));
}

#[test]
fn each_form_is_held_against_the_path_as_it_is_meant() {
    for (form, pattern, path, fits) in [
        (Form::Prefix, "/free/", "/free/a", true),
        (Form::Prefix, "/free/", "/%66r%65e/a", true),
        (Form::Prefix, "/fr%65e/", "/free/a", true),
        (Form::Prefix, "/free/", "/free", false),
        (Form::Prefix, "/my film/", "/my%20film/a", true),
        (Form::Prefix, "/my%20film/", "/my%20film/a", true),
        (Form::Prefix, "/a+b/", "/a%2Bb/a", true),
        (Form::Prefix, "/a%2bb/", "/a+b/a", true),
        (Form::Prefix, "/café/", "/caf%c3%a9/a", true),
        (Form::Prefix, "/caf%C3%A9/", "/caf%c3%a9/a", true),
        (Form::Prefix, "/100%/", "/100%25/a", true),
        (Form::Prefix, "/%41/", "/%2541/a", false),
        (Form::Prefix, "/*/", "/*/a", true),
        (Form::Prefix, "/*/", "/x/a", false),
        (Form::Prefix, "", "/x", true),
        (Form::Exact, "/a.m3u8", "/%61.m3u8", true),
        (Form::Exact, "/a.m3u8", "/a.m3u8/", false),
        (Form::Exact, "/a", "/a%2F", false),
        (Form::Suffix, ".m3u8", "/a%2Em3u8", true),
        (Form::Suffix, ".m3u8", "/a.m3u8x", false),
        (Form::Suffix, "aab", "/aaaab", true),
        (Form::Contains, "/free/", "/tv/%66ree/a", true),
        (Form::Contains, "/free/", "/tv/paid/a", false),
        (Form::Contains, "", "/a", true),
    ] {
        assert_eq!(holds(form, pattern, path), fits, "{form:?} {pattern} {path}");
    }
}

#[test]
fn what_is_escaped_in_a_pattern_is_no_wildcard() {
    assert!(holds(Form::Glob, "/a%2A/*", "/a*/x") && holds(Form::Glob, "/a%2a/*", "/a%2A/x"));
    assert!(!holds(Form::Glob, "/a%2A/*", "/ab/x") && !holds(Form::Glob, "/a%3F/*", "/ab/x"));
    assert!(holds(Form::Glob, "/a?/*", "/a%20/x"), "one byte, however it is written");
}

#[test]
fn doubled_slashes_have_to_fit_where_they_are_merged_and_where_they_are_not() {
    for (pattern, path, covered) in [
        ("/free/*", "/free//a", true),
        ("/free/*", "/free/a//b", true),
        ("/free//*", "/free//a", true),
        ("/free//*", "/free///a", true),
        ("/free/*", "//free/a", false),
        ("/free/news/*", "/free//news/a", false),
        ("/free//news/*", "/free//news/a//b", true),
        ("/free/*/a", "/free//a", false),
        ("/free/*/a", "/free//x/a", true),
        ("/*/free/*", "//free/a", false),
    ] {
        assert_eq!(holds(Form::Glob, pattern, path), covered, "{pattern} {path}");
    }
}

#[test]
fn what_leads_out_of_a_folder_is_not_covered_in_whatever_way_it_is_written() {
    for path in [
        "/free/../paid/a",
        "/free/./../paid/a",
        "/free/%2e%2e/paid/a",
        "/free/%2E./paid/a",
        "/free/..%2fpaid/a",
        "/free%2f..%2fpaid%2fa",
        "/free/..%5cpaid/a",
        "/free/..\\paid\\a",
        "/free/..;x=y/paid/a",
        "/free/..%3bx/paid/a",
        "/free/x/..//../paid/a",
        "/free//../../paid/a",
    ] {
        for (form, pattern) in [(Form::Glob, "/free/*"), (Form::Prefix, "/free/"), (Form::Contains, "/free/")] {
            assert!(!holds(form, pattern, path), "{form:?} {pattern} {path}");
        }
        assert!(!is_under("https://tv.example/free/*", "tv.example", path, None), "{path}");
    }
}

#[test]
fn where_encoded_slashes_pass_they_have_to_fit_as_names_and_as_slashes() {
    for (pattern, path, covered) in [
        ("/keys/*", "/keys/a%2Fb", true),
        ("/keys/a%2Fb/*", "/keys/a%2fb/c", true),
        ("/keys/a/b/*", "/keys/a%2Fb/c", false),
        ("/*/a%2Fb", "/keys/a%2Fb", true),
    ] {
        assert_eq!(holds(Form::Glob, pattern, path), covered, "{pattern} {path}");
    }
}

#[test]
fn a_url_is_held_against_path_and_query_each_in_its_own_way() {
    for (pattern, path, query, covered) in [
        ("https://tv.example/free/*", "/free/a", None, true),
        ("https://tv.example/free/*", "/%66ree/a", None, true),
        ("https://tv.example/free/*", "/paid/a", None, false),
        ("https://tv.example/free/*", "//free/a", None, false),
        ("https://tv.example/free/*", "/free//a", None, true),
        ("https://tv.example/free//*", "/free//a", None, true),
        ("http*://*/free/*", "/free//a", None, true),
        ("http*://*.example/free/*", "/free//a", None, true),
        ("*/free/*", "/free//a", None, true),
        ("*", "/any//a", Some("a//b"), true),
        ("https://tv.example/my%20film/*?v=1", "/my%20film/a", Some("v=1"), true),
        ("https://tv.example/my film/*?v=1", "/my%20film/a", Some("v=1"), true),
        ("https://tv.example/free/*?v=1", "/free/a", Some("v=2"), false),
        ("https://tv.example/free/*?v=1", "/free/a%3Fv=1", None, true),
        ("https://tv.example/*?u=a%26b", "/a", Some("u=a%26b"), true),
        ("https://tv.example/*?u=a%26b", "/a", Some("u=a&b"), false),
        ("https://tv.example/*?u=a&b", "/a", Some("u=a%26b"), false),
        ("https://tv.example/*?u=a//b", "/x//y", Some("u=a//b"), true),
        ("https://tv.example/*?u=a//b", "/x//y", Some("u=a/b"), false),
        ("https://tv.example/*?u=a%2Fb", "/x", Some("u=a%2fb"), true),
    ] {
        assert_eq!(is_under(pattern, "tv.example", path, query), covered, "{pattern} {path}?{query:?}");
    }
}

#[test]
fn an_expression_that_shuts_letters_out_shuts_out_their_escapes() {
    let holds = |pattern: &str, path: &str| holds_raw(&Match::regex(pattern).unwrap(), path);
    assert!(holds("/[^p].*", "/free/a") && !holds("/[^p].*", "/paid/a"));
    assert!(!holds("/[^p].*", "/%70aid/a"));
    assert!(holds("/%7Ealice/.*", "/%7Ealice/a"), "what clients do escape stays");
    assert!(holds("/caf%c3%a9/.*", "/caf%c3%a9/a") && holds("/my%20film/.*", "/my%20film/a"));
}

#[test]
fn the_folder_of_a_file_is_compared_like_paths() {
    let headers = HeaderMap::new();
    let check = |wanted: Match, path: &str| {
        Condition::Part(Part::ParentPath, wanted).check(&RequestFacts::new(path, None, &headers)).is_ok()
    };
    assert!(check(Match::Exact("/free".into()), "/%66ree/a") && check(Match::Prefix("/free".into()), "/free/x/a"));
    assert!(
        !check(Match::Exact("/free".into()), "/free/x/a") && !check(Match::Exact("/free".into()), "/free/..%2fpaid/a")
    );
    assert!(!check(Match::Exact("/free".into()), "/free/x%2Fa") && check(Match::Exact("".into()), "/a"));
}

proptest! {
    /// Files of a server that decodes once, merging doubled slashes or not: whatever is covered lies in the folder.
    #[test]
    fn no_spelling_of_a_path_outside_is_covered(
        path in "/(free|fr%65e|paid|%70aid|x)?(/|//|%2f|%5c|\\\\|/\\./|/%2e/)(\\.\\.|\\.%2E|%2e%2e|free|paid|\\.\\.;a|)(/|//|%2F)(paid|free|a|%61)",
        merges: bool,
    ) {
        let once = percent_decoded(path.as_bytes()).into_owned();
        let text = String::from_utf8(once).unwrap().replace('\\', "/");
        let mut kept: Vec<&str> = Vec::new();
        for name in text.split('/').skip(1) {
            match name.split(';').next().unwrap() {
                "" if merges => {}
                "." => {}
                ".." => drop(kept.pop()),
                _ => kept.push(name),
            }
        }
        for form in [(Form::Prefix, "/free/"), (Form::Glob, "/free/*")] {
            if holds(form.0, form.1, &path) {
                prop_assert!(kept.first() == Some(&"free") && kept.len() > 1, "{path} is {kept:?}");
            }
        }
    }

    #[test]
    fn a_path_is_like_itself_in_every_form(path in "/[a/%2eFf5c;.*?é+]{0,12}") {
        // Dot segments are resolved in paths only: such paths are an ambiguity.
        prop_assume!(!RequestPath::new(&path).ambiguities().has(crate::model::Ambiguity::DotSegments));
        // A percent sign that is no escape must not become one.
        let globbed = path.replace("%*", "%25*").replace("%?", "%25?").replace('*', "%2A").replace('?', "%3F");
        prop_assert!(holds(Form::Glob, &globbed, &path), "{globbed} {path}");
        for form in [Form::Exact, Form::Prefix, Form::Suffix, Form::Contains] {
            prop_assert!(holds(form, &path, &path), "{form:?} {path}");
        }
    }
}
