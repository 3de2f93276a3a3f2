#![allow(clippy::unwrap_used)]

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use coset::{MacContext, ProtectedHeader, SignatureContext, mac_structure_data, sig_structure_data};
use http::header::{HeaderMap, HeaderValue};
use http::{HeaderName, Method};
use jsonwebtoken::EncodingKey;
use proptest::prelude::*;
use serde_json::json;

use crate::identity::issuer::Issuer;
use crate::identity::keys::Keys;

use super::*;

use crate::identity::signers::Signer;

const SECRET: &[u8] = b"a secret of sixty-four bytes, long enough for each of the three!";
const EXP: u64 = 2_000_000;

type Pairs = Vec<(i64, Value)>;

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

fn texts(list: &[&str]) -> Value {
    Value::Array(list.iter().map(|item| text(item)).collect())
}

fn map(pairs: &[(i64, Value)]) -> Value {
    Value::Map(pairs.iter().map(|(label, value)| ((*label).into(), value.clone())).collect())
}

/// Subject and expiry, and these.
fn claims(more: &[(i64, Value)]) -> Pairs {
    [&[(2, text("alice")), (4, EXP.into())], more].concat()
}

fn signed(claims: &[(i64, Value)]) -> String {
    sign_hs(Algorithm::HS256, Some("k1"), SECRET, claims).unwrap()
}

fn keys() -> Keys {
    Keys::new([Key::hmac(Algorithm::HS256, Some("k1"), SECRET).unwrap()])
}

fn settings() -> Settings {
    Settings {
        issuers: Issuers::anybody(keys().into()),
        leeway: Duration::ZERO,
        ignore: Vec::new(),
        country_header: None,
        renew: false,
        replay: Replay::PerPlay,
    }
}

fn verify_at(cat: &Cat, token: &str, seconds: u64) -> Result<Claims, TokenError> {
    let headers = HeaderMap::new();
    cat.verify(token.as_bytes(), &RequestFacts::new("/", None, &headers), Millis(seconds * 1000))
}

fn verify(settings: Settings, token: &str) -> Result<Claims, TokenError> {
    verify_at(&Cat::new(settings), token, EXP - 1)
}

/// What a token with these claims comes to, beyond its subject and expiry.
fn verdict(more: &[(i64, Value)]) -> Result<(), TokenError> {
    verify(settings(), &signed(&claims(more))).map(|_| ())
}

/// True if a token with these claims is accepted for the request.
fn accepted(more: &[(i64, Value)], request: &RequestFacts<'_>) -> Result<(), TokenError> {
    let token = signed(&claims(more));
    Cat::new(settings()).accept(token.as_bytes(), request, Millis(0)).map(|_| ())
}

fn request(headers: &HeaderMap) -> RequestFacts<'_> {
    RequestFacts { host: "Media.Example", ..RequestFacts::new("/live/news/720p.v2.m3u8", Some("a=1&b=2"), headers) }
}

/// An envelope of these parts, with whatever proof.
fn envelope(tags: &[u64], protected: &Value, unprotected: Value, payload: &[u8], proof: &[u8]) -> Vec<u8> {
    let parts = vec![cbor::encode(protected).unwrap().into(), unprotected, payload.into(), proof.into()];
    let message = tags.iter().rev().fold(Value::Array(parts), |inner, tag| Value::Tag(*tag, inner.into()));
    cbor::encode(&message).unwrap()
}

fn mac(secret: &[u8], protected: &Value, payload: &[u8]) -> Vec<u8> {
    let header =
        ProtectedHeader { original_data: Some(cbor::encode(protected).unwrap()), ..ProtectedHeader::default() };
    let signed = mac_structure_data(MacContext::CoseMac0, header, &[], payload);
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret);
    aws_lc_rs::hmac::sign(&key, &signed).as_ref().to_vec()
}

/// An HS256 token with these tags and headers.
fn hs256(tags: &[u64], protected: &Value, unprotected: Value, payload: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(envelope(tags, protected, unprotected, payload, &mac(SECRET, protected, payload)))
}

fn payload_of(more: &[(i64, Value)]) -> Vec<u8> {
    cbor::encode(&map(&claims(more))).unwrap()
}

/// A `COSE_Sign1` token.
fn sign1(key: &EncodingKey, algorithm: jsonwebtoken::Algorithm, number: i64, payload: &[u8]) -> String {
    let protected = map(&[(1, number.into())]);
    let header =
        ProtectedHeader { original_data: Some(cbor::encode(&protected).unwrap()), ..ProtectedHeader::default() };
    let signed = sig_structure_data(SignatureContext::CoseSign1, header, None, &[], payload);
    let signature = jsonwebtoken::crypto::sign(&signed, key, algorithm).unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    URL_SAFE_NO_PAD.encode(envelope(&[61, 18], &protected, map(&[]), payload, &signature))
}

#[test]
fn claims_stand_under_their_names() {
    let token = signed(&claims(&[
        (3, texts(&["a", "b"])),
        (7, vec![0x0b_u8, 0x71].into()),
        (9, text("doc:rw")),
        (323, map(&[(0, 1.into()), (1, 60.into())])),
        (-70_000, text("private")),
        (40, true.into()),
    ]));
    let found = verify(settings(), &token).unwrap();
    let expected = json!({
        "sub": "alice", "exp": EXP, "aud": ["a", "b"], "cti": "0b71", "scope": "doc:rw",
        "catr": { "0": 1, "1": 60 }, "-70000": "private", "40": true,
    });
    assert_eq!(serde_json::Value::Object(found.members().clone()), expected);
    assert_eq!(found.text("sub").as_deref(), Some("alice"));
    assert_eq!(found.text("catr.1").as_deref(), Some("60"));
    assert_eq!(found.expires(), Millis(EXP * 1000));
}

