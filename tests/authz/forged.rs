//! What viewers write themselves, in the hope that a proxy passes it on.

use super::program::raw;
use super::support::{Question, gateway};

#[tokio::test]
async fn a_field_that_contradicts_the_proxys_is_refused_whichever_it_is() {
    let gateway = gateway().await;
    let told = ("X-Original-URI", "/live/master.m3u8");
    for forged in [
        ("X-Forwarded-Uri", "/logo.png"),
        ("X-Original-URL", "https://tv.example/logo.png"),
        ("X-Original-URI", "/logo.png"),
    ] {
        let question = Question::new("GET", "/authz").with(told.0, told.1).with(forged.0, forged.1);
        let answer = question.from("tv-1").to(&gateway).await;
        assert_eq!((answer.status, answer.problem_type().as_str()), (403, "authz-conflict"), "{forged:?}");
        let detail = answer.problem()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains("X-Original-URI") && detail.contains("X-Forwarded-Uri"), "{detail}");
        let question = Question::new("GET", "/authz/live/master.m3u8").with(forged.0, forged.1);
        assert_eq!(question.status(&gateway).await, 403, "{forged:?} against a path");
    }
    let options = Question::about(told.1).with("X-Original-Method", "GET").with("X-Forwarded-Method", "OPTIONS");
    assert_eq!(options.status(&gateway).await, 403);
    gateway.counts("streamgate_streams", "tv", 0).await;
    gateway.counts("streamgate_requests_total", "outcome=\"malformed\"", 7).await;
}

#[tokio::test]
async fn who_asks_about_nothing_is_told_what_to_send() {
    let gateway = gateway().await;
    let answer = Question::new("GET", "/authz").from("tv-1").to(&gateway).await;
    assert_eq!((answer.status, answer.problem_type().as_str()), (403, "authz-no-request"));
    assert_eq!(answer.header("streamgate-reason"), "authz-no-request");
    for field in ["X-Original-URI", "X-Original-URL", "X-Forwarded-Uri", "/authz"] {
        assert!(answer.header("streamgate-detail").contains(field), "{field}");
    }
}

#[tokio::test]
async fn whatever_is_wrong_with_a_request_proxies_get_an_answer_that_they_understand() {
    let gateway = gateway().await;
    let long = "x".repeat(70_000);
    for (question, reason) in [
        (Question::about("/live/../paid/a.ts"), "ambiguous-path"),
        (Question::about("/live/%2e%2e/paid/a.ts"), "ambiguous-path"),
        (Question::new("GET", "/authz/live/..;/a.ts"), "ambiguous-path"),
        (Question::about("/live/..%2fpaid%2fa.ts"), "ambiguous-path"),
        (Question::about("/live%2Fa.ts"), "ambiguous-path"),
        (Question::about("/~s/sealed/~s/sealed/live/a.ts"), "nested-play-session"),
        (Question::about("/live/%7es/sealed/a.ts"), "nested-play-session"),
        (Question::new("GET", "/authz/live/~s/sealed/a.ts"), "nested-play-session"),
        (Question::about("/a.ts").with("X-Original-Host", "tv.example/x"), "bad-host"),
        (Question::about("/a.ts").with("X-Original-Host", "a b"), "bad-host"),
        (Question::about("/a.ts").with("X-Forwarded-Host", "me@tv.example"), "bad-host"),
        (Question::new("GET", "/authz").with("X-Original-URL", "https://tv.example:x/a.ts"), "bad-host"),
        (Question::about("/a.ts").with("X-Original-Method", "POST"), "method"),
        (Question::new("POST", "/authz").with("X-Original-URI", "/a.ts"), "method"),
        (Question::about("/a.ts").with("X-Filler", &long), "header-too-large"),
        (Question::about("a.ts"), "malformed"),
        (Question::about("/a.ts#b"), "malformed"),
        (Question::new("GET", "/authz").with("X-Original-URI", b"/\xff.ts"), "malformed"),
        (Question::about("/live/a.ts"), "no-identity"),
        (Question::about("/~s/nonsense/live/a.ts"), "play-session-not-accepted"),
        (Question::about("/live/a.ts").with("Authorization", "Bearer a.b.c"), "token-not-accepted"),
    ] {
        let answer = question.to(&gateway).await;
        let expected = if reason == "no-identity" { 401 } else { 403 };
        assert_eq!((answer.status, answer.problem_type().as_str()), (expected, reason));
        assert_eq!(answer.header("streamgate-reason"), reason);
        if reason == "no-identity" {
            assert_eq!(answer.header("www-authenticate"), "Bearer");
        }
    }
    // More fields than the server takes: no decision, and no answer that a proxy takes for a yes.
    let fields = "X-Filler: 1\r\n".repeat(200);
    let request = format!("GET /authz HTTP/1.1\r\nHost: x\r\nX-Original-URI: /logo.png\r\n{fields}\r\n");
    let answer = raw(gateway.control, request.as_bytes(), |read| read.windows(4).any(|end| end == b"\r\n\r\n")).await;
    assert!(answer.starts_with(b"HTTP/1.1 431 "), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn tokens_and_what_follows_a_question_that_failed_stay_out_of_the_log() {
    let gateway = gateway().await;
    let token = super::program::token("alice", "tv-1");
    assert_eq!(Question::about(&format!("/live/master.m3u8?token={token}")).status(&gateway).await, 200);
    let bad = Question::new("GET", &format!("/authz/{token}/a.ts")).with("X-Original-URI", "/b.ts");
    assert_eq!(bad.status(&gateway).await, 403);
    gateway.counts("streamgate_authz_total", "", 2).await;
    super::program::until("both lines are written", async || gateway.log().matches("\"authz\"").count() >= 2).await;
    let log = gateway.log();
    assert!(!log.contains(&token), "{log}");
    assert!(log.contains("\"path\":\"/live/master.m3u8\"") && log.contains("\"path\":\"/authz\""), "{log}");
}
