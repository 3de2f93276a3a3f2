#![allow(clippy::unwrap_used)]

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use http::HeaderValue;
use proptest::prelude::*;

use super::*;
use crate::identity::error::KeyError;
use crate::identity::request::InPath;

const SECRET: &str = "g_SlMILiIWKqsC6Z2L7gy0sReDOqtSrJrE7CXNr5Nl8";
const EXPIRES: u64 = 2_000_000;
const HOST: &str = "media.example.com";

/// What a test says of the request.
#[derive(Clone, Copy)]
struct Asked<'a> {
    path: &'a str,
    query: Option<&'a str>,
    in_path: Option<InPath<'a>>,
}

fn at(path: &str) -> Asked<'_> {
    Asked { path, query: None, in_path: None }
}

fn settings(keys: impl IntoIterator<Item = Key>) -> Settings {
    Settings { keys: Arc::new(Rotating::new(keys)), signed_urls: true, check_ip: true, leeway: Duration::ZERO }
}

fn pair() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap()
}

fn ed25519(name: Option<&str>) -> Key {
    Key::ed25519(name, BASE64.encode(pair().public_key().as_ref()).as_bytes()).unwrap()
}

fn secret(name: Option<&str>) -> Key {
    Key::hmac_sha256(name, SECRET.as_bytes()).unwrap()
}

fn format() -> MediaCdn {
    MediaCdn::new(settings([ed25519(Some("k1")), secret(Some("k2"))]))
}

fn signature(signed: &str) -> String {
    BASE64.encode(pair().sign(signed.as_bytes())).trim_end_matches('=').to_owned()
}

/// `sent` with the signature of `signed`.
fn token_for(sent: &str, signed: &str) -> String {
    format!("{sent}~Signature={}", signature(signed))
}

fn token(fields: &str) -> String {
    token_for(fields, fields)
}

fn hmac_token(fields: &str) -> String {
    let key = hmac::Key::new(HMAC_SHA256, &BASE64.decode(SECRET).unwrap());
    let mac = hmac::sign(&key, fields.as_bytes());
    mac.as_ref().iter().fold(format!("{fields}~hmac="), |text, byte| format!("{text}{byte:02x}"))
}

fn accept_with(
    format: &MediaCdn,
    token: &str,
    asked: Asked<'_>,
    headers: &HeaderMap,
    now: u64,
) -> Result<Claims, TokenError> {
    let Asked { path, query, in_path } = asked;
    let client = Some([203, 0, 113, 9].into());
    let request = RequestFacts { host: HOST, in_path, client, ..RequestFacts::new(path, query, headers) };
    format.accept(token.as_bytes(), &request, Millis(now * 1000))
}

fn accept(token: &str, asked: Asked<'_>) -> Result<Claims, TokenError> {
    accept_with(&format(), token, asked, &HeaderMap::new(), EXPIRES - 1)
}

#[test]
fn a_token_has_one_scope_and_is_held_to_it() {
    let prefix = |text: &str| token(&format!("URLPrefix={}~Expires=2000000", BASE64.encode(text)));
    for (token, fits, does_not) in [
        (token("PathGlobs=/live/*~Expires=2000000"), "/live/a/b", "/vod/a"),
        (token("PathGlobs=/vod/*,/live/*~Expires=2000000"), "/live/a", "/vod"),
        (token("PathGlobs=/vod/*!/a,b/*~Expires=2000000"), "/a,b/c", "/a"),
        (prefix("https://media.example.com/live/"), "/live/a", "/vod/a"),
        (prefix("https://media.example.com"), "/any", "//any"),
        (hmac_token("PathGlobs=/live/*~Expires=2000000"), "/live/a/b", "/vod/a"),
    ] {
        accept(&token, at(fits)).unwrap();
        let beside = accept(&token, at(does_not)).err();
        assert_eq!(beside, (does_not != "//any").then_some(TokenError::WrongUrl), "{token}");
    }
    for url in ["https://media.example.co", "https://other.example/", "http://media.example.com/"] {
        assert_eq!(accept(&prefix(url), at("/")).err(), Some(TokenError::WrongUrl), "{url}");
    }
    for fields in ["Expires=2000000", "URLPrefix=~Expires=2000000", "URLPrefix=L2xpdmU~Expires=2000000"] {
        assert_eq!(accept(&token(fields), at("/")).err(), Some(TokenError::Malformed), "{fields}");
    }
}

