//! Tokens and play sessions that prove nothing: each is refused clearly, counted, and harms nobody.

use std::time::Duration;

use serde_json::json;
use streamgate::identity::{KeyRing, PlaySession, Scope};
use streamgate::model::{Account, ApplicationId, Attributes, Device, Millis, StreamId};

use super::support::{Gateway, Origin, SECRET, SESSION, Setup, now, sign, token};

async fn gateway(origin: &Origin) -> Gateway {
    Setup::before(&[origin]).start().await
}

#[tokio::test]
async fn media_without_a_token_is_refused_and_other_files_pass() {
    let origin = Origin::usual().await;
    let gateway = gateway(&origin).await;
    for path in ["/master.m3u8", "/manifest.mpd", "/a.ts", "/init.mp4", "/a.key", "/a.vtt"] {
        let refused = gateway.get(path).await;
        assert_eq!((refused.status, refused.problem_type().as_str()), (401, "no-identity"), "{path}");
    }
    assert!(origin.seen().is_empty());
    assert_eq!(gateway.get("/page.html").await.status, 404, "the origin's own answer");
    gateway.counts("streamgate_requests_total", "outcome=\"anonymous\"", 6).await;
}

#[tokio::test]
async fn a_token_is_found_in_query_header_and_cookie_and_never_reaches_the_origin() {
    let origin = Origin::usual().await;
    let gateway = gateway(&origin).await;
    let (token, url) = (token("alice", "tv"), gateway.url("/news/master.m3u8?a=1&b=%20"));
    let ways = [
        gateway.client.get(gateway.url(&format!("/news/master.m3u8?a=1&token={token}&b=%20"))),
        gateway.client.get(&url).header("authorization", format!("Bearer {token}")),
        gateway.client.get(&url).header("cookie", format!("theme=dark; token={token}; lang=en")),
    ];
    for way in ways {
        assert_eq!(way.send().await.unwrap().status(), 200);
        let seen = origin.last();
        assert_eq!(seen.target, "/news/master.m3u8?a=1&b=%20");
        assert!(!format!("{seen:?}").contains(&token), "{seen:?}");
    }
    assert_eq!(origin.last().headers["cookie"], "theme=dark; lang=en");
    assert!(!gateway.log().contains(&token), "nor the log");
}

#[tokio::test]
async fn nothing_that_could_be_a_token_or_a_play_session_leaks_to_the_origin() {
    let origin = Origin::usual().await;
    let gateway = gateway(&origin).await;
    let (token, url) = (token("alice", "tv"), gateway.url("/news/master.m3u8"));
    let bare = gateway.client.get(&url).header("authorization", &token);
    assert_eq!(bare.send().await.unwrap().status(), 200);
    assert!(!origin.last().headers.contains_key("authorization"));
    let two = gateway
        .client
        .get(&url)
        .header("authorization", "Basic eDp5")
        .header("authorization", format!("Bearer {token}"));
    assert_eq!(two.send().await.unwrap().status(), 200);
    assert_eq!(origin.last().headers["authorization"], "Basic eDp5");
    let prefix = gateway.enter("/news/master.m3u8", "tv").await.prefix();
    for referer in [format!("{url}?token={token}"), gateway.url(&format!("{prefix}/news/low.m3u8"))] {
        let segment = gateway.client.get(gateway.url(&format!("{prefix}/news/a.ts"))).header("referer", referer);
        assert_eq!(segment.send().await.unwrap().status(), 200);
        assert!(!origin.last().headers.contains_key("referer"));
    }
    let page =
        gateway.client.get(gateway.url(&format!("{prefix}/news/a.ts"))).header("referer", "https://tv.example/?a=1");
    page.send().await.unwrap();
    assert_eq!(origin.last().headers["referer"], "https://tv.example/?a=1");
    let sealed = prefix.trim_start_matches("/~s/");
    gateway
        .client
        .get(gateway.url(&format!("{prefix}/../x")))
        .header("x-big", "x".repeat(40_000))
        .send()
        .await
        .unwrap();
    super::support::until("the refusal is in the log", async || gateway.log().contains("header-too-large")).await;
    assert!(!gateway.log().contains(sealed), "nor is it in the log");
}

#[tokio::test]
async fn cookies_that_are_no_token_pass_byte_for_byte() {
    let origin = Origin::usual().await;
    let gateway = gateway(&origin).await;
    let mut value = b"name=M\xfcller; token=".to_vec();
    value.extend(token("alice", "tv").bytes());
    let cookie = reqwest::header::HeaderValue::from_bytes(&value).unwrap();
    let answer = gateway.client.get(gateway.url("/news/master.m3u8")).header("cookie", cookie).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(origin.last().headers["cookie"], String::from_utf8_lossy(b"name=M\xfcller"));
}

