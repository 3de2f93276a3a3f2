#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use http::HeaderValue;
use proptest::prelude::*;
use serde_json::json;

use crate::identity::jwt::{Algorithm, Jwt, Key, sign_hs};
use crate::identity::mapping::StreamSource;
use crate::identity::value::{Value, ValueSource};

use super::*;

const SECRET: &[u8] = b"a secret of thirty-two bytes, ok";
const NOW: Millis = Millis(1_790_000_000_000);
const EXP: u64 = 1_790_086_400;

/// A JWT verifier that counts how often it is asked.
struct Counting {
    jwt: Jwt,
    asked: AtomicU32,
}

impl Format for Counting {
    fn verify(&self, token: &[u8], request: &RequestFacts<'_>, now: Millis) -> Result<Claims, TokenError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.jwt.verify(token, request, now)
    }
}

fn value(text: &str) -> Value {
    text.parse::<ValueSource>().unwrap().into()
}

fn mapping(idp: &str, subject: &str, device: Option<&str>, stream: &str) -> Mapping {
    Mapping {
        idp: value(idp),
        subject: value(subject),
        device: device.map(value),
        stream: StreamSource { named: (stream != "minted").then(|| value(stream)), mint: true },
        attributes: vec![("contractType".into(), value("claim:plan"))],
    }
}

struct Setup {
    identity: Identity,
    format: Arc<Counting>,
}

impl Setup {
    fn new(device: Option<&str>, stream: &str) -> Self {
        Self::of("tv", "acme", "claim:sub", device, stream)
    }

    fn of(application: &str, idp: &str, subject: &str, device: Option<&str>, stream: &str) -> Self {
        let jwt = Jwt::new(vec![Key::hmac(Algorithm::HS256, None, SECRET).unwrap()], Duration::ZERO);
        let format = Arc::new(Counting { jwt, asked: AtomicU32::new(0) });
        let token = Token {
            sources: ["query:token", "cookie:token", "segment:token", "param:token"]
                .map(|source| source.parse().unwrap())
                .into(),
            format: Arc::<Counting>::clone(&format),
            forward: false,
            replaced_by: None,
        };
        let settings = Settings { tokens: vec![token], mapping: mapping(idp, subject, device, stream), declared: None };
        Self { identity: Identity::new(ApplicationId(application.into()), settings), format }
    }

    fn identify(&self, token: &str, from: &From<'_>, now: Millis) -> Option<Result<Arc<Viewer>, TokenError>> {
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, HeaderValue::from_str(from.agent).unwrap());
        if let Some(cookie) = from.cookie {
            headers.insert(http::header::COOKIE, HeaderValue::from_str(cookie).unwrap());
        }
        let query = format!("token={token}");
        let client = from.address.parse().ok();
        let request = RequestFacts { client, ..RequestFacts::new("/", Some(&query), &headers) };
        self.identity.identify(&request, now).map(|identified| identified.map(|identified| identified.viewer))
    }

    fn viewer(&self, claims: &serde_json::Value) -> Result<Arc<Viewer>, TokenError> {
        self.identify(&token(claims), &From::default(), NOW).unwrap()
    }

    fn asked(&self) -> u32 {
        self.format.asked.load(Ordering::Relaxed)
    }
}

struct From<'a> {
    address: &'a str,
    agent: &'a str,
    cookie: Option<&'a str>,
}

impl Default for From<'_> {
    fn default() -> Self {
        Self { address: "192.0.2.1", agent: "Player/1", cookie: None }
    }
}

fn token(claims: &serde_json::Value) -> String {
    let mut claims = claims.as_object().unwrap().clone();
    claims.entry("exp").or_insert(EXP.into());
    sign_hs(Algorithm::HS256, SECRET, &claims).unwrap()
}

#[test]
fn claims_and_literals_become_a_viewer() {
    let setup = Setup::of("tv", "claim:iss", "claim:ext.household", Some("claim:device"), "minted");
    let claims = json!({
        "iss": "acme", "ext": { "household": 2041 }, "device": "tv-1", "plan": "premium", "jti": "t-1"
    });
    let viewer = setup.viewer(&claims).unwrap();
    let account = Account::new("acme", "2041");
    let expected = Viewer {
        account,
        device: Device::Named("tv-1".into()),
        session: None,
        attributes: [("contractType".into(), "premium".into())].into_iter().collect(),
        token: Some(TokenId::named(&ApplicationId("tv".into()), "t-1")),
        fingerprint: viewer.fingerprint,
        issued: 0,
        scope: Scope::default(),
        expires: Millis(EXP * 1000),
    };
    assert_eq!(*viewer, expected);
}

