//! What proxies are told besides yes and no.

use serde_json::json;

use super::program::{SECRET, now, sign, token, until};
use super::support::{Question, get, setup};

#[tokio::test]
async fn a_token_is_found_in_header_cookie_query_and_path_and_belongs_to_the_viewers_own_url() {
    let mut setup = setup().await;
    setup.identity = setup.identity.replace("\"cookie:token\"", "\"cookie:token\", \"segment:token\"");
    let gateway = setup.start().await;
    let token = token("alice", "tv-1");
    for question in [
        Question::about("/live/master.m3u8").with("Authorization", format!("Bearer {token}")),
        Question::about("/live/master.m3u8").with("Cookie", format!("a=b; token={token}")),
        Question::about(&format!("/live/master.m3u8?token={token}")),
        Question::about(&format!("/token={token}/live/master.m3u8")),
        Question::new("GET", &format!("/authz/token={token}/live/master.m3u8")),
    ] {
        let answer = question.to(&gateway).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    gateway.counts("streamgate_stream_events_total", "event=\"admitted\"", 1).await;
    until("the lines are written", async || gateway.log().matches("/live/master.m3u8\"").count() >= 5).await;
    assert!(!gateway.log().contains(&token));
}

#[tokio::test]
async fn a_signed_url_is_checked_as_the_viewer_wrote_it_and_its_renewed_token_is_handed_back() {
    let mut setup = setup().await;
    setup.identity = "      token:\n        in: [\"query:URISigningPackage\", \"cookie:URISigningPackage\"]\n        \
                      uri_signing: { renew: true, issuers: [{ issuer: signer, keys: [{ alg: HS256, secret: { file: tv.hs256 } \
                      }] }] }\n      idp: acme\n      subject: claim:sub\n"
        .to_owned();
    let gateway = setup.start().await;
    let claims = json!({
        "iss": "signer", "sub": "alice", "exp": now() + 100, "cdniuc": "regex:https://tv\\.example/live/.*",
        "cdniets": 400, "cdnistt": 1, "cdnistd": 1
    });
    let uri = format!("/live/master.m3u8?URISigningPackage={}", sign("HS256", &claims, SECRET));
    let ask = |host: &str, scheme: &str| {
        Question::about(&uri).with("X-Original-Host", host).with("X-Forwarded-Proto", scheme)
    };
    let answer = ask("tv.example", "https").to(&gateway).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.header("set-cookie").starts_with("URISigningPackage=eyJ"), "{}", answer.header("set-cookie"));
    for (host, scheme) in [("tv.example", "http"), ("other.example", "https")] {
        assert_eq!(ask(host, scheme).status(&gateway).await, 403, "{scheme}://{host}");
    }
    let url = Question::new("GET", "/authz").with("X-Original-URL", format!("https://tv.example{uri}"));
    assert_eq!(url.status(&gateway).await, 200);
}

#[tokio::test]
async fn a_policy_that_annotates_says_so_in_the_fields_of_a_yes() {
    let mut setup = setup().await;
    setup.mode = "annotate";
    let gateway = setup.start().await;
    for device in ["tv-1", "tv-2"] {
        assert_eq!(get(&gateway, device, "/live/master.m3u8").await, 200);
    }
    let answer = Question::about("/live/master.m3u8").from("tv-3").to(&gateway).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("streamgate-state"), "over-limit");
    assert_eq!(answer.header("streamgate-rule"), "household/two-streams");
    assert_eq!((answer.header("streamgate-streams"), answer.header("streamgate-limit")), ("3", "2"));
    assert_eq!(
        answer.header("cmsd-dynamic"),
        "\"streamgate\";com.streamgate-streams=3;com.streamgate-limit=2;com.streamgate-state=over"
    );
    gateway.counts("streamgate_authz_total", "outcome=\"annotated\"", 1).await;
}

#[tokio::test]
async fn the_operators_own_words_reach_a_proxy_that_drops_the_body() {
    let mut setup = setup().await;
    setup.policy = "{ name: none, limit: 0, when_exceeded: deny_newest, message: { de: \"Höchstens {limit}!\", en: \"At most {limit}!\" } }";
    let gateway = setup.start().await;
    let ask = async |language: &str| {
        Question::about("/live/master.m3u8").with("Accept-Language", language).from("tv-1").to(&gateway).await
    };
    let english = ask("en").await;
    assert_eq!((english.status, english.header("streamgate-detail")), (403, "At most 0!"));
    let german = ask("de").await;
    assert_eq!(german.header("streamgate-detail"), "H_chstens 0!");
    assert_eq!(german.problem()["detail"], "Höchstens 0!");
    let problem = english.problem();
    assert_eq!(english.header("streamgate-refusal"), problem["refusal"].as_str().unwrap());
}

#[tokio::test]
async fn a_page_can_read_the_refusal_that_a_proxy_passes_on() {
    let gateway = setup().await.start().await;
    let answer = Question::about("/live/1.ts").with("Origin", "https://player.example").to(&gateway).await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.header("access-control-allow-origin"), "https://player.example");
    // An answer that is too large for a proxy looks as if nobody were there.
    let long = format!("https://{}.example", "x".repeat(10_000));
    let answer = Question::about("/live/1.ts").with("Origin", long).to(&gateway).await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (401, ""));
}
