#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::digest;
use http::HeaderMap;
use http::header::COOKIE;
use proptest::prelude::*;

use crate::identity::jwt::{Algorithm, Key, sign_hs};
use crate::identity::{self, Identity, Issuer, Keys, Mapping, StreamSource, Token, ValueSource};
use crate::model::ApplicationId;

use super::*;

const SECRET: &[u8] = b"a secret of thirty-two bytes, ok";
const OTHER: &[u8] = b"another secret of thirty-two byt";
const CONTENT: &[u8; 16] = b"sixteen bytes ok";
const NOW: Millis = Millis(1_790_000_000_000);
const EXP: u64 = 1_790_000_100;
const URL: &str = "regex:https://cdn\\.example/live/[^?]*";

fn issuer(name: &str, secret: &[u8]) -> Issuer {
    let key = Key::hmac(Algorithm::HS256, Some("one"), secret).unwrap();
    Issuer { name: Some(name.into()), audience: Vec::new(), keys: Arc::new(Keys::new([key])) }
}

fn settings() -> Settings {
    Settings::strict(Issuers::new(vec![issuer("acme", SECRET), issuer("other", OTHER)]))
}

fn signed(secret: &[u8], claims: Value) -> String {
    let Value::Object(claims) = claims else { return String::new() };
    sign_hs(Algorithm::HS256, secret, &claims).unwrap()
}

/// A token of acme for everything below `/live/`, with these claims instead or besides.
fn token(others: Value) -> String {
    let mut claims = json!({ "iss": "acme", "exp": EXP, "cdniuc": URL });
    if let (Value::Object(claims), Value::Object(others)) = (&mut claims, others) {
        claims.extend(others);
        claims.retain(|_, value| !value.is_null());
    }
    signed(SECRET, claims)
}

/// A request for the path on the host that the tokens are for.
fn request<'a>(path: &'a str, query: Option<&'a str>, headers: &'a HeaderMap) -> RequestFacts<'a> {
    RequestFacts { host: "cdn.example", ..RequestFacts::new(path, query, headers) }
}

fn ask(settings: Settings, token: &str, path: &str, query: Option<&str>, now: Millis) -> Result<Claims, TokenError> {
    let headers = HeaderMap::new();
    let request = RequestFacts { client: Some([192, 0, 2, 7].into()), ..request(path, query, &headers) };
    UriSigning::new(settings).accept(token.as_bytes(), &request, now)
}

fn answer(token: &str) -> Result<(), TokenError> {
    ask(settings(), token, "/live/a.ts", None, NOW).map(drop)
}

#[test]
fn a_token_is_good_for_the_uris_that_its_expression_covers() {
    let good = token(json!({}));
    for (path, query, expected) in [
        ("/live/a.ts", None, Ok(())),
        ("/live/a/b.ts", None, Ok(())),
        ("/liv%65/a.ts", None, Ok(())),
        ("/vod/../live/a.ts", None, Ok(())),
        ("/live/../vod/a.ts", None, Err(TokenError::WrongUrl)),
        ("/live/%2e%2E/vod/a.ts", None, Err(TokenError::WrongUrl)),
        ("/vod/a.ts", Some("x=https://cdn.example/live/a"), Err(TokenError::WrongUrl)),
        ("/live/a.ts", Some("x=1"), Err(TokenError::WrongUrl)),
        ("/live/%", None, Err(TokenError::WrongUrl)),
    ] {
        assert_eq!(ask(settings(), &good, path, query, NOW).map(drop), expected, "{path} {query:?}");
    }
}

#[test]
fn an_expression_without_anchors_allows_more_only_where_the_settings_say_so() {
    let token = token(json!({ "cdniuc": "regex:https://cdn.example/live/*" }));
    assert_eq!(ask(settings(), &token, "/live/a.ts", None, NOW).map(drop), Err(TokenError::WrongUrl));
    let searched = || Settings { regex: Coverage::Part, ..settings() };
    assert_eq!(ask(searched(), &token, "/live/a.ts", None, NOW).map(drop), Ok(()));
    assert_eq!(ask(searched(), &token, "/vod/a.ts", None, NOW).map(drop), Err(TokenError::WrongUrl));
    assert_eq!(
        ask(settings(), &self::token(json!({ "cdniuc": "regex:(" })), "/", None, NOW).map(drop),
        Err(TokenError::Malformed)
    );
    assert_eq!(
        ask(searched(), &self::token(json!({ "cdniuc": "regex:(" })), "/", None, NOW).map(drop),
        Err(TokenError::Malformed)
    );
}