#[test]
fn a_token_without_a_usable_subject_names_no_account() {
    let setup = Setup::new(None, "minted");
    for claims in [
        json!({}),
        json!({ "sub": "" }),
        json!({ "sub": "x".repeat(257) }),
        json!({ "sub": { "id": "a" } }),
        json!({ "sub": ["a"] }),
        json!({ "sub": true }),
    ] {
        assert_eq!(setup.viewer(&claims), Err(TokenError::NoAccount), "{claims}");
    }
    assert!(setup.viewer(&json!({ "sub": "x".repeat(256) })).is_ok());
    let from_issuer = Setup::of("tv", "claim:iss", "claim:sub", None, "minted");
    assert_eq!(from_issuer.viewer(&json!({ "sub": "alice" })), Err(TokenError::NoAccount));
}

#[test]
fn a_request_without_a_token_has_no_viewer() {
    let setup = Setup::new(None, "minted");
    assert!(setup.identify("", &From::default(), NOW).is_none());
    assert_eq!(setup.asked(), 0);
}

#[test]
fn the_first_source_decides_and_never_falls_through_to_the_next() {
    let setup = Setup::new(None, "minted");
    let good = format!("token={}", token(&json!({ "sub": "alice" })));
    let from = From { cookie: Some(&good), ..From::default() };
    assert_eq!(setup.identify("not.a.token", &from, NOW), Some(Err(TokenError::Malformed)));
    assert!(matches!(setup.identify("", &from, NOW), Some(Ok(_))));
}

#[test]
fn a_good_token_is_verified_once_an_hour_and_not_after_it_expired() {
    let setup = Setup::new(Some("claim:device"), "minted");
    let long = token(&json!({ "sub": "alice", "device": "tv-1" }));
    let ask = |seconds: u64| setup.identify(&long, &From::default(), Millis(NOW.0 + seconds * 1000)).unwrap();
    let first = ask(0).unwrap();
    assert!(Arc::ptr_eq(&first, &ask(3599).unwrap()), "the same viewer, not a copy");
    assert_eq!(setup.asked(), 1);
    assert!(ask(3600).is_ok());
    assert_eq!(setup.asked(), 2);

    let brief = token(&json!({ "sub": "alice", "exp": NOW.seconds() + 10 }));
    let ask = |millis: u64| setup.identify(&brief, &From::default(), Millis(NOW.0 + millis)).unwrap();
    assert!(ask(0).is_ok() && ask(9_999).is_ok());
    assert_eq!(setup.asked(), 3);
    assert_eq!(ask(10_000), Err(TokenError::Expired));
}

#[test]
fn a_bad_token_is_verified_every_five_seconds() {
    let setup = Setup::new(None, "minted");
    let early = token(&json!({ "sub": "alice", "nbf": NOW.seconds() + 3 }));
    let ask = |seconds: u64| setup.identify(&early, &From::default(), Millis(NOW.0 + seconds * 1000)).unwrap();
    assert_eq!(ask(0), Err(TokenError::NotYet));
    assert_eq!(ask(4), Err(TokenError::NotYet));
    assert_eq!(setup.asked(), 1);
    assert!(ask(5).is_ok());
}

#[test]
fn a_token_of_a_megabyte_is_refused_before_anybody_looks_at_it() {
    let setup = Setup::new(None, "minted");
    let answer = setup.identify(&"a".repeat(1 << 20), &From::default(), NOW);
    assert_eq!(answer, Some(Err(TokenError::TooLong)));
    assert_eq!(setup.asked(), 0);
}

