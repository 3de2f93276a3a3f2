#![allow(clippy::unwrap_used)]

use http::HeaderValue;
use http::header::HeaderMap;
use proptest::prelude::*;

use super::*;
use crate::model::Millis;

fn claims() -> Claims {
    let text =
        r#"{"sub":"acct-1:tv-2:kid-3","empty":"","ext":{"accounts":[{"id":"H-1"},{"id":"H-2"}],"rows":[["x"]]},"n":7}"#;
    Claims::new(serde_json::from_str(text).unwrap(), Millis(1))
}

fn source(text: &str) -> ValueSource {
    text.parse().unwrap()
}

fn value(choices: &[&str]) -> Value {
    Value::new(choices.iter().map(|text| source(text).into()).collect())
}

fn taken(text: &str, take: Take) -> Value {
    Value::new(vec![Choice { source: source(text), take: Some(take) }])
}

fn part(separator: &str, number: usize) -> Take {
    Take::Part { separator: separator.into(), number }
}

fn capture(pattern: &str) -> Take {
    Take::capture(pattern).unwrap()
}

fn found_in(value: &Value, path: &str, query: Option<&str>, lines: &[(&str, &[u8])]) -> Option<String> {
    let mut headers = HeaderMap::new();
    for (name, line) in lines {
        headers.append(HeaderName::from_str(name).unwrap(), HeaderValue::from_bytes(line).unwrap());
    }
    value.find(&claims(), &RequestFacts::new(path, query, &headers)).map(Cow::into_owned)
}

fn of_claims(text: &str) -> Option<String> {
    found_in(&value(&[text]), "/", None, &[])
}

fn of_path(pattern: &str, path: &str) -> Option<String> {
    found_in(&value(&[&format!("path:{pattern}")]), path, None, &[])
}

fn of_query(name: &str, query: &str) -> Option<String> {
    found_in(&value(&[&format!("query:{name}")]), "/", Some(query), &[])
}

fn of_headers(text: &str, lines: &[(&str, &[u8])]) -> Option<String> {
    found_in(&value(&[text]), "/", None, lines)
}

#[test]
fn a_source_reads_back_what_it_writes() {
    for text in [
        "claim:sub",
        "claim:ext.accounts.0.id",
        "claim:https://a.example/sub",
        "header:x-device",
        "query:user%5Bid%5D",
        "cookie:dev",
        "cmcd:sid",
        "cmcd:com.example-myKey",
        "path:^/live/([^/]+)/",
        "manifest:live",
        "text:claim:sub",
        "text:text:",
        "acme",
        "text:https://idp.example",
        "text:calim:sub",
        "text:urn:a:b",
        "12:30",
        " padded ",
    ] {
        assert_eq!(source(text).to_string(), text);
        assert_eq!(source(text), source(text));
    }
    assert_eq!(source("text:acme").to_string(), "acme");
    assert_eq!(source("header:X-Device"), source("header:x-device"));
    assert_eq!(source("text:manifest:live"), ValueSource::Literal("manifest:live".into()));
    assert_ne!(source("path:a(.)"), source("path:a(.*)"));
}