#[test]
fn a_token_with_a_hash_is_good_for_one_uri() {
    let hash = digest::digest(&digest::SHA256, b"https://cdn.example/live/a.ts?x=1");
    let hash = URL_SAFE_NO_PAD.encode(hash);
    let one = token(json!({ "cdniuc": format!("hash:sha-256;{hash}") }));
    assert_eq!(ask(settings(), &one, "/live/a.ts", Some("x=1"), NOW).map(drop), Ok(()));
    assert_eq!(ask(settings(), &one, "/live/%61.ts", Some("x=%31"), NOW).map(drop), Ok(()));
    assert_eq!(ask(settings(), &one, "/live/a.ts", Some("x=2"), NOW).map(drop), Err(TokenError::WrongUrl));
    for (container, error) in [
        (format!("hash:sha-256;{hash}="), TokenError::Malformed),
        ("hash:sha-256;c2hvcnQ".to_owned(), TokenError::Malformed),
        (format!("hash:sha-256-128;{hash}"), TokenError::Critical),
        (format!("hash:md5;{hash}"), TokenError::Critical),
        ("uri:https://cdn.example/live/a.ts".to_owned(), TokenError::Critical),
        (String::new(), TokenError::Critical),
    ] {
        assert_eq!(answer(&token(json!({ "cdniuc": container }))), Err(error), "{container}");
    }
}

#[test]
fn a_token_without_a_uri_is_refused_unless_the_settings_allow_it() {
    let bare = token(json!({ "cdniuc": null }));
    assert_eq!(answer(&bare), Err(TokenError::Malformed));
    assert_eq!(ask(Settings { uri_required: false, ..settings() }, &bare, "/", None, NOW).map(drop), Ok(()));
    assert_eq!(answer(&token(json!({ "cdniuc": 1 }))), Err(TokenError::Malformed));
}

#[test]
fn claims_that_may_not_be_passed_over_are_understood_or_refused() {
    for (claims, expected) in [
        (json!({ "cdniv": 1, "jti": "s-1", "aud": "x", "iat": 1, "sub": "alice" }), Ok(())),
        (json!({ "cdniv": 2 }), Err(TokenError::Critical)),
        (json!({ "cdniv": "1" }), Err(TokenError::Critical)),
        (json!({ "cdnicrit": "geo", "geo": "NL" }), Err(TokenError::Critical)),
        (json!({ "cdnicrit": "" }), Err(TokenError::Critical)),
        (json!({ "cdniip": "192.0.2.7" }), Err(TokenError::Critical)),
        (json!({ "cdniip": 7 }), Err(TokenError::Malformed)),
        (json!({ "cdnistt": 0, "cdniets": 30 }), Ok(())),
        (json!({ "cdnistt": 1, "cdniets": 30, "cdnistd": 0 }), Ok(())),
        (json!({ "cdnistt": 1 }), Err(TokenError::Malformed)),
        (json!({ "cdnistt": 0 }), Err(TokenError::Malformed)),
        (json!({ "cdnistt": 1, "cdniets": 0 }), Err(TokenError::Malformed)),
        (json!({ "cdnistt": 1, "cdniets": -30 }), Err(TokenError::Malformed)),
        (json!({ "cdnistt": 1, "cdniets": "30" }), Err(TokenError::Malformed)),
        (json!({ "cdnistt": 2, "cdniets": 30 }), Err(TokenError::Critical)),
        (json!({ "cdnistt": 1, "cdniets": 30, "cdnistd": -2 }), Err(TokenError::Malformed)),
    ] {
        assert_eq!(answer(&token(claims.clone())), expected, "{claims}");
    }
}

#[test]
fn to_the_letter_neither_a_token_id_nor_a_subject_in_plain_text_is_accepted() {
    let sealed = "eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0..a.b.c";
    for (claims, practical, literal) in [
        (json!({}), Ok(()), Ok(())),
        (json!({ "jti": "s-1" }), Ok(()), Err(TokenError::Critical)),
        (json!({ "jti": 7 }), Ok(()), Err(TokenError::Critical)),
        (json!({ "sub": "alice" }), Ok(()), Err(TokenError::Critical)),
        (json!({ "sub": 2041 }), Ok(()), Err(TokenError::Critical)),
        (json!({ "sub": sealed }), Ok(()), Ok(())),
        (json!({ "sub": sealed, "jti": "s-1" }), Ok(()), Err(TokenError::Critical)),
    ] {
        let token = token(claims.clone());
        assert_eq!(answer(&token), practical, "{claims}");
        let settings = Settings { to_the_letter: true, ..settings() };
        assert_eq!(ask(settings, &token, "/live/a.ts", None, NOW).map(drop), literal, "{claims}");
    }
}