#[tokio::test]
async fn basic_credentials_for_the_origin_are_not_taken_for_a_token() {
    let origin = Origin::usual().await;
    let gateway = gateway(&origin).await;
    let url = gateway.url(&format!("/news/master.m3u8?token={}", token("alice", "tv")));
    gateway.client.get(url).header("authorization", "Basic b3JpZ2luOnNlY3JldA==").send().await.unwrap();
    assert_eq!(origin.last().headers["authorization"], "Basic b3JpZ2luOnNlY3JldA==");
}

#[tokio::test]
async fn tokens_that_prove_nothing_are_refused_and_counted_by_reason() {
    let origin = Origin::usual().await;
    let gateway = gateway(&origin).await;
    let claims = json!({ "sub": "alice", "device": "tv", "exp": now() + 60 });
    let good = sign("HS256", &claims, SECRET);
    let (head, signature) = good.rsplit_once('.').unwrap();
    let changed = if signature.starts_with('A') { "B" } else { "A" };
    let none = sign("none", &claims, SECRET);
    let bad = [
        ("unknown_key", none.rsplit_once('.').map(|(head, _)| format!("{head}.")).unwrap()),
        ("unknown_key", sign("HS512", &claims, SECRET)),
        ("bad_signature", sign("HS256", &claims, b"the public key of somebody, or any other secret")),
        ("bad_signature", format!("{head}.{changed}{}", &signature[1..])),
        ("malformed", head.to_owned()),
        ("malformed", "x".repeat(9000)),
        ("expired", sign("HS256", &json!({ "sub": "alice", "exp": now() - 120 }), SECRET)),
        ("not_yet", sign("HS256", &json!({ "sub": "alice", "exp": now() + 900, "nbf": now() + 600 }), SECRET)),
        ("no_account", sign("HS256", &json!({ "exp": now() + 60 }), SECRET)),
    ];
    for (reason, token) in &bad {
        let before = gateway.metric("streamgate_token_errors_total", reason).await;
        let refused = gateway.get(&format!("/news/master.m3u8?token={token}")).await;
        assert_eq!((refused.status, refused.problem_type().as_str()), (403, "token-not-accepted"), "{reason}");
        assert!(!refused.text().contains(reason), "the viewer is not told what to mend in a forgery");
        assert_eq!(gateway.metric("streamgate_token_errors_total", reason).await, before + 1, "{reason}");
    }
    assert!(origin.seen().is_empty());
    assert_eq!(gateway.metric("streamgate_streams", "").await, 0);
}

#[tokio::test]
async fn a_bad_token_is_not_rescued_by_a_good_one_behind_it() {
    let origin = Origin::usual().await;
    let gateway = gateway(&origin).await;
    let request = gateway.client.get(gateway.url("/news/master.m3u8?token=bad.bad.bad"));
    let answer = request.header("cookie", format!("token={}", token("alice", "tv"))).send().await.unwrap();
    assert_eq!(answer.status(), 403);
}

#[tokio::test]
async fn a_token_of_a_megabyte_is_refused() {
    let origin = Origin::usual().await;
    let gateway = gateway(&origin).await;
    let huge = "x".repeat(1 << 20);
    let request = format!("GET /news/master.m3u8 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {huge}\r\n\r\n");
    let answer = super::support::raw(gateway.address, request.as_bytes(), |read| read.ends_with(b"}")).await;
    let answer = String::from_utf8_lossy(&answer);
    // Above the framework's own bound it answers 400 or closes; below it we answer 431.
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    assert!(origin.seen().is_empty());
    assert_eq!(gateway.enter("/news/master.m3u8", "tv").await.status, 200, "and all goes on");
}

