#![allow(clippy::unwrap_used)]

use std::str::FromStr;

use http::{HeaderName, HeaderValue};
use proptest::prelude::*;

use super::*;

fn sources(text: &str) -> Vec<Source> {
    text.split_whitespace().map(|source| source.parse().unwrap()).collect()
}

fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(HeaderName::from_str(name).unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    headers
}

fn found(places: &str, query: Option<&str>, lines: &[(&str, &str)]) -> Option<String> {
    let headers = headers(lines);
    let request = RequestFacts::new("/live.m3u8", query, &headers);
    find(&sources(places), &request)
}

fn find(sources: &[Source], request: &RequestFacts<'_>) -> Option<String> {
    sources.iter().find_map(|source| source.find(request, &|before| before == '&', &plain)).map(str::to_owned)
}

fn in_query(query: &str) -> Option<String> {
    found("query:token", Some(query), &[])
}

fn in_cookies(lines: &[(&str, &str)]) -> Option<String> {
    found("cookie:token", None, lines)
}

#[test]
fn a_source_reads_back_what_it_writes_and_an_error_says_what_to_write() {
    for text in ["query:token", "header:authorization", "cookie:token", "segment:hdntl", "segment:1", "param:token"] {
        assert_eq!(text.parse::<Source>().unwrap().to_string(), text);
    }
    for bad in [
        "",
        "token",
        "query:",
        "header:",
        "header:a b",
        "header:cookie",
        "cookie:a=b",
        "query:a&b",
        "path:x",
        "Query:x",
        "segment:0",
        "segment:17",
        "segment:a/b",
        "param:a;b",
    ] {
        let error = bad.parse::<Source>().unwrap_err().to_string();
        assert!(error.starts_with(&format!("`{bad}`")) && error.contains("write query:NAME"), "{error}");
    }
}

#[test]
fn the_first_source_that_has_a_token_wins() {
    let lines = [("authorization", "Bearer H"), ("cookie", "token=C")];
    let all = "query:token header:authorization cookie:token";
    assert_eq!(found(all, Some("token=Q"), &lines).as_deref(), Some("Q"));
    assert_eq!(found(all, Some("token="), &lines).as_deref(), Some("H"));
    assert_eq!(found(all, None, &lines[1..]).as_deref(), Some("C"));
    assert_eq!(found("cookie:token query:token", Some("token=Q"), &lines).as_deref(), Some("C"));
    assert_eq!(found(all, None, &[]), None);
}

#[test]
fn a_query_token_runs_from_its_name_to_the_next_ampersand() {
    assert_eq!(in_query("a=1&token=x.y=z&b=2").as_deref(), Some("x.y=z"));
    assert_eq!(in_query("token=x").as_deref(), Some("x"));
    for without in ["", "token", "token=", "mytoken=x", "tokens=x", "a=token=x", "Token=x"] {
        assert_eq!(in_query(without), None, "{without}");
    }
}

#[test]
fn of_duplicate_parameters_the_first_that_is_not_empty_wins() {
    assert_eq!(in_query("token=&token=first&token=second").as_deref(), Some("first"));
}

#[test]
fn percent_encoding_hides_no_token_and_makes_none() {
    assert_eq!(in_query("tok%65n=x"), None);
    assert_eq!(in_query("a=1%26token=x"), None);
    assert_eq!(in_query("token=a%2Eb").as_deref(), Some("a%2Eb"), "the value stays as the client sent it");
}

#[test]
fn bearer_is_taken_off_in_any_case_and_other_schemes_are_no_tokens() {
    let token = |value| found("header:authorization", None, &[("authorization", value)]);
    for value in ["Bearer a.b.c", "bearer a.b.c", "BEARER   a.b.c ", "a.b.c"] {
        assert_eq!(token(value).as_deref(), Some("a.b.c"), "{value}");
    }
    for value in ["Basic dXNlcjpwYXNz", "Bearer", "Bearer ", ""] {
        assert_eq!(token(value), None, "{value}");
    }
    let both = [("authorization", "Basic eA=="), ("authorization", "Bearer t")];
    assert_eq!(found("header:authorization", None, &both).as_deref(), Some("t"));
    assert_eq!(found("header:x-token", None, &[("x-token", " t ")]).as_deref(), Some("t"));
    assert_eq!(found("header:x-token", None, &[("x-token", "Bearer t")]).as_deref(), Some("Bearer t"));
}

