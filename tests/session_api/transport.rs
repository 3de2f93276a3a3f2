//! Authentication, methods, paths, and what browsers need.

use super::support::{Answer, Api, api, assert_bare, assert_status, send};

const SOME: &str = "00000000-0000-0000-0000-000000000000";

/// Every call of version 2.
fn calls() -> [(&'static str, String); 5] {
    [
        ("POST", "/v2/sessions/i1/alice".to_owned()),
        ("POST", format!("/v2/sessions/i1/alice/{SOME}")),
        ("DELETE", format!("/v2/sessions/i1/alice/{SOME}")),
        ("GET", "/v2/runningStreams/i1/alice".to_owned()),
        ("GET", "/v2/metadata".to_owned()),
    ]
}

async fn with_authorization(api: &Api, value: &str) -> Answer {
    send(api.call("POST", "/v2/sessions/i1/alice").header("authorization", value)).await
}

#[tokio::test]
async fn c1_c8_each_call_without_credentials_is_asked_for_them() {
    let api = api().await;
    for (method, path) in calls() {
        let answer = send(api.call(method, &path)).await;
        assert_status(&answer, 401);
        assert_eq!(answer.header("www-authenticate"), "Basic realm=\"streamgate\"", "{method} {path}");
    }
}

#[tokio::test]
async fn c2_c3_c4_c5_only_the_bare_id_of_an_application_is_let_in() {
    let api = api().await;
    // demo: · demo · nobody: · demo:secret · seen: (an application of traffic alone)
    for (credentials, status) in [
        ("Basic ZGVtbzo=", 202),
        ("basic  ZGVtbzo=", 202),
        ("Bearer ZGVtbzo=", 401),
        ("ZGVtbzo=", 401),
        ("Basic", 401),
        ("Basic ", 401),
        ("Basic ZGVtbw==", 401),
        ("Basic !!!", 401),
        ("Basic ZGVtbzo", 401),
        ("Basic bm9ib2R5Og==", 401),
        ("Basic ZGVtbzpzZWNyZXQ=", 401),
        ("Basic c2Vlbjo=", 401),
        ("Basic /////w==", 401),
    ] {
        let answer = with_authorization(&api, credentials).await;
        assert_status(&answer, status);
    }
    assert_status(&with_authorization(&api, &format!("Basic {}", "ZGVt".repeat(1000))).await, 401);
}

#[tokio::test]
async fn c6_an_application_speaks_for_its_identity_providers_alone() {
    let api = api().await;
    assert_status(&api.start("locked", "i1/alice", &[]).await, 403);
    let session = api.started("locked", "i9/alice", &[]).await;
    assert_status(&api.beat("locked", "i1/alice", &session).await, 403);
    assert_status(&api.stop("locked", "i1/alice", &session).await, 403);
    let list = send(api.call_of("locked", "GET", "/v2/runningStreams/i1/alice")).await;
    assert_status(&list, 403);
}

#[tokio::test]
async fn c7_a_wrong_method_is_told_the_right_one_and_an_unknown_path_nothing() {
    let api = api().await;
    for (method, path, allowed) in [
        ("PUT", "/v2/sessions/i1/alice", "POST"),
        ("GET", "/v2/sessions/i1/alice", "POST"),
        ("DELETE", "/v2/metadata", "GET"),
        ("PATCH", "/v2/runningStreams/i1/alice", "GET"),
        ("GET", "/v2/sessions/i1/alice/x", "DELETE"),
    ] {
        let answer = send(api.call(method, path)).await;
        assert_status(&answer, 405);
        assert!(answer.header("allow").contains(allowed), "{method} {path}: {:?}", answer.headers);
    }
    for path in
        ["/v2", "/v2/", "/v2/session", "/v2/sessions", "/v2/sessions/i1", "/v2/sessions/i1/a/b/c", "/v2/metadata/x"]
    {
        assert_status(&send(api.call("GET", path)).await, 404);
        assert_status(&send(api.call_of("demo", "POST", path)).await, 404);
    }
}

#[tokio::test]
async fn c9_a_browser_may_ask_first_without_credentials() {
    let api = api().await;
    for (_, path) in calls() {
        let call = api.call("OPTIONS", &path).header("origin", "https://player.example");
        let answer = send(call.header("access-control-request-method", "POST")).await;
        assert_eq!(answer.status, 204);
        assert_eq!(answer.text(), "");
        assert_eq!(answer.header("access-control-allow-origin"), "https://player.example");
        assert_eq!(answer.header("access-control-max-age"), "600");
        for name in ["Authorization", "Content-Type", "X-Terminate", "X-Terminator", "X-Client-Version"] {
            assert!(answer.header("access-control-allow-headers").contains(name), "{path}");
        }
        for name in ["GET", "POST", "DELETE", "OPTIONS"] {
            assert!(answer.header("access-control-allow-methods").contains(name), "{path}");
        }
    }
    assert_status(&send(api.call("OPTIONS", "/v2/nothing")).await, 404);
}

#[tokio::test]
async fn c10_a_page_reads_the_headers_and_a_page_of_elsewhere_does_not() {
    let api = api().await;
    for (origin, allowed) in [("https://player.example", "https://player.example"), ("https://elsewhere.example", "")] {
        for (method, path) in calls() {
            let answer = send(api.call_of("demo", method, &path).header("origin", origin)).await;
            assert_eq!(answer.header("access-control-allow-origin"), allowed, "{method} {path}");
            assert_eq!(answer.headers.get_all("access-control-expose-headers").iter().count(), 1);
            for name in ["Location", "Date", "Expires", "Retry-After"] {
                assert!(answer.header("access-control-expose-headers").contains(name), "{method} {path}");
            }
            assert!(answer.header("vary").contains("Origin"));
        }
    }
}

#[tokio::test]
async fn c11_asking_first_is_never_counted() {
    let api = api().await;
    for _ in 0..100 {
        let answer =
            send(api.call("OPTIONS", "/v2/sessions/i1/alice").header("origin", "https://player.example")).await;
        assert_eq!(answer.status, 204);
    }
    for _ in 0..3 {
        assert_bare(&api.start("demo", "i1/alice", &[]).await);
    }
}
