#![allow(clippy::unwrap_used)]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::identity::format::MAX_TOKEN;
use crate::identity::issuer::Issuer;

use super::*;

use crate::identity::signers::{Signer, hmac_signed};

const SECRET: &[u8] = b"a secret of thirty-two bytes, ok";
const EXP: u64 = 2_000_000;
const HS256: &str = r#"{"alg":"HS256"}"#;

fn hs256(leeway: u64) -> Jwt {
    Jwt::new(vec![Key::hmac(Algorithm::HS256, None, SECRET).unwrap()], Duration::from_secs(leeway))
}

fn hs256_token(header: &str, payload: &str) -> String {
    hmac_signed(SECRET, jsonwebtoken::Algorithm::HS256, header, payload)
}

fn verify_at(jwt: &Jwt, token: &str, seconds: u64) -> Result<Claims, TokenError> {
    let headers = HeaderMap::new();
    let request = RequestFacts::new("/", None, &headers);
    jwt.verify(token.as_bytes(), &request, Millis(seconds * 1000))
}

fn verdict(payload: &str, leeway: u64, seconds: u64) -> Result<(), TokenError> {
    verify_at(&hs256(leeway), &hs256_token(HS256, payload), seconds).map(|_| ())
}

fn good() -> String {
    hs256_token(HS256, &json!({ "sub": "alice", "exp": EXP }).to_string())
}

#[test]
fn every_algorithm_verifies_with_its_key_from_pem_and_from_jwk() {
    use jsonwebtoken::Algorithm as Signing;
    let (rsa, p256, p384, ed) = (Signer::rsa(), Signer::p256(), Signer::p384(), Signer::ed25519());
    let cases = [
        (&rsa, Algorithm::RS256, Signing::RS256),
        (&rsa, Algorithm::RS384, Signing::RS384),
        (&rsa, Algorithm::RS512, Signing::RS512),
        (&rsa, Algorithm::PS256, Signing::PS256),
        (&rsa, Algorithm::PS384, Signing::PS384),
        (&rsa, Algorithm::PS512, Signing::PS512),
        (&p256, Algorithm::ES256, Signing::ES256),
        (&p384, Algorithm::ES384, Signing::ES384),
        (&ed, Algorithm::EdDSA, Signing::EdDSA),
    ];
    for (signer, algorithm, signing) in cases {
        let token = signer.sign(signing, &json!({ "alg": algorithm.name() }).to_string(), r#"{"exp":10,"sub":"a"}"#);
        let pem = Key::public_pem(algorithm, None, signer.public_pem.as_bytes()).unwrap();
        let jwk = Key::public_jwk(algorithm, None, signer.jwk(signing).as_bytes()).unwrap();
        for key in [pem, jwk] {
            let jwt = Jwt::new(vec![key], Duration::ZERO);
            let claims = verify_at(&jwt, &token, 9).unwrap();
            assert_eq!(claims.text("sub").as_deref(), Some("a"), "{algorithm}");
            let forged = token.replace(".eyJleHAiOjEw", ".eyJleHAiOjk5");
            assert_ne!(forged, token);
            assert_eq!(verify_at(&jwt, &forged, 9).map(drop), Err(TokenError::BadSignature), "{algorithm}");
        }
    }
}

#[test]
fn what_sign_hs_signs_is_verified_here_and_by_another_library() {
    let claims = json!({ "sub": "alice", "exp": EXP });
    let secret = [7; 64];
    for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
        let token = sign_hs(algorithm, &secret, claims.as_object().unwrap()).unwrap();
        let jwt = Jwt::new(vec![Key::hmac(algorithm, None, &secret).unwrap()], Duration::ZERO);
        assert_eq!(verify_at(&jwt, &token, 1).unwrap().members(), claims.as_object().unwrap());
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let key = jsonwebtoken::DecodingKey::from_secret(&secret);
        let named = algorithm.name().parse().unwrap();
        assert!(jsonwebtoken::crypto::verify(signature, signed.as_bytes(), &key, named).unwrap());
    }
    assert_eq!(sign_hs(Algorithm::RS256, &secret, &Map::new()), Err(KeyError::NeedsPublicKey(Algorithm::RS256)));
}

