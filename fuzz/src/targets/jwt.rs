use std::sync::{Arc, LazyLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::identity::jwt::{Algorithm, Jwt, Key};
use crate::identity::{Format, Issuer, Issuers, Keys};

use super::Seed;
use super::ask::{SECRET, UNUSED, carry, judge, jws, plain, refuse, resigned};

const HEADER: &[u8] = br#"{"alg":"HS256","kid":"k1"}"#;
const CLAIMS: &[u8] = br#"{"sub":"alice","exp":1790000600}"#;

static OURS: LazyLock<Arc<dyn Format>> =
    LazyLock::new(|| Arc::new(Jwt::new(vec![key("k1", SECRET), key("k2", UNUSED)], Duration::from_secs(30))));
static STRANGERS: LazyLock<Jwt> = LazyLock::new(|| Jwt::new(vec![key("k1", UNUSED)], Duration::from_secs(30)));
/// Of these, only the first signs.
static TWO: LazyLock<Jwt> = LazyLock::new(|| {
    let issuers = [("one", SECRET), ("two", UNUSED)].map(|(name, secret)| Issuer {
        name: Some(name.into()),
        audience: vec!["tv".into()],
        keys: Arc::new(Keys::new([key("k1", secret)])),
    });
    Jwt::with_issuers(Issuers::new(issuers.into()), Duration::ZERO)
});

fn key(kid: &str, secret: &[u8]) -> Key {
    Key::hmac(Algorithm::HS256, Some(kid), secret).unwrap()
}

/// A token, the payload of one, or the header of one.
pub fn jwt(data: &[u8]) {
    let request = plain();
    refuse(&*STRANGERS, data, &request);
    if judge(&**OURS, data, &request).is_ok() && !data.contains(&b'%') {
        let one_spelling =
            |part: &[u8]| URL_SAFE_NO_PAD.decode(part).is_ok_and(|d| URL_SAFE_NO_PAD.encode(d).as_bytes() == part);
        assert!(data.split(|byte| *byte == b'.').all(one_spelling), "a token in another spelling is accepted");
    }
    if let Ok(text) = std::str::from_utf8(data) {
        carry(&OURS, text);
        if let Some((signed, _)) = text.rsplit_once('.') {
            let token = resigned(signed);
            let _ = judge(&**OURS, token.as_bytes(), &request);
            refuse(&*STRANGERS, token.as_bytes(), &request);
        }
    }

    let token = jws(HEADER, data);
    if let Ok(claims) = judge(&**OURS, token.as_bytes(), &request) {
        let read: Value = serde_json::from_slice(data).unwrap();
        assert_eq!(Value::Object(claims.members().clone()), read, "another reader sees other claims");
    }
    for claim in ["sub", "ext.list.0", "exp"] {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        let segment = OURS.unverified(token.as_bytes(), claim);
        assert!(segment.is_none_or(|text| (1..=128).contains(&text.len()) && text.chars().all(plain)));
    }
    carry(&OURS, &token);
    if let Ok(claims) = judge(&*TWO, token.as_bytes(), &request) {
        assert_eq!(claims.text("iss").as_deref(), Some("one"), "a key of one issuer verifies a token of another");
    }

    let token = jws(data, CLAIMS);
    if judge(&**OURS, token.as_bytes(), &request).is_ok() {
        let header: Value = serde_json::from_slice(data).unwrap();
        assert_eq!(header["alg"], "HS256", "a token of another algorithm is accepted");
        assert_eq!(header.get("crit"), None, "a critical extension is passed over");
    }
}

pub fn ours() -> &'static Arc<dyn Format> {
    &OURS
}

pub fn seeds() -> Vec<Seed> {
    let rich = br#"{"iss":"one","sub":"alice:tv","aud":["web","tv"],"iat":1789999000,"nbf":1789999000,"exp":1790000600.5,"jti":"7f3a","ext":{"tiers":["gold",2],"list":[{"id":"H-1"}]},"https://a.example/x.y":null}"#;
    let texts: [(&str, &[u8]); 13] = [
        ("claims", CLAIMS),
        ("claims-rich", rich),
        ("claims-other-issuer", br#"{"iss":"two","sub":"alice","aud":"tv","exp":1790000600}"#),
        ("claims-twice", br#"{"sub":"alice","exp":1790000600,"sub":"bob"}"#),
        ("claims-nested-twice", br#"{"sub":"alice","exp":1790000600,"ext":{"a":1,"a":2}}"#),
        ("claims-numbers", br#"{"sub":1e400,"exp":18446744073709551615,"nbf":-0.0,"jti":-9223372036854775808}"#),
        ("claims-unicode", br#"{"sub":"\ud83d\ude00\u0000","exp":1790000600,"jti":"\u00e9"}"#),
        ("claims-lone-surrogate", br#"{"sub":"\ud800","exp":1790000600}"#),
        ("claims-expired", br#"{"sub":"alice","exp":1789999970}"#),
        ("header", HEADER),
        ("header-crit", br#"{"alg":"HS256","crit":["b64"],"b64":false}"#),
        ("header-none", br#"{"alg":"none"}"#),
        ("header-foreign-kid", br#"{"typ":"JWT","alg":"HS256","kid":"\u00e9","jwk":{"kty":"oct","k":"AA"}}"#),
    ];
    let mut seeds: Vec<Seed> = texts.map(|(name, text)| (name, text.to_vec())).into();
    let token = jws(HEADER, rich);
    let deep = format!(r#"{{"exp":1790000600,"sub":"alice","ext":{}}}"#, "[".repeat(120) + &"]".repeat(120));
    seeds.extend([
        ("token", token.clone().into()),
        ("token-escaped", token.replace('.', "%2E").into()),
        ("token-escaped-twice", token.replace('.', "%252E").into()),
        ("token-padded", format!("{token}=").into()),
        ("token-four-parts", format!("{token}.").into()),
        ("token-long", jws(HEADER, format!(r#"{{"exp":1790000600,"sub":"{}"}}"#, "a".repeat(6000)).as_bytes()).into()),
        ("claims-deep", deep.into()),
        ("claims-too-deep", "[".repeat(400).into()),
    ]);
    seeds
}
