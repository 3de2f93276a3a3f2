#![allow(clippy::unwrap_used)]

use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair};
use serde_json::json;

use super::Algorithm::{ES256, EdDSA, PS384, RS256};
use super::*;

const SECRET: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE";

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn rsa(size: KeySize) -> Value {
    let pair = RsaKeyPair::generate(size).unwrap();
    let modulus = pair.public_key().modulus().big_endian_without_leading_zero().to_vec();
    json!({ "kty": "RSA", "n": encode(&modulus), "e": "AQAB" })
}

fn p256() -> Value {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let point = pair.public_key().as_ref();
    json!({ "kty": "EC", "crv": "P-256", "x": encode(&point[1..33]), "y": encode(&point[33..]) })
}

fn ed25519() -> Value {
    let pair = Ed25519KeyPair::generate().unwrap();
    json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key().as_ref()) })
}

fn with(key: &Value, member: &str, value: impl Into<Value>) -> Value {
    let mut key = key.clone();
    key.as_object_mut().unwrap().insert(member.to_owned(), value.into());
    key
}

fn set(keys: &[Value], secrets: bool) -> Result<KeySet, JwksError> {
    parse(json!({ "keys": keys }).to_string().as_bytes(), Algorithm::RS256, secrets)
}

fn algorithms(set: &KeySet) -> Vec<(Algorithm, Option<&str>)> {
    set.keys.iter().map(|key| (key.algorithm(), key.kid())).collect()
}

#[test]
fn each_key_serves_the_algorithm_that_it_names_or_the_only_one_that_fits() {
    let (first, another) = (rsa(KeySize::Rsa2048), rsa(KeySize::Rsa2048));
    let keys = [
        with(&first, "kid", "a"),
        with(&with(&another, "alg", "PS384"), "use", "sig"),
        with(&p256(), "kid", "c"),
        with(&p256(), "alg", "ES256"),
        ed25519(),
        with(&ed25519(), "alg", "Ed25519"),
        with(&ed25519(), "alg", "EdDSA"),
    ];
    let set = set(&keys, false).unwrap();
    let expected = [
        (RS256, Some("a")),
        (PS384, None),
        (ES256, Some("c")),
        (ES256, None),
        (EdDSA, None),
        (EdDSA, None),
        (EdDSA, None),
    ];
    assert_eq!(algorithms(&set), expected);
    assert!(set.skipped.is_empty(), "{:?}", set.skipped);
}

#[test]
fn what_cannot_verify_tokens_is_passed_over_with_a_sentence_and_the_rest_serves() {
    let (rsa, p256) = (rsa(KeySize::Rsa2048), p256());
    let cases = [
        (with(&rsa, "alg", "none"), "algorithm \"none\""),
        (with(&rsa, "alg", "HS256"), "algorithm \"HS256\""),
        (with(&rsa, "alg", "RSA-OAEP"), "algorithm \"RSA-OAEP\""),
        (with(&rsa, "alg", 5), "`alg` is not text"),
        (with(&rsa, "use", "enc"), "for encryption"),
        (with(&rsa, "key_ops", json!(["encrypt"])), "key_ops"),
        (with(&rsa, "d", "AQAB"), "private key"),
        (with(&rsa, "n", "AQAB"), "less than 2048 bits"),
        (with(&rsa, "e", Value::Null), "is not a public key"),
        (with(&p256, "alg", "ES384"), "algorithm \"ES384\""),
        (with(&p256, "crv", "secp256k1"), "curve \"secp256k1\""),
        (with(&p256, "x", SECRET), "is not a public key"),
        (with(&p256, "d", SECRET), "private key"),
        (json!({ "kty": "OKP", "crv": "X25519", "x": SECRET }), "curve \"X25519\""),
        (json!({ "kty": "oct", "alg": "HS256", "k": SECRET }), "shared secret, which is only allowed in a local file"),
        (json!({ "kty": "AKP" }), "kind \"AKP\""),
        (json!({}), "kind \"\""),
        (json!("key"), "not a JSON object"),
        (Value::Null, "not a JSON object"),
    ];
    for (key, why) in cases {
        let named = if key.is_object() { with(&key, "kid", "odd\n\u{1b}[0m") } else { key.clone() };
        let set = set(&[named, ed25519()], false).unwrap();
        assert_eq!(algorithms(&set), [(Algorithm::EdDSA, None)], "{key}");
        let [sentence] = set.skipped.as_slice() else { panic!("{:?}", set.skipped) };
        assert!(sentence.starts_with("key 1") && sentence.contains(why), "{sentence}");
        assert!(!sentence.contains(char::is_control), "{sentence:?}");
    }
}

