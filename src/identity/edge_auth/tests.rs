#![allow(clippy::unwrap_used)]

use http::HeaderMap;
use proptest::prelude::*;

use super::*;
use crate::identity::token_location::Source;

const KEY: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";
const NOW: u64 = 1_793_500_000;
const A: &str =
    "st=1793500000~exp=1793586400~acl=/vod/*~hmac=378cbec16e05d9a7d3b02969142e200ee7c17e7bf3815dba8f7f030dd7854dd1";
const B: &str = "exp=1793586400~acl=/live/*!/ts/??/*~id=play-7f3a~data=acct=H-2041~hmac=6685f6006038ab9f572e957c0998784ebc19b0a523fe2391c572203fb8fa05ae";
const C: &str = "exp=1793586400~acl=/*~id=play+7f3a~data=acct%3dH-2041%26dev%3dtv~hmac=46623431a70e388785717fd46dd35a0fb9e16c91c23f5e133529865940b29f32";
const D: &str = "exp=1793586400~hmac=bea5874163a8c1380bcbcd0bc9dac2690d4198fd";
const D_PATH: &str = "/live/one/index.m3u8";

fn settings(algorithm: Mac) -> Settings {
    Settings {
        keys: Arc::new(Rotating::new([Key::from_hex(KEY).unwrap()])),
        algorithm,
        salt: None,
        bind_url: false,
        check_ip: true,
        leeway: Duration::ZERO,
    }
}

fn sha256() -> EdgeAuth {
    EdgeAuth::new(settings(Mac::Sha256))
}

fn url_bound() -> EdgeAuth {
    EdgeAuth::new(Settings { salt: Some((*b"orchard").into()), bind_url: true, ..settings(Mac::Sha1) })
}

fn accept_at(format: &EdgeAuth, token: &str, path: &str, now: u64) -> Result<Claims, TokenError> {
    let headers = HeaderMap::new();
    let client = Some([203, 0, 113, 7].into());
    let request = RequestFacts { client, ..RequestFacts::new(path, None, &headers) };
    format.accept(token.as_bytes(), &request, Millis(now * 1000))
}

fn accept(format: &EdgeAuth, token: &str, path: &str) -> Result<Claims, TokenError> {
    accept_at(format, token, path, NOW)
}

/// A token of these fields; what the MAC covers besides comes as `hidden`.
fn token(fields: &str, hidden: &str) -> String {
    let key = hmac::Key::new(HMAC_SHA256, &edge_auth_fields::from_hex(KEY).unwrap());
    let mac = hmac::sign(&key, format!("{fields}{hidden}").as_bytes());
    mac.as_ref().iter().fold(format!("{fields}~hmac="), |text, byte| format!("{text}{byte:02x}"))
}

#[test]
fn the_known_tokens_are_accepted_for_their_paths() {
    let format = sha256();
    accept(&format, A, "/vod/a/b.m3u8").unwrap();
    let claims = accept(&format, B, "/ts/ab/1.ts").unwrap();
    assert_eq!(claims.text("id").as_deref(), Some("play-7f3a"));
    assert_eq!(claims.text("data").as_deref(), Some("acct=H-2041"));
    assert_eq!(claims.expires(), Millis(1_793_586_400_000));
    let claims = accept(&format, C, "/any").unwrap();
    assert_eq!(claims.text("id").as_deref(), Some("play+7f3a"));
    assert_eq!(claims.text("id_unescaped").as_deref(), Some("play 7f3a"));
    assert_eq!(claims.text("data_unescaped").as_deref(), Some("acct=H-2041&dev=tv"));
    accept(&url_bound(), D, D_PATH).unwrap();
}

#[test]
fn an_acl_covers_paths_across_slashes_and_nothing_beside_them() {
    let format = sha256();
    for path in ["/live/", "/live/a", "/live/a/b/c.ts", "/ts/ab/", "/ts/éa/x"] {
        // `?` is one byte, so that a path means the same to everybody
        assert_eq!(accept(&format, B, path).is_ok(), path != "/ts/éa/x", "{path}");
    }
    for path in ["/live", "/Live/a", "/ts/abc/x", "/vod/live/a", "/", ""] {
        assert_eq!(accept(&format, B, path).err(), Some(TokenError::WrongUrl), "{path}");
    }
}