#[test]
fn without_a_device_name_network_and_user_agent_give_a_hint() {
    let setup = Setup::new(Some("claim:device"), "minted");
    let token = token(&json!({ "sub": "alice" }));
    let device = |address, agent| {
        let from = From { address, agent, cookie: None };
        setup.identify(&token, &from, NOW).unwrap().unwrap().device.clone()
    };
    let here = device("192.0.2.1", "Player/1");
    assert!(matches!(here, Device::Hint(_)));
    assert_eq!(here, device("192.0.2.1", "Player/1"));
    assert_eq!(here, device("::ffff:192.0.2.1", "Player/1"), "an IPv4 address in IPv6 clothes");
    assert_ne!(here, device("192.0.2.2", "Player/1"));
    assert_ne!(here, device("192.0.2.1", "Player/2"));
    assert_ne!(here, device("nowhere", "Player/1"));
    assert_eq!(device("2001:db8:1:2::1", "P"), device("2001:db8:1:2:ffff::9", "P"), "one /64");
    assert_ne!(device("2001:db8:1:2::1", "P"), device("2001:db8:1:3::1", "P"));
    assert_eq!(setup.asked(), 1, "one token, verified once for all its devices");
}

#[test]
fn an_overlong_device_name_is_shortened_and_stays_distinct() {
    let setup = Setup::new(Some("claim:device"), "minted");
    let device = |end: &str| {
        let claims = json!({ "sub": "alice", "device": format!("{}{end}", "d".repeat(4000)) });
        setup.viewer(&claims).unwrap().device.name().unwrap().to_owned()
    };
    assert_eq!(device("1").len(), 128);
    assert_ne!(device("1"), device("2"));
}

#[test]
fn a_claim_names_the_stream_within_its_application_and_account() {
    let session = |application: &str, subject: &str, sid: &str| {
        let setup = Setup::of(application, "acme", "claim:sub", None, "claim:sid");
        setup.viewer(&json!({ "sub": subject, "sid": sid })).unwrap().session.unwrap()
    };
    let one = session("tv", "alice", "play 1~");
    assert_eq!(one, session("tv", "alice", "play 1~"));
    assert_ne!(one, session("tv", "alice", "play 2"));
    assert_ne!(one, session("tv", "bob", "play 1~"));
    assert_ne!(one, session("web", "alice", "play 1~"));
}

#[test]
fn an_id_that_was_issued_to_the_application_names_the_stream_that_was_declared_under_it() {
    let ring = Arc::new(KeyRing::new(vec![(1, vec![1; 32])], Duration::from_hours(12)).unwrap());
    let account = crate::model::Account::new("acme", "alice").key();
    let issued = ring.issue(&ApplicationId("tv".into()), &account, NOW, [7; 16]);
    let session = |application: &str, subject: &str, sid: &str, declares: bool| {
        let setup = Setup::of(application, "acme", "claim:sub", None, "claim:sid");
        let declared = declares.then(|| ring.clone());
        let identity = Identity { declared, ..setup.identity };
        let setup = Setup { identity, ..setup };
        setup.viewer(&json!({ "sub": subject, "sid": sid })).unwrap().session.unwrap()
    };
    let text = issued.to_string();
    assert_eq!(session("tv", "alice", &text, true), issued);
    assert_eq!(session("tv", "alice", &text.to_uppercase(), true), issued);
    // Whoever else brings it names a stream of his own, and an application that declares none knows no such names.
    for (application, subject, declares) in [("tv", "bob", true), ("web", "alice", true), ("tv", "alice", false)] {
        let named = session(application, subject, &text, declares);
        assert_ne!(named, issued);
        assert_eq!(named, session(application, subject, &text, false), "as any other text");
    }
    assert_ne!(session("tv", "alice", "01234567-89ab-cdef-0123-456789abcdef", true), issued);
}

#[test]
fn a_claim_for_the_stream_is_1_to_128_printable_ascii_characters() {
    let setup = Setup::new(None, "claim:sid");
    for sid in [json!("x".repeat(129)), json!("caf\u{e9}"), json!("a\nb")] {
        let claims = json!({ "sub": "alice", "sid": sid });
        assert_eq!(setup.viewer(&claims), Err(TokenError::BadSession), "{claims}");
    }
    assert!(setup.viewer(&json!({ "sub": "alice", "sid": "x".repeat(128) })).unwrap().session.is_some());
    assert!(setup.viewer(&json!({ "sub": "alice", "sid": 17 })).unwrap().session.is_some());
    for none in [json!({ "sub": "alice" }), json!({ "sub": "alice", "sid": "" }), json!({ "sub": "alice", "sid": [1] })]
    {
        assert_eq!(setup.viewer(&none).unwrap().session, None, "minted then");
    }
}