#[test]
fn the_fields_are_claims() {
    let fields = "PathGlobs=/*~Starts=1~Expires=2000000~SessionID=s+1~Data=acct%3d7~IPRanges=MjAzLjAuMTEzLjAvMjQ";
    let claims = accept(&token(fields), at("/a")).unwrap();
    for (name, value) in [
        ("PathGlobs", "/*"),
        ("Starts", "1"),
        ("Expires", "2000000"),
        ("SessionID", "s+1"),
        ("SessionID_unescaped", "s 1"),
        ("Data", "acct%3d7"),
        ("Data_unescaped", "acct=7"),
        ("IPRanges", "203.0.113.0/24"),
    ] {
        assert_eq!(claims.text(name).as_deref(), Some(value), "{name}");
    }
}

#[test]
fn a_full_path_is_signed_but_not_sent() {
    let token = token_for("FullPath~Expires=2000000", "FullPath=/live/a.m3u8~Expires=2000000");
    let claims = accept(&token, at("/live/a.m3u8")).unwrap();
    assert_eq!(claims.text("FullPath").as_deref(), Some("/live/a.m3u8"));
    assert_eq!(accept(&token, at("/live/b.m3u8")).err(), Some(TokenError::BadSignature));
    // What was signed, sent as it is: its signature is right, and it would fit every path.
    let shown = token.replace("FullPath", "FullPath=/live/a.m3u8");
    for path in ["/live/a.m3u8", "/live/b.m3u8"] {
        assert_eq!(accept(&shown, at(path)).err(), Some(TokenError::Malformed));
    }
}

#[test]
fn headers_are_signed_with_their_values() {
    let sent = "PathGlobs=/*~Expires=2000000~Headers=Foo,BAZ,none";
    let token = token_for(sent, "PathGlobs=/*~Expires=2000000~Headers=Foo=bar,BAZ=a,b,none=");
    let mut headers = HeaderMap::new();
    headers.insert("foo", HeaderValue::from_static("bar"));
    headers.insert("baz", HeaderValue::from_static("a"));
    headers.append("baz", HeaderValue::from_static("b"));
    let error = |headers: &HeaderMap| accept_with(&format(), &token, at("/"), headers, 1).err();
    assert_eq!(error(&headers), None);
    headers.insert("none", HeaderValue::from_static("some"));
    assert_eq!(error(&headers), Some(TokenError::BadSignature));
    assert_eq!(error(&HeaderMap::new()), Some(TokenError::BadSignature));
    let many = vec!["a"; MAX_HEADERS + 1].join(",");
    for names in ["Foo=bar", "", "a b", &many] {
        let token = super::tests::token(&format!("PathGlobs=/*~Expires=2000000~Headers={names}"));
        assert_eq!(accept(&token, at("/")).err(), Some(TokenError::Malformed), "{names}");
    }
}

#[test]
fn ranges_bind_the_token_when_they_are_checked() {
    let lax = MediaCdn::new(Settings { check_ip: false, ..settings([ed25519(None)]) });
    for (ranges, error) in [
        ("203.0.113.0/24", None),
        ("198.51.100.0/24,203.0.113.9/32", None),
        ("203.0.113.0/24,2001:db8:4a7f:a732/64", None),
        ("198.51.100.0/24", Some(TokenError::WrongClient)),
        ("everybody", Some(TokenError::WrongClient)),
    ] {
        let token = token(&format!("PathGlobs=/*~Expires=2000000~IPRanges={}", BASE64.encode(ranges)));
        assert_eq!(accept(&token, at("/")).err(), error, "{ranges}");
        assert_eq!(accept_with(&lax, &token, at("/"), &HeaderMap::new(), 1).err(), None, "{ranges}");
    }
}

#[test]
fn a_path_component_holds_for_what_follows_it() {
    let fields = "Expires=2000000&KeyName=k1";
    let signed = signature(&format!("https://{HOST}/live/edge-cache-token={fields}"));
    let value = format!("{fields}&Signature={signed}");
    let source: Source = "segment:edge-cache-token".parse().unwrap();
    let path = format!("/live/edge-cache-token={value}/~hd/a.ts");
    let extent = |rest: &str, end: char| format().extent(rest, end);
    let spot = source.in_path(&path, &extent, &|_| true).unwrap();
    assert_eq!(path.get(spot.value..spot.end), Some(&*value));

    let found = |before| Some(InPath { source: &source, token: &value, before, scope: None });
    let asked = |before| Asked { in_path: found(before), ..at("/live/~hd/a.ts") };
    assert_eq!(accept(&value, asked("/live/")).unwrap().text("KeyName").as_deref(), Some("k1"));
    assert_eq!(accept(&value, asked("/vod/")).err(), Some(TokenError::BadSignature));
    assert_eq!(accept(&value, at("/live/~hd/a.ts")).err(), Some(TokenError::Malformed));
    assert!(format().covers_request(value.as_bytes()));
    assert!(format().resembles(&value));
}

