//! Streams that a claim of the token names, wherever the token is.

use serde_json::json;

use super::support::{Answer, Gateway, Origin, SECRET, Setup, now, sign};

const IDENTITY: &str = "      token:\n        in: [\"query:token\", \"header:authorization\", \"cookie:token\", \"segment:t\", \"param:t\"]\n        jwt:\n          \
                        keys:\n            - { alg: HS256, secret: { file: tv.hs256 } }\n      idp: acme\n      subject: claim:sub\n";

async fn gateway(origin: &Origin, stream: &str) -> Gateway {
    let identity = format!("{IDENTITY}      stream: {stream}\n");
    let policy = "{ name: one, limit: 1, when_exceeded: deny_newest }";
    Setup { policy, identity, ..Setup::before(&[origin]) }.start().await
}

fn token(account: &str, sid: &str) -> String {
    // No two are the same: a token that is renewed in the middle of a play names the stream as the first did.
    let claims =
        json!({ "sub": account, "sid": sid, "exp": now() + 600, "jti": format!("{:?}", std::time::Instant::now()) });
    sign("HS256", &claims, SECRET)
}

#[tokio::test]
async fn a_name_is_carried_on_wherever_its_token_does_not_reach_by_itself() {
    let origin = Origin::usual().await;
    let gateway = gateway(&origin, "claim:sid").await;
    let places: [(&str, bool, fn(&str, &str) -> (String, String)); 5] = [
        ("query", true, |path, token| (format!("{path}?token={token}"), String::new())),
        ("segment", true, |path, token| (format!("/t={token}{path}"), String::new())),
        ("param", true, |path, token| (format!("{path};t={token}"), String::new())),
        ("cookie", false, |path, token| (path.into(), format!("token={token}"))),
        ("header", false, |path, token| (path.into(), format!("Bearer {token}"))),
    ];
    for (place, carried, with) in places {
        for entry in ["/news/master.m3u8", "/news/low.m3u8", "/film/manifest.mpd"] {
            let what = format!("{place} {entry}");
            let account = format!("{place}-{}", entry.len());
            let ask = async |path: &str| {
                let (path, value) = with(path, &token(&account, "play-1"));
                let name = if place == "header" { "authorization" } else { "cookie" };
                let request = gateway.client.get(gateway.url(&path));
                let request = if value.is_empty() { request } else { request.header(name, value) };
                Answer::of(request.send().await.unwrap()).await
            };
            let before = gateway.metric("streamgate_streams", "").await;
            let answer = ask(entry).await;
            assert_eq!(answer.status, 200, "{what}: {}", answer.text());
            assert_eq!(answer.text().contains("/~s/"), carried, "{what}: {}", answer.text());
            for path in ["/news/low.m3u8", "/news/a.ts", "/rooted/b.ts"] {
                let next =
                    if carried { gateway.get(&format!("{}{path}", answer.prefix())).await } else { ask(path).await };
                assert_eq!(next.status, 200, "{what} {path}: {}", next.text());
            }
            // Another token of the same play, and of another.
            assert_eq!(ask(entry).await.status, 200, "{what}: the token has been renewed");
            let other = gateway.client.get(gateway.url("/sport/master.m3u8"));
            let other = other.header("cookie", format!("token={}", token(&account, "play-2"))).send().await.unwrap();
            assert_eq!(other.status(), 403, "{what}: the one stream plays");
            assert_eq!(gateway.metric("streamgate_streams", "").await, before + 1, "{what}");
        }
    }
}

#[tokio::test]
async fn a_name_is_not_carried_where_players_cannot_carry_a_play_session() {
    let origin = Origin::usual().await;
    let gateway = gateway(&origin, "[\"claim:sid\", fingerprint]").await;
    let entry = gateway.get(&format!("/news/low.m3u8?token={}", token("alice", "play-1"))).await;
    assert!(!entry.text().contains("/~s/"), "{}", entry.text());
    assert_eq!(gateway.get(&format!("/news/a.ts?token={}", token("alice", "play-1"))).await.status, 200);
    assert_eq!(gateway.metric("streamgate_streams", "").await, 1);
}