#[test]
fn private_claims_with_texts_for_labels_pass_unless_they_take_a_registered_name() {
    let header = map(&[(1, 5.into())]);
    let with = |label: &str| {
        let pairs = vec![(4.into(), EXP.into()), (text(label), text("gold"))];
        hs256(&[61, 17], &header, map(&[]), &cbor::encode(&Value::Map(pairs)).unwrap())
    };
    assert_eq!(verify(settings(), &with("tier")).unwrap().text("tier").as_deref(), Some("gold"));
    for name in ["sub", "exp", "catu", "catgeocoord"] {
        assert_eq!(verify(settings(), &with(name)).err(), Some(TokenError::Malformed), "{name}");
    }
}

#[test]
fn a_label_that_stands_twice_is_refused_wherever_it_stands() {
    let header = map(&[(1, 5.into())]);
    let twice = Value::Map(vec![(1.into(), text("a")), (1.into(), text("a"))]);
    let mixed = Value::Map(vec![(40.into(), text("a")), (text("40"), text("a"))]);
    for payload in [&twice, &mixed] {
        let token = hs256(&[61, 17], &header, map(&[]), &cbor::encode(payload).unwrap());
        assert_eq!(verify(settings(), &token).err(), Some(TokenError::Malformed), "{payload:?}");
    }
    assert_eq!(verdict(&[(4, EXP.into())]), Err(TokenError::Malformed));
    assert_eq!(verdict(&[(-70_000, twice.clone())]), Err(TokenError::Malformed));
    for (protected, unprotected) in
        [(header.clone(), twice.clone()), (Value::Map(vec![(1.into(), 5.into()); 2]), map(&[]))]
    {
        let token = hs256(&[61, 17], &protected, unprotected, &payload_of(&[]));
        assert_eq!(verify(settings(), &token).err(), Some(TokenError::Malformed), "{protected:?}");
    }
}

#[test]
fn every_shared_secret_algorithm_verifies_its_own_tokens_and_no_others() {
    let algorithms = [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];
    for signing in algorithms {
        let token = sign_hs(signing, None, SECRET, &claims(&[])).unwrap();
        for verifying in algorithms {
            let keys = Keys::new([Key::hmac(verifying, None, SECRET).unwrap()]);
            let answer = verify(Settings { issuers: Issuers::anybody(keys.into()), ..settings() }, &token);
            let expected = (signing != verifying).then_some(TokenError::AlgorithmRefused);
            assert_eq!(answer.err(), expected, "{signing} {verifying}");
        }
    }
}

#[test]
fn every_public_key_algorithm_verifies_its_tokens() {
    use jsonwebtoken::Algorithm as Signing;
    let (p256, rsa, ed) = (Signer::p256(), Signer::rsa(), Signer::ed25519());
    let ec = EncodingKey::from_ec_pem(p256.private_pem.as_bytes()).unwrap();
    let rs = EncodingKey::from_rsa_pem(rsa.private_pem.as_bytes()).unwrap();
    let ed_key = EncodingKey::from_ed_pem(ed.private_pem.as_bytes()).unwrap();
    let cases = [
        (Algorithm::ES256, &p256, &ec, Signing::ES256, -7),
        (Algorithm::PS256, &rsa, &rs, Signing::PS256, -37),
        (Algorithm::EdDSA, &ed, &ed_key, Signing::EdDSA, -8),
    ];
    for (algorithm, signer, key, signing, number) in cases {
        let public = Key::public_pem(algorithm, None, signer.public_pem.as_bytes()).unwrap();
        let issuers = || Issuers::anybody(Keys::new([public]).into());
        let cat = Cat::new(Settings { issuers: issuers(), ..settings() });
        let good = sign1(key, signing, number, &payload_of(&[]));
        assert_eq!(verify_at(&cat, &good, 1).unwrap().text("sub").as_deref(), Some("alice"), "{algorithm}");
        let mut forged = URL_SAFE_NO_PAD.decode(&good).unwrap();
        *forged.last_mut().unwrap() ^= 1;
        let forged = URL_SAFE_NO_PAD.encode(forged);
        assert_eq!(verify_at(&cat, &forged, 1).err(), Some(TokenError::BadSignature), "{algorithm}");
    }
}

#[test]
fn algorithm_confusion_a_public_key_is_never_a_shared_secret() {
    let signer = Signer::p256();
    let public = Key::public_pem(Algorithm::ES256, Some("k1"), signer.public_pem.as_bytes()).unwrap();
    let cat = Cat::new(Settings { issuers: Issuers::anybody(Keys::new([public]).into()), ..settings() });
    for material in [signer.public_pem.as_bytes(), &signer.public_der] {
        for (tags, number) in [([61, 17], 5), ([61, 18], 5), ([61, 17], -7)] {
            let (header, payload) = (map(&[(1, number.into()), (4, b"k1".as_slice().into())]), payload_of(&[]));
            let token = envelope(&tags, &header, map(&[]), &payload, &mac(material, &header, &payload));
            let answer = verify_at(&cat, &URL_SAFE_NO_PAD.encode(token), 1);
            assert_eq!(answer.err(), Some(TokenError::AlgorithmRefused), "{tags:?} {number}");
        }
    }
}