#[test]
fn a_signed_url_is_all_that_stands_in_front_of_its_signature() {
    let fields = "Expires=2000000&KeyName=k1";
    let signed = signature(&format!("https://{HOST}/a.m3u8?lang=a%20b&{fields}"));
    let query = format!("lang=a%20b&{fields}&Signature={signed}");
    let ask = |path, query: &str| accept(&signed, Asked { query: Some(query), ..at(path) }).map(|_| ());
    assert_eq!(ask("/a.m3u8", &query), Ok(()));
    assert_eq!(ask("/a.m3u8", &format!("{query}&CMCD=x")), Ok(()));
    assert_eq!(ask("/b.m3u8", &query), Err(TokenError::BadSignature));
    assert_eq!(ask("/a.m3u8", &query.replace("lang", "land")), Err(TokenError::BadSignature));
    assert_eq!(ask("/a.m3u8", &query.replace("2000000", "3000000")), Err(TokenError::BadSignature));
    for query in [
        format!("Expires=3000000&{query}"),
        format!("{query}&Expires=3000000"),
        format!("{query}&KeyName=k1"),
        format!("{query}&Signature={signed}"),
        format!("Signature={signed}&{fields}"),
        format!("Signature={signed}"),
        query.replace("&Signature", "&lang=b&Signature"),
    ] {
        assert_eq!(ask("/a.m3u8", &query), Err(TokenError::Malformed), "{query}");
    }
    let padded = format!("{signed}%3D%3D");
    let query = query.replace(&signed, &padded);
    assert!(accept(&padded, Asked { query: Some(&query), ..at("/a.m3u8") }).is_ok());
    assert_eq!(accept(&signed, at("/a.m3u8")).err(), Some(TokenError::Malformed));
}

#[test]
fn a_signed_prefix_in_the_query_holds_for_every_url_below_it() {
    let fields = format!("URLPrefix={}&Expires=2000000&KeyName=k1", BASE64.encode("https://media.example.com/live/"));
    let signed = signature(&fields);
    let ask = |path, query: &str| accept(&signed, Asked { query: Some(query), ..at(path) }).err();
    let query = format!("{fields}&Signature={signed}");
    assert_eq!(ask("/live/a.ts", &query), None);
    assert_eq!(ask("/live/b.ts", &format!("x=1&{query}&y=2")), None);
    assert_eq!(ask("/live/b.ts", &query.replace('=', "%3D").replace("%3D", "=").replace("=&", "%3D&")), None);
    assert_eq!(ask("/vod/a.ts", &query), Some(TokenError::WrongUrl));
}

#[test]
fn the_parameters_of_signed_urls_leave_with_them_and_of_nobody_else() {
    assert_eq!(format().companions(), ["URLPrefix", "Expires", "KeyName"]);
    let other = MediaCdn::new(Settings { signed_urls: false, ..settings([ed25519(None)]) });
    assert!(other.companions().is_empty());
    let signed = signature(&format!("https://{HOST}/a?Expires=2000000&KeyName=k1"));
    let query = format!("Expires=2000000&KeyName=k1&Signature={signed}");
    let asked = Asked { query: Some(&query), ..at("/a") };
    assert_eq!(accept_with(&other, &signed, asked, &HeaderMap::new(), 1).err(), Some(TokenError::Malformed));
}

#[test]
fn a_token_that_covers_the_request_says_so() {
    for (token, covers) in [
        ("PathGlobs=/*~Expires=1~hmac=00", false),
        ("URLPrefix=aa:Expires=1:Signature=aa", false),
        ("FullPath~Expires=1~hmac=00", true),
        ("PathGlobs=/*~Headers=a~hmac=00", true),
        ("PathGlobs=/*~%48eaders=a~hmac=00", true),
        ("%46ullPath~Expires=1~hmac=00", true),
        ("Expires=1&KeyName=a&Signature=aa", true),
        ("aa==", true),
    ] {
        assert_eq!(format().covers_request(token.as_bytes()), covers, "{token}");
    }
}