#[test]
fn a_token_ends_at_exp_and_at_the_end_of_the_leeway() {
    let token = token(json!({ "nbf": EXP - 50 }));
    let at = |leeway: u64, seconds: u64| {
        let settings = Settings { leeway: Duration::from_secs(leeway), ..settings() };
        ask(settings, &token, "/live/a.ts", None, Millis(seconds * 1000)).map(drop)
    };
    assert_eq!(at(0, EXP - 1), Ok(()));
    assert_eq!(at(0, EXP), Err(TokenError::Expired));
    assert_eq!(at(10, EXP + 9), Ok(()));
    assert_eq!(at(10, EXP + 10), Err(TokenError::Expired));
    assert_eq!(at(0, EXP - 50), Ok(()));
    assert_eq!(at(0, EXP - 51), Err(TokenError::NotYet));
    assert_eq!(at(10, EXP - 60), Ok(()));
}

#[test]
fn a_token_without_exp_is_refused_unless_the_settings_allow_it() {
    let token = token(json!({ "exp": null }));
    assert_eq!(answer(&token), Err(TokenError::NoExpiry));
    let settings = Settings { expiry_required: false, ..settings() };
    assert_eq!(ask(settings, &token, "/live/a.ts", None, NOW).unwrap().expires(), Millis(u64::MAX));
}

#[test]
fn the_key_of_one_issuer_signs_for_no_other_and_an_issuer_has_to_be_named() {
    let claims = |iss: &str| json!({ "iss": iss, "exp": EXP, "cdniuc": URL });
    assert_eq!(answer(&signed(SECRET, claims("acme"))), Ok(()));
    assert_eq!(answer(&signed(OTHER, claims("other"))), Ok(()));
    assert_eq!(answer(&signed(OTHER, claims("acme"))), Err(TokenError::BadSignature));
    assert_eq!(answer(&signed(SECRET, claims("nobody"))), Err(TokenError::WrongIssuer));
    assert_eq!(answer(&token(json!({ "iss": null }))), Err(TokenError::WrongIssuer));
}

#[test]
fn the_algorithm_is_that_of_the_key_and_not_that_of_the_header() {
    let claims = URL_SAFE_NO_PAD.encode(json!({ "iss": "acme", "exp": EXP, "cdniuc": URL }).to_string());
    for header in [json!({ "alg": "none" }), json!({ "alg": "RS256" }), json!({ "alg": "HS384" })] {
        let head = format!("{}.{claims}", URL_SAFE_NO_PAD.encode(header.to_string()));
        for signature in ["", "AAAA"] {
            assert_eq!(answer(&format!("{head}.{signature}")), Err(TokenError::AlgorithmRefused), "{header}");
        }
    }
}

#[test]
fn members_that_stand_twice_and_overlong_tokens_are_refused() {
    let key = Key::hmac(Algorithm::HS256, None, SECRET).unwrap();
    let twice = format!(r#"{{"iss":"acme","exp":{EXP},"cdniuc":"regex:a","cdniuc":"regex:.*"}}"#);
    assert_eq!(answer(&jws::sign(&key, twice.as_bytes()).unwrap()), Err(TokenError::Malformed));
    assert_eq!(answer(&token(json!({ "x": "x".repeat(8192) }))), Err(TokenError::TooLong));
}

#[test]
fn the_value_ends_at_the_next_reserved_character() {
    let format = UriSigning::new(settings());
    for (rest, value) in [("a.b-c_d~e/x", "a.b-c_d~e"), ("a.b;c", "a.b"), ("a,b", "a"), ("a.b", "a.b"), ("=a", "")] {
        assert_eq!(rest.get(..format.extent(rest, '&')), Some(value), "{rest}");
    }
}

/// A claim encrypted as RFC 7516 has it.
fn encrypted(header: &Value, text: &str) -> String {
    let header = URL_SAFE_NO_PAD.encode(header.to_string());
    let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, CONTENT).unwrap());
    let mut sealed = text.as_bytes().to_vec();
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key([7; 12]), Aad::from(header.as_bytes()), &mut sealed)
        .unwrap();
    let (sealed, tag) = sealed.split_at(text.len());
    format!(
        "{header}..{}.{}.{}",
        URL_SAFE_NO_PAD.encode([7; 12]),
        URL_SAFE_NO_PAD.encode(sealed),
        URL_SAFE_NO_PAD.encode(tag)
    )
}

