//! Key sets at URLs whose servers rotate, fail and lie.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use serde_json::{Value, json};
use streamgate::identity::jwt::{Algorithm, Jwt, Key};
use streamgate::identity::{Format, Issuers, KeyPlace, KeySource, Keys, RequestFacts, TokenError};

use super::signers::{Signer, hmac_signed};
use super::support::{House, Manner, START, Server, settings, soon};

const PAYLOAD: &str = r#"{"sub":"alice","exp":1900000000}"#;

/// A set of one key.
pub(super) fn set(signer: &Signer, kid: &str) -> String {
    sets(&[with_kid(signer, kid)])
}

fn sets(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

fn with_kid(signer: &Signer, kid: &str) -> Value {
    let mut jwk: Value = serde_json::from_str(&signer.jwk(jsonwebtoken::Algorithm::ES256)).unwrap();
    jwk.as_object_mut().unwrap().insert("kid".to_owned(), kid.into());
    jwk
}

pub(super) fn token(signer: &Signer, kid: &str) -> String {
    signer.sign(jsonwebtoken::Algorithm::ES256, &format!(r#"{{"alg":"ES256","kid":"{kid}"}}"#), PAYLOAD)
}

/// An issuer whose keys are at this URL.
pub(super) fn source(url: &str, refresh: Duration) -> KeySource {
    let url = KeyPlace::SetUrl { url: url.into(), rsa: Algorithm::RS256, refresh, timeout: Duration::from_millis(300) };
    KeySource { name: "application tv".into(), keys: Arc::new(Keys::new([])), places: vec![url] }
}

pub(super) fn verify(source: &KeySource, token: &str) -> Result<(), TokenError> {
    let format = Jwt::with_issuers(Issuers::anybody(source.keys.clone()), Duration::ZERO);
    let headers = HeaderMap::new();
    format.verify(token.as_bytes(), &RequestFacts::new("/", None, &headers), START).map(drop)
}

pub(super) const NEVER: Duration = Duration::from_hours(24);
pub(super) const OFTEN: Duration = Duration::from_millis(10);

#[tokio::test]
async fn a_key_that_was_rotated_in_is_fetched_when_a_token_names_it_and_the_old_one_is_gone() {
    let (old, new) = (Signer::p256(), Signer::p256());
    let server = Server::start(Manner::ok(set(&old, "a"))).await;
    let source = source(&server.url("/jwks"), NEVER);
    let mut house = House::with_keys(vec![source.clone()]);
    house.until("changed").await;
    assert_eq!(verify(&source, &token(&old, "a")), Ok(()));
    server.now(Manner::ok(set(&new, "b")));
    assert_eq!(verify(&source, &token(&new, "b")), Err(TokenError::UnknownKey));
    house.clock.advance(Duration::from_secs(10));
    assert!(soon(house.key_sources.refresh("application tv")).await);
    assert_eq!(verify(&source, &token(&new, "b")), Ok(()));
    assert_eq!(verify(&source, &token(&old, "a")), Err(TokenError::UnknownKey));
}

#[tokio::test]
async fn keys_are_fetched_again_by_themselves_and_the_same_set_disturbs_nobody() {
    let (old, new) = (Signer::p256(), Signer::p256());
    let server = Server::start(Manner::ok(set(&old, "a"))).await;
    let source = source(&server.url("/jwks"), OFTEN);
    let mut house = House::with_keys(vec![source.clone()]);
    assert_eq!(house.told().await, "changed");
    let version = source.keys.version();
    for _ in 0..3 {
        assert_eq!(house.told().await, "unchanged");
    }
    assert_eq!(source.keys.version(), version, "results of before stay");
    server.now(Manner::ok(set(&new, "b")));
    house.until("changed").await;
    assert_eq!(verify(&source, &token(&new, "b")), Ok(()));
}

#[tokio::test]
async fn whatever_fails_the_old_keys_serve_on_until_something_better_comes() {
    let (old, new) = (Signer::p256(), Signer::p256());
    let server = Server::start(Manner::ok(set(&old, "a"))).await;
    let elsewhere = Server::start(Manner::ok(set(&new, "b"))).await;
    let source = source(&server.url("/jwks"), OFTEN);
    let mut house = House::with_keys(vec![source.clone()]);
    house.until("changed").await;
    let version = source.keys.version();
    let flood = Arc::new(AtomicU64::new(0));
    for manner in [
        Manner::status(500),
        Manner::status(404),
        Manner::status(204),
        Manner::Answer(302, vec![("location", elsewhere.url("/jwks"))], String::new()),
        Manner::Hang,
        Manner::Reset,
        Manner::Truncate(set(&new, "b")),
        Manner::Flood(flood.clone()),
        Manner::ok(" ".repeat(10 << 20)),
    ] {
        server.now(manner);
        house.until("failed").await;
        house.until("failed").await;
        assert_eq!(verify(&source, &token(&old, "a")), Ok(()));
    }
    assert_eq!(source.keys.version(), version);
    assert_eq!(elsewhere.count(), 0, "redirects are not followed");
    let attempts = u64::try_from(server.count()).unwrap();
    let taken = flood.load(SeqCst);
    assert!(taken > 0 && taken < attempts * (8 << 20), "what is too long is not read to its end: {taken}");
    server.now(Manner::ok(set(&new, "b")));
    house.until("changed").await;
    assert_eq!(verify(&source, &token(&new, "b")), Ok(()));
}

#[tokio::test]
async fn a_server_that_lies_gives_no_keys_and_takes_none_away() {
    let (good, bad) = (Signer::p256(), Signer::p256());
    let secret = URL_SAFE_NO_PAD.encode([7; 32]);
    let with = |member: &str, value: &str| {
        let mut key = with_kid(&bad, "a");
        key.as_object_mut().unwrap().insert(member.to_owned(), value.into());
        sets(&[key])
    };
    let server = Server::start(Manner::ok(set(&good, "a"))).await;
    let source = source(&server.url("/jwks"), OFTEN);
    let mut house = House::with_keys(vec![source.clone()]);
    house.until("changed").await;
    for lie in [
        "<html>sign in first</html>".to_owned(),
        String::new(),
        sets(&[]),
        with("alg", "none"),
        with("alg", "HS256"),
        with("d", &secret),
        with("use", "enc"),
        sets(&[json!({ "kty": "oct", "alg": "HS256", "k": secret, "kid": "a" })]),
    ] {
        server.now(Manner::ok(lie.clone()));
        house.until("failed").await;
        house.until("failed").await;
        assert_eq!(verify(&source, &token(&good, "a")), Ok(()), "{lie}");
        assert_ne!(verify(&source, &token(&bad, "a")), Ok(()), "{lie}");
        let hmac = hmac_signed(&[7; 32], jsonwebtoken::Algorithm::HS256, r#"{"alg":"HS256","kid":"a"}"#, PAYLOAD);
        assert_eq!(verify(&source, &hmac), Err(TokenError::AlgorithmRefused), "{lie}");
    }
}

#[tokio::test]
async fn the_same_kid_under_another_algorithm_is_another_key_and_no_way_to_confuse_the_two() {
    let (ec, rsa) = (Signer::p256(), Signer::rsa());
    let server = Server::start(Manner::ok(set(&ec, "a"))).await;
    let source = source(&server.url("/jwks"), OFTEN);
    let mut house = House::with_keys(vec![source.clone()]);
    house.until("changed").await;
    let mut other: Value = serde_json::from_str(&rsa.jwk(jsonwebtoken::Algorithm::RS256)).unwrap();
    other.as_object_mut().unwrap().insert("kid".to_owned(), "a".into());
    server.now(Manner::ok(sets(&[other])));
    house.until("changed").await;
    assert_eq!(verify(&source, &token(&ec, "a")), Err(TokenError::AlgorithmRefused));
    let signed = |algorithm, name: &str| rsa.sign(algorithm, &format!(r#"{{"alg":"{name}","kid":"a"}}"#), PAYLOAD);
    assert_eq!(verify(&source, &signed(jsonwebtoken::Algorithm::RS256, "RS256")), Ok(()));
    assert_eq!(verify(&source, &signed(jsonwebtoken::Algorithm::PS256, "PS256")), Err(TokenError::AlgorithmRefused));
    let header = r#"{"alg":"HS256","kid":"a"}"#;
    let confused = hmac_signed(rsa.public_pem.as_bytes(), jsonwebtoken::Algorithm::HS256, header, PAYLOAD);
    assert_eq!(verify(&source, &confused), Err(TokenError::AlgorithmRefused));
}

#[tokio::test]
async fn ever_new_kids_cause_one_fetch_in_ten_seconds_for_all_who_ask_and_no_more() {
    let server = Server::start(Manner::ok(set(&Signer::p256(), "a"))).await;
    let source = source(&server.url("/jwks"), NEVER);
    let mut house = House::with_keys(vec![source.clone()]);
    house.until("changed").await;
    let key_sources = house.key_sources.clone();
    let many = async |count: usize| {
        let mut asking = tokio::task::JoinSet::new();
        for _ in 0..count {
            let key_sources = key_sources.clone();
            asking.spawn(async move { key_sources.refresh("application tv").await });
        }
        soon(asking.join_all()).await
    };
    assert!(many(50).await.into_iter().all(|changed| changed), "they changed a moment ago");
    assert_eq!(server.count(), 1, "and nobody fetches so soon");
    house.clock.advance(Duration::from_millis(9_999));
    many(50).await;
    assert_eq!(server.count(), 1);
    house.clock.advance(Duration::from_millis(1));
    server.now(Manner::Hang);
    let asking = tokio::spawn({
        let key_sources = key_sources.clone();
        async move { key_sources.refresh("application tv").await }
    });
    server.arrived(2).await;
    server.now(Manner::ok(set(&Signer::p256(), "a")));
    assert!(soon(asking).await.unwrap());
    many(50).await;
    assert_eq!(server.count(), 2, "one for all");
    house.clock.advance(Duration::from_secs(10));
    assert!(many(50).await.into_iter().all(|changed| !changed), "the same set");
    assert_eq!(server.count(), 3);
    assert!(!house.key_sources.refresh("application radio").await, "no such source");
}

#[tokio::test]
async fn a_fetch_that_an_unknown_key_causes_may_fail_without_a_trace() {
    let good = Signer::p256();
    let server = Server::start(Manner::ok(set(&good, "a"))).await;
    let source = source(&server.url("/jwks"), NEVER);
    let mut house = House::with_keys(vec![source.clone()]);
    house.until("changed").await;
    house.clock.advance(Duration::from_secs(10));
    server.now(Manner::status(500));
    assert!(!soon(house.key_sources.refresh("application tv")).await);
    house.until("failed").await;
    assert_eq!(verify(&source, &token(&good, "a")), Ok(()));
}

#[tokio::test]
async fn a_server_that_is_down_at_the_start_is_tried_until_it_is_there() {
    let signer = Signer::p256();
    let server = Server::start(Manner::Reset).await;
    let source = source(&server.url("/jwks"), NEVER);
    let mut house = House::with_keys(vec![source.clone()]);
    for _ in 0..3 {
        assert_eq!(house.told().await, "failed");
    }
    server.now(Manner::ok(set(&signer, "a")));
    house.until("changed").await;
    assert_eq!(verify(&source, &token(&signer, "a")), Ok(()));
}

#[tokio::test]
async fn keys_of_all_places_serve_together_and_a_source_keeps_to_its_own() {
    let (fixed, one, two, foreign) = (Signer::p256(), Signer::p256(), Signer::p256(), Signer::p256());
    let (first, second) = (Server::start(Manner::ok(set(&one, "1"))).await, Server::start(Manner::Reset).await);
    let third = Server::start(Manner::ok(set(&foreign, "f"))).await;
    let fixed_key = Key::public_pem(Algorithm::ES256, Some("0"), fixed.public_pem.as_bytes()).unwrap();
    let mut tv = source(&first.url("/"), OFTEN);
    tv.places.push(KeyPlace::Fixed(Arc::new(fixed_key)));
    tv.places.extend(source(&second.url("/"), OFTEN).places);
    let radio = KeySource { name: "application radio".into(), ..source(&third.url("/"), OFTEN) };
    let mut house = House::with_keys(vec![tv.clone(), radio.clone()]);
    house.until("changed").await;
    house.until("changed").await;
    second.now(Manner::ok(set(&two, "2")));
    house.until("changed").await;
    for (signer, kid) in [(&fixed, "0"), (&one, "1"), (&two, "2")] {
        assert_eq!(verify(&tv, &token(signer, kid)), Ok(()), "{kid}");
        assert_eq!(verify(&radio, &token(signer, kid)), Err(TokenError::UnknownKey), "{kid}");
    }
    assert_eq!(verify(&tv, &token(&foreign, "f")), Err(TokenError::UnknownKey));
    assert_eq!(verify(&radio, &token(&foreign, "f")), Ok(()));
}

#[tokio::test]
async fn a_certificate_counts_when_its_authority_is_configured_and_only_then() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], made.signing_key.serialize_der().try_into().unwrap())
        .unwrap();
    let signer = Signer::p256();
    let server = Server::start_with(Manner::ok(set(&signer, "a")), Some(Arc::new(config).into())).await;
    let folder = tempfile::tempdir().unwrap();
    let authority = folder.path().join("ca.pem");
    std::fs::write(&authority, made.cert.pem()).unwrap();
    let url = format!("https://localhost:{}/jwks", server.port);
    let (trusting, wary) = (source(&url, NEVER), source(&url, NEVER));
    let mut house = House::run(|settings| {
        settings.key_sources = vec![trusting.clone()];
        settings.ca_file = Some(authority);
    });
    house.until("changed").await;
    assert_eq!(verify(&trusting, &token(&signer, "a")), Ok(()));
    let mut house = House::with_keys(vec![wary.clone()]);
    assert_eq!(house.told().await, "failed");
    assert_eq!(wary.keys.version(), 0);
}

#[tokio::test]
async fn everything_ends_at_shutdown_even_what_hangs() {
    let server = Server::start(Manner::Hang).await;
    let source = source(&server.url("/jwks"), NEVER);
    let keys = source.keys.clone();
    let mut house = House::with_keys(vec![source]);
    server.arrived(1).await;
    house.shut_down().await;
    assert_eq!(Arc::strong_count(&house.key_sources), 1, "nobody holds it any longer");
    drop(house);
    assert_eq!(Arc::strong_count(&keys), 1, "nor what it kept fresh");
}

#[test]
fn what_is_no_url_and_what_is_no_certificate_is_said_before_anything_begins() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ca.pem"), "no certificate").unwrap();
    for (url, ca, expected) in [
        ("example.com/jwks", None, "application tv: invalid URL"),
        ("ftp://example.com/jwks", None, "the scheme is `ftp`): write `https://HOST/PATH`"),
        ("https://example.com/", Some("ca.pem"), "ca.pem: no certificate in it; it must be a PEM file"),
        ("https://example.com/", Some("none.pem"), "none.pem: "),
    ] {
        let (mut settings, _, _) = settings();
        settings.key_sources = vec![source(url, NEVER)];
        settings.ca_file = ca.map(|name| folder.path().join(name));
        let error = streamgate::key_sources::KeySources::new(settings).err().unwrap().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