fn bare() -> Identity {
    Setup::new(None, "minted").identity
}

#[test]
fn stripping_leaves_every_other_byte_of_the_query() {
    let identity = bare();
    for untouched in ["", "a=1&b=%2F&&c", "tokens=1&x=token", "&"] {
        assert_eq!(identity.strip_query(untouched), untouched);
    }
    assert_eq!(identity.strip_query("token=x"), "");
    assert_eq!(identity.strip_query("token=x&a=1&token=y&b=%7e+"), "a=1&b=%7e+");
    assert_eq!(identity.strip_query("a=1&token=x"), "a=1");
    assert_eq!(identity.strip_query("a=1&token=x&&b"), "a=1&&b");
    assert_eq!(identity.strip_query("token=&a=1&token=first&token=second&token"), "a=1");
    assert_eq!(identity.query_tokens("a=1&token=x.y&b").as_deref(), Some("token=x.y"));
}

#[test]
fn a_token_header_is_one_of_the_sources_and_cookies_stay_beside_it() {
    let identity = bare();
    assert!(!identity.is_token_header(&http::header::COOKIE));
    assert_eq!(identity.strip_cookie("a=1; token=x").as_deref(), Some("a=1"));
    assert_eq!(identity.strip_cookie("token=x"), None);
}

#[test]
fn a_token_leaves_the_path_that_carried_it() {
    let identity = bare();
    let path = |path: &str| identity.take_from_path(path, true).map(|bare| bare.path);
    assert_eq!(path("/live/token=a.b.c/720p/1.ts").as_deref(), Some("/live/720p/1.ts"));
    assert_eq!(path("/token=a.b.c/1.ts").as_deref(), Some("/1.ts"));
    assert_eq!(path("/token=a.b.c").as_deref(), Some("/"));
    assert_eq!(path("/live/1.ts;token=a.b.c").as_deref(), Some("/live/1.ts"));
    assert_eq!(path("/live;token=a.b.c;v=1/1.ts").as_deref(), Some("/live;v=1/1.ts"));
    assert_eq!(path("/live/1.ts"), None);

    let token = token(&json!({ "sub": "alice" }));
    let bare = identity.take_from_path(&format!("/live/token={token}/1.ts"), true).unwrap();
    let headers = HeaderMap::new();
    let request = RequestFacts { in_path: Some(bare.in_path()), ..RequestFacts::new(&bare.path, None, &headers) };
    let viewer = identity.identify(&request, NOW).unwrap().unwrap().viewer;
    assert_eq!(&*viewer.account.subject, "alice");
    assert_eq!(bare.in_path().before, "/live/");
}

proptest! {
    #[test]
    fn after_stripping_no_token_is_found(query in "(token|t|a)?=?[a-z%&=]{0,4}(&(token|t|a|)=?[a-z%=]{0,4}){0,5}") {
        let identity = bare();
        let stripped = identity.strip_query(&query);
        let headers = HeaderMap::new();
        prop_assert!(identity.identify(&RequestFacts::new("/", Some(&stripped), &headers), NOW).is_none());
        let kept = |text: &str| text.split('&').filter(|p| p.starts_with("a=")).map(str::to_owned).collect::<Vec<_>>();
        prop_assert_eq!(kept(&query), kept(&stripped));
    }
}

#[test]
fn every_label_is_from_the_closed_set() {
    use TokenError as E;
    let all = [
        E::TooLong,
        E::Malformed,
        E::Critical,
        E::AlgorithmRefused,
        E::UnknownKey,
        E::BadSignature,
        E::NoExpiry,
        E::Expired,
        E::NotYet,
        E::WrongIssuer,
        E::WrongAudience,
        E::WrongUrl,
        E::WrongClient,
        E::WrongRequest,
        E::Refused,
        E::Unavailable,
        E::NoAccount,
        E::BadSession,
    ];
    for error in all {
        assert!(TokenError::LABELS.contains(&error.label()), "{error}");
    }
}