#[test]
fn the_algorithm_is_that_of_the_protected_header_and_belongs_to_the_tag() {
    let (payload, five, empty) = (payload_of(&[]), map(&[(1, 5.into())]), map(&[]));
    let answer = |tags: &[u64], protected: &Value, unprotected: &Value| {
        verify(settings(), &hs256(tags, protected, unprotected.clone(), &payload)).map(|_| ())
    };
    assert_eq!(answer(&[61, 17], &five, &empty), Ok(()));
    assert_eq!(answer(&[17], &five, &empty), Ok(()));
    assert_eq!(answer(&[61, 17], &empty, &five), Err(TokenError::AlgorithmRefused));
    assert_eq!(answer(&[61, 18], &five, &empty), Err(TokenError::AlgorithmRefused));
    // HMAC 256/64, none, a text, nothing.
    for number in [4.into(), 0.into(), text("HS256"), Value::Null] {
        assert_eq!(answer(&[61, 17], &map(&[(1, number)]), &empty), Err(TokenError::AlgorithmRefused));
    }
    // What the unprotected header says besides does not count.
    assert_eq!(answer(&[61, 17], &five, &map(&[(1, (-7).into())])), Ok(()));
    for tags in [&[][..], &[61], &[97], &[61, 97], &[16], &[61, 61, 17], &[17, 61], &[61, 17, 17]] {
        assert_eq!(answer(tags, &five, &empty), Err(TokenError::Malformed), "{tags:?}");
    }
}

#[test]
fn a_truncated_mac_is_refused() {
    let (payload, header) = (payload_of(&[]), map(&[(1, 5.into())]));
    let whole = mac(SECRET, &header, &payload);
    for length in [0, 8, 31] {
        let token = envelope(&[61, 17], &header, map(&[]), &payload, &whole[..length]);
        let answer = verify(settings(), &URL_SAFE_NO_PAD.encode(token));
        assert_eq!(answer.err(), Some(TokenError::BadSignature), "{length}");
    }
}

#[test]
fn critical_headers_are_refused() {
    let crit = (2, Value::Array(vec![99.into()]));
    let (five, payload) = ((1, Value::from(5)), payload_of(&[]));
    for (protected, unprotected) in [(map(&[five.clone(), crit.clone()]), map(&[])), (map(&[five]), map(&[crit]))] {
        let token = hs256(&[61, 17], &protected, unprotected, &payload);
        assert_eq!(verify(settings(), &token).err(), Some(TokenError::Critical));
    }
}

#[test]
fn the_kid_is_a_hint_in_either_header_and_may_be_foreign() {
    let kid = |kid: &[u8]| (4, Value::from(kid));
    let five = (1, Value::from(5));
    let other = Key::hmac(Algorithm::HS256, Some("k2"), &[7; 32]).unwrap();
    let keys = Keys::new([other, Key::hmac(Algorithm::HS256, Some("k1"), SECRET).unwrap()]);
    let cat = Cat::new(Settings { issuers: Issuers::anybody(keys.into()), ..settings() });
    let answer = |protected: &[(i64, Value)], unprotected: &[(i64, Value)]| {
        let token = hs256(&[61, 17], &map(protected), map(unprotected), &payload_of(&[]));
        verify_at(&cat, &token, 1).map(|_| ())
    };
    assert_eq!(answer(&[five.clone(), kid(b"k1")], &[]), Ok(()));
    assert_eq!(answer(std::slice::from_ref(&five), &[kid(b"k1")]), Ok(()));
    assert_eq!(answer(std::slice::from_ref(&five), &[kid(b"foreign \xff\xfe")]), Ok(()));
    assert_eq!(answer(std::slice::from_ref(&five), &[]), Ok(()));
    assert_eq!(answer(&[five.clone(), kid(b"k2")], &[]), Err(TokenError::BadSignature));
    // The protected one counts.
    assert_eq!(answer(&[five.clone(), kid(b"k2")], &[kid(b"k1")]), Err(TokenError::BadSignature));
    assert_eq!(answer(&[five.clone(), (4, text("k1"))], &[]), Ok(()));
    assert_eq!(answer(&[five, (4, 1.into())], &[]), Err(TokenError::Malformed));
}

#[test]
fn key_confusion_the_keys_of_one_issuer_never_verify_a_token_of_another() {
    let (one, two) = ([1_u8; 32], [2_u8; 32]);
    let issuer = |name: &str, secret: &[u8]| Issuer {
        name: Some(name.into()),
        audience: vec!["ours".into()],
        keys: Keys::new([Key::hmac(Algorithm::HS256, Some("k"), secret).unwrap()]).into(),
    };
    let issuers = Issuers::new(vec![issuer("one", &one), issuer("two", &two)]);
    let cat = Cat::new(Settings { issuers, ..settings() });
    let answer = |name: &str, secret: &[u8], audience: Value| {
        let claims = claims(&[(1, text(name)), (3, audience)]);
        verify_at(&cat, &sign_hs(Algorithm::HS256, Some("k"), secret, &claims).unwrap(), 1).map(|_| ())
    };
    assert_eq!(answer("one", &one, text("ours")), Ok(()));
    assert_eq!(answer("two", &two, texts(&["theirs", "ours"])), Ok(()));
    assert_eq!(answer("one", &two, text("ours")), Err(TokenError::BadSignature));
    assert_eq!(answer("two", &one, text("ours")), Err(TokenError::BadSignature));
    assert_eq!(answer("three", &one, text("ours")), Err(TokenError::WrongIssuer));
    assert_eq!(answer("one", &one, texts(&["theirs"])), Err(TokenError::WrongAudience));
    assert_eq!(answer("one", &one, 5.into()), Err(TokenError::WrongAudience));
}