fn opening() -> Settings {
    Settings { decrypt: vec![ContentKey::new(Some("k"), CONTENT).unwrap()], ..settings() }
}

const DIRECT: fn() -> Value = || json!({ "alg": "dir", "enc": "A128GCM", "kid": "k" });

#[test]
fn an_encrypted_network_binds_the_client() {
    for (network, expected) in [
        ("192.0.2.0/24", Ok(())),
        ("192.0.2.7", Ok(())),
        ("[192.0.2.7/32]", Ok(())),
        ("198.51.100.0/24", Err(TokenError::WrongClient)),
        ("2001:db8::/32", Err(TokenError::WrongClient)),
        ("somewhere", Err(TokenError::Malformed)),
    ] {
        let token = token(json!({ "cdniip": encrypted(&DIRECT(), network) }));
        assert_eq!(ask(opening(), &token, "/live/a.ts", None, NOW).map(drop), expected, "{network}");
        assert_eq!(answer(&token), Err(TokenError::Critical), "without the key");
    }
}

#[test]
fn an_encrypted_subject_is_opened_and_never_passes_for_a_name_as_it_stands() {
    let token = token(json!({ "sub": encrypted(&DIRECT(), "alice") }));
    let claims = ask(opening(), &token, "/live/a.ts", None, NOW).unwrap();
    assert_eq!(claims.text("sub").as_deref(), Some("alice"));
    let without = ask(settings(), &token, "/live/a.ts", None, NOW).unwrap();
    assert_eq!(without.text("sub"), None);
}

#[test]
fn other_ways_of_encryption_and_changed_texts_are_refused() {
    let keys = [ContentKey::new(Some("k"), CONTENT).unwrap(), ContentKey::new(None, &[0; 32]).unwrap()];
    let good = encrypted(&DIRECT(), "alice");
    assert_eq!(decrypt(&keys, &good).as_deref(), Ok("alice"));
    assert_eq!(decrypt(&keys, &encrypted(&json!({ "alg": "dir", "enc": "A128GCM" }), "alice")).as_deref(), Ok("alice"));
    for (header, error) in [
        (json!({ "alg": "dir", "enc": "A128GCM", "zip": "DEF" }), TokenError::Critical),
        (json!({ "alg": "dir", "enc": "A128GCM", "crit": ["x"] }), TokenError::Critical),
        (json!({ "alg": "dir", "enc": "A128CBC-HS256" }), TokenError::Critical),
        (json!({ "alg": "A128KW", "enc": "A128GCM" }), TokenError::Critical),
        (json!({ "alg": "dir", "enc": "A256GCM" }), TokenError::UnknownKey),
    ] {
        assert_eq!(decrypt(&keys, &encrypted(&header, "alice")), Err(error), "{header}");
    }
    let (head, _) = good.rsplit_once('.').unwrap();
    assert_eq!(decrypt(&keys, &format!("{head}.{}", URL_SAFE_NO_PAD.encode([0; 16]))), Err(TokenError::UnknownKey));
    for shape in ["", "a.b", &format!("{head}.AA"), &good.replacen("..", ".AA.", 1), &format!("{good}.")] {
        assert_eq!(decrypt(&keys, shape), Err(TokenError::Malformed), "{shape}");
    }
    assert!(ContentKey::new(None, &[0; 24]).is_err());
}

/// The cookie that renews the token at `now`, for a request of that path with these cookies.
fn renewed(settings: Settings, token: &str, path: &str, cookies: Option<&str>, now: Millis) -> Option<String> {
    let mut headers = HeaderMap::new();
    if let Some(cookies) = cookies {
        headers.insert(COOKIE, HeaderValue::from_str(cookies).unwrap());
    }
    let format = UriSigning::new(settings);
    let request = request(path, None, &headers);
    let claims = format.verify(token.as_bytes(), &request, now).unwrap();
    let renewed = format.renew(&claims, &request, now)?;
    assert_eq!(renewed.name, SET_COOKIE);
    Some(renewed.value.to_str().unwrap().to_owned())
}

fn renewing() -> Settings {
    Settings { renew: true, ..settings() }
}

const SUCCESSION: fn() -> Value =
    || json!({ "cdnistt": 1, "cdniets": 60, "cdnistd": 2, "jti": "s-1", "exp": EXP + 3600 });