#[test]
fn a_url_token_fits_one_path_however_that_is_written() {
    let format = EdgeAuth::new(Settings { bind_url: true, ..settings(Mac::Sha256) });
    for signed in ["/a b/é.m3u8", "/a%20b/%C3%A9.m3u8", "%2fa+b%2f%c3%a9.m3u8", "%2fa%2520b%2f%25C3%25A9.m3u8"] {
        let token = token("exp=1793586400", &format!("~url={signed}"));
        accept(&format, &token, "/a%20b/%C3%A9.m3u8").unwrap();
        assert_eq!(accept(&format, &token, "/a%20b/%C3%A8.m3u8").err(), Some(TokenError::BadSignature));
        assert_eq!(accept(&sha256(), &token, "/a%20b/%C3%A9.m3u8").err(), Some(TokenError::BadSignature));
    }
    assert_eq!(accept(&url_bound(), D, "/live/two/index.m3u8").err(), Some(TokenError::BadSignature));
}

#[test]
fn a_url_token_does_not_accept_one_url_under_two_spellings() {
    let format = EdgeAuth::new(Settings { bind_url: true, ..settings(Mac::Sha256) });
    let spellings = [
        "/live/a b.ts",
        "/live/a%20b.ts",
        "/live/a%2520b.ts",
        "/live/a+b.ts",
        "/live/a%2Bb.ts",
        "/live%2Fa%20b.ts",
        "/live%2fa%20b.ts",
        "/%6Cive/a%20b.ts",
        "/%6cive/a%20b.ts",
        "/live/%61%20b.ts",
        "/live/a%20b%2Ets",
        "/live/a%20b%2ets",
        "//live/a%20b.ts",
        "/live/./a%20b.ts",
        "/live/x/../a%20b.ts",
        "/live/%2E/a%20b.ts",
        "/live/a%20b.ts%",
        "/live/é.ts",
        "/live/%C3%A9.ts",
        "/live/%c3%a9.ts",
        "/live/%25C3%25A9.ts",
        "/live/{a}.ts",
        "/live/%7Ba%7D.ts",
        "/live/%7ba%7d.ts",
        "/live/a%5Cb.ts",
        "/live/a\\b.ts",
    ];
    let early = |url: &str| String::from_utf8(escaped_early(url.as_bytes())).unwrap();
    let signed: Vec<String> = spellings.iter().flat_map(|url| [(*url).to_owned(), early(url)]).collect();
    for signed in &signed {
        let token = token("exp=1793586400", &format!("~url={signed}"));
        let accepted: Vec<&str> = spellings.into_iter().filter(|path| accept(&format, &token, path).is_ok()).collect();
        assert!(accepted.len() <= 1, "{signed} is accepted as {accepted:?}");
    }
    // Whatever URI is sent, the issuer can sign it as it is sent.
    for sent in spellings.iter().filter(|url| is_of_uri(url)) {
        for signed in [(*sent).to_owned(), early(sent)] {
            accept(&format, &token("exp=1793586400", &format!("~url={signed}")), sent).unwrap();
        }
    }
    // And what it means, whatever characters that has: clients escape what they have to.
    for url in
        ["/a b", "/100%", "/%41", "/%zz/%2f", "/{a}|[b]^`\\\"<>?#", "/é/界", "/a+b@c:d;e=f,g!h$i&j'k(l)m*n_o-p.q~r"]
    {
        let sent = escaped(url.as_bytes());
        for signed in [url.to_owned(), early(url)] {
            accept(&format, &token("exp=1793586400", &format!("~url={signed}")), &sent).unwrap();
        }
    }
}

#[test]
fn a_url_token_holds_for_its_request_alone_and_one_with_an_acl_for_many() {
    let (format, data) = (url_bound(), "exp=1~data=acl=/*~hmac=00");
    assert!(format.covers_request(D.as_bytes()));
    assert!(format.covers_request(data.as_bytes()));
    assert!(!format.covers_request(A.as_bytes()));
    assert!(!format.covers_request(b"acl=/*~hmac=00"));
    assert!(!sha256().covers_request(D.as_bytes()));
    accept(&EdgeAuth::new(Settings { bind_url: true, ..settings(Mac::Sha256) }), A, "/vod/a").unwrap();
}

#[test]
fn what_the_mac_covers_unseen_cannot_be_shown_instead() {
    for hidden in ["~url=/live/a", "~salt=orchard"] {
        let seen = token(&format!("exp=1793586400{hidden}"), "");
        assert_eq!(accept(&sha256(), &seen, "/live/a").err(), Some(TokenError::Malformed), "{hidden}");
    }
}