#[test]
fn a_token_ends_at_exp_plus_leeway_and_not_a_second_later() {
    let payload = json!({ "exp": EXP }).to_string();
    assert_eq!(verdict(&payload, 0, EXP - 1), Ok(()));
    assert_eq!(verdict(&payload, 0, EXP), Err(TokenError::Expired));
    assert_eq!(verdict(&payload, 30, EXP), Ok(()));
    assert_eq!(verdict(&payload, 30, EXP + 29), Ok(()));
    assert_eq!(verdict(&payload, 30, EXP + 30), Err(TokenError::Expired));
    assert_eq!(verdict(&payload, 30, EXP + 31), Err(TokenError::Expired));
    assert_eq!(verify_at(&hs256(30), &good(), EXP).unwrap().expires(), Millis((EXP + 30) * 1000));
}

#[test]
fn a_token_begins_at_nbf_minus_leeway() {
    let payload = json!({ "exp": EXP, "nbf": 1000 }).to_string();
    assert_eq!(verdict(&payload, 0, 999), Err(TokenError::NotYet));
    assert_eq!(verdict(&payload, 0, 1000), Ok(()));
    assert_eq!(verdict(&payload, 30, 969), Err(TokenError::NotYet));
    assert_eq!(verdict(&payload, 30, 970), Ok(()));
}

#[test]
fn leeway_is_a_minute_at_most() {
    let payload = json!({ "exp": EXP }).to_string();
    assert_eq!(verdict(&payload, 3600, EXP + 59), Ok(()));
    assert_eq!(verdict(&payload, 3600, EXP + 60), Err(TokenError::Expired));
}