#[test]
fn a_token_ends_at_its_expiry_and_begins_at_its_start_with_leeway_on_both() {
    let token = signed(&claims(&[(5, (EXP - 100).into())]));
    let without = Cat::new(settings());
    let with = Cat::new(Settings { leeway: Duration::from_secs(30), ..settings() });
    for (cat, seconds, expected) in [
        (&without, EXP - 1, None),
        (&without, EXP, Some(TokenError::Expired)),
        (&with, EXP + 29, None),
        (&with, EXP + 30, Some(TokenError::Expired)),
        (&without, EXP - 100, None),
        (&without, EXP - 101, Some(TokenError::NotYet)),
        (&with, EXP - 130, None),
        (&with, EXP - 131, Some(TokenError::NotYet)),
    ] {
        assert_eq!(verify_at(cat, &token, seconds).err(), expected, "{seconds}");
    }
}

#[test]
fn an_expiry_is_required_and_a_number_whose_fraction_is_cut() {
    let answer = |exp: Value| verify(settings(), &signed(&[(4, exp)])).map(|claims| claims.expires());
    assert_eq!(verify(settings(), &signed(&[(2, text("alice"))])).err(), Some(TokenError::NoExpiry));
    assert_eq!(answer(Value::Float(2_000_000.9)), Ok(Millis(EXP * 1000)));
    assert_eq!(answer((-1).into()), Err(TokenError::Expired));
    for exp in [text("2000000"), Value::Null, Value::Float(f64::NAN), Value::Bytes(vec![1])] {
        assert_eq!(answer(exp), Err(TokenError::Malformed));
    }
}

#[test]
fn both_alphabets_padding_and_one_round_of_percent_encoding_are_read() {
    let good = signed(&claims(&[(7, vec![0xfb_u8, 0xff, 0xfe, 0xfb, 0xef, 0xbe].into())]));
    let bytes = URL_SAFE_NO_PAD.decode(&good).unwrap();
    let standard = STANDARD.encode(&bytes);
    assert!(standard.contains(['+', '/']));
    let escape = |text: &str| text.replace('+', "%2B").replace('/', "%2f").replace('=', "%3D");
    for token in [&good, &standard, &escape(&standard), &good.replace('_', "%5F")] {
        assert!(verify(settings(), token).is_ok(), "{token}");
    }
    let double = escape(&standard).replace('%', "%25");
    let mixed = format!("{}-{}", &standard[..4], &standard[5..]);
    for token in [double, mixed, good.replacen('2', "%00", 1), format!("{good}%"), format!("{good} ")] {
        assert_eq!(verify(settings(), &token).err(), Some(TokenError::Malformed), "{token}");
    }
}

#[test]
fn an_overlong_token_is_refused_before_it_is_read() {
    let token = "A".repeat(MAX_TOKEN + 1);
    assert_eq!(verify(settings(), &token).err(), Some(TokenError::TooLong));
    assert_eq!(verify(settings(), &token[1..]).err(), Some(TokenError::Malformed));
    let long = signed(&claims(&[(1, text(&"i".repeat(5900)))]));
    assert!(long.len() <= MAX_TOKEN && verify(settings(), &long).is_ok(), "{}", long.len());
}

#[test]
fn nesting_and_lengths_that_are_not_there_are_refused() {
    let nested = |depth: usize| (0..depth).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
    assert_eq!(verdict(&[(-70_000, nested(15))]), Ok(()));
    assert_eq!(verdict(&[(-70_000, nested(16))]), Err(TokenError::Malformed));
    let hostile: [&[u8]; 6] = [
        &[0xd8, 0x3d, 0xd1, 0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0xd1, 0x84, 0x5b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0xd1, 0x84, 0x43, 0xa1, 0x01, 0x05, 0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0x81; 6000],
        &[0xd1; 6000],
        &[0x5f; 6000],
    ];
    for bytes in hostile {
        let token = URL_SAFE_NO_PAD.encode(bytes);
        assert_eq!(verify(settings(), &token).err(), Some(TokenError::Malformed), "{:?}", &bytes[..8]);
    }
    // Countersignatures (RFC 9338) within countersignatures, and a tower of arrays in the protected header.
    let tower = (0..300).fold(Vec::new(), |inner, _| {
        let countersignature = Value::Array(vec![Value::Bytes(inner), map(&[]), Value::Bytes(vec![1])]);
        cbor::encode(&map(&[(7, countersignature)])).unwrap()
    });
    let unprotected = map(&[(7, Value::Array(vec![tower.into(), map(&[]), vec![1_u8].into()]))]);
    let token = hs256(&[61, 17], &map(&[(1, 5.into())]), unprotected, &payload_of(&[]));
    assert!(verify(settings(), &token).is_ok());
    let token = hs256(&[61, 17], &map(&[(1, 5.into()), (50, nested(20))]), map(&[]), &payload_of(&[]));
    assert_eq!(verify(settings(), &token).err(), Some(TokenError::Malformed));
}

#[test]
fn nothing_may_follow_the_token_or_its_claims() {
    let header = map(&[(1, 5.into())]);
    let good = URL_SAFE_NO_PAD.decode(hs256(&[61, 17], &header, map(&[]), &payload_of(&[]))).unwrap();
    let payload = [payload_of(&[]), vec![0xf6]].concat();
    for token in [URL_SAFE_NO_PAD.encode([good, vec![0xf6]].concat()), hs256(&[61, 17], &header, map(&[]), &payload)] {
        assert_eq!(verify(settings(), &token).err(), Some(TokenError::Malformed), "{token}");
    }
}