#[test]
fn a_renewed_token_says_the_same_and_lives_from_now() {
    let cookie = renewed(renewing(), &token(SUCCESSION()), "/live/news/a.ts", None, NOW).unwrap();
    let (pair, attributes) = cookie.split_once("; ").unwrap();
    assert_eq!(attributes, "Path=/live/news; Max-Age=60; HttpOnly; Secure; SameSite=None");
    let successor = pair.strip_prefix("URISigningPackage=").unwrap();
    let claims = ask(settings(), successor, "/live/news/b.ts", None, NOW).unwrap();
    let mut expected = SUCCESSION();
    expected["iss"] = json!("acme");
    expected["cdniuc"] = json!(URL);
    expected["exp"] = json!(NOW.seconds() + 60);
    assert_eq!(Value::Object(claims.members().clone()), expected);
}

#[test]
fn a_viewer_who_has_the_token_as_a_cookie_gets_another_when_half_its_life_is_over() {
    let token = token(json!({ "cdnistt": 1, "cdniets": 60 }));
    let cookie = format!("x=1; URISigningPackage={token}");
    let at = |cookies: Option<&str>, seconds: u64| {
        renewed(renewing(), &token, "/live/a.ts", cookies, Millis(seconds * 1000)).is_some()
    };
    assert!(!at(Some(&cookie), EXP - 60));
    assert!(!at(Some(&cookie), EXP - 30));
    assert!(at(Some(&cookie), EXP - 29));
    assert!(at(None, EXP - 60), "the segments come without the query");
    assert!(at(Some("URISigningPackage=ey.stale.one"), EXP - 60));
}

#[test]
fn an_encrypted_claim_stays_encrypted_in_the_renewed_token() {
    let sealed = encrypted(&DIRECT(), "alice");
    let token =
        token(json!({ "cdnistt": 1, "cdniets": 60, "sub": sealed, "streamgate: claims as they were encrypted": 1 }));
    for settings in [opening(), settings()] {
        let settings = Settings { renew: true, ..settings };
        let cookie = renewed(settings, &token, "/live/a.ts", None, NOW).unwrap();
        let successor = cookie.strip_prefix("URISigningPackage=").unwrap().split(';').next().unwrap();
        let Members(members) = Members::read(&Jws::read(successor.as_bytes()).unwrap().payload).unwrap();
        assert_eq!(members.get("sub"), Some(&json!(sealed)));
        assert!(!members.contains_key(SEALED));
    }
}

#[test]
fn what_cannot_be_renewed_is_not() {
    let token = token(SUCCESSION());
    assert!(renewed(settings(), &token, "/live/news/a.ts", None, NOW).is_none(), "not configured");
    assert!(renewed(renewing(), &self::token(json!({})), "/live/news/a.ts", None, NOW).is_none(), "not asked for");
    assert!(renewed(renewing(), &token, "/live", None, NOW).is_none(), "fewer segments than the depth");
    assert!(renewed(renewing(), &token, "/live/a;Domain=example/b", None, NOW).is_none(), "an attribute of its own");
    let plain = self::token(json!({ "cdnistt": 1, "cdniets": 60 }));
    let cookie = renewed(renewing(), &plain, "/live;a/b", None, NOW).unwrap();
    assert!(cookie.contains("; Path=/; "), "{cookie}");
}

#[test]
fn without_a_shared_secret_nothing_is_renewed() {
    let pem = b"-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";
    let key = Key::public_pem(Algorithm::EdDSA, None, pem).unwrap();
    let format =
        UriSigning::new(Settings { renew: true, ..Settings::strict(Issuers::anybody(Arc::new(Keys::new([key])))) });
    let Value::Object(members) = json!({ "cdnistt": 1, "cdniets": 60, "exp": EXP }) else { return };
    let headers = HeaderMap::new();
    assert_eq!(format.renew(&Claims::new(members, Millis(EXP * 1000)), &request("/a", None, &headers), NOW), None);
}

/// An application that looks for tokens in these places.
fn application(sources: &[&str]) -> Identity {
    let token = Token {
        sources: sources.iter().map(|source| source.parse().unwrap()).collect(),
        format: Arc::new(UriSigning::new(settings())),
        forward: false,
        replaced_by: None,
    };
    let mapping = Mapping {
        idp: ValueSource::Claim("iss".into()).into(),
        subject: ValueSource::Claim("jti".into()).into(),
        device: None,
        stream: StreamSource::minted(),
        attributes: Vec::new(),
    };
    Identity::new(ApplicationId("tv".into()), identity::Settings { tokens: vec![token], mapping, declared: None })
}

