#![allow(clippy::unwrap_used)]

use std::str::FromStr;

use http::HeaderValue;
use proptest::prelude::*;

use super::*;

fn found(query: Option<&str>, lines: &[(&str, &str)], key: &str) -> Option<String> {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(HeaderName::from_str(name).unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    find(&RequestFacts::new("/a.m4s", query, &headers), key).map(Cow::into_owned)
}

fn in_object(text: &str, key: &str) -> Option<String> {
    found(None, &[("CMCD-Object", text)], key)
}

fn keys(text: &str) -> Vec<&str> {
    parse(text).into_iter().map(|(key, _)| key).collect()
}

#[test]
fn every_type_of_value_is_text_in_its_own_way() {
    let text = r#"bs,br=3200,pr=1.08,n=-2,ot=v,cid="a \"b\" \\c",ab=(2500;v 128;a),no=?0,yes=?1,nil=()"#;
    for (key, expected) in [
        ("bs", Some("true")),
        ("br", Some("3200")),
        ("pr", Some("1.08")),
        ("n", Some("-2")),
        ("ot", Some("v")),
        ("cid", Some("a \"b\" \\c")),
        ("ab", Some("2500")),
        ("no", Some("false")),
        ("yes", Some("true")),
        ("nil", None),
        ("absent", None),
    ] {
        assert_eq!(in_object(text, key).as_deref(), expected, "{key}");
    }
}

#[test]
fn parameters_of_values_and_of_items_are_kept() {
    let item = |value, params| Item { value, params };
    let of_list = vec![
        item(Data::Number("2500"), vec![("v", Data::Bool(true))]),
        item(Data::Text("x".into()), vec![("p", Data::Number("1")), ("q", Data::Token("t"))]),
    ];
    assert_eq!(
        parse(r#"ab=(2500;v  "x";p=1; q=t) , d=5;u"#),
        [("ab", item(Data::List(of_list), vec![])), ("d", item(Data::Number("5"), vec![("u", Data::Bool(true))]))]
    );
}

#[test]
fn a_member_that_cannot_be_read_takes_no_other_with_it() {
    for text in [
        "a=1,=x,b=2",
        "a=1,#,b=2",
        "a=1,c=,b=2",
        "a=1,c=1 2,b=2",
        "a=1,c=\"x\"y,b=2",
        "a=1,c=(1 2,b=2",
        "a=1,c=((1)),b=2",
        "a=1,c=1;=2,b=2",
        "a=1,c d=\"x, y=\\\" z\",b=2",
        "a=1,é=1,b=2",
        ",,a=1, ,b=2,",
        "a=1\t,\tb=2 ",
    ] {
        assert_eq!(keys(text), ["a", "b"], "{text}");
    }
    assert_eq!(keys("a=1,c=\"never closed,b=2"), ["a"]);
    assert_eq!(keys("a=1,c=\"ends in an escape\\"), ["a"]);
}

#[test]
fn of_a_key_that_stands_twice_the_last_counts_in_one_text_and_the_query_before_the_headers() {
    assert_eq!(in_object("br=1,d=2,br=3", "br").as_deref(), Some("3"));
    assert_eq!(keys("br=1,d=2,br=3"), ["br", "d"]);
    let lines = [("CMCD-Status", "br=4"), ("CMCD-Object", "br=1"), ("CMCD-Object", "br=2")];
    assert_eq!(found(None, &lines, "br").as_deref(), Some("2"));
    assert_eq!(found(Some("CMCD=br%3D9"), &lines, "br").as_deref(), Some("9"));
    assert_eq!(found(Some("CMCD=d%3D9"), &lines, "br").as_deref(), Some("2"));
    assert_eq!(found(Some("CMCD=&CMCD=br%3D1&CMCD=br%3D2"), &[], "br").as_deref(), Some("1"));
}

#[test]
fn a_key_is_found_in_whichever_of_the_four_headers_a_player_put_it() {
    for name in ["CMCD-Object", "cmcd-request", "CMCD-Session", "CMCD-STATUS"] {
        assert_eq!(found(None, &[(name, "sid=\"s\"")], "sid").as_deref(), Some("s"), "{name}");
        assert!(is_header(&HeaderName::from_str(name).unwrap()), "{name}");
    }
    assert_eq!(found(None, &[("CMCD-Other", "sid=\"s\"")], "sid"), None);
    assert!(!is_header(&HeaderName::from_static("cmsd-static")));
}

#[test]
fn percent_encoding_is_undone_once_and_an_encoded_name_is_another_name() {
    assert_eq!(found(Some("a=1&CMCD=cid%3D%22a%2525%20b+c%22"), &[], "cid").as_deref(), Some("a%25 b c"));
    assert_eq!(found(Some("CMCD=sid=\"s\",br=1"), &[], "sid").as_deref(), Some("s"));
    for query in ["%43MCD=br%3D1", "cmcd=br%3D1", "xCMCD=br%3D1", "CMCD", "CMCD=%FFbr%3D1"] {
        assert_eq!(found(Some(query), &[], "br"), None, "{query}");
    }
}

#[test]
fn a_sid_is_printable_and_as_long_as_its_version_allows() {
    for (length, version, known) in [
        (64, "", true),
        (65, "", false),
        (65, ",v=1", false),
        (65, ",v=2", true),
        (128, ",v=2", true),
        (129, ",v=2", false),
    ] {
        let text = format!("sid=\"{}\"{version}", "x".repeat(length));
        assert_eq!(in_object(&text, "sid").is_some(), known, "{length} {version}");
    }
    assert_eq!(in_object("sid=6e2fb550-c457", "sid").as_deref(), Some("6e2fb550-c457"));
    for text in ["sid=\"\"", "sid=\"é\"", "sid=\"a\tb\"", "sid=()"] {
        assert_eq!(in_object(text, "sid"), None, "{text}");
    }
}

#[test]
fn overlong_data_is_not_read() {
    let filler = "x".repeat(8 * 1024 - 8);
    let fits = format!("br=1,c={filler}");
    assert_eq!(in_object(&fits, "br").as_deref(), Some("1"));
    assert_eq!(in_object(&format!("{fits}yy"), "br"), None);
    assert!(parse(&format!("{fits}yy")).is_empty());
    assert_eq!(found(Some(&format!("CMCD={fits}")), &[], "br").as_deref(), Some("1"));
    assert_eq!(found(Some(&format!("CMCD={fits}yy")), &[], "br"), None);
    // All headers together.
    let lines = [("CMCD-Object", &*fits), ("CMCD-Session", "sid=\"late\"")];
    assert_eq!(found(None, &lines, "sid"), None);
}

#[test]
fn stripping_takes_the_parameter_and_leaves_every_other_byte() {
    for (query, rest) in [
        ("CMCD=a", ""),
        ("CMCD", ""),
        ("key=value&CMCD=bl%3D1&key2=value2", "key=value&key2=value2"),
        ("CMCD=a&x=%41+&CMCD=b&&y", "x=%41+&&y"),
        ("CMCDx=1&cmcd=2&x=CMCD=3", "CMCDx=1&cmcd=2&x=CMCD=3"),
        ("", ""),
    ] {
        assert_eq!(strip_query(query), rest, "{query}");
    }
    assert!(matches!(strip_query("a=1"), Cow::Borrowed(_)));
}

/// A text as a structured field writes it.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

proptest! {
    #[test]
    fn any_text_is_read_without_panic_and_its_keys_are_keys(text in "([a-z=,;()\"\\\\ ?1é.\t]|\\PC){0,80}") {
        for (key, _) in parse(&text) {
            prop_assert!(is_key(key));
            let _ = last(members(&text), key);
        }
        let _ = found(Some(&format!("CMCD={}", text.replace('&', ""))), &[], "sid");
    }

    #[test]
    fn a_string_comes_back_whatever_is_in_it(before in "[ -~]{0,20}", text in "[ -~é]{0,40}", number in any::<u32>()) {
        let written = format!("cid={},x={number},nor=({} {})", quoted(&text), quoted(&before), quoted(&text));
        let read = parse(&written);
        let item = |text: &str| Item { value: Data::Text(text.to_owned().into()), params: vec![] };
        prop_assert_eq!(&read[0], &("cid", item(&text)));
        prop_assert_eq!(&read[1].1.value, &Data::Number(&number.to_string()));
        prop_assert_eq!(&read[2].1.value, &Data::List(vec![item(&before), item(&text)]));
    }

    #[test]
    fn what_is_found_in_the_query_is_what_is_found_in_a_header(text in "[a-c]=[ -~]{0,20}(,[a-c](=[ -~]{0,20})?){0,4}") {
        let encoded = text.bytes().fold(String::new(), |encoded, byte| format!("{encoded}%{byte:02x}"));
        for key in ["a", "b", "c"] {
            prop_assert_eq!(found(Some(&format!("CMCD={encoded}")), &[], key), in_object(&text, key));
        }
    }
}
