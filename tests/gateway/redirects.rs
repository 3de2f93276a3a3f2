//! A redirect is not a play: whatever a request took is given back, and what it leads to is the start.

use serde_json::json;

use super::support::{Answer, Gateway, Origin, SECRET, Setup, answer, now, sign, token, usual};

const ONE: &str = "{ name: one, limit: 1, when_exceeded: deny_newest }";
const LATEST: &str = "{ name: one, limit: 1, when_exceeded: terminate_oldest }";

/// Answers `/moved/STATUS/...?to=URL` with a redirect, and all else as usual.
async fn redirecting() -> Origin {
    Origin::new(|request| async move {
        let uri = request.uri();
        let status = uri.path().strip_prefix("/moved/").and_then(|rest| rest.split('/').next()?.parse().ok());
        let to = uri.query().and_then(|query| query.strip_prefix("to="));
        let (Some(status), Some(to)) = (status, to) else { return usual(uri.path()) };
        let mut response = answer(status, "text/plain", "");
        response.headers_mut().insert("location", to.parse().unwrap());
        response
    })
    .await
}

async fn before(origin: &Origin, policy: &'static str) -> Gateway {
    Setup { policy, streams: "{ min_tenure: 0s }", ..Setup::before(&[origin]) }.start().await
}

/// A token that names no device.
fn nameless(account: &str) -> String {
    sign("HS256", &json!({ "sub": account, "exp": now() + 600 }), SECRET)
}

async fn streams(gateway: &Gateway) -> i64 {
    gateway.metric("streamgate_streams", "").await
}

#[tokio::test]
async fn a_redirect_takes_no_slot_and_its_target_is_the_start_whatever_its_name_and_status() {
    let origin = redirecting().await;
    let gateway = before(&origin, ONE).await;
    let mut viewers = 0;
    for status in [300, 301, 302, 303, 307, 308] {
        for (asked, target) in [
            ("x/ch.ts", "/live11/ch.m3u8"),
            ("x/film.mp4", "/film/manifest.mpd"),
            ("x/alias.m3u8", "/live/master.m3u8"),
            ("x/alias.mpd", "/film/manifest.mpd"),
            ("x/alias", "/live/master.m3u8"),
            ("x/a.m3u8", "../../../live/low.m3u8"),
        ] {
            viewers += 1;
            let account = format!("viewer-{viewers}");
            let path = format!("/moved/{status}/{asked}?to={target}&token={}", nameless(&account));
            let moved = gateway.get(&path).await;
            assert_eq!(moved.status, status, "{path}");
            assert_eq!(streams(&gateway).await, viewers - 1, "{path}: nothing plays yet");
            let base = reqwest::Url::parse(&gateway.url(&path)).unwrap();
            let next = base.join(moved.header("location")).unwrap();
            let entry = Answer::of(gateway.client.get(next.clone()).send().await.unwrap()).await;
            assert_eq!(entry.status, 200, "{next}: {}", entry.text());
            assert_eq!(streams(&gateway).await, viewers, "{next}");
            assert_eq!(gateway.get(&format!("{}/live11/a.ts", entry.prefix())).await.status, 200, "{next}");
            assert_eq!(streams(&gateway).await, viewers, "{next}: the start and its media are one stream");
        }
    }
}

#[tokio::test]
async fn redirects_one_after_the_other_and_asked_for_twice_are_one_start() {
    let origin = redirecting().await;
    let gateway = before(&origin, ONE).await;
    let second = "/moved/302/b.m3u8?to=/live/low.m3u8";
    let path = format!("/moved/302/a.m3u8?to={second}&token={}", token("alice", "tv"));
    let mut prefixes = Vec::new();
    for _ in 0..2 {
        let once = gateway.get(&path).await;
        let twice = gateway.get(once.header("location")).await;
        assert_eq!((twice.status, streams(&gateway).await), (302, i64::from(!prefixes.is_empty())));
        let entry = gateway.get(twice.header("location")).await;
        assert_eq!(entry.status, 200, "{}", entry.text());
        prefixes.push(entry.prefix());
    }
    assert_eq!(prefixes[0], prefixes[1], "one device, one asset, one stream");
    assert_eq!(gateway.get(&format!("{}/live/a.ts", prefixes[1])).await.status, 200);
    assert_eq!(streams(&gateway).await, 1);
}

#[tokio::test]
async fn a_start_that_is_redirected_leaves_what_its_device_plays_and_what_another_plays_as_it_was() {
    let origin = redirecting().await;
    for (policy, device) in [(ONE, "tv"), (LATEST, "tv"), (LATEST, "phone")] {
        let gateway = before(&origin, policy).await;
        let playing = gateway.enter("/news/master.m3u8", "tv").await.prefix();
        assert_eq!(gateway.get(&format!("{playing}/news/a.ts")).await.status, 200);
        let moved = gateway.get(&format!("/moved/302/b.m3u8?to=/live/low.m3u8&token={}", token("alice", device))).await;
        assert_eq!(moved.status, 302, "{policy} {device}");
        assert_eq!(gateway.get(&format!("{playing}/news/b.ts")).await.status, 200, "{policy} {device}");
        assert_eq!(streams(&gateway).await, 1, "{policy} {device}");
        assert_eq!(gateway.enter("/film/master.m3u8", "tablet").await.status, if policy == ONE { 403 } else { 200 });
    }
}

