//! Tokens of Akamai's own library: every verdict, the claims, and the reason of each refusal.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use serde_json::Value;
use streamgate::identity::edge_auth::{EdgeAuth, Key, Mac, Settings};
use streamgate::identity::{Claims, Format, RequestFacts, Rotating, TokenError};
use streamgate::model::Millis;

use super::corpus::{text, vectors};

fn verifier(vector: &Value) -> EdgeAuth {
    EdgeAuth::new(Settings {
        keys: Arc::new(Rotating::new([Key::from_hex(text(vector, "key_hex")).unwrap()])),
        algorithm: match text(vector, "algorithm") {
            "sha256" => Mac::Sha256,
            "sha1" => Mac::Sha1,
            "md5" => Mac::Md5,
            other => panic!("{other}"),
        },
        salt: vector["salt"].as_str().map(|salt| salt.as_bytes().into()),
        bind_url: true,
        check_ip: true,
        leeway: Duration::ZERO,
    })
}

fn answer(vector: &Value) -> Result<Claims, TokenError> {
    let headers = HeaderMap::new();
    // The corpus has decoded paths; a client sends them encoded.
    let path = text(&vector["request"], "path").replace(' ', "%20").replace('é', "%C3%A9");
    let client = text(&vector["request"], "ip").parse().ok();
    let request = RequestFacts { client, ..RequestFacts::new(&path, None, &headers) };
    verifier(vector).accept(text(vector, "token").as_bytes(), &request, Millis(vector["now"].as_u64().unwrap() * 1000))
}

fn reason(error: TokenError) -> &'static str {
    match error {
        TokenError::AlgorithmRefused => "alg",
        TokenError::BadSignature => "signature",
        TokenError::Expired => "expired",
        TokenError::NotYet => "not_yet_valid",
        TokenError::WrongUrl => "path",
        TokenError::WrongClient => "ip",
        _ => "malformed",
    }
}

#[test]
fn every_edge_auth_token_gets_its_verdict() {
    let Some(vectors) = vectors("edgeauth") else { return };
    for vector in &vectors {
        let id = text(vector, "id");
        match (answer(vector), text(vector, "verdict")) {
            (Ok(claims), "valid") => {
                for (name, expected) in vector["claims"].as_object().unwrap() {
                    let plain = format!("{name}_unescaped");
                    let escaped = vector["escape_early"] == true && matches!(name.as_str(), "id" | "data");
                    let value = claims.text(if escaped { &plain } else { name });
                    assert_eq!(value.as_deref(), expected.as_str(), "{id}: {name}");
                }
            }
            (Err(error), "invalid") => assert_eq!(reason(error), text(vector, "reason"), "{id}"),
            (answer, verdict) => panic!("{id}: {verdict}, we say {:?}", answer.err()),
        }
    }
    eprintln!("ran {} EdgeAuth vectors", vectors.len());
    assert!(vectors.len() >= 47, "the corpus has become small: {} vectors", vectors.len());
}
