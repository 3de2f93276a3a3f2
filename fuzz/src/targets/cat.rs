use std::sync::{Arc, LazyLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ciborium::Value;
use http::HeaderName;

use crate::identity::cat::{Cat, Replay, Settings};
use crate::identity::jwt::{Algorithm, Key};
use crate::identity::{Format, Issuers, Keys};

use super::Seed;
use super::ask::{NOW, SECRET, UNUSED, carry, judge, mac, plain, refuse};

/// `{1: 5}`: HS256.
const HEADER: &[u8] = &[0xa1, 0x01, 0x05];

static OURS: LazyLock<Arc<dyn Format>> = LazyLock::new(|| {
    let country_header = Some(HeaderName::from_static("x-country"));
    Arc::new(Cat::new(Settings { renew: true, country_header, ..settings(SECRET) }))
});
/// Accepts less.
static STRICT: LazyLock<Cat> =
    LazyLock::new(|| Cat::new(Settings { replay: Replay::Refuse, leeway: Duration::ZERO, ..settings(SECRET) }));
static STRANGERS: LazyLock<Cat> = LazyLock::new(|| Cat::new(settings(UNUSED)));

fn settings(secret: &[u8]) -> Settings {
    let key = Key::hmac(Algorithm::HS256, Some("k1"), secret).unwrap();
    Settings {
        issuers: Issuers::anybody(Arc::new(Keys::new([key]))),
        leeway: Duration::from_secs(30),
        ignore: Vec::new(),
        country_header: None,
        renew: false,
        replay: Replay::PerPlay,
    }
}

/// A token of these parts, signed (RFC 9052 §6.3).
fn sealed(protected: &[u8], unprotected: Value, payload: &[u8]) -> String {
    let signed =
        encoded(&Value::Array(vec!["MAC0".into(), protected.into(), Value::Bytes(Vec::new()), payload.into()]));
    let parts = vec![protected.into(), unprotected, payload.into(), mac(&signed).into()];
    let token = Value::Tag(61, Value::Tag(17, Value::Array(parts).into()).into());
    URL_SAFE_NO_PAD.encode(encoded(&token))
}

fn encoded(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).unwrap();
    bytes
}

/// The envelope with the MAC that belongs to it, where it is one.
fn resealed(bytes: &[u8]) -> Option<String> {
    let mut value: Value = ciborium::from_reader(bytes).ok()?;
    while let Value::Tag(_, inner) = value {
        value = *inner;
    }
    let parts: [Value; 4] = value.into_array().ok()?.try_into().ok()?;
    let [Value::Bytes(protected), unprotected, Value::Bytes(payload), _] = parts else { return None };
    Some(sealed(&protected, unprotected, &payload))
}

fn judged(token: &str) {
    let request = plain();
    refuse(&*STRANGERS, token.as_bytes(), &request);
    let ours = judge(&**OURS, token.as_bytes(), &request).map(drop);
    let strict = judge(&*STRICT, token.as_bytes(), &request).map(drop);
    assert!(strict.is_err() || ours.is_ok(), "a strict reader accepts what a lax one refuses: {ours:?}");
    carry(&OURS, token);
}

/// A token as text, one as bytes, or the claims of one.
pub fn cat(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        judged(text);
    }
    judged(&URL_SAFE_NO_PAD.encode(data));
    let token = sealed(HEADER, Value::Map(Vec::new()), data);
    judged(&token);
    if let Ok(claims) = OURS.verify(token.as_bytes(), &plain(), NOW) {
        let mut read: Value = ciborium::from_reader(data).unwrap();
        while let Value::Tag(_, inner) = read {
            read = *inner;
        }
        assert_eq!(read.as_map().unwrap().len(), claims.members().len(), "a claim stands twice");
    }
    if let Some(token) = resealed(data) {
        judged(&token);
    }
}

pub fn ours() -> &'static Arc<dyn Format> {
    &OURS
}

/// A token of alice.
pub fn token() -> String {
    sealed(HEADER, Value::Map(Vec::new()), &encoded(&claims(Vec::new())))
}

fn text(text: &str) -> Value {
    Value::from(text)
}

fn map(pairs: Vec<(i64, Value)>) -> Value {
    Value::Map(pairs.into_iter().map(|(label, value)| (label.into(), value)).collect())
}

/// Subject and expiry, and these.
fn claims(more: Vec<(i64, Value)>) -> Value {
    map([(2, text("alice")), (4, 1_790_000_600.into())].into_iter().chain(more).collect())
}

