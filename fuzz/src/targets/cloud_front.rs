use std::sync::{Arc, LazyLock};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::header::{COOKIE, HeaderMap, HeaderValue};
use serde_json::json;

use crate::identity::cloud_front::{CloudFront, Settings};
use crate::identity::jwt::{Algorithm, Key};
use crate::identity::{Format, Keys, RequestFacts};

use super::Seed;
use super::ask::{carry, judge, of, plain, refuse};

/// A new one in every process: nothing that is saved is signed with it.
static PAIR: LazyLock<EcdsaKeyPair> = LazyLock::new(pair);
static OURS: LazyLock<Arc<dyn Format>> = LazyLock::new(|| Arc::new(format(&PAIR)));
static STRANGERS: LazyLock<CloudFront> = LazyLock::new(|| format(&pair()));

fn pair() -> EcdsaKeyPair {
    EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap()
}

fn format(pair: &EcdsaKeyPair) -> CloudFront {
    let [x, y] = [1..33, 33..65].map(|part| URL_SAFE_NO_PAD.encode(&pair.public_key().as_ref()[part]));
    let jwk = json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y }).to_string();
    let key = Key::public_jwk(Algorithm::ES256, Some("K1"), jwk.as_bytes()).unwrap();
    let keys = Arc::new(Keys::new([key]));
    CloudFront::new(Settings { keys, in_query: true, in_cookies: true, check_ip: true, leeway: Duration::ZERO })
}

/// Base64 as `CloudFront` writes it.
fn text(bytes: &[u8]) -> String {
    STANDARD.encode(bytes).replace('+', "-").replace('=', "_").replace('/', "~")
}

/// The parameters of a custom policy, signed.
pub fn signed(policy: &[u8]) -> String {
    let signature = PAIR.sign(&SystemRandom::new(), policy).unwrap();
    let [policy, signature] = [policy, signature.as_ref()].map(text);
    format!("Policy={policy}&Signature={signature}&Key-Pair-Id=K1&Hash-Algorithm=SHA256")
}

pub fn ours() -> &'static Arc<dyn Format> {
    &OURS
}

fn token_of(query: &str) -> &str {
    query.split('&').find_map(|parameter| parameter.strip_prefix("Signature=")).unwrap_or_default()
}

fn in_query(query: &str) {
    let token = token_of(query).as_bytes();
    let request = RequestFacts { raw_query: Some(query), ..plain() };
    refuse(&*STRANGERS, token, &request);
    if let Ok(claims) = judge(&**OURS, token, &request) {
        assert_eq!(claims.text("Key-Pair-Id").as_deref(), Some("K1"));
    }
}

fn in_cookies(query: &str) {
    let cookies: Vec<_> = query.split('&').map(|parameter| format!("CloudFront-{parameter}")).collect();
    let Ok(cookies) = HeaderValue::try_from(cookies.join("; ")) else { return };
    let headers = HeaderMap::from_iter([(COOKIE, cookies)]);
    let token = token_of(query).as_bytes();
    refuse(&*STRANGERS, token, &of(&headers));
    let _ = judge(&**OURS, token, &of(&headers));
}

/// The parameters of a signed URL, the custom policy of one, or its expiry time and what else stands in its query.
pub fn cloud_front(data: &[u8]) {
    let custom = signed(data);
    in_query(&custom);
    in_cookies(&custom);

    let Ok(text) = std::str::from_utf8(data) else { return };
    in_query(text);
    in_cookies(text);
    carry(&OURS, text);
    let expires = text.split('&').next().unwrap_or_default();
    let policy = format!(
        r#"{{"Statement":[{{"Resource":"{}","Condition":{{"DateLessThan":{{"AWS:EpochTime":{expires}}}}}}}]}}"#,
        plain().url(),
    );
    let signature = self::text(PAIR.sign(&SystemRandom::new(), policy.as_bytes()).unwrap().as_ref());
    in_query(&format!("Expires={text}&Signature={signature}&Key-Pair-Id=K1&Hash-Algorithm=SHA256"));
}

pub fn seeds() -> Vec<Seed> {
    let policy = r#"{"Statement":[{"Resource":"http*://cdn.example/live/*","Condition":{"DateLessThan":{"AWS:EpochTime":1790000600},"DateGreaterThan":{"AWS:EpochTime":1789999000},"IpAddress":{"AWS:SourceIp":"192.0.2.0/24"}}}]}"#;
    let expires = r#""DateLessThan":{"AWS:EpochTime":1790000600}"#;
    let texts = [
        ("policy", policy.to_owned()),
        ("policy-any-resource", format!(r#"{{"Statement":[{{"Condition":{{{expires}}}}}]}}"#)),
        ("policy-any-address", policy.replace("192.0.2.0/24", "0.0.0.0/0")),
        (
            "policy-two-statements",
            format!(r#"{{"Statement":[{{"Condition":{{{expires}}}}},{{"Condition":{{{expires}}}}}]}}"#),
        ),
        ("policy-unknown-member", format!(r#"{{"Statement":[{{"Condition":{{{expires},"X":1}}}}]}}"#)),
        ("policy-twice", format!(r#"{{"Statement":[{{"Condition":{{{expires},{expires}}}}}]}}"#)),
        ("policy-stars", policy.replace("live", &"*a".repeat(1000))),
        ("canned", "1790000600".to_owned()),
        ("canned-with-query", "1790000600&c=3&Expires=1".to_owned()),
        ("canned-sign", "+1790000600".to_owned()),
        ("query", "a=1&Expires=1790000600&Signature=MEUCIQ__&Key-Pair-Id=K1".to_owned()),
        ("query-policy", "Policy=eyJ9&Signature=MEUCIQ__&Key-Pair-Id=K1&Hash-Algorithm=sha1".to_owned()),
        ("query-both", "Expires=1&Policy=eyJ9&Signature=%4d&Key-Pair-Id=K%31".to_owned()),
        ("query-twice", "Expires=1&Signature=a&Signature=b&Key-Pair-Id=K1".to_owned()),
    ];
    texts.map(|(name, text)| (name, text.into())).into()
}
