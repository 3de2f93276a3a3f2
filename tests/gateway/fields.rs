//! Fields of answers that speak of paths, in a play whose paths have the play session in front of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::support::{Answer, Gateway, Origin, Setup, answer, token, usual};

/// An origin that keeps its sessions by cookie: each request without one opens another. `attributes`: of the cookie.
async fn keeping_sessions(attributes: &'static str) -> (Origin, Arc<AtomicU64>) {
    let opened = Arc::new(AtomicU64::new(0));
    let count = opened.clone();
    let origin = Origin::new(move |request| {
        let count = count.clone();
        async move {
            let mut response = usual(request.uri().path());
            let cookies = request.headers().get("cookie").map_or("", |value| value.to_str().unwrap()).to_owned();
            if !cookies.contains("sid=") {
                let cookie = format!("sid={}{attributes}", count.fetch_add(1, Relaxed));
                response.headers_mut().insert("set-cookie", cookie.parse().unwrap());
            }
            response
        }
    })
    .await;
    (origin, opened)
}

/// A client that keeps cookies as browsers do.
fn with_cookies() -> reqwest::Client {
    reqwest::Client::builder().cookie_store(true).no_proxy().build().unwrap()
}

async fn get(client: &reqwest::Client, gateway: &Gateway, path: &str) -> Answer {
    Answer::of(client.get(gateway.url(path)).send().await.unwrap()).await
}

#[tokio::test]
async fn an_origin_that_keeps_sessions_by_cookie_opens_one_for_each_play() {
    for attributes in ["; Path=/live", "; path=/live/; HttpOnly", "", "; Path=/", "; Path=/live/; Max-Age=60"] {
        let (origin, opened) = keeping_sessions(attributes).await;
        let gateway = Setup::before(&[&origin]).start().await;
        let client = with_cookies();
        for plays in 1..=2 {
            let device = format!("tv-{plays}");
            let entry = get(&client, &gateway, &format!("/live/master.m3u8?token={}", token("alice", &device))).await;
            assert_eq!(entry.status, 200);
            for path in ["low.m3u8", "a.ts", "low.m3u8", "b.ts"] {
                assert_eq!(get(&client, &gateway, &format!("{}/live/{path}", entry.prefix())).await.status, 200);
            }
            let again = get(&client, &gateway, &format!("/live/master.m3u8?token={}", token("alice", &device))).await;
            assert_eq!(again.status, 200);
        }
        // The entry manifest shows the first one's cookie to the second.
        let most =
            if attributes.is_empty() || attributes.contains("Path") || attributes.contains("path") { 2 } else { 1 };
        assert!((1..=most).contains(&opened.load(Relaxed)), "{attributes:?}: {opened:?} sessions for two plays");
    }
}

#[tokio::test]
async fn references_in_fields_lead_into_the_play() {
    let origin = Origin::new(|request| async move {
        let path = request.uri().path();
        let mut response = usual(path);
        if path.ends_with(".m3u8") {
            let fields = response.headers_mut();
            fields.insert("content-location", "/live/real.m3u8".parse().unwrap());
            fields.insert("link", "</live/a.ts>; rel=preload".parse().unwrap());
            fields.insert("refresh", "9; url=/live/low.m3u8".parse().unwrap());
        }
        response
    })
    .await;
    let gateway = Setup::before(&[&origin]).start().await;
    let entry = gateway.enter("/live/master.m3u8", "tv").await;
    let prefix = entry.prefix();
    let low = gateway.get(&format!("{prefix}/live/low.m3u8")).await;
    for answer in [&entry, &low] {
        assert_eq!(answer.header("content-location"), format!("{prefix}/live/real.m3u8"));
        assert_eq!(answer.header("link"), format!("<{prefix}/live/a.ts>; rel=preload"));
        assert_eq!(answer.header("refresh"), format!("9; url={prefix}/live/low.m3u8"));
    }
    assert_eq!(entry.header("cache-control"), "private, no-store");
    // Without a play session, nothing is changed.
    let cookie = format!("token={}", token("bob", "tv"));
    let bare = gateway.client.get(gateway.url("/live/a.ts")).header("cookie", cookie).send().await.unwrap();
    assert_eq!(bare.status(), 200);
}

#[tokio::test]
async fn a_redirect_in_raw_bytes_leads_into_the_play() {
    for (raw, written) in
        [("/live/é/low.m3u8".as_bytes(), "/live/%C3%A9/low.m3u8"), (b"/live/\xE9/low.m3u8", "/live/%E9/low.m3u8")]
    {
        let origin = Origin::new(move |request| async move {
            if request.uri().path() != "/live/moved.m3u8" {
                return usual(request.uri().path());
            }
            let mut response = answer(302, "text/plain", "");
            response.headers_mut().insert("location", http::HeaderValue::from_bytes(raw).unwrap());
            response
        })
        .await;
        let gateway = Setup::before(&[&origin]).start().await;
        let prefix = gateway.enter("/live/master.m3u8", "tv").await.prefix();
        let moved = gateway.get(&format!("{prefix}/live/moved.m3u8")).await;
        assert_eq!((moved.status, moved.header("location")), (302, format!("{prefix}{written}").as_str()));
        assert_eq!(gateway.get(moved.header("location")).await.status, 200);
        // The same at the start: the token is put back.
        let start = gateway.enter("/live/moved.m3u8", "phone").await;
        assert!(
            start.header("location").starts_with(written) || start.header("location").contains("/~s/"),
            "{}",
            start.header("location")
        );
        assert_eq!(gateway.get(start.header("location")).await.status, 200);
    }
}