#[test]
fn a_token_leaves_the_query_with_one_delimiter_and_takes_nothing_else_along() {
    let application = application(&["query:URISigningPackage"]);
    for (query, left) in [
        ("URISigningPackage=a.b.c", ""),
        ("x=1&URISigningPackage=a.b.c", "x=1"),
        ("URISigningPackage=a.b.c&x=1", "x=1"),
        ("x=1&URISigningPackage=a.b.c&y=2", "x=1&y=2"),
        ("x=1&URISigningPackage=a&URISigningPackage=b", "x=1"),
        ("URISigningPackage=a&x=1&URISigningPackage=&y", "x=1&y"),
        ("x=1&URISigningPackage=a.b.c/y&z=2", "x=1/y&z=2"),
        ("x=1;URISigningPackage=a.b.c;y=2", "x=1;y=2"),
        ("xURISigningPackage=a&y=2", "xURISigningPackage=a&y=2"),
        ("x=1&&y=", "x=1&&y="),
    ] {
        assert_eq!(application.strip_query(query), left, "{query}");
    }
}

#[test]
fn a_token_leaves_the_path_a_path() {
    let application = application(&["segment:URISigningPackage", "param:URISigningPackage", "segment:package/"]);
    for (path, left) in [
        ("/URISigningPackage=a.b.c/live/a.ts", "/live/a.ts"),
        ("/live/URISigningPackage=a.b.c", "/live"),
        ("/URISigningPackage=a.b.c;x/live/a.ts", "/x/live/a.ts"),
        ("/live/a.ts;URISigningPackage=a.b.c", "/live/a.ts"),
        ("/live/a.ts;URISigningPackage=a.b.c;x=1", "/live/a.ts;x=1"),
        ("/live;URISigningPackage=a.b.c/a.ts", "/live/a.ts"),
        ("/package/a.b.c/live/a.ts", "/live/a.ts"),
    ] {
        assert_eq!(application.take_from_path(path, true).unwrap().path, left, "{path}");
    }
    assert_eq!(application.take_from_path("/live/URISigningPackage=/a.ts", true), None);
}

#[test]
fn a_cookie_that_has_expired_does_not_hide_the_one_of_another_path_and_a_bad_one_does() {
    let application = application(&["cookie:URISigningPackage"]);
    let (good, old) = (token(json!({ "jti": "s-1" })), token(json!({ "jti": "s-0", "exp": 1 })));
    let account = |cookies: [&str; 2]| {
        let cookies = cookies.map(|token| format!("URISigningPackage={token}")).join("; ");
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, HeaderValue::from_str(&cookies).unwrap());
        let identified = application.identify(&request("/live/a.ts", None, &headers), NOW).unwrap();
        identified.map(|identified| identified.viewer.account.subject.to_string())
    };
    assert_eq!(account([&old, &good]).as_deref(), Ok("s-1"));
    assert_eq!(account([&old, &old]), Err(TokenError::Expired));
    assert_eq!(account(["ey.bad.one", &good]), Err(TokenError::Malformed));
}

proptest! {
    #[test]
    fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "\\PC{0,80}") {
        let headers = HeaderMap::new();
        let format = UriSigning::new(opening());
        prop_assert!(format.verify(&bytes, &request("/", None, &headers), NOW).is_err());
        let _ = decrypt(&opening().decrypt, &text);
        let _ = normal_form(&format!("http://{text}"));
        prop_assert!(format.extent(&text, '&') <= text.len());
    }

    #[test]
    fn any_container_never_panics(container in "(regex:|hash:sha-256;)?\\PC{0,60}", path in "/\\PC{0,40}") {
        let token = token(json!({ "cdniuc": container }));
        let _ = ask(settings(), &token, &path, None, NOW);
        let _ = ask(Settings { regex: Coverage::Part, ..settings() }, &token, &path, None, NOW);
    }

    #[test]
    fn a_flipped_byte_of_a_good_token_never_verifies(at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let mut bytes = token(SUCCESSION()).into_bytes();
        *at.get_mut(&mut bytes) ^= 1 << bit;
        let headers = HeaderMap::new();
        prop_assert!(UriSigning::new(opening()).verify(&bytes, &request("/live/a.ts", None, &headers), NOW).is_err());
    }
}
