//! Input that says nothing useful, or too much of it.

use reqwest::Method;
use serde_json::json;

use super::program::{Answer, raw};
use super::support::{Config, OPERATOR, Program, READER, bearer};

const PLACE: &str = "/blocks/accounts/acme/alice";

async fn put(program: &Program, kind: &str, body: impl Into<reqwest::Body>) -> Answer {
    let request = program.client.put(program.api(PLACE)).header("authorization", bearer(OPERATOR));
    Answer::of(request.header("content-type", kind).body(body).send().await.unwrap()).await
}

#[tokio::test]
async fn a_body_that_says_nothing_useful_is_answered_with_what_is_wrong() {
    let program = Config::default().start().await;
    let many = (0..2000).map(|n| format!("\"k{n}\":1,")).collect::<Vec<_>>().concat();
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    for (kind, body, status) in [
        ("text/plain", r#"{"seconds":1,"reason":"x"}"#.to_owned(), 415),
        ("application/jsonp", r#"{"seconds":1,"reason":"x"}"#.to_owned(), 415),
        ("application/json", String::new(), 400),
        ("application/json", "{".to_owned(), 400),
        ("application/json", "seconds=1&reason=x".to_owned(), 400),
        ("application/json", deep, 422),
        ("application/json", "null".to_owned(), 422),
        ("application/json", "[]".to_owned(), 422),
        ("application/json", "{}".to_owned(), 422),
        ("application/json", r#"{"seconds":"1","reason":"x"}"#.to_owned(), 422),
        ("application/json", r#"{"seconds":0,"reason":"x"}"#.to_owned(), 422),
        ("application/json", r#"{"seconds":-1,"reason":"x"}"#.to_owned(), 422),
        ("application/json", r#"{"seconds":1.5,"reason":"x"}"#.to_owned(), 422),
        ("application/json", r#"{"seconds":1e300,"reason":"x"}"#.to_owned(), 422),
        ("application/json", r#"{"seconds":31536001,"reason":"x"}"#.to_owned(), 422),
        ("application/json", r#"{"seconds":1,"reason":""}"#.to_owned(), 422),
        ("application/json", r#"{"seconds":1,"reason":"a\nb"}"#.to_owned(), 422),
        ("application/json", r#"{"seconds":1,"seconds":2,"reason":"x"}"#.to_owned(), 422),
        ("application/json", r#"{"seconds":1,"reason":"x","more":1}"#.to_owned(), 422),
        ("application/json", format!(r#"{{"seconds":1,"reason":"{}"}}"#, "x".repeat(501)), 422),
        ("application/json", format!("{{{many}\"reason\":\"x\"}}"), 422),
    ] {
        let answer = put(&program, kind, body.clone()).await;
        assert_eq!(answer.status, status, "{kind} {} ▸ {}", &body[..body.len().min(80)], answer.text());
        assert!(answer.problem()["detail"].as_str().unwrap().len() > 20);
    }
    let invalid = put(&program, "application/json", b"{\"seconds\":1,\"reason\":\"\xff\"}".to_vec()).await;
    assert_eq!(invalid.status, 400);
    assert_eq!(program.look("/blocks").await["orders"], json!([]), "none of it did anything");
    for fine in [r#"{"seconds":60.0,"reason":"é"}"#, r#" {"reason":"x","seconds":31536000} "#] {
        assert_eq!(put(&program, "Application/JSON; charset=utf-8", fine).await.status, 200);
    }
}

#[tokio::test]
async fn ten_megabytes_are_not_read() {
    let program = Config::default().start().await;
    let head = format!(
        "PUT /api{PLACE} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: {}\r\ncontent-type: application/json\r\n\
         content-length: 10485760\r\n\r\n",
        bearer(OPERATOR)
    );
    let bytes = [head.into_bytes(), vec![b' '; 10 << 20]].concat();
    let ended = |read: &[u8]| read.ends_with(b"}");
    let answer = String::from_utf8(raw(program.control, &bytes, ended).await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("application/problem+json"), "{answer}");
    assert_eq!(program.look("/status").await["blocks"], 0);
}

#[tokio::test]
async fn a_path_means_what_it_says_and_nothing_is_reached_by_tricks() {
    let program = Config::default().start().await;
    for (path, status) in [
        ("/accounts/acme/%ff", 400),
        ("/accounts//alice", 404),
        ("/accounts/acme", 404),
        ("/accounts/acme/alice/", 404),
        ("/accounts/%2e%2e/status", 404),
        ("/..%2fstatus", 404),
        ("/%73tatus", 404),
        ("/blocks/sessions/1", 404),
        ("/blocks/sessions/00000000000000000000000000000000", 404),
    ] {
        let request =
            format!("GET /api{path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: {}\r\n\r\n", bearer(READER));
        let answer = raw(program.control, request.as_bytes(), |read| read.ends_with(b"}")).await;
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{path}: {answer}");
        assert!(answer.contains("application/problem+json"), "{path}: {answer}");
    }
    for long in ["x".repeat(257), "%C3%A9".repeat(129)] {
        assert_eq!(program.ask(Method::GET, &format!("/accounts/acme/{long}"), READER, None).await.status, 404);
    }
    program.block("accounts/a%2Fb/c+d%20e", 60, "odd names").await;
    let order = program.look("/blocks").await["orders"][0]["account"].clone();
    assert_eq!(order, json!({ "idp": "a/b", "subject": "c+d e" }));
}

#[tokio::test]
async fn a_query_that_cannot_be_read_is_told_so() {
    let program = Config::default().start().await;
    for query in [
        "limit=0",
        "limit=1001",
        "limit=-1",
        "limit=x",
        "limit=",
        "limit=1&limit=2",
        "cursor=x",
        "cursor=",
        "state=gone",
        "content=film",
        "nothing=1",
        "asset=%ff",
        "application=tv&application=tv",
    ] {
        for list in ["streams", "accounts"] {
            let answer = program.ask(Method::GET, &format!("/{list}?{query}"), READER, None).await;
            assert_eq!(
                (answer.status, answer.problem_type().as_str()),
                (400, "malformed"),
                "{query}: {}",
                answer.text()
            );
        }
    }
}

#[tokio::test]
async fn a_method_that_is_not_for_an_address_is_told_which_are() {
    let program = Config::default().start().await;
    for (method, path, allowed) in [
        (Method::DELETE, "/status", "GET,HEAD"),
        (Method::GET, "/reload", "POST"),
        (Method::POST, PLACE, "GET,HEAD,PUT,DELETE"),
        (Method::OPTIONS, "/drain", "POST,DELETE"),
    ] {
        let answer = program.ask(method, path, OPERATOR, None).await;
        assert_eq!((answer.status, answer.problem_type().as_str()), (405, "method"), "{path}");
        let sorted = |list: &str| {
            let mut list: Vec<String> = list.split(',').map(str::to_owned).collect();
            list.sort();
            list
        };
        assert_eq!(sorted(answer.header("allow")), sorted(allowed), "{path}");
    }
}
