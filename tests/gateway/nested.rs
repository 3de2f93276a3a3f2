//! Play sessions in places where none can be. Each is a credential: it reaches neither an origin nor a log.

use std::sync::Arc;

use super::support::{Answer, Gateway, Origin, Setup, token, until};
use super::tls::certificate;

async fn start(gateway: &Gateway, account: &str) -> String {
    gateway.get(&format!("/news/low.m3u8?token={}", token(account, "tv"))).await.prefix()
}

/// Every place and spelling, as paths.
fn paths(outer: &str, inner: &str) -> Vec<String> {
    let sealed = inner.trim_start_matches("/~s/");
    vec![
        format!("{outer}{inner}/news/low.m3u8"),
        format!("{outer}{inner}/news/a.ts"),
        format!("{outer}{inner}/page.html"),
        format!("{outer}{inner}"),
        format!("{outer}/news{inner}/a.ts"),
        format!("{outer}/%7es/{sealed}/news/a.ts"),
        format!("{outer}/%7E%73/{sealed}/news/a.ts"),
        format!("{outer}/{inner}/news/a.ts"),
        format!("{outer}/~s//{sealed}/news/a.ts"),
        format!("{outer}/~s;v=1/{sealed}/news/a.ts"),
        format!("{outer}/%2F~s%2F{sealed}%2Fnews/a.ts"),
        format!("{outer}/news%2f~s%2f{sealed}"),
        format!("{outer}/news\\~s\\{sealed}"),
        format!("{outer}/%257Es/{sealed}/a.ts"),
        format!("{inner}{inner}/news/a.ts"),
        format!("/~s{inner}/news/a.ts"),
        format!("/~s/{inner}/news/a.ts"),
        format!("/~s/forged{inner}/page.html"),
        format!("/vod{inner}/news/low.m3u8"),
        format!("/vod{inner}"),
        format!("/vod/%7es/{sealed}/page.html"),
        format!("/{inner}/news/a.ts"),
        format!("/.{inner}/news/a.ts"),
        format!("/vod%2F~s%2F{sealed}/page.html"),
        format!("/~s;v=1/{sealed}/page.html"),
        format!("/%257es/{sealed}/page.html"),
    ]
}

#[tokio::test]
async fn a_play_session_within_a_path_is_refused_and_goes_nowhere() {
    let origin = Origin::usual().await;
    let gateway = Setup::before(&[&origin]).start().await;
    let (outer, inner) = (start(&gateway, "alice").await, start(&gateway, "bob").await);
    let count = origin.seen().len();
    let paths = paths(&outer, &inner);
    for path in &paths {
        let request = format!("GET {path} HTTP/1.1\r\nhost: tv.example\r\nconnection: close\r\n\r\n");
        let answer = super::support::raw(gateway.address, request.as_bytes(), |_| false).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 400 "), "{path}: {answer}");
        assert!(answer.contains("nested-play-session"), "{path}: {answer}");
    }
    assert_eq!(origin.seen().len(), count, "{:?}", origin.seen());
    gateway.counts("streamgate_requests_total", "outcome=\"malformed\"", paths.len().try_into().unwrap()).await;
    let lines = || gateway.log().matches("nested-play-session").count();
    until("all of them are logged", async || lines() == paths.len()).await;
    for prefix in [outer, inner] {
        assert!(!gateway.log().contains(prefix.trim_start_matches("/~s/")), "{}", gateway.log());
    }
}

#[tokio::test]
async fn the_same_holds_in_http_2() {
    let origin = Origin::usual().await;
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let (pem, key) = certificate("tv.example");
    std::fs::write(folder.path().join("tls.crt"), pem).unwrap();
    std::fs::write(folder.path().join("tls.key"), key).unwrap();
    let gateway = Setup { tls: true, ..Setup::before(&[&origin]) }.start_in(folder).await;
    let (outer, inner) = (start(&gateway, "alice").await, start(&gateway, "bob").await);
    let count = origin.seen().len();
    for path in [format!("{outer}{inner}/news/a.ts"), format!("/vod{inner}/page.html"), format!("{outer}{inner}")] {
        let refused = gateway.get(&path).await;
        assert_eq!((refused.version, refused.status), (reqwest::Version::HTTP_2, 400), "{path}");
        assert_eq!(refused.problem_type(), "nested-play-session");
    }
    assert_eq!(origin.seen().len(), count);
}

#[tokio::test]
async fn a_prefix_alone_leads_to_the_root_and_not_to_a_part_of_itself() {
    let origin = Origin::usual().await;
    let gateway = Setup::before(&[&origin]).start().await;
    let prefix = start(&gateway, "alice").await;
    let sealed = prefix.trim_start_matches("/~s/");
    for path in [prefix.clone(), format!("{prefix}/"), format!("{prefix}?v=1"), format!("/%7Es/{sealed}")] {
        assert_eq!(gateway.get(&path).await.status, 404, "the origin's own answer: {path}");
        let target = origin.last().target;
        assert_eq!(target.strip_suffix("?v=1").unwrap_or(&target), "/", "{path}");
    }
    until("all of them are logged", async || gateway.log().matches("\"path\":\"/\"").count() == 4).await;
    assert!(!gateway.log().contains(sealed));
}

#[tokio::test]
async fn names_that_only_look_like_a_prefix_are_the_origins() {
    let origin = Origin::usual().await;
    let gateway = Setup::before(&[&origin]).start().await;
    let prefix = start(&gateway, "alice").await;
    for path in ["/~s", "/vod/~s", "/~sam/page.html", "/vod/~S/page.html", "/a~s/page.html", "/~/s/page.html"] {
        for path in [path.to_owned(), format!("{prefix}{path}")] {
            assert_eq!(gateway.get(&path).await.status, 404, "the origin's own answer: {path}");
            assert_eq!(origin.last().target, path.strip_prefix(&prefix).unwrap_or(&path));
        }
    }
}

#[tokio::test]
async fn a_referer_that_holds_a_play_session_anywhere_stays_here() {
    let origin = Origin::usual().await;
    let gateway = Setup::before(&[&origin]).start().await;
    let prefix = start(&gateway, "alice").await;
    for path in paths(&prefix, &prefix) {
        let request =
            gateway.client.get(gateway.url("/page.html")).header("referer", format!("https://tv.example{path}"));
        assert_eq!(Answer::of(request.send().await.unwrap()).await.status, 404);
        assert!(!origin.last().headers.contains_key("referer"), "{path}: {:?}", origin.last());
    }
}