#[test]
fn what_restricts_and_is_not_supported_refuses_the_token_unless_it_is_ignored() {
    for (label, name) in [
        (8, "cnf"),
        (282, "geohash"),
        (317, "catgeocoord"),
        (318, "catgeoalt"),
        (319, "cattpk"),
        (321, "catdpop"),
        (324, "cattprint"),
        (316, "catgeoiso3166"),
    ] {
        let more = [(label, texts(&["x"]))];
        assert_eq!(verdict(&more), Err(TokenError::Critical), "{name}");
        let ignoring = Settings { ignore: vec![name.into()], ..settings() };
        assert!(verify(ignoring, &signed(&claims(&more))).is_ok(), "{name}");
    }
    // RFC 8392 §3: what is not understood is ignored, the numbers that CTA-5007 may take next among it.
    for label in [
        9, 38, 255, 256, 281, 283, 307, 309, 320, 322, 325, 400, 1000, 65_535, 65_536, 70_000, -1, -257, -300, -65_536,
        -70_000,
    ] {
        assert_eq!(verdict(&[(label, text("x"))]), Ok(()), "{label}");
    }
}

#[test]
fn the_version_is_one() {
    assert_eq!(verdict(&[(310, 1.into())]), Ok(()));
    for version in [2.into(), 0.into(), text("1")] {
        assert_eq!(verdict(&[(310, version)]), Err(TokenError::Critical));
    }
}

#[test]
fn a_prohibited_replay_is_one_play_or_refused() {
    let answer =
        |value: i64, replay| verify(Settings { replay, ..settings() }, &signed(&claims(&[(308, value.into())])));
    for value in [0, 1, 2] {
        assert!(answer(value, Replay::PerPlay).is_ok(), "{value}");
        assert_eq!(answer(value, Replay::Refuse).is_ok(), value != 1, "{value}");
    }
    assert_eq!(answer(3, Replay::PerPlay).err(), Some(TokenError::Critical));
}

#[test]
fn the_url_has_to_be_as_demanded_in_every_part() {
    let headers = HeaderMap::new();
    let request = request(&headers);
    let sha256 = |text: &str| aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes()).as_ref().to_vec();
    let regex = |pattern: &str| Value::Array(vec![text(pattern)]);
    for (part, kind, value, holds) in [
        (0, 0, text("https"), true),
        (0, 0, text("http"), false),
        (1, 0, text("media.example"), true),
        (1, 0, text("MEDIA.example"), true),
        (1, 2, text(".example"), true),
        (1, 1, text("example"), false),
        (2, 0, text("443"), true),
        (2, 0, text(""), true),
        (2, 0, text("80"), false),
        (3, 1, text("/live/"), true),
        (3, 1, text("/vod/"), false),
        (3, 3, text("/news/"), true),
        (3, 4, regex("/live/[a-z]+/.*"), true),
        (3, 4, regex("/live"), true),
        (3, 4, regex("ews"), true),
        (3, 4, regex("^/live$"), false),
        (3, 4, regex("^ive"), false),
        (3, 4, regex("^/live/[a-z]+/"), true),
        (4, 0, text("a=1&b=2"), true),
        (4, 0, text("b=2&a=1"), false),
        (5, 0, text("/live/news"), true),
        (5, -1, sha256("/live/news").into(), true),
        (5, -1, sha256("/live/other").into(), false),
        (6, 0, text("720p.v2.m3u8"), true),
        (7, 0, text("720p.v2"), true),
        (7, 0, text("720p"), true),
        (7, 0, text("720"), false),
        (8, 0, text(".m3u8"), true),
        (8, 0, text(".v2.m3u8"), true),
        (8, 0, text("m3u8"), false),
    ] {
        let demand = [(312, map(&[(part, map(&[(kind, value.clone())]))]))];
        let expected = if holds { Ok(()) } else { Err(TokenError::WrongUrl) };
        assert_eq!(accepted(&demand, &request), expected, "{part} {kind} {value:?}");
    }
    let both = |extension: &str| {
        [(312, map(&[(3, map(&[(1, text("/live")), (2, text("8"))])), (8, map(&[(0, text(extension))]))]))]
    };
    assert_eq!(accepted(&both(".m3u8"), &request), Ok(()));
    assert_eq!(accepted(&both(".mpd"), &request), Err(TokenError::WrongUrl));
}

#[test]
fn demands_on_the_url_that_are_not_understood_refuse_the_token() {
    let url = |part: i64, wanted: Value| [(312, map(&[(part, wanted)]))];
    let path = |kind: i64, value: Value| url(3, map(&[(kind, value)]));
    let regex = |items: Vec<Value>| path(4, Value::Array(items));
    assert_eq!(verdict(&url(9, map(&[(0, text("x"))]))), Err(TokenError::Critical));
    assert_eq!(verdict(&path(5, text("x"))), Err(TokenError::Critical));
    assert_eq!(verdict(&regex(vec![text("(a)"), text("a")])), Err(TokenError::Critical));
    assert_eq!(verdict(&regex(vec![text("(a"), Value::Null])), Err(TokenError::Critical));
    assert_eq!(verdict(&regex(vec![text("(?:a{1000}){1000}")])), Err(TokenError::Critical));
    assert_eq!(verdict(&regex(vec![text("(a)|b"), Value::Null])), Ok(()));
    let many: Pairs = (0..17).map(|_| (4, Value::Array(vec![text("a")]))).collect();
    let headers: Vec<_> =
        many.iter().enumerate().map(|(at, one)| (text(&format!("x-{at}")), map(std::slice::from_ref(one)))).collect();
    assert_eq!(verdict(&[(315, Value::Map(headers))]), Err(TokenError::Critical));
    for bad in [text("/live"), Value::Array(vec![])] {
        assert_eq!(verdict(&[(312, bad.clone())]), Err(TokenError::Malformed));
        assert_eq!(verdict(&url(3, bad)), Err(TokenError::Malformed));
    }
    for (kind, value) in
        [(0, 5.into()), (4, text("a")), (4, Value::Array(vec![])), (-1, vec![0_u8; 31].into()), (-2, text("00"))]
    {
        assert_eq!(verdict(&path(kind, value)), Err(TokenError::Malformed), "{kind}");
    }
}