#[test]
fn the_algorithm_is_that_of_the_key() {
    let refused = |keys: Vec<Key>, token: &str| {
        accept_with(&MediaCdn::new(settings(keys)), token, at("/"), &HeaderMap::new(), 1).err()
    };
    let fields = "PathGlobs=/*~Expires=2000000";
    let (by_key, by_secret) = (token(fields), hmac_token(fields));
    let sha1 = || Key::hmac_sha1(None, SECRET.as_bytes()).unwrap();
    assert_eq!(refused(vec![ed25519(None)], &by_secret), Some(TokenError::AlgorithmRefused));
    assert_eq!(refused(vec![secret(None)], &by_key), Some(TokenError::AlgorithmRefused));
    assert_eq!(refused(vec![sha1()], &by_secret), Some(TokenError::AlgorithmRefused));
    assert_eq!(refused(vec![sha1(), secret(None)], &by_secret), None);
    // The public key is no secret, even for whoever takes it for one.
    let public = pair().public_key().as_ref().to_vec();
    let mac = hmac::sign(&hmac::Key::new(HMAC_SHA256, &public), fields.as_bytes());
    let forged = mac.as_ref().iter().fold(format!("{fields}~hmac="), |text, byte| format!("{text}{byte:02x}"));
    assert_eq!(refused(vec![ed25519(None)], &forged), Some(TokenError::AlgorithmRefused));
    assert_eq!(refused(vec![ed25519(None), secret(None)], &forged), Some(TokenError::BadSignature));
    assert_eq!(refused(Vec::new(), &by_key), Some(TokenError::AlgorithmRefused));
}

#[test]
fn a_key_name_selects_the_key() {
    let named = |name: &str| token(&format!("PathGlobs=/*~Expires=2000000~KeyName={name}"));
    assert_eq!(accept(&named("k1"), at("/")).err(), None);
    assert_eq!(accept(&named("k2"), at("/")).err(), Some(TokenError::AlgorithmRefused));
    assert_eq!(accept(&named("k3"), at("/")).err(), Some(TokenError::UnknownKey));
    let unnamed = MediaCdn::new(settings([ed25519(None)]));
    assert!(accept_with(&unnamed, &named("k3"), at("/"), &HeaderMap::new(), 1).is_ok());
}

#[test]
fn keys_of_another_issuer_verify_nothing_and_keys_are_replaced_while_it_runs() {
    let keys = Arc::new(Rotating::new([ed25519(None)]));
    let format = MediaCdn::new(Settings { keys: keys.clone(), ..settings([]) });
    let token = token("PathGlobs=/*~Expires=2000000");
    let error = || accept_with(&format, &token, at("/"), &HeaderMap::new(), 1).err();
    assert_eq!(error(), None);
    let other = Ed25519KeyPair::from_seed_unchecked(&[8; 32]).unwrap();
    let other = Key::ed25519(None, BASE64.encode(other.public_key().as_ref()).as_bytes()).unwrap();
    keys.replace(vec![Arc::new(other)]);
    assert_eq!((error(), format.keys_version()), (Some(TokenError::BadSignature), 1));
}

