//! Common Access Tokens: node-cat, rust-cat, relay-server, the COSE working group's examples.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ciborium::Value as Cbor;
use http::header::HeaderMap;
use serde_json::{Map, Value, json};
use streamgate::identity::cat::{Cat, Replay, Settings, sign_hs};
use streamgate::identity::jwt::{Algorithm, Key};
use streamgate::identity::{Format, Issuer, Issuers, Keys, RequestFacts, TokenError};
use streamgate::model::Millis;

use super::corpus::{text, vectors};

const SECRET: &[u8] = b"a secret of thirty-two bytes, ok";
/// Before every `exp` of ours, after every `nbf` of the corpus.
const TRIAL: u64 = 1_900_000_000;

/// The truncated HMAC 256/64 is not accepted; each of these vectors wants it, or says that it must not be.
const TRUNCATED: [&str; 3] = ["cat/node-hs256-64-text-payload", "cat/node-hs256-64-not-allowed", "cat/cose-cwt-a_7"];

/// A secret as long as its hash at least. HMAC (RFC 2104 §2) fills a key with zeros, so that it stays the same key.
fn secret(jwk: &Value) -> Vec<u8> {
    let mut secret = URL_SAFE_NO_PAD.decode(text(jwk, "k")).unwrap();
    secret.resize(secret.len().max(64), 0);
    secret
}

fn bytes(value: &Value) -> Vec<u8> {
    let pair = |at: usize| u8::from_str_radix(&text(value, "$bytes")[at..at + 2], 16).unwrap();
    (0..text(value, "$bytes").len()).step_by(2).map(pair).collect()
}

/// The reader that the vector describes: each algorithm with each key that can serve it.
fn reader(vector: &Value) -> Cat {
    let algorithms = vector["algs"].as_array().unwrap().iter();
    // Where none is accepted here, a verifier with keys says so.
    let algorithms = algorithms.map(|name| name.as_str().unwrap().parse().unwrap_or(Algorithm::HS256));
    let keys = vector["keys"].as_array().unwrap();
    let fitting = algorithms.flat_map(|algorithm| {
        keys.iter().filter_map(move |jwk| match text(jwk, "kty") {
            "oct" => Key::hmac(algorithm, jwk["kid"].as_str(), &secret(jwk)).ok(),
            _ => Key::public_jwk(algorithm, None, jwk.to_string().as_bytes()).ok(),
        })
    });
    let keys = Keys::new(fitting);
    read_with(keys, vector)
}

fn read_with(keys: Keys, vector: &Value) -> Cat {
    let names = |value: &Value| match value {
        Value::Array(names) => names.iter().map(|name| name.as_str().unwrap().into()).collect(),
        Value::String(name) => vec![name.as_str().into()],
        _ => Vec::new(),
    };
    let required = &vector["require"];
    let issuer = Issuer {
        name: required["iss"].as_str().map(Into::into),
        audience: names(&required["aud"]),
        keys: Arc::new(keys),
    };
    Cat::new(Settings {
        issuers: Issuers::new(vec![issuer]),
        leeway: Duration::ZERO,
        ignore: Vec::new(),
        country_header: None,
        renew: false,
        replay: Replay::PerPlay,
    })
}

/// What the reader says for a request of that URL, and the claims.
fn accept(cat: &Cat, token: &str, url: &str, now: u64) -> Result<Map<String, Value>, TokenError> {
    let headers = HeaderMap::new();
    let (scheme, rest) = url.split_once("://").unwrap_or(("https", "cdn.example/"));
    let (place, query) = rest.split_once('?').map_or((rest, None), |(place, query)| (place, Some(query)));
    let (host, path) = place.split_at(place.find('/').unwrap_or(place.len()));
    let path = if path.is_empty() { "/" } else { path };
    let request = RequestFacts { scheme, host, ..RequestFacts::new(path, query, &headers) };
    cat.accept(token.as_bytes(), &request, Millis(now * 1000)).map(|claims| claims.members().clone())
}

/// The errors that go with the corpus's word.
fn errors_of(reason: &str) -> &'static [TokenError] {
    match reason {
        "issuer" => &[TokenError::WrongIssuer],
        "audience" => &[TokenError::WrongAudience],
        "expired" => &[TokenError::Expired],
        "not_yet_valid" => &[TokenError::NotYet],
        // With a kid that is not configured nobody can tell a wrong MAC from a wrong key.
        "signature" => &[TokenError::BadSignature, TokenError::UnknownKey],
        "alg" => &[TokenError::AlgorithmRefused],
        "path" => &[TokenError::WrongUrl],
        "malformed" => &[TokenError::Malformed],
        _ => &[],
    }
}