#[test]
fn shared_secrets_count_in_files_only_and_name_their_algorithm() {
    let secret = json!({ "kty": "oct", "k": SECRET, "kid": "s" });
    let named = with(&secret, "alg", "HS256");
    assert_eq!(algorithms(&set(std::slice::from_ref(&named), true).unwrap()), [(Algorithm::HS256, Some("s"))]);
    assert!(matches!(set(&[named], false), Err(JwksError::NoKey(_))));
    for (key, why) in [
        (secret.clone(), "without `alg`"),
        (with(&secret, "alg", "RS256"), "algorithm \"RS256\""),
        (with(&secret, "alg", "HS512"), "needs at least 64"),
        (with(&with(&secret, "alg", "HS256"), "k", "not base64!"), "not base64url"),
    ] {
        let said = set(&[key], true).unwrap_err().to_string();
        assert!(said.contains(why), "{said}");
    }
}

#[test]
fn a_key_never_serves_two_algorithms() {
    let rsa = rsa(KeySize::Rsa2048);
    let keys = [
        with(&with(&rsa, "alg", "RS256"), "kid", "a"),
        with(&with(&rsa, "alg", "PS256"), "kid", "b"),
        with(&with(&rsa, "alg", "RS256"), "kid", "c"),
    ];
    let set = set(&keys, false).unwrap();
    assert_eq!(algorithms(&set), [(Algorithm::RS256, Some("a")), (Algorithm::RS256, Some("c"))]);
    assert!(set.skipped[0].contains("key 2 (\"b\")") && set.skipped[0].contains("already serves RS256"));
}

#[test]
fn a_set_without_a_usable_key_or_beyond_the_bounds_is_an_error() {
    assert_eq!(set(&[], false).unwrap_err(), JwksError::NoKey(Vec::new()));
    assert_eq!(set(&vec![Value::Null; 101], false).unwrap_err(), JwksError::TooMany(101));
    assert!(matches!(set(&vec![Value::Null; 100], false).unwrap_err(), JwksError::NoKey(_)));
    for text in ["", "<html>", "[]", "{}", "{\"keys\":{}}", "{\"keys\":[]} x", "null"] {
        assert_eq!(parse(text.as_bytes(), Algorithm::RS256, true).unwrap_err(), JwksError::Malformed, "{text}");
    }
    let deep = format!("{{\"keys\":{}", "[".repeat(200_000));
    assert_eq!(parse(deep.as_bytes(), Algorithm::RS256, true).unwrap_err(), JwksError::Malformed);
    let long = vec![b' '; MAX_SET + 1];
    assert_eq!(parse(&long, Algorithm::RS256, true).unwrap_err(), JwksError::TooLong);
}

proptest::proptest! {
    #[test]
    fn any_bytes_never_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..400)) {
        let _ = parse(&bytes, Algorithm::RS256, true);
    }

    #[test]
    fn any_members_never_panic(kty in "RSA|EC|OKP|oct", crv in "P-256|P-384|Ed25519", text in "[A-Za-z0-9_-]{0,100}") {
        let key = json!({ "kty": kty, "crv": crv, "n": text, "e": "AQAB", "x": text, "y": text, "k": text });
        let _ = set(&[key], true);
    }
}
