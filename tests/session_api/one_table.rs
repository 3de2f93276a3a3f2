//! Streams that applications declare and streams that pass the gateway are counted together.

use std::slice::from_ref;

use serde_json::{Value, json};

use super::program::{Answer, Origin, SECRET, now, replace_file, sign, until};
use super::support::{Api, Fixture, LASTING, accepted, assert_status, send, text, violation};

/// The account of `alice`, as tokens and paths name it.
const ACCOUNT: &str = "acme/alice";

async fn before(origin: &Origin) -> Api {
    Fixture { timers: LASTING, origin: origin.address, ..Fixture::default() }.start().await
}

/// A token that says more than whose device it is.
fn saying(more: &Value) -> String {
    let mut claims = json!({ "sub": "alice", "device": "tv-1", "exp": now() + 3600 });
    claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    sign("HS256", &claims, SECRET)
}

async fn get(api: &Api, path: &str, token: &str) -> Answer {
    Answer::of(api.gateway.client.get(api.gateway.url(path)).bearer_auth(token).send().await.unwrap()).await
}

/// Starts a play through the gateway; returns the prefix of its play session.
async fn play(api: &Api, device: &str) -> String {
    let entry = api.gateway.enter("/live/master.m3u8", device).await;
    assert_eq!(entry.status, 200, "{}", entry.text());
    let prefix = entry.prefix();
    assert_eq!(api.gateway.get(&format!("{prefix}/live/low.m3u8")).await.status, 200);
    assert_eq!(api.gateway.get(&format!("{prefix}/live/a.ts")).await.status, 200);
    prefix
}

#[tokio::test]
async fn c124_sessions_of_both_versions_and_a_proxied_play_fill_an_account_together() {
    let origin = Origin::usual().await;
    let api = before(&origin).await;
    let v1 = api.call("POST", "/v1/demo/acme/accounts/alice/streams").send().await.unwrap();
    assert_eq!(v1.status(), 201);
    api.started("demo", ACCOUNT, &[]).await;
    play(&api, "tv-1").await;
    assert_eq!(api.ids("demo", ACCOUNT).await.len(), 3);
    violation(&api.start("demo", ACCOUNT, &[]).await);
    assert_eq!(api.gateway.enter("/live/master.m3u8", "tv-2").await.status, 403);
}

#[tokio::test]
async fn c124_sessions_and_a_proxied_play_fill_an_account_together() {
    let origin = Origin::usual().await;
    let api = before(&origin).await;
    api.started("demo", ACCOUNT, &[]).await;
    api.started("guest", ACCOUNT, &[]).await;
    play(&api, "tv-1").await;
    let advice = violation(&api.start("demo", ACCOUNT, &[]).await);
    assert_eq!(advice["conflicts"].as_object().unwrap().len(), 3);
}

#[tokio::test]
async fn c125_a_proxied_play_is_listed_and_its_code_kills_it_for_good() {
    let origin = Origin::usual().await;
    let api = before(&origin).await;
    let prefix = play(&api, "tv-1").await;
    let running = api.running("demo", ACCOUNT).await;
    assert_eq!((running.len(), &running[0]["applicationId"]), (1, &json!("tv")));
    assert_eq!(running[0]["metadata"], json!({ "deviceId": "tv-1", "contentType": "live" }));
    let call = api.starting("demo", ACCOUNT, &[("deviceName", "Tablet")]);
    let new = accepted(&send(call.header("x-terminate", text(&running[0]["terminationCode"]))).await);
    assert_eq!(api.ids("demo", ACCOUNT).await, [new]);
    for path in ["a.ts", "low.m3u8", "b.ts", "master.m3u8"] {
        assert_eq!(api.gateway.get(&format!("{prefix}/live/{path}")).await.status, 403, "{path}");
    }
}

#[tokio::test]
async fn c126_a_full_account_of_sessions_refuses_a_proxied_play() {
    let origin = Origin::usual().await;
    let api = before(&origin).await;
    let mut sessions = Vec::new();
    for _ in 0..3 {
        sessions.push(api.started("demo", ACCOUNT, &[]).await);
    }
    let refused = api.gateway.enter("/live/master.m3u8", "tv-1").await;
    assert_eq!((refused.status, refused.problem()["violations"][0]["policy"].clone()), (403, json!("cap3")));
    assert_status(&api.stop("demo", ACCOUNT, &sessions[0]).await, 202);
    play(&api, "tv-1").await;
}

#[tokio::test]
async fn c127_a_session_and_a_proxied_play_under_its_id_are_one_stream() {
    let origin = Origin::usual().await;
    let api = before(&origin).await;
    let session = api.started("tv", ACCOUNT, &[("channel", "arena-1")]).await;
    let named = saying(&json!({ "sid": session }));
    for path in ["/live/master.m3u8", "/live/low.m3u8", "/live/a.ts"] {
        assert_eq!(get(&api, path, &named).await.status, 200, "{path}");
    }
    assert_eq!(api.ids("demo", ACCOUNT).await, from_ref(&session));
    assert_status(&api.beat("tv", ACCOUNT, &session).await, 202);
    // What stops it for the application stops it for the player.
    assert_status(&api.stop("tv", ACCOUNT, &session).await, 202);
    assert_eq!(get(&api, "/live/a.ts", &named).await.status, 403);
}

