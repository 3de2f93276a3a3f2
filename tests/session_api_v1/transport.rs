//! Headers, methods, and how the gateway knows where it is reached.

use super::gateway::{raw, replace_file};
use super::support::{Answer, House};

fn has_the_headers(answer: &Answer, what: &str) {
    for (name, value) in [
        ("access-control-allow-origin", "*"),
        ("access-control-allow-methods", "GET, POST, OPTIONS, HEAD, PUT, DELETE"),
        ("access-control-allow-headers", "Content-Type"),
        ("cache-control", "no-cache, no-store, max-age=0, must-revalidate"),
        ("pragma", "no-cache"),
        ("expires", "0"),
    ] {
        assert_eq!(answer.header(name), value, "{what}: {name}");
        assert_eq!(answer.headers.get_all(name).iter().count(), 1, "{what}: {name} is one line");
    }
    assert_eq!(answer.headers.get_all("date").iter().count(), 1, "{what}");
}

#[tokio::test]
async fn c123_every_answer_may_be_read_by_any_page_and_kept_by_nobody() {
    let house = House::new().await;
    let base = "/v1/demo/acme/accounts/alice";
    let started = house.post(&format!("{base}/streams"), &[]).await;
    has_the_headers(&started, "a start");
    let path = started.header("location").strip_prefix(&house.page("")).unwrap().to_owned();
    for event in ["alive", "stop", "pause"] {
        has_the_headers(&house.post(&format!("{path}?event={event}"), &[]).await, event);
    }
    let nobody = "/v1/nobody/acme/accounts/alice/streams";
    for (status, path) in [
        (200, path.clone()),
        (200, format!("{base}/streams")),
        (200, format!("{base}/activity?metrics=activeStreams")),
        (400, format!("{base}/activity?metrics=none")),
        (404, nobody.to_owned()),
        (404, format!("{base}/streams/unknown")),
        (404, "/v1/demo/no/such/page".to_owned()),
    ] {
        let answer = house.ask(&path).await;
        assert_eq!(answer.status, status, "{path}");
        has_the_headers(&answer, &path);
        if status >= 400 {
            assert_eq!(answer.header("content-type"), "application/problem+json", "{path}");
        }
        let head = Answer::of(house.client.head(house.page(&path)).send().await.unwrap()).await;
        assert_eq!((head.status, head.body.len()), (status, 0), "HEAD {path}");
        has_the_headers(&head, &path);
    }
    for path in [format!("{base}/streams"), path, format!("{base}/activity")] {
        let preflight = house.client.request(reqwest::Method::OPTIONS, house.page(&path));
        let preflight =
            preflight.header("origin", "https://player.example").header("access-control-request-method", "POST");
        let answer = Answer::of(preflight.send().await.unwrap()).await;
        assert_eq!((answer.status, answer.body.len()), (204, 0), "{path}");
        has_the_headers(&answer, "a preflight");
    }
}

#[tokio::test]
async fn a_method_that_a_page_does_not_know_is_told_which_it_knows() {
    let house = House::new().await;
    let base = "/v1/demo/acme/accounts/alice";
    for (path, methods) in [
        (format!("{base}/streams"), ["GET", "POST", "OPTIONS"].as_slice()),
        (format!("{base}/streams/000001a1-a2c8-5380-8c21-5f0be2a97d44"), &["GET", "POST", "OPTIONS"]),
        (format!("{base}/activity"), &["GET", "OPTIONS"]),
    ] {
        for method in [reqwest::Method::DELETE, reqwest::Method::PUT, reqwest::Method::PATCH] {
            let answer = Answer::of(house.client.request(method, house.page(&path)).send().await.unwrap()).await;
            assert_eq!(answer.status, 405, "{path}");
            has_the_headers(&answer, &path);
            assert_eq!(answer.header("content-type"), "application/problem+json");
            let allow = answer.header("allow");
            assert!(methods.iter().all(|method| allow.contains(method)), "{path}: {allow}");
        }
    }
}

/// The address that a start is answered with when it is asked with these headers.
async fn location(house: &House, headers: &str) -> String {
    let request = format!(
        "POST /v1/solo/acme/accounts/a+b%2F%C3%A9/streams HTTP/1.1\r\nContent-Length: 0\r\nConnection: close\r\n{headers}\r\n"
    );
    let answer = String::from_utf8(raw(house.control, request.as_bytes(), |_| false).await).unwrap();
    let line = answer.lines().find_map(|line| line.strip_prefix("location: ")).unwrap_or_else(|| panic!("{answer}"));
    let (address, id) = line.rsplit_once('/').unwrap();
    assert_eq!(id.len(), 36);
    address.to_owned()
}

const PATH: &str = "/v1/solo/acme/accounts/a+b%2F%C3%A9/streams";

#[tokio::test]
async fn an_address_begins_with_what_the_caller_has_called() {
    let house = House::new().await;
    assert_eq!(location(&house, "Host: gate.example:8443\r\n").await, format!("http://gate.example:8443{PATH}"));
    let spoofed = "Host: gate.example\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.example\r\n";
    assert_eq!(location(&house, spoofed).await, format!("http://gate.example{PATH}"), "nobody is trusted");
    let bad = "Host: gate.example\"><script>\r\n";
    let own = format!("http://{}{PATH}", house.control);
    let request = format!("POST {PATH} HTTP/1.1\r\nContent-Length: 0\r\nConnection: close\r\n{bad}\r\n");
    let answer = raw(house.control, request.as_bytes(), |_| false).await;
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400") || answer.contains(&own), "{answer}");
}

#[tokio::test]
async fn what_stands_in_front_may_say_how_it_was_called_if_it_is_trusted() {
    let house = House::with("trusted_proxies: { networks: [127.0.0.0/8], header: x-forwarded-for }\n").await;
    let headers = "Host: 10.0.0.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: gate.example, inner.example\r\n";
    assert_eq!(location(&house, headers).await, format!("https://gate.example{PATH}"));
    assert_eq!(location(&house, "Host: gate.example\r\n").await, format!("http://gate.example{PATH}"));
    let odd = "Host: gate.example\r\nX-Forwarded-Proto: javascript\r\nX-Forwarded-Host: a b\r\n";
    assert_eq!(location(&house, odd).await, format!("http://gate.example{PATH}"));
}

#[tokio::test]
async fn whom_an_operator_has_blocked_is_refused_here_too() {
    let house = House::with("blocks: { file: blocks.yaml }\n").await;
    let stream = house.start("demo", "alice", &[]).await;
    let block = "- account: { idp: acme, subject: alice }\n  until: forever\n  reason: Not today.\n";
    replace_file(&house.folder.path().join("blocks.yaml"), block);
    super::support::until("the file has been read", async || house.event(&stream, "alive").await == 403).await;
    let refused = house.post("/v1/demo/acme/accounts/alice/streams", &[]).await;
    assert_eq!((refused.status, refused.header("content-type")), (403, "application/problem+json"));
    has_the_headers(&refused, "a refusal");
    assert_eq!(house.event(&stream, "stop").await, 202, "stopping is always welcome");
    assert_eq!(house.post("/v1/demo/acme/accounts/bob/streams", &[]).await.status, 201);
}