#[tokio::test]
async fn play_sessions_that_were_not_sealed_here_are_refused_and_counted() {
    let origin = Origin::usual().await;
    let gateway = gateway(&origin).await;
    let alice = gateway.enter("/news/master.m3u8", "tv").await.prefix();
    let other = gateway.get(&format!("/news/master.m3u8?token={}", token("bob", "tv"))).await.prefix();
    let asked = origin.seen().len();
    let middle = alice.len() / 2;
    let flipped = if &alice[middle..=middle] == "A" { "B" } else { "A" };
    let bad = [
        format!("{}{flipped}{}", &alice[..middle], &alice[middle + 1..]),
        alice[..alice.len() - 4].to_owned(),
        format!("{}{}", &alice[..middle], &other[middle..]),
        "/~s/".to_owned(),
        "/~s/AAAA".to_owned(),
        format!("/~s/{}", "A".repeat(6000)),
        "/~s/%00%ff".to_owned(),
    ];
    for prefix in &bad {
        for path in ["news/a.ts", "news/low.m3u8"] {
            let refused = gateway.get(&format!("{prefix}/{path}")).await;
            assert_eq!(
                (refused.status, refused.problem_type().as_str()),
                (403, "play-session-not-accepted"),
                "{prefix}"
            );
        }
    }
    assert_eq!(origin.seen().len(), asked);
    assert_eq!(gateway.metric("streamgate_play_session_errors_total", "").await, 2 * i64::try_from(bad.len()).unwrap());
    assert_eq!(gateway.get(&format!("{alice}/news/a.ts")).await.status, 200, "the real one goes on");
}

#[tokio::test]
async fn a_play_session_ends_with_its_age() {
    let origin = Origin::usual().await;
    let gateway = gateway(&origin).await;
    let ring = KeyRing::new(vec![(1, SESSION.to_vec())], Duration::from_hours(12)).unwrap();
    let account = Account::new("acme", "alice");
    let sealed = |age: Duration, stream: u8| {
        ring.seal(&PlaySession {
            stream: StreamId([stream; 16]),
            account: account.clone(),
            application: ApplicationId("tv".into()),
            device: Device::Named("tv".into()),
            asset: "/news/master.m3u8".into(),
            started: Millis(now() * 1000) - age,
            attributes: Attributes::default(),
            token: None,
            scope: Scope::default(),
        })
    };
    let asked = async |age, stream| gateway.get(&format!("/~s/{}/news/a.ts", sealed(age, stream))).await;
    assert_eq!(asked(Duration::from_hours(11), 1).await.status, 200);
    let refused = asked(Duration::from_mins(12 * 60 + 1), 2).await;
    assert_eq!((refused.status, refused.problem_type().as_str()), (403, "play-session-not-accepted"));
    assert_eq!(gateway.metric("streamgate_play_session_errors_total", "expired").await, 1);
    assert_eq!(asked(Duration::from_mins(12 * 60 + 1), 1).await.status, 200, "age does not end a stream that plays");
}

#[tokio::test]
async fn a_terminated_play_session_stays_out_however_often_it_is_tried() {
    let origin = Origin::usual().await;
    let policy = "{ name: one, limit: 1, when_exceeded: terminate_oldest }";
    let gateway = Setup { policy, streams: "{ min_tenure: 0s }", ..Setup::before(&[&origin]) }.start().await;
    let old = gateway.enter("/news/master.m3u8", "tv").await.prefix();
    let new = gateway.enter("/news/master.m3u8", "phone").await.prefix();
    for _ in 0..20 {
        assert_eq!(gateway.get(&format!("{old}/news/a.ts")).await.problem_type(), "stream-terminated");
        assert_eq!(gateway.get(&format!("{new}/news/a.ts")).await.status, 200);
    }
}

#[tokio::test]
async fn unidentified_viewers_pass_uncounted_where_the_application_says_so() {
    let origin = Origin::usual().await;
    let gateway = Setup { anonymous: "pass", ..Setup::before(&[&origin]) }.start().await;
    for _ in 0..5 {
        let answer = gateway.get("/news/master.m3u8").await;
        assert_eq!((answer.status, answer.text()), (200, super::support::MASTER));
    }
    assert_eq!(gateway.metric("streamgate_streams", "").await, 0);
}

#[tokio::test]
async fn segments_with_a_token_and_no_play_session_are_one_stream_per_device() {
    let origin = Origin::usual().await;
    let gateway = gateway(&origin).await;
    for segment in ["a.ts", "b.ts", "c.ts"] {
        for device in ["tv", "phone"] {
            let url = gateway.url(&format!("/news/{segment}"));
            let cookie = format!("token={}", token("alice", device));
            assert_eq!(gateway.client.get(url).header("cookie", cookie).send().await.unwrap().status(), 200);
        }
    }
    assert_eq!(gateway.metric("streamgate_streams", "").await, 2);
    let cookie = format!("token={}", token("alice", "tablet"));
    let third = gateway.client.get(gateway.url("/news/a.ts")).header("cookie", cookie).send().await.unwrap();
    assert_eq!(third.status(), 403);
}