#[test]
fn the_mac_is_of_the_configured_algorithm_whatever_its_length() {
    let path = "/vod/a";
    for algorithm in [Mac::Sha1, Mac::Md5] {
        assert_eq!(accept(&EdgeAuth::new(settings(algorithm)), A, path).err(), Some(TokenError::AlgorithmRefused));
    }
    let cut = |length: usize| accept(&sha256(), A.get(..A.len() - length).unwrap(), path).err();
    assert_eq!(cut(1), Some(TokenError::AlgorithmRefused));
    assert_eq!(cut(24), Some(TokenError::AlgorithmRefused));
    assert_eq!(cut(64), Some(TokenError::Malformed));
    let upper = A.replace("378cbec1", "378CBEC1");
    assert_eq!(accept(&sha256(), &upper, path).err(), Some(TokenError::Malformed));
    assert_eq!(Mac::default(), Mac::Sha256);
}

#[test]
fn any_of_the_keys_verifies_and_the_keys_of_another_issuer_do_not() {
    let other = || Key::from_hex("AABBCCDD").unwrap();
    let keys = Arc::new(Rotating::new([other(), Key::from_hex(KEY).unwrap()]));
    let format = EdgeAuth::new(Settings { keys: keys.clone(), ..settings(Mac::Sha256) });
    accept(&format, A, "/vod/a").unwrap();
    let before = format.keys_version();
    keys.replace(vec![Arc::new(other())]);
    assert!(format.keys_version() > before);
    assert_eq!(accept(&format, A, "/vod/a").err(), Some(TokenError::BadSignature));
    keys.replace(Vec::new());
    assert_eq!(accept(&format, A, "/vod/a").err(), Some(TokenError::BadSignature));
}

#[test]
fn a_key_is_hexadecimal_and_is_never_shown() {
    for text in ["", "0", "0g", "0f 1e", "0x0f", "é"] {
        assert_eq!(Key::from_hex(text).err(), Some(KeyError::NotHex), "{text}");
    }
    assert!(!format!("{:?}", sha256()).contains("30"), "{:?}", sha256());
    assert!(Key::from_hex("0f1e\n").is_ok());
}

#[test]
fn the_token_ends_at_its_expiry_and_the_leeway_later_than_that() {
    let (exp, st) = (1_793_586_400, 1_793_500_000);
    for leeway in [0, 30] {
        let format = EdgeAuth::new(Settings { leeway: Duration::from_secs(leeway), ..settings(Mac::Sha256) });
        let error = |now| accept_at(&format, A, "/vod/a", now).err();
        assert_eq!(error(exp - 1), None);
        assert_eq!(error(exp), (leeway == 0).then_some(TokenError::Expired));
        assert_eq!(error(exp + leeway - 1), None);
        assert_eq!(error(exp + leeway), Some(TokenError::Expired));
        assert_eq!(error(st - leeway), None);
        assert_eq!(error(st - leeway - 1), Some(TokenError::NotYet));
    }
    let endless = token("st=1~acl=/*", "");
    assert_eq!(accept(&sha256(), &endless, "/").err(), Some(TokenError::NoExpiry));
}

#[test]
fn an_address_binds_the_token_when_it_is_checked() {
    let strict = sha256();
    let lax = EdgeAuth::new(Settings { check_ip: false, ..settings(Mac::Sha256) });
    for (ip, error) in [
        ("203.0.113.7", None),
        ("::ffff:203.0.113.7", None),
        ("%3a%3affff%3a203.0.113.7", None),
        ("203.0.113.8", Some(TokenError::WrongClient)),
        ("2001%3adb8%3a%3a7", Some(TokenError::WrongClient)),
        ("tv", Some(TokenError::Malformed)),
        ("203.0.113.0/24", Some(TokenError::Malformed)),
    ] {
        let token = token(&format!("ip={ip}~exp=1793586400"), "");
        assert_eq!(accept(&strict, &token, "/").err(), error, "{ip}");
        assert_eq!(accept(&lax, &token, "/").err(), None, "{ip}");
    }
}

#[test]
fn a_field_stands_once_and_in_its_place() {
    for fields in [
        "exp=1793586400~exp=1793586400",
        "exp=1~exp=1793586400",
        "exp=1793586400~acl=/vod/*~acl=/*",
        "acl=/*~exp=1793586400",
        "exp=1793586400~data=a~id=b",
        "exp=1793586400~data=a~b",
        "exp=1793586400~other=1",
        "exp=1793586400~hmac=00",
        "exp=1793586400~acl",
        "exp=+1793586400",
        "exp=1793586400.5",
        "exp=",
    ] {
        assert_eq!(accept(&sha256(), &token(fields, ""), "/").err(), Some(TokenError::Malformed), "{fields}");
    }
    assert_eq!(accept(&sha256(), &format!("{A}~"), "/vod/a").err(), Some(TokenError::Malformed));
}