#[test]
fn a_cookie_is_found_among_others() {
    assert_eq!(in_cookies(&[("cookie", "a=1; token=x.y; b=2")]).as_deref(), Some("x.y"));
    assert_eq!(in_cookies(&[("cookie", "a=1;token=x.y")]).as_deref(), Some("x.y"));
    assert_eq!(in_cookies(&[("cookie", r#"token="x.y""#)]).as_deref(), Some("x.y"));
    assert_eq!(in_cookies(&[("cookie", "a=1"), ("cookie", "token=x")]).as_deref(), Some("x"), "as HTTP/2 splits them");
    assert_eq!(
        in_cookies(&[("cookie", "other=\u{e9}; token=x")]).as_deref(),
        Some("x"),
        "beside one that is not ASCII"
    );
    for without in ["token", "token=", "token=\"\"", "xtoken=1", "a=token=1"] {
        assert_eq!(in_cookies(&[("cookie", without)]), None, "{without}");
    }
}

#[test]
fn of_several_tokens_in_the_cookies_the_first_wins_and_none_goes_upstream() {
    let value = "token=first; a=1; token=second";
    assert_eq!(in_cookies(&[("cookie", value)]).as_deref(), Some("first"));
    assert_eq!(strip_cookie(value, |name| name == "token").as_deref(), Some("a=1"));
}

#[test]
fn cookies_are_searched_for_16_kib() {
    let before = |bytes: usize| format!("{}; token=x", "a".repeat(bytes));
    assert_eq!(in_cookies(&[("cookie", &before(16 * 1024 - 20))]).as_deref(), Some("x"));
    assert_eq!(in_cookies(&[("cookie", &before(16 * 1024))]), None);
    let half = "a".repeat(9 * 1024);
    assert_eq!(in_cookies(&[("cookie", &half), ("cookie", &half), ("cookie", "token=x")]), None);
}

#[test]
fn stripping_drops_a_cookie_header_in_which_nothing_is_left() {
    for (value, left) in [
        ("token=x", None),
        ("token=x;", None),
        ("token=x; token=y ", None),
        ("token=x; a=1; b=2", Some("a=1; b=2")),
        ("a=1;token=x;b=2", Some("a=1; b=2")),
        ("a=1;b=2", Some("a=1;b=2")),
    ] {
        assert_eq!(strip_cookie(value, |name| name == "token").as_deref(), left, "{value}");
    }
}

#[test]
fn a_token_in_the_path_is_a_named_segment_a_numbered_one_or_a_parameter() {
    let spot = |source: &str, path: &str| {
        let source: Source = source.parse().unwrap();
        let spot = source.in_path(path, &plain, &|segment| segment.starts_with("ey"))?;
        Some((path[spot.start..spot.value].to_owned(), path[spot.value..spot.end].to_owned()))
    };
    let of = |name: &str, token: &str| Some((name.to_owned(), token.to_owned()));
    assert_eq!(spot("segment:t", "/t=a.b/live/x.ts"), of("/t=", "a.b"));
    assert_eq!(spot("segment:t", "/live/t=a.b"), of("/t=", "a.b"));
    assert_eq!(spot("segment:1", "/eyA/live/x.ts"), of("/", "eyA"));
    assert_eq!(spot("segment:2", "/live/eyA/x.ts"), of("/", "eyA"));
    assert_eq!(spot("param:t", "/live/x.ts;t=a.b;u=1"), of(";t=", "a.b"));
    assert_eq!(spot("param:t", "/live;t=a.b/x.ts"), of(";t=", "a.b"));
    for (source, path) in [
        ("segment:t", "/xt=a/live"),
        ("segment:t", "/t=/live"),
        ("segment:1", "/live/eyA"),
        ("segment:3", "/live/eyA"),
        ("param:t", "/live/x.ts;xt=a"),
        ("query:t", "/t=a"),
    ] {
        assert_eq!(spot(source, path), None, "{source} {path}");
    }
}

proptest! {
    #[test]
    fn arbitrary_cookies_never_panic(value in any::<Vec<u8>>()) {
        if let Ok(value) = HeaderValue::from_bytes(&value) {
            let headers = HeaderMap::from_iter([(COOKIE, value)]);
            let request = RequestFacts::new("/", None, &headers);
            if let Some(token) = find(&sources("cookie:t cookie:a"), &request) {
                prop_assert!(!token.is_empty());
            }
        }
    }
}