#[tokio::test]
async fn c127_a_session_and_a_proxied_play_of_one_device_and_channel_are_one_stream_whichever_comes_first() {
    let origin = Origin::usual().await;
    let api = before(&origin).await;
    let same = [("deviceId", "tv-1"), ("channel", "arena-1")];
    let on_channel = saying(&json!({ "channel": "arena-1" }));

    let session = api.started("tv", ACCOUNT, &same).await;
    let entry = get(&api, "/live/master.m3u8", &on_channel).await;
    assert_eq!(api.gateway.get(&format!("{}/live/a.ts", entry.prefix())).await.status, 200);
    assert_eq!(api.ids("demo", ACCOUNT).await, from_ref(&session));
    assert_status(&api.stop("tv", ACCOUNT, &session).await, 202);

    let another = saying(&json!({ "channel": "arena-2", "device": "tv-2" }));
    let entry = get(&api, "/live/master.m3u8", &another).await;
    assert_eq!(entry.status, 200);
    let listed = api.ids("demo", ACCOUNT).await;
    let joined = api.started("tv", ACCOUNT, &[("deviceId", "tv-2"), ("channel", "arena-2")]).await;
    assert_eq!((listed.as_slice(), api.ids("demo", ACCOUNT).await.len()), ([joined.clone()].as_slice(), 1));
    assert_status(&api.beat("tv", ACCOUNT, &joined).await, 202);

    let elsewhere = api.started("tv", ACCOUNT, &[("deviceId", "tv-2"), ("channel", "arena-3")]).await;
    assert_ne!(elsewhere, joined);
    assert_eq!(api.ids("demo", ACCOUNT).await.len(), 2);
}

#[tokio::test]
async fn a_declared_session_is_played_with_a_token_in_the_query_that_names_it() {
    let origin = Origin::usual().await;
    let api = before(&origin).await;
    for entry in ["/live/master.m3u8", "/live/low.m3u8", "/film/manifest.mpd"] {
        let session = api.started("tv", ACCOUNT, &[]).await;
        let token = saying(&json!({ "sid": session }));
        let answer = api.gateway.get(&format!("{entry}?token={token}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let prefix = answer.prefix();
        for path in ["/live/low.m3u8", "/live/a.ts", "/rooted/b.ts"] {
            assert_eq!(api.gateway.get(&format!("{prefix}{path}")).await.status, 200, "{entry} {path}");
        }
        assert_eq!(api.ids("demo", ACCOUNT).await, from_ref(&session), "{entry}");
        assert_status(&api.stop("tv", ACCOUNT, &session).await, 202);
        assert_eq!(api.gateway.get(&format!("{prefix}/live/a.ts")).await.status, 403, "{entry}");
    }
}

#[tokio::test]
async fn a_play_that_is_counted_elsewhere_does_not_know_ids_of_other_accounts() {
    let origin = Origin::usual().await;
    let api = before(&origin).await;
    let session = api.started("tv", "acme/bob", &[]).await;
    let stolen = saying(&json!({ "sid": session }));
    assert_eq!(get(&api, "/live/master.m3u8", &stolen).await.status, 200);
    assert_eq!(api.ids("demo", "acme/bob").await, [session]);
    assert_eq!(api.ids("demo", ACCOUNT).await.len(), 1, "it is a stream of its own account");
}

#[tokio::test]
async fn whom_the_operator_has_blocked_starts_nothing_and_plays_nothing_on() {
    let api = Fixture { timers: LASTING, ..Fixture::default() }.start().await;
    let session = api.started("demo", ACCOUNT, &[]).await;
    let of_device = api.started("demo", "acme/bob", &[("deviceId", "tv-1")]).await;
    let list = "- { account: { idp: acme, subject: alice }, until: forever, reason: Please call us }\n\
                - { device: { idp: acme, subject: bob, device: tv-1 }, until: forever, reason: Lost }\n";
    replace_file(&api.gateway.folder.path().join("blocks.yaml"), list);
    until("the blocks are read", async || api.gateway.log().contains("\"entries\":2")).await;
    assert_status(&api.start("demo", ACCOUNT, &[]).await, 403);
    assert_status(&api.beat("demo", ACCOUNT, &session).await, 403);
    assert_status(&api.beat("demo", "acme/bob", &of_device).await, 403);
    assert_status(&api.start("demo", "acme/bob", &[("deviceId", "tv-1")]).await, 403);
    api.started("demo", "acme/bob", &[("deviceId", "tv-2")]).await;
}