#[test]
fn a_token_that_the_client_escaped_is_decoded_once_and_not_twice() {
    let format = sha256();
    let once = A.replace('*', "%2A").replace('/', "%2f").replace('=', "%3D").replace('~', "%7E");
    accept(&format, &once, "/vod/a").unwrap();
    accept(&format, &C.replace('%', "%25"), "/a").unwrap();
    let twice = once.replace('%', "%25");
    assert_eq!(accept(&format, &twice, "/vod/a").err(), Some(TokenError::Malformed));
    // Escaping changes what is signed, so that nothing can be slipped in by it.
    assert_eq!(accept(&format, &A.replace("/vod/*", "/vod/%2A%21/*"), "/x").err(), Some(TokenError::BadSignature));
    assert_eq!(accept(&format, &A.replace("~acl", "%7Eacl"), "/vod/a").err(), None);
    assert_eq!(accept(&format, &A.replace("hmac=3", "hmac=%33"), "/vod/a").err(), None);
    assert_eq!(accept(&format, "%FF%FE~hmac=00", "/").err(), Some(TokenError::Malformed));
}

#[test]
fn overlong_tokens_are_refused_before_they_are_read() {
    let long = |length: usize| token(&format!("exp=1793586400~acl=/*~data={}", "a".repeat(length)), "");
    let most = MAX_TOKEN - long(0).len();
    accept(&sha256(), &long(most), "/").unwrap();
    assert_eq!(accept(&sha256(), &long(most + 1), "/").err(), Some(TokenError::TooLong));
}

#[test]
fn a_long_token_may_have_its_name_in_front() {
    accept(&sha256(), &format!("hdntl={A}"), "/vod/a").unwrap();
}

#[test]
fn a_token_with_separators_in_it_is_found_whole() {
    let (format, headers) = (sha256(), HeaderMap::new());
    let extent = |rest: &str, end: char| format.extent(rest, end);
    let token = token("exp=1793586400~acl=/live/*~data=H-1&tv", "");

    let query = format!("a=1&hdnts={token}&b=2");
    let source: Source = "query:hdnts".parse().unwrap();
    assert_eq!(
        source.find(&RequestFacts::new("/live/a.ts", Some(&query), &headers), &|_| true, &extent),
        Some(&*token)
    );

    let path = format!("/hdntl={token}/live/a.ts");
    let source: Source = "segment:hdntl".parse().unwrap();
    let spot = source.in_path(&path, &extent, &|_| true).unwrap();
    assert_eq!((path.get(spot.value..spot.end), path.get(spot.end..)), (Some(&*token), Some("/live/a.ts")));
    assert_eq!(accept(&format, &token, "/live/a.ts").unwrap().text("data").as_deref(), Some("H-1&tv"));
}

#[test]
fn a_segment_looks_like_a_token_when_it_is_built_like_one() {
    let format = sha256();
    assert!(format.resembles(A));
    for segment in ["vod", "exp=1", "720p~hmac=00", "exp=1~hmac=00~x"] {
        assert!(!format.resembles(segment), "{segment}");
    }
}

proptest! {
    #[test]
    fn any_bytes_never_panic(token in prop::collection::vec(any::<u8>(), 0..300), path in "/[a-z%/]{0,20}") {
        let headers = HeaderMap::new();
        for format in [sha256(), url_bound()] {
            let _ = format.accept(&token, &RequestFacts::new(&path, None, &headers), Millis(0));
            format.covers_request(&token);
        }
    }

    #[test]
    fn near_tokens_never_panic(token in "((ip|st|exp|acl|id|data|hmac|hdntl)=?[0-9a-f%~&/é*]{0,6}~?){0,9}") {
        let headers = HeaderMap::new();
        for format in [sha256(), url_bound()] {
            prop_assert!(format.accept(token.as_bytes(), &RequestFacts::new("/", None, &headers), Millis(0)).is_err());
            for end in ['&', '/'] {
                let length = format.extent(&token, end);
                prop_assert!(token.is_char_boundary(length));
            }
        }
    }

    #[test]
    fn a_flipped_byte_of_a_good_token_never_verifies(at in any::<prop::sample::Index>(), flip in 1_u8..=255) {
        let headers = HeaderMap::new();
        for (format, token, path) in [(sha256(), B, "/live/a"), (sha256(), C, "/a"), (url_bound(), D, D_PATH)] {
            let mut bytes = token.as_bytes().to_vec();
            bytes[at.index(token.len())] ^= flip;
            let request = RequestFacts::new(path, None, &headers);
            prop_assert!(format.accept(&bytes, &request, Millis(NOW * 1000)).is_err());
        }
    }
}