#[test]
fn methods_protocols_and_headers_have_to_be_as_demanded() {
    let mut headers = HeaderMap::new();
    headers.insert("user-agent", HeaderValue::from_static("App/1.0"));
    let get = request(&headers);
    assert_eq!(accepted(&[(313, texts(&["GET", "HEAD"]))], &get), Ok(()));
    let post = RequestFacts { method: &Method::POST, ..get };
    assert_eq!(accepted(&[(313, texts(&["GET", "HEAD"]))], &post), Err(TokenError::WrongRequest));
    assert_eq!(accepted(&[(313, texts(&[]))], &get), Err(TokenError::WrongRequest));
    assert_eq!(accepted(&[(314, Value::Array(vec![text("h2"), b"http/1.1".as_slice().into()]))], &get), Ok(()));
    assert_eq!(accepted(&[(314, texts(&["h2"]))], &get), Err(TokenError::WrongRequest));
    let agent = |name: &str, prefix: &str| [(315, Value::Map(vec![(text(name), map(&[(1, text(prefix))]))]))];
    assert_eq!(accepted(&agent("User-Agent", "App/"), &get), Ok(()));
    assert_eq!(accepted(&agent("User-Agent", "Other/"), &get), Err(TokenError::WrongRequest));
    assert_eq!(accepted(&agent("X-Absent", ""), &get), Err(TokenError::WrongRequest));
    assert_eq!(verdict(&agent("not a name", "")), Err(TokenError::Malformed));
    assert_eq!(verdict(&[(313, text("GET"))]), Err(TokenError::Malformed));
}

#[test]
fn the_viewer_has_to_be_in_one_of_the_networks() {
    let headers = HeaderMap::new();
    let bytes = |bytes: &[u8]| Value::from(bytes);
    let prefix = |tag, length: i64, head: &[u8]| Value::Tag(tag, Value::Array(vec![length.into(), bytes(head)]).into());
    let list = Value::Array(vec![
        Value::Tag(52, bytes(&[192, 0, 2, 7]).into()),
        prefix(52, 24, &[198, 51, 100]),
        prefix(54, 32, &[0x20, 0x01, 0x0d, 0xb8]),
        text("203.0.113.0/28"),
        text("203.0.113.99"),
    ]);
    for (client, within) in [
        ("192.0.2.7", true),
        ("::ffff:192.0.2.7", true),
        ("192.0.2.8", false),
        ("198.51.100.200", true),
        ("198.51.101.1", false),
        ("2001:db8:1::5", true),
        ("2001:db9::5", false),
        ("203.0.113.15", true),
        ("203.0.113.99", true),
        ("203.0.113.16", false),
    ] {
        let from = RequestFacts { client: Some(client.parse().unwrap()), ..request(&headers) };
        let expected = if within { Ok(()) } else { Err(TokenError::WrongClient) };
        assert_eq!(accepted(&[(311, list.clone())], &from), expected, "{client}");
    }
    assert_eq!(accepted(&[(311, list)], &request(&headers)), Err(TokenError::WrongClient));
    let only = |item: Value| verdict(&[(311, Value::Array(vec![item]))]);
    assert_eq!(only(64_512.into()), Err(TokenError::Critical), "an autonomous system");
    for bad in [
        Value::Tag(52, bytes(&[1, 2, 3]).into()),
        Value::Tag(54, bytes(&[1, 2, 3, 4]).into()),
        prefix(52, 33, &[1, 2, 3, 4]),
        prefix(52, -1, &[1]),
        prefix(52, 8, &[1, 2, 3, 4, 5]),
        text("somewhere"),
    ] {
        assert_eq!(only(bad.clone()), Err(TokenError::Malformed), "{bad:?}");
    }
}

#[test]
fn the_country_is_what_the_edge_says() {
    let cat = || {
        let country_header = Some(HeaderName::from_static("x-country"));
        Cat::new(Settings { country_header, ..settings() })
    };
    let answer = |codes: &[&str], country: Option<&str>| {
        let mut headers = HeaderMap::new();
        headers
            .extend(country.map(|code| (HeaderName::from_static("x-country"), HeaderValue::from_str(code).unwrap())));
        let token = signed(&claims(&[(316, texts(codes))]));
        cat().accept(token.as_bytes(), &request(&headers), Millis(0)).map(|_| ())
    };
    assert_eq!(answer(&["SE", "DK"], Some("se")), Ok(()));
    assert_eq!(answer(&["US-CA"], Some("US-CA")), Ok(()));
    for (codes, country) in
        [(&["SE", "DK"][..], Some("NO")), (&["SE"], None), (&["SE"], Some("SEX")), (&["US-CA"], Some("US"))]
    {
        assert_eq!(answer(codes, country), Err(TokenError::WrongRequest), "{codes:?} {country:?}");
    }
    for codes in [&[][..], &[""], &[".*"], &["S"], &["SE)|("]] {
        assert_eq!(answer(codes, Some("")), Err(TokenError::Malformed), "{codes:?}");
    }
}