#[test]
fn keys_come_in_every_form_that_they_are_handed_out_in() {
    let raw = BASE64.encode(pair().public_key().as_ref());
    let jwk = format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"k1","x":"{}"}}"#, raw.trim_end_matches('='));
    let mut der = vec![0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    der.extend_from_slice(pair().public_key().as_ref());
    let der = base64::engine::general_purpose::STANDARD.encode(der);
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{der}\n-----END PUBLIC KEY-----\n");
    let token = token("PathGlobs=/*~Expires=2000000~KeyName=k1");
    for text in [&raw, raw.trim_end_matches('='), &jwk, &pem] {
        let format = MediaCdn::new(settings([Key::ed25519(None, text.as_bytes()).unwrap()]));
        assert!(accept_with(&format, &token, at("/"), &HeaderMap::new(), 1).is_ok(), "{text}");
    }
    for text in ["", "AAAA", "not a key", "{}", SECRET.get(1..).unwrap()] {
        assert!(Key::ed25519(None, text.as_bytes()).is_err(), "{text}");
    }
    assert_eq!(Key::ed25519(None, br#"{"kty":"OKP","d":"x"}"#).err(), Some(KeyError::Private));
    for text in ["", "AAAA", "not base64url!", "-----BEGIN PUBLIC KEY-----"] {
        assert_eq!(Key::hmac_sha256(None, text.as_bytes()).err(), Some(KeyError::NotBase64), "{text}");
    }
}

#[test]
fn the_token_ends_at_its_expiry_and_the_leeway_later_than_that() {
    let token = token("PathGlobs=/*~Starts=1000000~Expires=2000000");
    for leeway in [0, 30] {
        let keys = settings([ed25519(None)]);
        let format = MediaCdn::new(Settings { leeway: Duration::from_secs(leeway), ..keys });
        let error = |now| accept_with(&format, &token, at("/"), &HeaderMap::new(), now).err();
        assert_eq!(error(EXPIRES - 1), None);
        assert_eq!(error(EXPIRES), (leeway == 0).then_some(TokenError::Expired));
        assert_eq!(error(EXPIRES + leeway), Some(TokenError::Expired));
        assert_eq!(error(1_000_000 - leeway), None);
        assert_eq!(error(1_000_000 - leeway - 1), Some(TokenError::NotYet));
    }
    let endless = super::tests::token("PathGlobs=/*");
    assert_eq!(accept(&endless, at("/")).err(), Some(TokenError::NoExpiry));
}

#[test]
fn a_field_stands_once() {
    for fields in [
        "PathGlobs=/*~Expires=2000000~Expires=2000000",
        "PathGlobs=/live/*~Expires=2000000~PathGlobs=/*",
        "PathGlobs=/*~FullPath~Expires=2000000",
        "PathGlobs=/*~Expires=2000000~Other=1",
        "PathGlobs=/*~Expires=2000000~hmac=00",
        "PathGlobs=/*~Expires=+2000000",
        "PathGlobs=/*~Expires",
        "PathGlobs=/*~Expires=2000000~Data=a~b",
    ] {
        assert!(
            matches!(accept(&token(fields), at("/")), Err(TokenError::Malformed | TokenError::NoExpiry)),
            "{fields}"
        );
    }
}

#[test]
fn a_token_that_the_client_escaped_is_decoded_once_and_not_twice() {
    let token = token("PathGlobs=/a/*~Expires=2000000");
    let once = token.replace('*', "%2a").replace('=', "%3D").replace('~', "%7E").replace('/', "%2F");
    assert!(accept(&once, at("/a/b")).is_ok());
    assert_eq!(accept(&once.replace('%', "%25"), at("/a/b")).err(), Some(TokenError::Malformed));
}

#[test]
fn overlong_tokens_are_refused_before_they_are_read() {
    let long = |length: usize| token(&format!("PathGlobs=/*~Expires=2000000~Data={}", "a".repeat(length)));
    let most = MAX_TOKEN - long(0).len();
    assert!(accept(&long(most), at("/")).is_ok());
    assert_eq!(accept(&long(most + 1), at("/")).err(), Some(TokenError::TooLong));
    let query = format!("Expires=2000000&KeyName={}&Signature=aa", "a".repeat(MAX_TOKEN));
    assert_eq!(accept("aa", Asked { query: Some(&query), ..at("/") }).err(), Some(TokenError::TooLong));
}

#[test]
fn a_long_token_of_the_cdn_has_another_order_and_a_name_in_front() {
    let prefix = BASE64.encode("https://media.example.com/");
    let token = token(&format!("Expires=2000000~_GO=Generated~URLPrefix={prefix}"));
    assert!(accept(&token, at("/a")).is_ok());
    assert!(accept(&format!("hdntl={token}"), at("/a")).is_ok());
}

proptest! {
    #[test]
    fn any_bytes_never_panic(token in prop::collection::vec(any::<u8>(), 0..300), query in "[A-Za-z=&%é]{0,40}") {
        let headers = HeaderMap::new();
        let _ = format().accept(&token, &RequestFacts::new("/", Some(&query), &headers), Millis(0));
        format().covers_request(&token);
    }

    #[test]
    fn near_tokens_never_panic(
        token in "((URLPrefix|PathGlobs|FullPath|Expires|Data|Headers|KeyName|hmac|Signature)=?[0-9a-f%/é*]{0,6}[~&:]?){0,9}",
    ) {
        let headers = HeaderMap::new();
        let query = format!("{token}&Signature=aa");
        let request = RequestFacts::new("/", Some(&query), &headers);
        prop_assert!(format().accept(token.as_bytes(), &request, Millis(0)).is_err());
        prop_assert!(format().accept(b"aa", &request, Millis(0)).is_err());
        for end in ['&', '/'] {
            prop_assert!(token.is_char_boundary(format().extent(&token, end)));
        }
    }

    #[test]
    fn a_flipped_byte_of_a_good_token_never_verifies(at in any::<prop::sample::Index>(), flip in 1_u8..=255) {
        let headers = HeaderMap::new();
        let fields = "PathGlobs=/*~Starts=1~Expires=2000000~Data=a%3db";
        for token in [token(fields), hmac_token(fields)] {
            let mut bytes = token.into_bytes();
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            let request = RequestFacts::new("/a", None, &headers);
            prop_assert!(format().accept(&bytes, &request, Millis(1_000_000)).is_err());
        }
    }
}