pub fn seeds() -> Vec<Seed> {
    let list = |items: &[&str]| Value::Array(items.iter().map(|item| text(item)).collect());
    let regex = |pattern: &str| map(vec![(4, list(&[pattern]))]);
    let tagged = |tag: u64, value: Value| Value::Tag(tag, value.into());
    let network = tagged(52, Value::Array(vec![24.into(), Value::Bytes(vec![192, 0, 2])]));
    let address = tagged(54, Value::Bytes(vec![0x20; 16]));
    let renewal = |kind: i64| {
        let mut pairs = vec![(0, kind.into()), (1, 600.into()), (2, 900.into()), (3, text("t")), (4, text("x-t"))];
        pairs.extend([(5, list(&["Secure", "Path=/live"])), (6, text("a=b"))]);
        map(pairs)
    };
    let cookie_header = map(vec![(0, 0.into()), (1, 600.into()), (2, 900.into()), (3, text("a"))]);
    let url = map(vec![
        (0, map(vec![(0, text("HTTPS"))])),
        (1, map(vec![(2, text(".example"))])),
        (2, map(vec![(0, text("443"))])),
        (3, regex("/live/[^/]+/.*")),
        (4, map(vec![(3, text("b="))])),
        (5, map(vec![(1, text("/live"))])),
        (6, map(vec![(0, text("720p.m3u8"))])),
        (7, map(vec![(0, text("720p"))])),
        (8, map(vec![(-1, Value::Bytes(vec![0; 32]))])),
    ]);
    let headers = Value::Map(vec![(text("user-agent"), map(vec![(1, text("player/"))]))]);
    let large = |count| {
        let header = |nth| (text(&format!("x-{nth}")), regex(r"(\pL|\pN|\w){2}"));
        Value::Map((0..count).map(header).collect())
    };
    let more: [(&str, Vec<(i64, Value)>); 16] = [
        ("claims", vec![]),
        (
            "claims-registered",
            vec![(1, text("acme")), (3, list(&["a", "b"])), (5, 1.into()), (7, Value::Bytes(vec![0x7f]))],
        ),
        ("claims-private", vec![(-70_000, text("x")), (70_000, Value::Null), (40, true.into()), (41, 1.5.into())]),
        ("claims-unknown-critical", vec![(330, 1.into())]),
        ("claims-networks", vec![(311, Value::Array(vec![network.clone(), address, text("192.0.2.7")]))]),
        ("claims-url", vec![(312, url)]),
        (
            "claims-methods",
            vec![(313, list(&["GET", "HEAD"])), (314, Value::Array(vec![Value::Bytes(b"http/1.1".into())]))],
        ),
        ("claims-headers", vec![(315, headers), (316, list(&["DE", "US-CA"])), (310, 1.into())]),
        ("claims-replay", vec![(308, 1.into()), (309, 1.into()), (320, text("x")), (322, map(vec![]))]),
        ("renewal-automatic", vec![(323, cookie_header)]),
        ("renewal-cookie", vec![(323, renewal(1))]),
        ("renewal-header", vec![(323, renewal(2))]),
        ("regexes", vec![(312, map((3..9).map(|part| (part, regex(r"(?i)\pL{20}.*|\w+\.m3u8|.*"))).collect()))]),
        ("regexes-large", vec![(315, large(4))]),
        ("regexes-many", vec![(315, large(16))]),
        ("regex-classes", vec![(312, map(vec![(3, regex(&r"(?i)[\pL\pN]|".repeat(250)))]))]),
    ];
    let mut seeds: Vec<Seed> = more.into_iter().map(|(name, more)| (name, encoded(&claims(more)))).collect();
    let payload = encoded(&claims(vec![(311, Value::Array(vec![network]))]));
    let token = sealed(HEADER, map(vec![(4, Value::Bytes(b"k1".into()))]), &payload);
    let bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
    let twice = Value::Map(vec![(2.into(), text("a")), (2.into(), text("b")), (4.into(), 1_790_000_600.into())]);
    let named = Value::Map(vec![(text("sub"), text("a")), (4.into(), 1_790_000_600.into())]);
    let wrapped = tagged(259, claims(vec![]));
    let deep = (0..40).fold(Value::Null, |value, _| tagged(61, value));
    seeds.extend([
        ("token", token.clone().into()),
        ("token-escaped", token.replace('-', "%2D").replace('_', "%5f").into()),
        ("token-padded", format!("{token}==").into()),
        ("envelope", bytes),
        (
            "envelope-text-kid",
            URL_SAFE_NO_PAD
                .decode(sealed(&encoded(&map(vec![(1, 5.into()), (4, text("k2"))])), map(vec![]), &payload))
                .unwrap(),
        ),
        ("envelope-crit", URL_SAFE_NO_PAD.decode(sealed(HEADER, map(vec![(2, list(&["x"]))]), &payload)).unwrap()),
        ("claims-twice", encoded(&twice)),
        ("claims-by-name", encoded(&named)),
        ("claims-wrapped", encoded(&wrapped)),
        ("deep", encoded(&deep)),
        ("lengths-that-lie", vec![0x9b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00]),
        ("map-length-that-lies", vec![0xba, 0x7f, 0xff, 0xff, 0xff, 0x04, 0x1a]),
        ("bytes-length-that-lies", vec![0x5b, 0x00, 0x00, 0x00, 0x7f, 0xff, 0xff, 0xff, 0xff, 0x00]),
        ("endless", vec![0xbf, 0x02, 0x7f, 0x61, 0x61, 0xff, 0x04, 0x1a, 0x6a, 0xb1, 0x3b, 0xd8, 0xff]),
    ]);
    seeds
}
