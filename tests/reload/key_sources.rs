//! Keys, blocks and services that come, stay and go with a configuration.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use serde_json::{Value, json};

use super::program::{Origin, SECRET, answer, now, sign, token, until};
use super::signers::Signer;
use super::support::{Config, Program, key_set, keys};

const OTHER: &[u8] = b"the secret of another issuer, thirty-two bytes at the least";

/// A server of key sets, which answers as long as it is told to.
async fn issuer(signer: &Signer) -> (Origin, Arc<AtomicBool>) {
    let mut jwk: Value = serde_json::from_str(&signer.jwk(jsonwebtoken::Algorithm::ES256)).unwrap();
    jwk.as_object_mut().unwrap().insert("kid".to_owned(), "k1".into());
    let set = json!({ "keys": [jwk] }).to_string();
    let answers = Arc::new(AtomicBool::new(true));
    let told = answers.clone();
    let server = Origin::new(move |_| {
        let status = if told.load(SeqCst) { 200 } else { 500 };
        let set = set.clone();
        async move { answer(status, "application/json", set) }
    });
    (server.await, answers)
}

fn signed(signer: &Signer, kid: &str) -> String {
    let claims = json!({ "sub": "alice", "device": "tv", "exp": now() + 60 }).to_string();
    signer.sign(jsonwebtoken::Algorithm::ES256, &json!({ "alg": "ES256", "kid": kid }).to_string(), &claims)
}

async fn status(program: &Program, token: &str) -> u16 {
    program.get(&format!("/news/master.m3u8?token={token}")).await.status
}

#[tokio::test]
async fn a_key_set_that_is_new_is_there_before_its_first_token() {
    let origin = Origin::usual().await;
    let signer = Signer::p256();
    let (issuer, _) = issuer(&signer).await;
    let config = Config::before(&origin);
    let program = config.start().await;
    program.reload(&Config { token: key_set(&issuer), ..config }, 2).await;
    assert_eq!(issuer.seen().len(), 1, "it was fetched before the configuration was in force");
    assert_eq!(status(&program, &signed(&signer, "k1")).await, 200);
    assert_eq!(issuer.seen().len(), 1);
}

#[tokio::test]
async fn a_key_set_that_stays_serves_on_though_its_server_is_away() {
    let origin = Origin::usual().await;
    let signer = Signer::p256();
    let (issuer, answers) = issuer(&signer).await;
    let config = Config { token: key_set(&issuer), ..Config::before(&origin) };
    let program = config.start().await;
    until("the keys are here", async || status(&program, &signed(&signer, "k1")).await == 200).await;
    let fetched = issuer.seen().len();
    answers.store(false, SeqCst);
    for revision in 2..7 {
        program.reload(&Config { limit: 10 + revision, ..config.clone() }, revision.into()).await;
        assert_eq!(status(&program, &signed(&signer, "k1")).await, 200);
    }
    assert_eq!(issuer.seen().len(), fetched, "nobody had to ask");
}

#[tokio::test]
async fn nobody_asks_a_server_whose_key_set_has_gone() {
    let origin = Origin::usual().await;
    let signer = Signer::p256();
    let ((old, old_answers), (new, new_answers)) = (issuer(&signer).await, issuer(&signer).await);
    // Who does not answer is asked again after one second, two, four.
    old_answers.store(false, SeqCst);
    new_answers.store(false, SeqCst);
    let config = Config { token: key_set(&old), ..Config::before(&origin) };
    let program = config.start().await;
    until("the old one is asked", async || old.seen().len() >= 2).await;
    program.reload(&Config { token: key_set(&new), ..config }, 2).await;
    let asked = old.seen().len();
    until("the new one is asked again and again", async || new.seen().len() >= 4).await;
    assert_eq!(old.seen().len(), asked);
}

#[tokio::test]
async fn a_token_of_a_key_that_has_gone_is_refused_though_it_was_known() {
    let origin = Origin::usual().await;
    let config = Config { token: keys(&["tv.hs256", "other.hs256"]), ..Config::before(&origin) };
    let program = config.start_with(&[("other.hs256", OTHER)]).await;
    let other = sign("HS256", &json!({ "sub": "bob", "device": "tv", "exp": now() + 60 }), OTHER);
    for _ in 0..3 {
        assert_eq!(status(&program, &other).await, 200);
    }
    program.reload(&Config { token: keys(&["tv.hs256"]), ..config.clone() }, 2).await;
    assert_eq!(status(&program, &other).await, 403);
    assert_eq!(status(&program, &token("alice", "tv")).await, 200);
    program.reload(&Config { token: keys(&["other.hs256"]), ..config }, 3).await;
    assert_eq!(status(&program, &other).await, 200, "nor is it known as a bad one");
    assert_eq!(status(&program, &sign("HS256", &json!({ "sub": "alice", "exp": now() + 60 }), SECRET)).await, 403);
}

#[tokio::test]
async fn what_a_service_said_goes_on_and_another_service_is_asked_anew() {
    let yes = |user: &'static str| {
        Origin::new(move |_| async move {
            let mut response = answer(200, "text/plain", "");
            response.headers_mut().insert("x-userid", user.parse().unwrap());
            response
        })
    };
    let (origin, one, two) = (Origin::usual().await, yes("alice").await, yes("bob").await);
    let by = |service: &Origin| Config {
        token: format!("callback: {{ url: \"http://{}/auth\", timeout: 5s }}", service.address),
        subject: "userid",
        ..Config::before(&origin)
    };
    let program = by(&one).start().await;
    assert_eq!(status(&program, "opaque").await, 200);
    assert_eq!(one.seen().len(), 1);
    program.reload(&Config { limit: 3, ..by(&one) }, 2).await;
    assert_eq!(status(&program, "opaque").await, 200);
    assert_eq!(one.seen().len(), 1, "its word of before goes on");
    program.reload(&by(&two), 3).await;
    assert_eq!(status(&program, "opaque").await, 200);
    assert_eq!((one.seen().len(), two.seen().len()), (1, 1));
}

#[tokio::test]
async fn blocks_come_and_go() {
    let origin = Origin::usual().await;
    let config = Config::before(&origin);
    let blocked = "- { account: { idp: acme, subject: alice }, until: \"2099-01-01T00:00:00Z\", reason: enough }\n";
    let program = config.start_with(&[("blocked.yaml", blocked.as_bytes())]).await;
    let prefix = program.enter("/news/master.m3u8", "tv").await.prefix();
    let extra = "blocks: { file: blocked.yaml }\n".into();
    program.reload(&Config { extra, ..config.clone() }, 2).await;
    assert_eq!(program.get(&format!("{prefix}/news/a.ts")).await.problem_type(), "blocked");
    program.reload(&config, 3).await;
    assert_eq!(program.get(&format!("{prefix}/news/a.ts")).await.status, 200);
}