/// What a token with this `catr` is renewed to, at so many seconds before its expiry.
fn renewed(catr: &[(i64, Value)], before: u64, headers: &HeaderMap) -> Option<Renewed> {
    let token = signed(&claims(&[(6, 5.into()), (323, map(catr)), (7, vec![1_u8, 2].into())]));
    let cat = Cat::new(Settings { renew: true, ..settings() });
    let claims = verify_at(&cat, &token, EXP - before).unwrap();
    cat.renew(&claims, &request(headers), Millis((EXP - before) * 1000 + 999))
}

fn by_cookie() -> Pairs {
    vec![
        (0, 1.into()),
        (1, 60.into()),
        (2, 30.into()),
        (3, text("Token")),
        (5, texts(&["Secure", "Domain=.example.com", "path=/", "SameSite=None"])),
    ]
}

#[test]
fn a_token_is_renewed_by_cookie_once_its_deadline_has_come() {
    let none = HeaderMap::new();
    assert_eq!(renewed(&by_cookie(), 31, &none), None);
    let Renewed { name, value } = renewed(&by_cookie(), 30, &none).unwrap();
    assert_eq!(name, "set-cookie");
    let value = value.to_str().unwrap();
    let (token, parameters) = value.strip_prefix("Token=").unwrap().split_once("; ").unwrap();
    assert_eq!(parameters, "Secure; Domain=.example.com; path=/; SameSite=None");
    let claims = verify_at(&Cat::new(settings()), token, EXP).unwrap();
    assert_eq!(claims.expires(), Millis((EXP + 30) * 1000));
    let expected = json!({
        "sub": "alice", "exp": EXP + 30, "iat": EXP - 30, "cti": "0102",
        "catr": { "0": 1, "1": 60, "2": 30, "3": "Token", "5": ["Secure", "Domain=.example.com", "path=/", "SameSite=None"] },
    });
    assert_eq!(serde_json::Value::Object(claims.members().clone()), expected);
    assert!(cose::bytes(token.as_bytes()).unwrap().windows(2).any(|kid| kid == b"k1"), "the header stays");
}

#[test]
fn a_token_is_renewed_by_header_and_automatically_in_the_way_it_came() {
    let none = HeaderMap::new();
    let by_header = [(0, 2.into()), (1, 900.into()), (4, text("X-PV-CDN-Access-Token")), (6, texts(&["a=1"]))];
    let header = renewed(&by_header, 60, &none).unwrap();
    assert_eq!(header.name, "x-pv-cdn-access-token");
    assert!(header.value.to_str().unwrap().ends_with("; a=1"));
    assert_eq!(renewed(&by_header, 61, &none), None, "a minute where no deadline is given");

    let automatic = [(0, 0.into()), (1, 900.into())];
    let with = |name: &'static str, value: &'static str| {
        HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))])
    };
    let sent = |headers: &HeaderMap| renewed(&automatic, 1, headers).map(|renewed| renewed.name);
    assert_eq!(sent(&with("cta-common-access-token", "x")), Some(HeaderName::from_static("cta-common-access-token")));
    let cookie = renewed(&automatic, 1, &with("cookie", "cta-common-access-token=x")).unwrap();
    assert_eq!(cookie.name, "set-cookie");
    assert!(cookie.value.to_str().unwrap().ends_with("; Path=/"));
    assert_eq!(sent(&none), None);
    assert_eq!(sent(&with("cookie", "other=x")), None);
}

#[test]
fn what_does_not_fit_into_a_header_or_would_mean_something_else_there_is_not_renewed() {
    let none = HeaderMap::new();
    let with = |label: i64, value: Value| {
        let mut catr = by_cookie();
        catr.retain(|(known, _)| *known != label);
        catr.push((label, value));
        catr
    };
    assert!(renewed(&with(5, text("Secure")), 1, &none).is_some());
    for (label, value) in [
        (0, 3.into()),
        (0, 9.into()),
        (0, text("1")),
        (1, text("60")),
        (1, 0.into()),
        (1, (-60).into()),
        (3, text("")),
        (3, text("a b")),
        (3, text("a=b")),
        (3, text("a\r\nX-Evil")),
        (3, 5.into()),
        (5, texts(&["Path=/; Domain=evil"])),
        (5, texts(&["Path=/\r\nX-Evil: 1"])),
        (5, texts(&["=x"])),
        (5, 5.into()),
    ] {
        assert_eq!(renewed(&with(label, value.clone()), 1, &none), None, "{label} {value:?}");
    }
    for name in
        ["Set-Cookie", "Location", "Content-Length", "transfer-encoding", "access-control-allow-origin", "a b", ""]
    {
        assert_eq!(renewed(&[(0, 2.into()), (1, 60.into()), (4, text(name))], 1, &none), None, "{name}");
    }
    assert!(renewed(&[(0, 2.into()), (1, 60.into()), (4, text("common-access-token"))], 1, &none).is_some());
    // It would be no longer valid than the old one.
    assert_eq!(renewed(&with(2, 1000.into()), 60, &none), None);
    assert!(renewed(&with(2, 1000.into()), 59, &none).is_some());
}

