//! Calls that nobody should make.

use super::program::raw;
use super::support::{Api, Fixture, LASTING, api, assert_status, result, send};

/// Memory that the program holds, in MiB.
fn memory(api: &Api) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", api.gateway.child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

#[tokio::test]
async fn bodies_of_ten_megabytes_are_malformed_and_never_held() {
    let timers = "interval: 60s, grace: 30s, throttle: { calls: 1000, window: 6s }";
    let api = Fixture { timers, ..Fixture::default() }.start().await;
    let session = api.started("demo", "i1/alice", &[]).await;
    let before = memory(&api);
    let body = bytes::Bytes::from("a=b&".repeat(2_500_000));
    for kind in ["application/x-www-form-urlencoded", "application/json", "text/plain"] {
        let calls: Vec<_> = (0..8)
            .flat_map(|_| ["/v2/sessions/i1/alice".to_owned(), format!("/v2/sessions/i1/alice/{session}")])
            .map(|path| {
                tokio::spawn(send(api.call_of("demo", "POST", &path).header("content-type", kind).body(body.clone())))
            })
            .collect();
        for call in calls {
            assert_eq!(result(&call.await.unwrap(), 400), (vec![], vec![]));
        }
    }
    let grown = memory(&api).saturating_sub(before);
    assert!(grown < 60, "{grown} MiB more, after 480 MB in 48 calls");
    assert!(api.plays("demo", "i1/alice", &session).await, "nothing is lost");
}

#[tokio::test]
async fn a_hundred_thousand_attributes_are_malformed_wherever_they_stand() {
    let api = api().await;
    let form = (0..100_000).map(|nth| format!("k{nth}=v&")).collect::<Vec<_>>().concat();
    let json = format!("{{{}}}", (0..100_000).map(|nth| format!("\"k{nth}\":\"v\"")).collect::<Vec<_>>().join(","));
    for (kind, body) in [("application/x-www-form-urlencoded", form.clone()), ("application/json", json)] {
        let answer = send(api.call_of("demo", "POST", "/v2/sessions/i1/alice").header("content-type", kind).body(body));
        assert_eq!(result(&answer.await, 400), (vec![], vec![]));
    }
    let query = (0..5_000).map(|nth| format!("k{nth}=v&")).collect::<Vec<_>>().concat();
    let answer = send(api.call_of("demo", "POST", &format!("/v2/sessions/i1/alice?{query}"))).await;
    assert_eq!(result(&answer, 400), (vec![], vec![]));
    assert!(api.ids("demo", "i1/alice").await.is_empty());
}

#[tokio::test]
async fn what_is_not_utf8_or_of_another_kind_is_malformed() {
    let api = api().await;
    let form = "application/x-www-form-urlencoded";
    for (query, kind, body) in [
        ("?a=%ff", form, b"".as_slice()),
        ("?%C3=1", form, b""),
        ("", form, b"a=%ff"),
        ("", form, b"a=\xff"),
        ("", "application/json", b"{\"a\":\"\xff\"}"),
        ("", "application/json", b"[\"a\"]"),
        ("", "application/json", b"{\"a\":1}"),
        ("", "multipart/form-data; boundary=x", b"--x--"),
        ("", "text/plain", b"a=b"),
        ("?=b", form, b""),
    ] {
        let call = api.call_of("demo", "POST", &format!("/v2/sessions/i1/alice{query}"));
        let answer = send(call.header("content-type", kind).body(body.to_vec())).await;
        assert_eq!(result(&answer, 400), (vec![], vec![]), "{query} {kind} {body:?}");
    }
    assert!(api.ids("demo", "i1/alice").await.is_empty());
}

/// Sends a path as it stands, which a client library would tidy up.
async fn post(api: &Api, path: &str) -> String {
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic ZGVtbzo=\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    let answer = raw(api.gateway.control, request.as_bytes(), |_| false).await;
    String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn no_path_leads_anywhere_and_none_breaks_anything() {
    let api = Fixture { timers: LASTING, ..Fixture::default() }.start().await;
    let long = "x".repeat(10_000);
    for (path, status) in [
        ("/v2/sessions/i1/../metadata", "404"),
        ("/v2/sessions/../../healthz", "404"),
        ("/v2/sessions/i1/..", "202"),
        ("/v2/sessions/%2e%2e/%2e%2e", "202"),
        ("/v2/sessions/i1/%2e%2e%2fbob", "202"),
        ("/v2/sessions//alice", "40"),
        ("/v2/sessions/i1/", "40"),
        ("/v2/sessions/i1/alice/", "40"),
        ("//v2/sessions/i1/alice", "404"),
        ("/v2//sessions/i1/alice", "404"),
        ("/v2/sessions/i1/%00", "400"),
        ("/v2/sessions/i1/%0d%0aX:y", "400"),
        ("/v2/sessions/%ff/alice", "400"),
        ("/v2/sessions/i1/%C3%28", "400"),
        ("/v2/sessions/i1/a%zz", "202"),
        ("/v2/sessions/i1/%", "202"),
        ("/v2/sessions/i1/alice/%00", "404"),
        (&format!("/v2/sessions/i1/{long}"), "400"),
        (&format!("/v2/sessions/{long}/alice"), "400"),
        (&format!("/v2/sessions/i1/alice/{long}"), "404"),
        (&format!("/v2/sessions/i1/{}", "a/".repeat(3000)), "404"),
    ] {
        let line = post(&api, path).await;
        let shown: String = path.chars().take(80).collect();
        assert!(line.starts_with(&format!("HTTP/1.1 {status}")), "{shown}: {line}");
    }
    assert!(api.ids("demo", "i1/alice").await.is_empty() && api.ids("demo", "i1/bob").await.is_empty());
}

#[tokio::test]
async fn a_foreign_session_is_left_alone_however_it_is_asked_for() {
    let api = api().await;
    let session = api.started("demo", "i1/alice", &[]).await;
    let upper = session.to_uppercase();
    for (account, session, status) in [
        ("i1/bob", session.as_str(), 404),
        ("i1/alice%2Fx", &session, 404),
        ("I1/alice", &session, 404),
        ("i1/alice", &session[..35], 404),
        ("i1/alice", &upper, 202),
    ] {
        assert_status(&api.beat("demo", account, session).await, status);
    }
    assert_eq!(api.ids("demo", "i1/alice").await, [session]);
}

#[tokio::test]
async fn a_call_that_cannot_be_read_is_told_what_is_wrong() {
    let api = api().await;
    for (path, kind, body, said) in [
        ("/v2/sessions/i1/alice", "text/plain", "a=b", "application/x-www-form-urlencoded"),
        ("/v2/sessions/i1/alice", "application/json", "[1]", "one object"),
        ("/v2/sessions/i1/alice?a=%ff", "application/x-www-form-urlencoded", "", "not UTF-8"),
        ("/v2/sessions/i1/%00", "application/x-www-form-urlencoded", "", "control character"),
        ("/v2/sessions/i1/%ff", "application/x-www-form-urlencoded", "", "not UTF-8"),
    ] {
        let answer = send(api.call_of("demo", "POST", path).header("content-type", kind).body(body)).await;
        assert_eq!(answer.status, 400, "{path}");
        let result: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert!(result["detail"].as_str().unwrap().contains(said), "{path}: {result}");
    }
}
