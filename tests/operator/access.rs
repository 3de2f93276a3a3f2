//! Who may ask.

use reqwest::Method;
use serde_json::json;

use super::program::{Answer, raw, until};
use super::support::{Config, OPERATOR, Program, READER};

async fn with(program: &Program, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = program.client.request(method, program.api(path));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Answer::of(request.send().await.unwrap()).await
}

#[tokio::test]
async fn whoever_has_no_token_learns_nothing_not_even_what_there_is() {
    let program = Config::default().start().await;
    let good = super::support::bearer(OPERATOR);
    let wrong: [&[(&str, &str)]; 7] = [
        &[],
        &[("authorization", "Bearer")],
        &[("authorization", "Bearer ")],
        &[("authorization", "Bearer nobody's")],
        &[("authorization", "Basic Ym9zczpib3Nz")],
        &[("authorization", &good[..good.len() - 1])],
        &[("authorization", &good), ("authorization", &good)],
    ];
    let mut told = Vec::new();
    for headers in wrong {
        for (method, path) in [
            (Method::GET, "/status"),
            (Method::GET, "/no-such-thing"),
            (Method::POST, "/streams/a/b/c/kill"),
            (Method::PATCH, "/blocks"),
            (Method::GET, "/accounts/acme/alice"),
        ] {
            let answer = with(&program, method, path, headers).await;
            assert_eq!((answer.status, answer.problem_type().as_str()), (401, "no-token"), "{path} {headers:?}");
            assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"streamgate\"");
            told.push(answer.body);
        }
    }
    assert!(told.windows(2).all(|two| two[0] == two[1]), "it is the same, whatever was sent");
    let good = [("authorization", good.replace("Bearer", "bEARER"))];
    assert_eq!(with(&program, Method::GET, "/status", &[(good[0].0, &good[0].1)]).await.status, 200);
}

#[tokio::test]
async fn who_may_look_may_not_do_anything() {
    let program = Config::default().start().await;
    for (method, path, body) in [
        (Method::POST, "/streams/acme/alice/00000000-0000-0000-0000-000000000000/kill", true),
        (Method::POST, "/accounts/acme/alice/kill", true),
        (Method::PUT, "/blocks/accounts/acme/alice", true),
        (Method::DELETE, "/blocks/accounts/acme/alice", false),
        (Method::PUT, "/blocks/sessions/00000000-0000-0000-0000-000000000000", true),
        (Method::PUT, "/exemptions/acme/alice", true),
        (Method::POST, "/reload", false),
        (Method::POST, "/drain", false),
        (Method::DELETE, "/drain", false),
    ] {
        let body = body.then(|| json!({ "seconds": 60, "reason": "because" }));
        let answer = program.ask(method, path, READER, body.as_ref()).await;
        assert_eq!((answer.status, answer.problem_type().as_str()), (403, "wrong-role"), "{path}");
    }
    assert_eq!(program.look("/status").await["draining"], false);
}

#[tokio::test]
async fn every_address_of_the_document_but_the_document_asks_for_a_token() {
    let program = Config::default().start().await;
    let document = with(&program, Method::GET, "/openapi.json", &[]).await;
    let document: serde_json::Value = serde_json::from_slice(&document.body).unwrap();
    let mut asked = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        let Some(path) = path.strip_prefix("/api").filter(|path| *path != "/openapi.json") else { continue };
        for method in operations.as_object().unwrap().keys() {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            assert_eq!(with(&program, method, &path.replace(['{', '}'], ""), &[]).await.status, 401, "{path}");
            asked += 1;
        }
    }
    assert!(asked >= 27, "{asked}");
}