#[test]
fn only_tokens_with_a_shared_secret_are_renewed_and_only_where_that_is_on() {
    let (none, more) = (HeaderMap::new(), [(323, map(&by_cookie()))]);
    let cat = Cat::new(settings());
    let claims_of = |cat: &Cat, token: &str| verify_at(cat, token, EXP - 1).unwrap();
    let claims = claims_of(&cat, &signed(&claims(&more)));
    assert_eq!(cat.renew(&claims, &request(&none), Millis((EXP - 1) * 1000)), None);

    // The issuer has a secret too, but another key signed.
    let signer = Signer::p256();
    let public = Key::public_pem(Algorithm::ES256, None, signer.public_pem.as_bytes()).unwrap();
    let keys = Keys::new([public, Key::hmac(Algorithm::HS256, Some("k1"), SECRET).unwrap()]);
    let cat = Cat::new(Settings { issuers: Issuers::anybody(keys.into()), renew: true, ..settings() });
    let key = EncodingKey::from_ec_pem(signer.private_pem.as_bytes()).unwrap();
    let claims = claims_of(&cat, &sign1(&key, jsonwebtoken::Algorithm::ES256, -7, &payload_of(&more)));
    assert_eq!(cat.renew(&claims, &request(&none), Millis((EXP - 1) * 1000)), None);
}

#[test]
fn maps_in_the_tag_of_an_old_encoder_are_maps() {
    let wrapped = |value: Value| Value::Tag(259, value.into());
    let url = wrapped(map(&[(8, wrapped(map(&[(0, text(".m3u8"))])))]));
    let payload = cbor::encode(&wrapped(map(&claims(&[(312, url)])))).unwrap();
    let header = map(&[(1, 5.into())]);
    let unprotected = wrapped(Value::Map(vec![(text("4"), text("k1"))]));
    let token = hs256(&[61, 17], &wrapped(header), unprotected, &payload);
    let headers = HeaderMap::new();
    let cat = Cat::new(settings());
    assert!(cat.accept(token.as_bytes(), &request(&headers), Millis(0)).is_ok());
    let other = RequestFacts { path: "/live/a.ts", ..request(&headers) };
    assert_eq!(cat.accept(token.as_bytes(), &other, Millis(0)).err(), Some(TokenError::WrongUrl));
}

#[test]
fn a_segment_of_a_path_that_begins_like_one_looks_like_a_token() {
    let cat = Cat::new(settings());
    let header = map(&[(1, 5.into())]);
    for tags in [&[61, 17][..], &[17]] {
        assert!(cat.resembles(&hs256(tags, &header, map(&[]), &payload_of(&[]))));
    }
    for tags in [[61, 18].as_slice(), &[18]] {
        assert!(cat.resembles(&hs256(tags, &header, map(&[]), &payload_of(&[]))));
    }
    for segment in ["live", "", "eyJhbGciOiJIUzI1NiJ9.e30.x", "2D3"] {
        assert!(!cat.resembles(segment), "{segment}");
    }
}

proptest! {
    #[test]
    fn no_bytes_whatsoever_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), more in prop::collection::vec(any::<u8>(), 0..200)) {
        let headers = HeaderMap::new();
        let cat = Cat::new(Settings { renew: true, country_header: Some(HeaderName::from_static("x")), ..settings() });
        let request = request(&headers);
        let header = map(&[(1, 5.into())]);
        let parts = envelope(&[61, 17], &header, map(&[]), &more, &bytes);
        for token in [bytes.clone(), URL_SAFE_NO_PAD.encode(&bytes).into(), URL_SAFE_NO_PAD.encode(parts).into(), hs256(&[17], &header, map(&[]), &more).into()] {
            if let Ok(claims) = cat.accept(&token, &request, Millis(0)) {
                cat.renew(&claims, &request, Millis(0));
            }
        }
    }

    #[test]
    fn a_signed_token_with_any_value_in_any_claim_does_not_panic(
        label in prop_oneof![1_i64..12, 280_i64..284, 305_i64..330],
        bytes in prop::collection::vec(any::<u8>(), 1..60),
    ) {
        let Ok(value) = cbor::decode(&bytes) else { return Ok(()) };
        let token = signed(&[(label, value), (4, EXP.into())]);
        let cat = Cat::new(Settings { renew: true, country_header: Some(HeaderName::from_static("x")), ..settings() });
        let headers = HeaderMap::new();
        if let Ok(claims) = cat.accept(token.as_bytes(), &request(&headers), Millis(0)) {
            cat.renew(&claims, &request(&headers), Millis(EXP * 1000 - 1));
        }
    }

    #[test]
    fn a_changed_byte_of_a_good_token_never_verifies(at in any::<prop::sample::Index>(), bit in 0_u32..8, coded: bool) {
        let good = signed(&claims(&[(1, text("issuer")), (312, map(&[(3, map(&[(1, text("/live"))]))]))]));
        let bytes = URL_SAFE_NO_PAD.decode(&good).unwrap();
        let mut changed = if coded { good.clone().into_bytes() } else { bytes.clone() };
        let at = at.index(changed.len());
        changed[at] ^= 1 << bit;
        let changed = if coded { changed } else { URL_SAFE_NO_PAD.encode(changed).into_bytes() };
        // The other alphabet's spelling of the same bytes is the same token.
        prop_assume!(cose::bytes(&changed) != Ok(bytes));
        let headers = HeaderMap::new();
        prop_assert!(Cat::new(settings()).verify(&changed, &RequestFacts::new("/", None, &headers), Millis(0)).is_err());
    }
}
