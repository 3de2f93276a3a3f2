//! What nobody should send.

use super::gateway::raw;
use super::support::{Answer, House};

async fn status(house: &House, request: &str) -> u16 {
    let answer = raw(house.control, request.as_bytes(), |_| false).await;
    let text = String::from_utf8_lossy(&answer);
    text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{request}: {text}"))
}

#[tokio::test]
async fn names_that_nobody_has_are_refused_and_dots_and_slashes_are_letters() {
    let house = House::new().await;
    let long = "x".repeat(257);
    for (account, expected) in [
        ("%00", 400),
        ("%ff", 400),
        ("a%0d%0ab", 400),
        (&*long, 400),
        ("%2e%2e", 201),
        ("..", 201),
        ("a%2Fb", 201),
        ("a+b", 201),
        ("a%7Bb%7D", 201),
        ("", 400),
    ] {
        let path = format!("/v1/solo/acme/accounts/{account}/streams");
        let request = format!("POST {path} HTTP/1.1\r\nHost: gate\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        assert_eq!(status(&house, &request).await, expected, "{account}");
    }
    assert_eq!(house.count("solo", "a%2Fb").await, 1);
    assert_eq!(house.count("solo", "a").await, 0, "a slash is a letter");
    assert_eq!(house.count("solo", "a%2Bb").await, 1, "a plus is a plus");
    assert_eq!(house.count("solo", "a%20b").await, 0);
}

#[tokio::test]
async fn malformed_metadata_start_nothing() {
    let house = House::new().await;
    let path = "/v1/demo/acme/accounts/alice/streams";
    let post = async |kind: &str, body: Vec<u8>| {
        let request = house.client.post(house.page(path)).header("content-type", kind).body(body);
        Answer::of(request.send().await.unwrap()).await
    };
    let form = "application/x-www-form-urlencoded";
    let keys = |n: usize| (0..n).flat_map(|n| format!("k{n}=v&").into_bytes()).collect::<Vec<u8>>();
    for (kind, body, what) in [
        (form, keys(65), "65 keys"),
        (form, keys(100_000), "100,000 keys"),
        (form, format!("a={}", "x".repeat(513)).into_bytes(), "a long value"),
        (form, format!("{}=a", "x".repeat(65)).into_bytes(), "a long name"),
        (form, b"a=%ff".to_vec(), "no UTF-8"),
        (form, vec![b'x'; 10 << 20], "10 MB"),
        ("application/json", b"{\"a\":{}}".to_vec(), "an object in an object"),
        ("application/json", b"[".to_vec(), "no JSON"),
        ("text/xml", b"<a/>".to_vec(), "XML"),
    ] {
        let answer = post(kind, body).await;
        assert_eq!(answer.status, 400, "{what}");
        assert_eq!(answer.header("content-type"), "application/problem+json", "{what}");
        let problem: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{what}");
    }
    assert_eq!(house.count("demo", "alice").await, 0);
    assert_eq!(post(form, keys(64)).await.status, 201);
    assert_eq!(house.count("demo", "alice").await, 1, "and it still works");
}

#[tokio::test]
async fn lists_without_an_end_and_dimensions_that_are_none_are_refused() {
    let house = House::new().await;
    let base = "/v1/demo/acme/accounts/alice";
    let names = (0..65).map(|n| format!("n{n}")).collect::<Vec<_>>().join(",");
    let long = "x".repeat(513);
    for query in [
        format!("streams?fields={names}"),
        format!("streams?fields={long}"),
        "streams?fields=%ff".to_owned(),
        format!("activity?metrics=activeStreams&dimensions={names}"),
        "activity?metrics=activeStreams&dimensions=streamCount".to_owned(),
    ] {
        assert_eq!(house.ask(&format!("{base}/{query}")).await.status, 400, "{query}");
    }
    let last = house.ask(&format!("{base}/activity?metrics=none&metrics=activeStreams")).await;
    assert_eq!(last.status, 200, "of a parameter that comes twice the last counts");
}

#[tokio::test]
async fn an_account_under_no_policy_has_an_end_too() {
    let house = House::patient().await;
    let mut denied = None;
    for n in 0..1100 {
        let answer = house.post("/v1/solo/acme/accounts/alice/streams", &[]).await;
        if answer.status != 201 {
            denied = Some((n, answer));
            break;
        }
    }
    let (after, answer) = denied.expect("nobody has that many");
    assert_eq!((after, answer.status), (1000, 429));
    assert_eq!(answer.header("retry-after"), "5");
    assert_eq!(house.post("/v1/solo/acme/accounts/bob/streams", &[]).await.status, 201, "others are not concerned");
}