#[test]
fn what_names_nothing_is_refused_with_a_sentence_that_says_what_to_write() {
    for (text, example) in [
        ("claim:", "claim:sub"),
        ("claim: sub", "claim:sub"),
        ("header:", "header:x-device"),
        ("header:a b", "header:x-device"),
        ("header:cookie", "cookie:NAME"),
        ("query:", "query:device"),
        ("query:a&b", "query:device"),
        ("query:a=b", "query:device"),
        ("cookie:a=b", "cookie:device"),
        ("cmcd:", "cmcd:sid"),
        ("cmcd:a,b", "cmcd:sid"),
        ("manifest:title", "manifest:live"),
        ("manifest:", "manifest:live"),
    ] {
        let error = text.parse::<ValueSource>().unwrap_err().to_string();
        assert!(error.starts_with(&format!("`{text}`")) && error.contains(&format!("write {example},")), "{error}");
    }
    for text in ["", "text:"] {
        assert_eq!(text.parse::<ValueSource>(), Err(ValueSourceError::Empty), "{text}");
    }
    for (pattern, why) in [("(", "unclosed group"), ("", "it is empty"), ("(?:a{1000}){1000}", "it is too large")] {
        let error = format!("path:{pattern}").parse::<ValueSource>().unwrap_err().to_string();
        assert!(error.starts_with(&format!("`{pattern}`")) && error.contains(why), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }
    assert!(Take::capture("(").unwrap_err().to_string().contains("unclosed group"));
}

#[test]
fn a_claim_is_found_by_a_path_with_dots_or_brackets() {
    for path in ["ext.accounts.1.id", "ext.accounts[1].id"] {
        assert_eq!(of_claims(&format!("claim:{path}")).as_deref(), Some("H-2"), "{path}");
    }
    assert_eq!(of_claims("claim:ext.rows[0][0]").as_deref(), Some("x"));
    assert_eq!(of_claims("claim:n").as_deref(), Some("7"));
    for path in ["ext.accounts[2].id", "ext.accounts", "empty", "absent"] {
        assert_eq!(of_claims(&format!("claim:{path}")), None, "{path}");
    }
}

#[test]
fn brackets_around_anything_but_a_number_are_part_of_a_name() {
    for name in ["a[x]", "a[", "a[0", "a]0[", "[0]", "a[0]b", "a[]", "a[-1]"] {
        assert_eq!(with_dots(name), name);
    }
    assert_eq!(with_dots("a[0][12].b[3]"), "a.0.12.b.3");
    assert_eq!(with_dots("a[x][0]"), "a[x].0");
}

#[test]
fn a_literal_and_a_claim_are_not_copied() {
    let (claims, headers) = (claims(), HeaderMap::new());
    let request = RequestFacts::new("/", None, &headers);
    for value in [value(&["acme"]), value(&["claim:sub"]), taken("claim:sub", part(":", 1))] {
        assert!(matches!(value.find(&claims, &request), Some(Cow::Borrowed(_))), "{value:?}");
    }
}

#[test]
fn the_first_place_that_has_a_value_counts() {
    let all = value(&["claim:empty", "header:x-device", "query:dev", "nobody"]);
    let line: &[(&str, &[u8])] = &[("x-device", b"H")];
    assert_eq!(found_in(&all, "/", Some("dev=Q"), line).as_deref(), Some("H"));
    assert_eq!(found_in(&all, "/", Some("dev=Q"), &[("x-device", b"")]).as_deref(), Some("Q"));
    assert_eq!(found_in(&all, "/", Some("dev="), &[]).as_deref(), Some("nobody"));
    assert_eq!(found_in(&Value::new(Vec::new()), "/", None, &[]), None);
    // A place whose value has no such part has none.
    let composite =
        Value::new(vec![Choice { source: source("claim:sub"), take: Some(part(":", 9)) }, source("claim:n").into()]);
    assert_eq!(found_in(&composite, "/", None, &[]).as_deref(), Some("7"));
}

#[test]
fn a_composite_value_is_split_and_its_parts_are_counted_from_one() {
    for (number, expected) in [(0, None), (1, Some("acct-1")), (2, Some("tv-2")), (3, Some("kid-3")), (4, None)] {
        let value = taken("claim:sub", part(":", number));
        assert_eq!(found_in(&value, "/", None, &[]).as_deref(), expected, "part {number}");
    }
    let empty_part = taken("text:a::c", part(":", 2));
    assert_eq!(found_in(&empty_part, "/", None, &[]), None);
    let whole = taken("text:a:c", part("|", 1));
    assert_eq!(found_in(&whole, "/", None, &[]).as_deref(), Some("a:c"));
}

#[test]
fn what_an_expression_finds_in_a_value_is_the_value() {
    let device = taken("claim:sub", capture(":[a-z]+-(.+?):"));
    assert_eq!(found_in(&device, "/", None, &[]).as_deref(), Some("2"));
    let number = taken("query:who", capture("[0-9]+"));
    assert_eq!(found_in(&number, "/", Some("who=a%2Fb42c"), &[]).as_deref(), Some("42"));
    assert_eq!(found_in(&number, "/", Some("who=a%2Fb"), &[]), None);
}

#[test]
fn an_expression_gives_its_first_group_that_took_part_or_else_its_whole_match() {
    assert_eq!(of_path("^/acct/([^/]+)/", "/acct/H-1/live.m3u8").as_deref(), Some("H-1"));
    assert_eq!(of_path("H-[0-9]+", "/acct/H-12/live.m3u8").as_deref(), Some("H-12"));
    assert_eq!(of_path("/(?:live/(a.)|vod/(b.))/", "/vod/b7/x").as_deref(), Some("b7"));
    assert_eq!(of_path("/live(/extra)?", "/live"), None);
    assert_eq!(of_path("^/acct/", "/other/acct/"), None);
}

#[test]
fn a_path_that_is_percent_encoded_names_the_same_account() {
    for path in ["/acct/H-1/live", "/acct/%48%2D1/live"] {
        assert_eq!(of_path("^/acct/([^/]+)/", path).as_deref(), Some("H-1"), "{path}");
    }
    assert_eq!(of_path("^/acct/([^/]+)/", "/acct/a%252Fb/").as_deref(), Some("a%2Fb"));
    assert_eq!(of_path("^/acct/([^/]+)/", "/acct/a+b/").as_deref(), Some("a+b"));
    assert_eq!(of_path("^/acct/([^/]+)/", "/acct/%00/"), None);
}

#[test]
fn a_query_value_is_decoded_once_and_its_name_never() {
    assert_eq!(of_query("dev", "a=1&dev=living+room%20%C3%A9").as_deref(), Some("living room é"));
    assert_eq!(of_query("dev", "dev=%2541").as_deref(), Some("%41"));
    assert_eq!(of_query("user%5Bid%5D", "user%5Bid%5D=7").as_deref(), Some("7"));
    for query in ["", "dev", "dev=", "%64ev=1", "Dev=1", "mydev=1", "x=dev=1"] {
        assert_eq!(of_query("dev", query), None, "{query}");
    }
}

#[test]
fn of_duplicate_parameters_lines_and_cookies_the_first_that_is_not_empty_counts() {
    assert_eq!(of_query("dev", "dev=&dev=one&dev=two").as_deref(), Some("one"));
    let lines: [(&str, &[u8]); 3] = [("x-device", b"  "), ("x-device", b" one "), ("x-device", b"two")];
    assert_eq!(of_headers("header:x-device", &lines).as_deref(), Some("one"));
    assert_eq!(of_headers("cookie:dev", &[("cookie", b"dev=; dev=one; dev=two")]).as_deref(), Some("one"));
}

#[test]
fn media_client_data_is_a_source_like_any_other() {
    assert_eq!(found_in(&value(&["cmcd:sid"]), "/", Some("CMCD=sid%3D%22s-1%22"), &[]).as_deref(), Some("s-1"));
    assert_eq!(of_headers("cmcd:cid", &[("cmcd-session", br#"cid="film",sf=d"#)]).as_deref(), Some("film"));
}

#[test]
fn control_characters_and_bytes_that_are_no_text_are_no_value() {
    for query in ["dev=a%00", "dev=%0D%0Aa", "dev=%7F", "dev=%C2%85", "dev=%FF", "dev=%C3"] {
        assert_eq!(of_query("dev", query), None, "{query}");
    }
    assert_eq!(of_headers("header:x-device", &[("x-device", b"\xff")]), None);
    assert_eq!(of_headers("header:x-device", &[("x-device", b"a\tb")]), None);
    assert_eq!(of_headers("cookie:dev", &[("cookie", b"dev=\xff")]), None);
    assert_eq!(of_headers("cmcd:cid", &[("cmcd-session", b"cid=\"a\tb\"")]), None);
}

#[test]
fn a_value_that_is_overlong_is_none_and_one_that_just_fits_is_whole() {
    let (fits, long) = ("x".repeat(1024), "x".repeat(1025));
    assert_eq!(of_query("dev", &format!("dev={fits}")), Some(fits.clone()));
    assert_eq!(of_query("dev", &format!("dev={}", "%41".repeat(1024))), Some("A".repeat(1024)));
    assert_eq!(of_query("dev", &format!("dev={long}")), None);
    assert_eq!(of_query("dev", &format!("dev={}", "%41".repeat(1025))), None);
    assert_eq!(of_path("/(.*)", &format!("/{long}")), None);
    assert_eq!(of_headers("header:x-device", &[("x-device", long.as_bytes())]), None);
    assert_eq!(of_headers("cookie:dev", &[("cookie", format!("dev={long}").as_bytes())]), None);
    // A long value of a token is the mapping's to judge.
    assert_eq!(of_claims(&long), Some(long.clone()));
}

#[test]
fn a_value_knows_whether_it_depends_on_the_request_or_on_a_manifest() {
    for text in ["acme", "claim:sub", "manifest:live"] {
        assert!(value(&[text]).is_of_token_alone(), "{text}");
    }
    for text in ["header:a", "query:a", "cookie:a", "cmcd:sid", "path:a"] {
        assert!(!value(&["claim:sub", text]).is_of_token_alone(), "{text}");
        assert!(!value(&["claim:sub", text]).is_of_manifest(), "{text}");
    }
    assert!(value(&["claim:live", "manifest:live"]).is_of_manifest());
    assert_eq!(of_claims("manifest:live"), None);
}

#[test]
fn a_value_that_is_one_whole_source_says_which() {
    assert_eq!(value(&["claim:sub"]).only(), Some(&source("claim:sub")));
    assert_eq!(value(&["claim:sub", "acme"]).only(), None);
    assert_eq!(taken("claim:sub", part(":", 1)).only(), None);
}

#[test]
fn expressions_are_equal_when_their_texts_are() {
    assert_eq!(taken("claim:sub", capture("a+")), taken("claim:sub", capture("a+")));
    assert_ne!(taken("claim:sub", capture("a+")), taken("claim:sub", capture("a*")));
}

proptest! {
    #[test]
    fn a_source_that_is_written_reads_back_the_same(text in "(claim:|text:|query:|header:|cmcd:|path:|)[ -~é]{0,24}") {
        if let Ok(source) = text.parse::<ValueSource>() {
            prop_assert_eq!(source.to_string().parse::<ValueSource>(), Ok(source));
        }
    }

    #[test]
    fn a_value_of_a_request_is_bounded_clean_and_never_empty(
        query in "(dev|CMCD|a)=[ -%'-~]{0,40}(&(dev|CMCD)=[ -%'-~]{0,40}){0,3}",
        line in proptest::collection::vec(32_u8..=255, 0..40),
        path in "/[ -~]{0,40}",
    ) {
        let line: Vec<u8> = line.into_iter().filter(|byte| *byte != 127).collect();
        for text in ["query:dev", "header:x-device", "cookie:dev", "cmcd:sid", "path:/(.*)"] {
            let found = found_in(&value(&[text]), &path, Some(&query), &[("x-device", &line), ("cookie", &line)]);
            let fits = found.is_none_or(|found| (1..=MAX_VALUE).contains(&found.len()) && !found.contains(char::is_control));
            prop_assert!(fits, "{}", text);
        }
    }

    #[test]
    fn what_a_form_encodes_is_what_a_query_value_is(text in "[^\\p{C}]{1,40}") {
        let encoded = text.bytes().fold(String::new(), |encoded, byte| format!("{encoded}%{byte:02X}"));
        prop_assert_eq!(of_query("dev", &format!("a=b&dev={encoded}&c")), Some(text));
    }
}