#[tokio::test]
async fn the_target_of_a_redirect_takes_the_place_of_what_its_device_plays() {
    let origin = redirecting().await;
    let gateway = before(&origin, ONE).await;
    let playing = gateway.enter("/news/master.m3u8", "tv").await.prefix();
    assert_eq!(gateway.get(&format!("{playing}/news/a.ts")).await.status, 200);
    let moved = gateway.get(&format!("/moved/302/b.m3u8?to=/live/low.m3u8&token={}", token("alice", "tv"))).await;
    let entry = gateway.get(moved.header("location")).await;
    assert_eq!(entry.status, 200, "a zap is never refused: {}", entry.text());
    assert_eq!(gateway.get(&format!("{}/live/a.ts", entry.prefix())).await.status, 200);
    assert_eq!(streams(&gateway).await, 1);
}

#[tokio::test]
async fn media_that_another_host_serves_plays_and_a_manifest_there_does_not() {
    let origin = redirecting().await;
    let gateway = before(&origin, ONE).await;
    let to_cdn = |name: &str| format!("/moved/302/a.ts?to=https://cdn.example/{name}");
    let prefix = gateway.enter("/news/master.m3u8", "tv").await.prefix();
    for name in ["a.ts", "b.m3u8"] {
        let moved = gateway.get(&format!("{prefix}{}", to_cdn(name))).await;
        assert_eq!(moved.header("location"), format!("https://cdn.example/{name}"), "no play session for others");
    }
    assert_eq!(gateway.enter("/film/master.m3u8", "phone").await.status, 403, "the stream plays");
    // The same of viewers who have a token alone.
    for (account, name, plays) in [("bob", "a.ts", true), ("carol", "a.m3u8", false)] {
        let before = streams(&gateway).await;
        let cookie = format!("token={}", nameless(account));
        let asked = gateway.client.get(gateway.url(&to_cdn(name))).header("cookie", cookie);
        assert_eq!(asked.send().await.unwrap().status(), 302);
        assert_eq!(streams(&gateway).await - before, i64::from(plays), "{account}");
    }
}

#[tokio::test]
async fn media_that_comes_to_nothing_takes_no_slot() {
    let origin = Origin::new(|request| async move {
        if request.uri().path() == "/gone.ts" { answer(404, "text/plain", "") } else { usual(request.uri().path()) }
    })
    .await;
    let gateway = before(&origin, ONE).await;
    assert_eq!(gateway.enter("/gone.ts", "tv").await.status, 404);
    assert_eq!(streams(&gateway).await, 0);
    assert_eq!(gateway.enter("/news/a.ts", "phone").await.status, 200);
    assert_eq!(gateway.enter("/gone.ts", "phone").await.status, 404);
    assert_eq!(streams(&gateway).await, 1, "what plays goes on");
}

#[tokio::test]
async fn a_manifest_that_the_viewer_has_already_is_a_start_and_an_answer_to_another_question_is_not() {
    let origin = Origin::new(|_| async { answer(304, "text/plain", "") }).await;
    let gateway = before(&origin, ONE).await;
    let url = |device: &str| gateway.url(&format!("/news/master.m3u8?token={}", token("alice", device)));
    assert_eq!(gateway.client.get(url("tv")).send().await.unwrap().status(), 304);
    assert_eq!(streams(&gateway).await, 0);
    let has_it = gateway.client.get(url("tv")).header("if-none-match", "\"origin\"");
    assert_eq!(has_it.send().await.unwrap().status(), 304);
    assert_eq!(streams(&gateway).await, 1);
}

#[tokio::test]
async fn a_token_in_the_path_goes_along_to_where_a_redirect_leads() {
    let origin = redirecting().await;
    let identity = "      token:\n        in: [\"segment:t\", \"param:t\"]\n        jwt: { keys: [{ alg: HS256, secret: { file: tv.hs256 } }] }\n      \
                    idp: acme\n      subject: claim:sub\n";
    let gateway = Setup { identity: identity.into(), policy: ONE, ..Setup::before(&[&origin]) }.start().await;
    let token = nameless("alice");
    for (path, location) in [
        (format!("/t={token}/moved/302/ch.ts?to=/live/ch.m3u8"), format!("/t={token}/live/ch.m3u8")),
        (format!("/moved/302/ch.ts;t={token}?to=/live/ch.m3u8?v=1"), format!("/live/ch.m3u8;t={token}?v=1")),
    ] {
        let moved = gateway.get(&path).await;
        assert_eq!(moved.header("location"), location);
        assert_eq!(streams(&gateway).await, 0);
    }
    assert_eq!(gateway.get(&format!("/t={token}/live/ch.m3u8")).await.status, 200);
}