#[tokio::test]
async fn without_tokens_everybody_may_ask_but_web_pages() {
    let program = Config { tokens: false, ..Config::default() }.start().await;
    assert_eq!(with(&program, Method::GET, "/status", &[]).await.status, 200);
    assert_eq!(with(&program, Method::GET, "/status", &[("host", "localhost:1234")]).await.status, 200);
    for headers in [
        [("origin", "https://evil.example"), ("accept", "*/*")],
        [("origin", "null"), ("accept", "*/*")],
        [("host", "evil.example"), ("accept", "*/*")],
        [("host", "evil.example:9090"), ("accept", "*/*")],
    ] {
        for (method, path) in [(Method::GET, "/status"), (Method::POST, "/drain"), (Method::GET, "/nothing")] {
            let answer = with(&program, method, path, &headers).await;
            assert_eq!((answer.status, answer.problem_type().as_str()), (403, "from-a-page"), "{headers:?}");
            assert!(answer.problem()["detail"].as_str().unwrap().contains("control.tokens"), "it says what to do");
        }
    }
    let nameless = raw(program.control, b"GET /api/status HTTP/1.0\r\n\r\n", |_| false).await;
    assert!(nameless.starts_with(b"HTTP/1.0 403") || nameless.starts_with(b"HTTP/1.1 403"));
    assert_eq!(program.client.get(format!("http://{}/readyz", program.control)).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn no_page_is_allowed_to_read_anything() {
    let program = Config::default().start().await;
    let good = super::support::bearer(READER);
    let headers: [(&str, &str); 2] = [("authorization", &good), ("origin", "https://a.example")];
    let answer = with(&program, Method::GET, "/status", &headers).await;
    assert_eq!(answer.status, 200, "who has the token may ask from anywhere");
    let preflight = with(&program, Method::OPTIONS, "/drain", &[("origin", "https://a.example")]).await;
    assert_eq!(preflight.status, 401);
    for answer in [answer, preflight] {
        assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("access-control-")));
    }
}

#[tokio::test]
async fn what_is_done_is_in_the_log_with_who_did_it_and_why() {
    let program = Config::default().start().await;
    program.watch("alice", "tv-1", "news").await;
    program.act(Method::POST, "/accounts/acme/alice/kill", Some(&json!({ "reason": "a test of the log" }))).await;
    until("it is in the log", async || program.log().contains("a test of the log")).await;
    let log = program.log();
    let line = log.lines().find(|line| line.contains("a test of the log")).unwrap();
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!((line["who"].as_str(), line["what"].as_str()), (Some("boss"), Some("kill")), "{line}");
    let label = program.look("/accounts/acme/alice").await["label"].clone();
    assert_eq!(line["account"], label);
    assert!(!log.contains("alice"), "nobody is named in the log");
}

#[tokio::test]
async fn who_is_not_let_in_is_counted_and_logged_with_the_address_and_never_with_what_was_sent() {
    let program = Config::default().start().await;
    let wrong = "Bearer almost-the-right-token";
    let reader = super::support::bearer(READER);
    let cases: [(&str, &str, &[(&str, &str)]); 4] = [
        ("no_token", "/status", &[]),
        ("malformed", "/status", &[("authorization", "Basic Ym9zczpib3Nz")]),
        ("wrong_token", "/status", &[("authorization", wrong)]),
        ("wrong_role", "/drain", &[("authorization", &reader)]),
    ];
    for (reason, _, _) in cases.iter().chain(&[("from_a_page", "", &[][..])]) {
        assert_eq!(program.metric("streamgate_operator_login_failures_total", &format!("\"{reason}\"")).await, 0);
    }
    for (reason, path, headers) in cases {
        let method = if reason == "wrong_role" { Method::POST } else { Method::GET };
        for _ in 0..20 {
            assert!([401, 403].contains(&with(&program, method.clone(), path, headers).await.status));
        }
        let labels = format!("\"{reason}\"");
        assert_eq!(program.metric("streamgate_operator_login_failures_total", &labels).await, 20, "{reason}");
        until(reason, async || program.log().contains(&format!("\"reason\":\"{reason}\""))).await;
    }
    let log = program.log();
    for (reason, _, _) in cases {
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(&format!("\"reason\":\"{reason}\""))).collect();
        assert!((1..=3).contains(&lines.len()), "of twenty, one in ten seconds is written: {lines:?}");
        let line: serde_json::Value = serde_json::from_str(lines[0]).unwrap();
        assert_eq!((line["level"].as_str(), line["client"].as_str()), (Some("WARN"), Some("127.0.0.1")), "{line}");
    }
    for secret in ["almost-the-right-token", "Ym9zczpib3Nz", reader.split_at(7).1] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
    assert_eq!(program.look("/status").await["draining"], false);
    assert_eq!(program.metric("streamgate_operator_login_failures_total", "").await, 80, "a login is no failure");
}

#[tokio::test]
async fn a_page_that_is_not_let_in_is_counted_as_one() {
    let program = Config { tokens: false, ..Config::default() }.start().await;
    for headers in [("origin", "https://evil.example"), ("host", "evil.example")] {
        assert_eq!(with(&program, Method::GET, "/status", &[headers]).await.status, 403);
    }
    assert_eq!(program.metric("streamgate_operator_login_failures_total", "from_a_page").await, 2);
    until("it is in the log", async || program.log().contains("from_a_page")).await;
}
