//! JSON Web Tokens.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use serde_json::Value;
use streamgate::identity::jwt::{Algorithm, Jwt, Key};
use streamgate::identity::{Format, Issuer, Issuers, KeyError, Keys, RequestFacts, TokenError};
use streamgate::model::Millis;

use super::corpus::{text, vectors};

/// The corpus checks `exp` and `nbf` without leeway.
const NO_LEEWAY: Duration = Duration::ZERO;

/// The verifier that the vector describes: each algorithm with each key that can serve it.
fn verifier(vector: &Value) -> Result<Jwt, KeyError> {
    let algorithm: Algorithm = vector["algs"][0].as_str().unwrap().parse().unwrap();
    let keys = vector["keys"].as_array().unwrap().iter().map(|jwk| {
        if text(jwk, "kty") == "oct" {
            let secret = URL_SAFE_NO_PAD.decode(text(jwk, "k")).unwrap();
            Key::hmac(algorithm, jwk["kid"].as_str(), &secret)
        } else {
            Key::public_jwk(algorithm, None, jwk.to_string().as_bytes())
        }
    });
    let keys: Vec<Key> = keys.collect::<Result<_, _>>()?;
    let require = |name: &str| vector["require"][name].as_str().map(Box::from);
    let issuer = Issuer {
        name: require("iss"),
        audience: require("aud").into_iter().collect(),
        keys: Arc::new(Keys::new(keys)),
    };
    Ok(Jwt::with_issuers(Issuers::new(vec![issuer]), NO_LEEWAY))
}

/// What the verifier says: of vectors at the `jws` level about the signature only.
fn answer(vector: &Value, jwt: &Jwt) -> Result<(), TokenError> {
    let token = text(vector, "token").as_bytes();
    if text(vector, "level") == "jws" {
        return jwt.payload(token).map(|payload| {
            if let Some(expected) = vector["payload"].as_str() {
                assert_eq!(String::from_utf8_lossy(&payload), expected, "{}", text(vector, "id"));
            }
        });
    }
    let headers = HeaderMap::new();
    let request = RequestFacts::new("/", None, &headers);
    let now = Millis(vector["now"].as_u64().unwrap() * 1000);
    match jwt.accept(token, &request, now) {
        Ok(claims) => {
            if let Some(expected) = vector["claims"].as_object() {
                assert_eq!(claims.members(), expected, "{}", text(vector, "id"));
            }
            Ok(())
        }
        // The vectors follow RFC 7519, which leaves `exp` optional. Here it is required: the signature must do.
        Err(TokenError::NoExpiry) if text(vector, "verdict") == "valid" => jwt.payload(token).map(|_| ()),
        Err(error) => Err(error),
    }
}

#[test]
fn the_verifier_agrees_with_every_published_vector() {
    let Some(vectors) = vectors("jwt") else { return };
    let mut skipped: BTreeMap<String, u32> = BTreeMap::new();
    let mut ran: BTreeMap<&str, u32> = BTreeMap::new();
    let mut disagree = Vec::new();
    for vector in &vectors {
        let verdict = text(vector, "verdict");
        let answer = match verifier(vector) {
            Ok(jwt) => answer(vector, &jwt).map_err(|error| error.to_string()),
            // A key that we would not load verifies nothing.
            Err(error) if verdict == "valid" => {
                *skipped.entry(format!("a key that is not loaded: {error}")).or_default() += 1;
                continue;
            }
            Err(error) => Err(error.to_string()),
        };
        *ran.entry(verdict).or_default() += 1;
        let agrees = match verdict {
            "valid" => answer.is_ok(),
            "invalid" => answer.is_err(),
            _ => true,
        };
        if !agrees {
            disagree.push(format!("{} ({}): {verdict}, we say {answer:?}", text(vector, "id"), text(vector, "desc")));
        }
    }
    for (why, count) in &skipped {
        eprintln!("skipped {count}: {why}");
    }
    let total: u32 = ran.values().sum();
    eprintln!("ran {total} of {} JWT vectors: {ran:?}", vectors.len());
    assert!(disagree.is_empty(), "{}", disagree.join("\n"));
    assert!(total > 230, "the corpus has become small: {total} vectors ran");
}
