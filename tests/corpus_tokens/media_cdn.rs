//! Published tokens and signed requests of Google Media CDN: every verdict, the claims, and the reason of each refusal.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, Uri};
use serde_json::Value;
use streamgate::identity::media_cdn::{Key, MediaCdn, Settings};
use streamgate::identity::{Claims, Format, InPath, RequestFacts, Rotating, Source, TokenError};
use streamgate::model::Millis;

use super::corpus::{text, vectors};

fn verifier(vector: &Value) -> MediaCdn {
    let keys = vector["keys"].as_array().unwrap().iter().map(|jwk| match text(vector, "algorithm") {
        "ed25519" => Key::ed25519(None, jwk.to_string().as_bytes()).unwrap(),
        "sha1" => Key::hmac_sha1(jwk["kid"].as_str(), text(jwk, "k").as_bytes()).unwrap(),
        "sha256" => Key::hmac_sha256(jwk["kid"].as_str(), text(jwk, "k").as_bytes()).unwrap(),
        other => panic!("{other}"),
    });
    MediaCdn::new(Settings {
        keys: Arc::new(Rotating::new(keys)),
        signed_urls: true,
        check_ip: true,
        leeway: Duration::ZERO,
    })
}

/// The token, where the vector has it, and the request without it.
fn answer(vector: &Value) -> Result<Claims, TokenError> {
    let format = verifier(vector);
    let url: Uri = text(&vector["request"], "url").parse().unwrap();
    let mut headers = HeaderMap::new();
    for (name, value) in vector["request"]["headers"].as_object().into_iter().flatten() {
        headers.insert(name.parse::<HeaderName>().unwrap(), value.as_str().unwrap().parse().unwrap());
    }
    let source: Source = "segment:edge-cache-token".parse().unwrap();
    let (path, bare);
    let mut token = text(vector, "token");
    let mut in_path = None;
    match text(vector, "kind") {
        "dual-token" => path = url.path(),
        "cookie" => {
            path = url.path();
            token = token.strip_prefix("Edge-Cache-Cookie=").unwrap();
        }
        "url" | "url-prefix" => {
            path = url.path();
            token = token.split_once("Signature=").unwrap().1;
        }
        "path-component" => {
            let (before, rest) = url.path().split_once("edge-cache-token=").unwrap();
            let after;
            (token, after) = rest.split_at(format.extent(rest, '/'));
            bare = format!("{}{after}", before.trim_end_matches('/'));
            path = &bare;
            in_path = Some(InPath { source: &source, token, before, scope: None });
        }
        other => panic!("{other}"),
    }
    let request = RequestFacts {
        scheme: url.scheme_str().unwrap(),
        host: url.authority().unwrap().as_str(),
        in_path,
        client: text(&vector["request"], "ip").parse().ok(),
        // The query without its token, as for every format.
        query: url.query().filter(|query| !query.contains("Signature=")),
        ..RequestFacts::new(path, url.query(), &headers)
    };
    format.accept(token.as_bytes(), &request, Millis(vector["now"].as_u64().unwrap() * 1000))
}

fn reason(error: TokenError) -> &'static str {
    match error {
        TokenError::BadSignature => "signature",
        TokenError::Expired => "expired",
        TokenError::NotYet => "not_yet_valid",
        TokenError::WrongUrl => "path",
        TokenError::WrongClient => "ip",
        other => panic!("{other}"),
    }
}

/// The older forms are listed with names that their fields do not have.
fn claim(name: &str) -> &str {
    match name {
        "prefix" => "URLPrefix",
        "expires" => "Expires",
        "key_name" => "KeyName",
        other => other,
    }
}

#[test]
fn every_media_cdn_token_gets_its_verdict() {
    let Some(vectors) = vectors("media_cdn") else { return };
    for vector in &vectors {
        let id = text(vector, "id");
        match (answer(vector), text(vector, "verdict")) {
            (Ok(claims), "valid") => {
                for (name, expected) in vector["claims"].as_object().unwrap() {
                    // What is signed as a part of the URL is no field.
                    if name == "url" || (name == "prefix" && text(vector, "kind") == "path-component") {
                        continue;
                    }
                    let expected = expected.as_str().map_or_else(|| expected.to_string(), str::to_owned);
                    assert_eq!(claims.text(claim(name)).as_deref(), Some(&*expected), "{id}: {name}");
                }
            }
            (Err(error), "invalid") => assert_eq!(reason(error), text(vector, "reason"), "{id}"),
            (answer, verdict) => panic!("{id}: {verdict}, we say {:?}", answer.err()),
        }
    }
    eprintln!("ran {} Media CDN vectors", vectors.len());
    assert!(vectors.len() >= 27, "the corpus has become small: {} vectors", vectors.len());
}