/// The claims of the corpus, whose labels are numbers, as they are told here.
fn told(claims: &Value) -> Map<String, Value> {
    const NAMES: [(&str, &str); 10] = [
        ("1", "iss"),
        ("2", "sub"),
        ("3", "aud"),
        ("4", "exp"),
        ("5", "nbf"),
        ("6", "iat"),
        ("7", "cti"),
        ("9", "scope"),
        ("312", "catu"),
        ("323", "catr"),
    ];
    let name = |label: &String| NAMES.iter().find(|(number, _)| number == label).unwrap().1.to_owned();
    let plain = |value: &Value| value.get("$bytes").unwrap_or(value).clone();
    claims.as_object().unwrap().iter().map(|(label, value)| (name(label), plain(value))).collect()
}

/// The claims with an expiry, signed anew: what the reader would say of the token if it had one.
fn with_expiry(vector: &Value, payload: &[u8]) -> Result<Map<String, Value>, TokenError> {
    let claims = match ciborium::from_reader(payload).unwrap() {
        Cbor::Tag(259, map) => *map, // of an old encoder
        claims => claims,
    };
    let label = |label: &Cbor| i64::try_from(label.as_integer().unwrap()).unwrap();
    let mut claims: Vec<_> =
        claims.into_map().unwrap().into_iter().map(|(name, value)| (label(&name), value)).collect();
    claims.push((4, (TRIAL + 60).into()));
    let token = sign_hs(Algorithm::HS256, None, SECRET, &claims).unwrap();
    let keys = Keys::new([Key::hmac(Algorithm::HS256, None, SECRET).unwrap()]);
    let mut members = accept(&read_with(keys, vector), &token, text(&vector["request"], "url"), TRIAL)?;
    members.remove("exp");
    Ok(members)
}

/// What the reader says of a token: of one at the level of COSE about the signature only.
fn answer(vector: &Value) -> Result<(), TokenError> {
    let (cat, token, id) = (reader(vector), text(vector, "token"), text(vector, "id"));
    if text(vector, "level") == "cose" {
        let payload = cat.payload(token.as_bytes())?;
        assert_eq!(payload, bytes(&vector["payload"]), "{id}");
        return Ok(());
    }
    let members = match accept(&cat, token, text(&vector["request"], "url"), vector["now"].as_u64().unwrap()) {
        // The vectors follow RFC 8392, which leaves `exp` optional. Here it is required.
        Err(TokenError::NoExpiry) => with_expiry(vector, &cat.payload(token.as_bytes())?),
        other => other,
    }?;
    if vector["claims"].is_object() {
        assert_eq!(members, told(&vector["claims"]), "{id}");
    }
    Ok(())
}

/// A token that demands this of its URL.
fn catu(vector: &Value) -> Result<(), TokenError> {
    const PARTS: [&str; 9] =
        ["scheme", "host", "port", "path", "query", "parent-path", "filename", "stem", "extension"];
    const MATCHES: [(&str, i64); 7] =
        [("exact", 0), ("prefix", 1), ("suffix", 2), ("contains", 3), ("regex", 4), ("sha256", -1), ("sha512-256", -2)];
    let part = PARTS.iter().position(|name| *name == text(vector, "component")).unwrap();
    let kind = MATCHES.iter().find(|(name, _)| *name == text(vector, "match")).unwrap().1;
    let value = match &vector["value"] {
        Value::String(value) => Cbor::Text(value.clone()),
        value => Cbor::Bytes(bytes(value)),
    };
    let demand = Cbor::Map(vec![((part as u64).into(), Cbor::Map(vec![(kind.into(), value)]))]);
    let token = sign_hs(Algorithm::HS256, None, SECRET, &[(4, (TRIAL + 60).into()), (312, demand)]).unwrap();
    let keys = Keys::new([Key::hmac(Algorithm::HS256, None, SECRET).unwrap()]);
    accept(&read_with(keys, &json!({})), &token, text(vector, "url"), TRIAL).map(|_| ())
}

#[test]
fn every_common_access_token_of_the_corpus_gets_its_verdict() {
    let Some(vectors) = vectors("cat") else { return };
    let mut disagree = Vec::new();
    for vector in &vectors {
        let (id, verdict) = (text(vector, "id"), text(vector, "verdict"));
        let answer = if text(vector, "kind") == "catu" { catu(vector) } else { answer(vector) };
        let agrees = match verdict {
            _ if TRUNCATED.contains(&id) => {
                matches!(answer, Err(TokenError::AlgorithmRefused | TokenError::Malformed))
            }
            "valid" => answer == Ok(()),
            "invalid" => answer.is_err_and(|error| errors_of(text(vector, "reason")).contains(&error)),
            "acceptable" => true,
            _ => false,
        };
        if !agrees {
            disagree.push(format!("{id} ({}): {verdict}, we say {answer:?}", text(vector, "desc")));
        }
    }
    eprintln!("ran {} vectors of Common Access Tokens", vectors.len());
    assert!(disagree.is_empty(), "{}", disagree.join("\n"));
    assert!(vectors.len() >= 45, "the corpus has become small: {} vectors ran", vectors.len());
}
