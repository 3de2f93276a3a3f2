use http::Request;

use super::*;

fn asked(method: &str, uri: &str, fields: &[(&str, &str)]) -> Result<(Parts, ClientInfo), Box<Problem>> {
    let mut request = Request::builder().method(method).uri(uri).header("host", "control:9090");
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let (mut parts, ()) = request.body(()).unwrap().into_parts();
    original(&mut parts, None).map(|from| (parts, from))
}

fn told(method: &str, uri: &str, fields: &[(&str, &str)]) -> String {
    match asked(method, uri, fields) {
        Ok((parts, _)) => format!("{} {} {}", parts.method, parts.headers[HOST].to_str().unwrap(), parts.uri),
        Err(problem) => problem.reason.to_owned(),
    }
}

#[test]
fn each_convention_tells_the_viewers_request() {
    for (fields, original) in [
        (&[("x-original-uri", "/a.ts?x=1")][..], "GET control:9090 /a.ts?x=1"),
        (&[("x-original-uri", "/a.ts"), ("x-original-method", "HEAD"), ("x-original-host", "tv")], "HEAD tv /a.ts"),
        (&[("x-original-url", "https://tv:8443/a.ts?x=//")], "GET tv:8443 /a.ts?x=//"),
        (
            &[
                ("x-forwarded-uri", "/a.ts"),
                ("x-forwarded-method", "OPTIONS"),
                ("x-forwarded-host", "tv"),
                ("x-forwarded-proto", "https"),
            ],
            "OPTIONS tv /a.ts",
        ),
        (&[("x-original-uri", "//a/../b")], "GET control:9090 //a/../b"),
    ] {
        assert_eq!(told("GET", "/authz", fields), original);
        assert_eq!(told("HEAD", "/authz?what=ever", fields), original);
    }
}

#[test]
fn the_path_behind_ours_tells_it_with_its_method_and_host() {
    assert_eq!(told("POST", "/authz/live/a.m3u8?x=%2F", &[]), "POST control:9090 /live/a.m3u8?x=%2F");
    assert_eq!(told("GET", "/authz/", &[]), "GET control:9090 /");
    assert_eq!(told("GET", "/authz//a", &[]), "GET control:9090 //a");
}

#[test]
fn what_does_not_agree_is_not_believed_in_any_order() {
    let uri = ("x-original-uri", "/free.ts");
    for fields in [
        &[uri, ("x-original-uri", "/paid.ts")][..],
        &[uri, ("x-forwarded-uri", "/paid.ts")],
        &[uri, ("x-original-url", "http://tv/paid.ts")],
        &[("x-original-uri", "/free.ts?"), ("x-forwarded-uri", "/free.ts")],
        &[uri, ("x-original-method", "GET"), ("x-forwarded-method", "OPTIONS")],
        &[uri, ("x-forwarded-method", "GET, OPTIONS")],
        &[uri, ("x-original-host", "tv"), ("x-forwarded-host", "free")],
        &[uri, ("x-original-url", "http://tv/free.ts"), ("x-forwarded-host", "free")],
        &[uri, ("x-original-url", "http://tv/free.ts"), ("x-forwarded-proto", "https")],
    ] {
        assert_eq!(told("GET", "/authz", fields), "authz-conflict", "{fields:?}");
        let reversed: Vec<_> = fields.iter().rev().copied().collect();
        assert_eq!(told("GET", "/authz", &reversed), "authz-conflict", "{reversed:?}");
    }
    for field in [("x-original-uri", "/paid.ts"), ("x-original-method", "OPTIONS"), ("x-forwarded-host", "free")] {
        assert_eq!(told("GET", "/authz/free.ts", &[field]), "authz-conflict", "{field:?}");
    }
    let agreeing = [uri, uri, ("x-forwarded-uri", "/free.ts"), ("x-original-url", "HTTP://CONTROL:9090/free.ts")];
    assert_eq!(told("GET", "/authz/free.ts", &agreeing), "GET control:9090 /free.ts");
}

#[test]
fn what_cannot_be_read_is_refused() {
    assert_eq!(told("GET", "/authz", &[]), "authz-no-request");
    assert_eq!(told("GET", "/authz", &[("x-forwarded-host", "tv")]), "authz-no-request");
    assert_eq!(told("POST", "/authz", &[("x-original-uri", "/a.ts")]), "method");
    for uri in ["", "a.ts", "*", "http://tv", "http://tv?/a", "http://user@tv/a.ts", "/a.ts#b", "/a b.ts"] {
        assert_eq!(told("GET", "/authz", &[("x-original-uri", uri)]), "malformed", "{uri}");
    }
    assert_eq!(told("GET", "/authz", &[("x-original-uri", "/a"), ("x-original-method", "G E T")]), "malformed");
}

#[test]
fn the_viewers_address_is_what_the_proxy_says_and_nothing_if_it_does_not() {
    let client = |fields: &[(&str, &str)]| {
        let fields: Vec<_> = [("x-original-uri", "/a")].into_iter().chain(fields.iter().copied()).collect();
        asked("GET", "/authz", &fields).unwrap().1.address.map(|address| address.to_string())
    };
    assert_eq!(client(&[("x-forwarded-for", "1.1.1.1, 203.0.113.9")]).as_deref(), Some("203.0.113.9"));
    assert_eq!(client(&[]), None);
    assert_eq!(client(&[("x-forwarded-for", "unknown")]), None);
}