#[test]
fn times_are_numbers_and_exp_is_required() {
    assert_eq!(verdict(r#"{"sub":"a"}"#, 0, 1), Err(TokenError::NoExpiry));
    for exp in [r#""2000000""#, "null", "true", "[2000000]", "{}"] {
        assert_eq!(verdict(&format!(r#"{{"exp":{exp}}}"#), 0, 1), Err(TokenError::Malformed), "{exp}");
    }
    assert_eq!(verdict(r#"{"exp":2000000,"nbf":"1"}"#, 0, 5), Err(TokenError::Malformed));
}

#[test]
fn fractions_of_a_second_are_cut_and_absurd_times_are_bounded() {
    assert_eq!(verdict(r#"{"exp":10.9}"#, 0, 9), Ok(()));
    assert_eq!(verdict(r#"{"exp":10.9}"#, 0, 10), Err(TokenError::Expired));
    assert_eq!(verdict(r#"{"exp":1e1}"#, 0, 9), Ok(()));
    for past in ["-1", "-0.5", "-1e300"] {
        assert_eq!(verdict(&format!(r#"{{"exp":{past}}}"#), 0, 1), Err(TokenError::Expired), "{past}");
    }
    for future in ["1e300", "18446744073709551615", "99999999999999999999"] {
        assert_eq!(verdict(&format!(r#"{{"exp":{future}}}"#), 60, EXP), Ok(()), "{future}");
    }
}

#[test]
fn alg_none_is_refused_in_every_spelling() {
    for none in ["none", "None", "NONE", "nOnE", "", "HS1", "hs256", "ES512", "Ed25519"] {
        let header = json!({ "alg": none }).to_string();
        let token = hs256_token(&header, r#"{"exp":10}"#);
        assert_eq!(verify_at(&hs256(0), &token, 1).map(drop), Err(TokenError::AlgorithmRefused), "{none}");
        let unsigned = format!("{}.", token.rsplit_once('.').unwrap().0);
        assert_eq!(verify_at(&hs256(0), &unsigned, 1).map(drop), Err(TokenError::AlgorithmRefused), "{none}");
    }
}

#[test]
fn a_token_signed_hs256_with_the_public_key_is_refused() {
    let rsa = Signer::rsa();
    let jwt =
        Jwt::new(vec![Key::public_pem(Algorithm::RS256, None, rsa.public_pem.as_bytes()).unwrap()], Duration::ZERO);
    for secret in [rsa.public_pem.as_bytes(), rsa.public_pem.trim().as_bytes(), &rsa.public_der] {
        let token = hmac_signed(secret, jsonwebtoken::Algorithm::HS256, HS256, r#"{"exp":10}"#);
        assert_eq!(verify_at(&jwt, &token, 1).map(drop), Err(TokenError::AlgorithmRefused));
    }
}

#[test]
fn a_key_file_is_no_secret() {
    let refused = Err(KeyError::KeyAsSecret(Algorithm::HS256));
    let hmac = |secret: &[u8]| Key::hmac(Algorithm::HS256, None, secret).map(|_| ());
    let signers = [Signer::rsa(), Signer::p256(), Signer::p384(), Signer::ed25519()];
    for signer in &signers {
        assert_eq!(hmac(signer.public_pem.as_bytes()), refused);
        assert_eq!(hmac(format!("\n  {}", signer.public_pem).as_bytes()), refused);
        assert_eq!(hmac(&signer.public_der), refused);
    }
    let jwk = signers[0].jwk(jsonwebtoken::Algorithm::RS256);
    assert_eq!(hmac(jwk.as_bytes()), refused);
    assert_eq!(hmac(format!(r#"{{"keys":[{jwk}]}}"#).as_bytes()), refused);
    assert_eq!(hmac(b"{ this only looks like JSON, it is a fine secret }"), Ok(()));
    assert_eq!(hmac(&[0x30; 40]), Ok(()));
}

#[test]
fn a_secret_is_at_least_as_long_as_the_hash() {
    for (algorithm, least) in [(Algorithm::HS256, 32), (Algorithm::HS384, 48), (Algorithm::HS512, 64)] {
        assert!(Key::hmac(algorithm, None, &vec![b'x'; least]).is_ok());
        let short = Key::hmac(algorithm, None, &vec![b'x'; least - 1]).unwrap_err();
        assert_eq!(short, KeyError::ShortSecret { algorithm, length: least - 1, least });
        assert!(short.to_string().contains(&format!("needs at least {least}")), "{short}");
    }
}

#[test]
fn a_public_key_of_the_wrong_kind_or_curve_is_refused() {
    let (rsa, p256, p384, ed) = (Signer::rsa(), Signer::p256(), Signer::p384(), Signer::ed25519());
    let unfit = |algorithm, signer: &Signer, named| {
        let pem = Key::public_pem(algorithm, None, signer.public_pem.as_bytes()).unwrap_err();
        let jwk = Key::public_jwk(algorithm, None, signer.jwk(named).as_bytes()).unwrap_err();
        assert_eq!((pem, jwk), (KeyError::Unfit(algorithm), KeyError::Unfit(algorithm)));
    };
    unfit(Algorithm::RS256, &p256, jsonwebtoken::Algorithm::ES256);
    unfit(Algorithm::ES256, &p384, jsonwebtoken::Algorithm::ES384);
    unfit(Algorithm::ES384, &p256, jsonwebtoken::Algorithm::ES256);
    unfit(Algorithm::ES256, &ed, jsonwebtoken::Algorithm::EdDSA);
    unfit(Algorithm::EdDSA, &rsa, jsonwebtoken::Algorithm::RS256);
    assert!(matches!(Key::public_pem(Algorithm::RS256, None, b"nonsense"), Err(KeyError::Unfit(_))));
    assert!(matches!(
        Key::public_pem(Algorithm::HS256, None, rsa.public_pem.as_bytes()),
        Err(KeyError::NeedsSecret(_))
    ));
    assert!(matches!(Key::hmac(Algorithm::ES256, None, SECRET), Err(KeyError::NeedsPublicKey(_))));
}

#[test]
fn a_private_key_is_refused_in_favour_of_its_public_half() {
    let signer = Signer::p256();
    let pem = Key::public_pem(Algorithm::ES256, None, signer.private_pem.as_bytes());
    assert_eq!(pem.unwrap_err(), KeyError::Private);
    let mut jwk: Value = serde_json::from_str(&signer.jwk(jsonwebtoken::Algorithm::ES256)).unwrap();
    jwk["d"] = "AA".into();
    assert_eq!(Key::public_jwk(Algorithm::ES256, None, jwk.to_string().as_bytes()).unwrap_err(), KeyError::Private);
}

#[test]
fn an_rsa_key_below_2048_bits_is_refused() {
    for bytes in [64, 128, 255] {
        let modulus = URL_SAFE_NO_PAD.encode(vec![0xff_u8; bytes]);
        let jwk = json!({ "kty": "RSA", "n": modulus, "e": "AQAB" }).to_string();
        let refused = Key::public_jwk(Algorithm::RS256, None, jwk.as_bytes()).unwrap_err();
        assert!(matches!(refused, KeyError::SmallRsa(Algorithm::RS256)), "{bytes}: {refused}");
    }
}

#[test]
fn a_jwk_that_says_it_is_for_something_else_is_refused() {
    let signer = Signer::p256();
    for (member, value) in [
        ("alg", json!("ES384")),
        ("alg", json!("ES257")),
        ("use", json!("enc")),
        ("key_ops", json!(["sign", "deriveKey"])),
    ] {
        let mut jwk: Value = serde_json::from_str(&signer.jwk(jsonwebtoken::Algorithm::ES256)).unwrap();
        jwk[member] = value;
        let refused = Key::public_jwk(Algorithm::ES256, None, jwk.to_string().as_bytes()).unwrap_err();
        assert_eq!(refused, KeyError::NotForThis { member, algorithm: Algorithm::ES256 });
    }
}

#[test]
fn a_jwk_brings_its_own_kid_unless_the_configuration_names_one() {
    let signer = Signer::p256();
    let mut jwk: Value = serde_json::from_str(&signer.jwk(jsonwebtoken::Algorithm::ES256)).unwrap();
    jwk["kid"] = "theirs".into();
    let key = |kid| Key::public_jwk(Algorithm::ES256, kid, jwk.to_string().as_bytes()).unwrap();
    assert_eq!(key(None).kid(), Some("theirs"));
    assert_eq!(key(Some("ours")).kid(), Some("ours"));
}

#[test]
fn a_critical_extension_is_refused_whatever_it_is() {
    for crit in [json!(["b64"]), json!(["exp"]), json!([]), json!(null), json!("x")] {
        let token = hs256_token(&json!({ "alg": "HS256", "crit": crit }).to_string(), r#"{"exp":10}"#);
        assert_eq!(verify_at(&hs256(0), &token, 1).map(drop), Err(TokenError::Critical), "{crit}");
    }
}

#[test]
fn a_member_that_stands_twice_is_refused() {
    for header in
        [r#"{"alg":"HS256","alg":"HS256"}"#, r#"{"alg":"none","alg":"HS256"}"#, r#"{"x":1,"alg":"HS256","x":1}"#]
    {
        let token = hs256_token(header, r#"{"exp":10}"#);
        assert_eq!(verify_at(&hs256(0), &token, 1).map(drop), Err(TokenError::Malformed), "{header}");
    }
    for payload in [r#"{"exp":1,"exp":10}"#, r#"{"sub":"a","exp":10,"sub":"b"}"#, r#"{"exp":10,"\u0065xp":11}"#] {
        assert_eq!(verdict(payload, 0, 1), Err(TokenError::Malformed), "{payload}");
    }
}

#[test]
fn a_known_kid_selects_its_key_and_a_foreign_one_tries_all_of_the_algorithm() {
    let (old, new, other) = ([1; 32], [2; 32], [3; 64]);
    let jwt = Jwt::new(
        vec![
            Key::hmac(Algorithm::HS256, Some("old"), &old).unwrap(),
            Key::hmac(Algorithm::HS256, Some("new"), &new).unwrap(),
            Key::hmac(Algorithm::HS512, Some("other"), &other).unwrap(),
        ],
        Duration::ZERO,
    );
    let check = |header: Value, secret: &[u8]| {
        let signing = header["alg"].as_str().unwrap().parse().unwrap();
        let token = hmac_signed(secret, signing, &header.to_string(), r#"{"exp":10}"#);
        verify_at(&jwt, &token, 1).map(|_| ())
    };
    assert_eq!(check(json!({ "alg": "HS256", "kid": "new" }), &new), Ok(()));
    assert_eq!(check(json!({ "alg": "HS256", "kid": "old" }), &new), Err(TokenError::BadSignature));
    assert_eq!(check(json!({ "alg": "HS256" }), &new), Ok(()));
    assert_eq!(check(json!({ "alg": "HS256", "kid": "foreign" }), &old), Ok(()));
    assert_eq!(check(json!({ "alg": "HS256", "kid": "foreign" }), &[9; 32]), Err(TokenError::UnknownKey));
    assert_eq!(check(json!({ "alg": "HS256" }), &[9; 32]), Err(TokenError::BadSignature));
    assert_eq!(check(json!({ "alg": "HS256", "kid": "other" }), &other), Err(TokenError::AlgorithmRefused));
    assert_eq!(check(json!({ "alg": "HS384" }), &other), Err(TokenError::AlgorithmRefused));
    assert_eq!(check(json!({ "alg": "HS256", "kid": 7 }), &new), Err(TokenError::Malformed));
}

/// Two issuers, each with a secret and an audience of its own.
fn of_two_issuers() -> (Jwt, [u8; 32], [u8; 32]) {
    let (ours, theirs) = ([1; 32], [2; 32]);
    let issuer = |name: &str, audience: &[&str], secret: &[u8]| Issuer {
        name: Some(name.into()),
        audience: audience.iter().map(|name| (*name).into()).collect(),
        keys: Arc::new(Keys::new([Key::hmac(Algorithm::HS256, Some("k"), secret).unwrap()])),
    };
    let issuers = Issuers::new(vec![issuer("ours", &["tv", "web"], &ours), issuer("theirs", &[], &theirs)]);
    (Jwt::with_issuers(issuers, Duration::ZERO), ours, theirs)
}

#[test]
fn the_key_of_one_issuer_verifies_no_token_of_another() {
    let (jwt, ours, theirs) = of_two_issuers();
    let verdict = |claims: Value, secret: &[u8]| {
        let claims = Value::Object(
            [claims.as_object().unwrap().clone(), json!({ "exp": 10 }).as_object().unwrap().clone()]
                .into_iter()
                .flatten()
                .collect(),
        );
        let token =
            hmac_signed(secret, jsonwebtoken::Algorithm::HS256, r#"{"alg":"HS256","kid":"k"}"#, &claims.to_string());
        verify_at(&jwt, &token, 1).map(drop)
    };
    assert_eq!(verdict(json!({ "iss": "ours", "aud": "tv" }), &ours), Ok(()));
    assert_eq!(verdict(json!({ "iss": "theirs" }), &theirs), Ok(()));
    assert_eq!(verdict(json!({ "iss": "ours", "aud": "tv" }), &theirs), Err(TokenError::BadSignature));
    assert_eq!(verdict(json!({ "iss": "theirs" }), &ours), Err(TokenError::BadSignature));
    for stranger in [json!({ "iss": "nobody" }), json!({}), json!({ "iss": ["ours"] }), json!({ "iss": "Ours" })] {
        assert_eq!(verdict(stranger.clone(), &ours), Err(TokenError::WrongIssuer), "{stranger}");
    }
}

#[test]
fn a_token_for_another_audience_is_refused() {
    let (jwt, ours, _) = of_two_issuers();
    let verdict = |aud: Value| {
        let claims = json!({ "iss": "ours", "exp": 10, "aud": aud }).to_string();
        verify_at(&jwt, &hmac_signed(&ours, jsonwebtoken::Algorithm::HS256, HS256, &claims), 1).map(drop)
    };
    for good in [json!("web"), json!(["radio", "tv"])] {
        assert_eq!(verdict(good.clone()), Ok(()), "{good}");
    }
    for bad in
        [json!("radio"), json!([]), json!(null), json!(["radio"]), json!({ "tv": 1 }), json!("t"), json!([["tv"]])]
    {
        assert_eq!(verdict(bad.clone()), Err(TokenError::WrongAudience), "{bad}");
    }
}

#[test]
fn a_key_that_is_replaced_verifies_no_longer() {
    let keys = Arc::new(Keys::new([Key::hmac(Algorithm::HS256, None, SECRET).unwrap()]));
    let jwt = Jwt::with_issuers(Issuers::anybody(keys.clone()), Duration::ZERO);
    assert!(verify_at(&jwt, &good(), 1).is_ok());
    let before = jwt.keys_version();
    keys.replace(vec![Arc::new(Key::hmac(Algorithm::HS256, None, &[7; 32]).unwrap())]);
    assert_ne!(jwt.keys_version(), before);
    assert_eq!(verify_at(&jwt, &good(), 1).map(drop), Err(TokenError::BadSignature));
}

#[test]
fn a_segment_of_a_path_looks_like_a_jwt_or_it_does_not() {
    let jwt = hs256(0);
    assert!(jwt.resembles(&good()));
    for segment in ["live", "a.b.c", "eyA.b", "ey..", "eyA.b.c.d"] {
        assert_eq!(jwt.resembles(segment), segment == "ey..", "{segment}");
    }
    let named = hs256_token(HS256, &json!({ "sub": "6b9e68b0-7d", "up": "../x", "none": "" }).to_string());
    assert_eq!(jwt.unverified(named.as_bytes(), "sub").as_deref(), Some("6b9e68b0-7d"));
    for claim in ["up", "none", "absent"] {
        assert_eq!(jwt.unverified(named.as_bytes(), claim), None, "{claim}");
    }
}

#[test]
fn what_is_no_compact_jwt_is_malformed() {
    let token = good();
    let parts: Vec<&str> = token.split('.').collect();
    let (header, payload, signature) = (parts[0], parts[1], parts[2]);
    for bad in [
        String::new(),
        ".".into(),
        "..".into(),
        "....".into(),
        header.into(),
        format!("{header}.{payload}"),
        format!("{token}.{signature}"),
        format!(".{token}"),
        format!("{header}=.{payload}.{signature}"),
        format!("{header}.{payload}.{signature}="),
        format!("{header}.{payload} .{signature}"),
        format!("Bearer {token}"),
        format!("W10.{payload}.{signature}"),
        format!("e30.{payload}.{signature}"),
    ] {
        assert_eq!(verify_at(&hs256(0), &bad, 1).map(drop), Err(TokenError::Malformed), "{bad}");
    }
    assert_eq!(verify_at(&hs256(0), &format!("{header}.{payload}."), 1).map(drop), Err(TokenError::BadSignature));
    assert_eq!(verdict("[]", 0, 1), Err(TokenError::Malformed));
    assert_eq!(verdict(r#"{"exp":10} x"#, 0, 1), Err(TokenError::Malformed));
}

#[test]
fn a_signature_has_exactly_one_spelling() {
    let token = good();
    // 32 bytes leave two unused bits in the last character: three other characters would decode to the same bytes.
    let (rest, last) = token.split_at(token.len() - 1);
    let same = (b'A'..=b'Z').chain(b'a'..=b'z').chain(b'0'..=b'9').chain(*b"-_");
    let accepted: Vec<char> =
        same.map(char::from).filter(|end| verify_at(&hs256(0), &format!("{rest}{end}"), 1).is_ok()).collect();
    assert_eq!(accepted, last.chars().collect::<Vec<_>>());
}

#[test]
fn percent_encoding_is_undone_once_and_only_once() {
    let token = good();
    assert!(verify_at(&hs256(0), &token.replace('.', "%2E"), 1).is_ok());
    assert!(verify_at(&hs256(0), &token.replace('.', "%2e"), 1).is_ok());
    let every = token.bytes().fold(String::new(), |text, byte| format!("{text}%{byte:02X}"));
    assert!(verify_at(&hs256(0), &every, 1).is_ok());
    for bad in [token.replace('.', "%252E"), format!("{token}%"), format!("{token}%2"), format!("{token}%zz")] {
        assert_eq!(verify_at(&hs256(0), &bad, 1).map(drop), Err(TokenError::Malformed), "{bad}");
    }
    assert_eq!(verify_at(&hs256(0), &format!("{token}%00"), 1).map(drop), Err(TokenError::Malformed));
}

#[test]
fn a_token_of_a_megabyte_is_too_long_and_8_kib_are_not() {
    let exactly = |length: usize| {
        let mut fill = length / 2;
        loop {
            let token = hs256_token(HS256, &json!({ "exp": 10, "fill": "x".repeat(fill) }).to_string());
            if token.len() >= length {
                return token;
            }
            fill += 1;
        }
    };
    let longest = exactly(MAX_TOKEN);
    assert_eq!(longest.len(), MAX_TOKEN);
    assert!(verify_at(&hs256(0), &longest, 1).is_ok());
    assert_eq!(verify_at(&hs256(0), &exactly(MAX_TOKEN + 1), 1).map(drop), Err(TokenError::TooLong));
    assert_eq!(verify_at(&hs256(0), &"a".repeat(1 << 20), 1).map(drop), Err(TokenError::TooLong));
}

#[test]
fn deeply_nested_claims_are_refused_without_harm() {
    let deep = format!(r#"{{"exp":10,"x":{}{}}}"#, "[".repeat(2500), "]".repeat(2500));
    assert_eq!(verdict(&deep, 0, 1), Err(TokenError::Malformed));
}

#[test]
fn no_key_shows_its_secret() {
    let shown = format!("{:?}", hs256(0));
    assert!(shown.contains("Key { algorithm: HS256, kid: None, .. }") && !shown.contains("secret"), "{shown}");
}

#[test]
fn every_algorithm_reads_back_its_name() {
    for algorithm in Algorithm::ALL {
        assert_eq!(algorithm.to_string().parse(), Ok(algorithm));
    }
    let unknown = "none".parse::<Algorithm>().unwrap_err().to_string();
    for algorithm in Algorithm::ALL {
        assert!(unknown.contains(algorithm.name()), "{unknown}");
    }
}

proptest! {
    #[test]
    fn any_changed_character_breaks_a_token(at in 0_usize..200, by in 1_u8..128) {
        let mut token = good().into_bytes();
        let at = at % token.len();
        token[at] ^= by;
        prop_assert!(hs256(0).payload(&token).is_err());
    }

    #[test]
    fn arbitrary_bytes_are_refused_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(hs256(0).payload(&bytes).is_err());
    }

    #[test]
    fn arbitrary_signed_payloads_never_panic(payload in ".{0,60}", header in r#"(\{"alg":"HS256".{0,20}\})"#) {
        let _ = verify_at(&hs256(60), &hs256_token(&header, &payload), 1);
        let exp = format!(r#"{{"exp":{payload}}}"#);
        let _ = verify_at(&hs256(60), &hs256_token(HS256, &exp), 1);
    }
}
