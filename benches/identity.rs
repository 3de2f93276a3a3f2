//! Cost of identity: a token verified for the first time, a cached token, a play session sealed and opened.

#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::hmac;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ciborium::Value as Cbor;
use criterion::{Criterion, criterion_group, criterion_main};
use http::header::{HeaderMap, HeaderValue, USER_AGENT};
use serde_json::json;
use streamgate::identity::cat::{self, Cat};
use streamgate::identity::cloud_front::{self, CloudFront};
use streamgate::identity::edge_auth::{self, EdgeAuth};
use streamgate::identity::jwt::{Algorithm, Jwt, Key, sign_hs};
use streamgate::identity::media_cdn::{self, MediaCdn};
use streamgate::identity::uri_signing::{self, UriSigning};
use streamgate::identity::{
    Format, Identity, Issuer, Issuers, KeyRing, Keys, Mapping, PlaySession, RequestFacts, Rotating, Scope, Settings,
    StreamSource, Token, ValueSource,
};
use streamgate::model::{Account, ApplicationId, Attributes, Device, Millis, StreamId};

#[path = "../tests/support/signers.rs"]
mod signers;

use signers::Signer;

const NOW: Millis = Millis(1_790_000_000_000);
const SECRET: &[u8] = b"a secret of thirty-two bytes, ok";
const AGENT: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";

fn claims() -> serde_json::Value {
    json!({
        "iss": "acme", "sub": "5d0c2b1e-7c1a-4f0e-9d38-1f1f0b6f2f55", "device": "living-room-tv-1",
        "iat": NOW.seconds(), "nbf": NOW.seconds(), "exp": NOW.seconds() + 86_400, "jti": "0f9e8d7c6b5a4938"
    })
}

fn hs256() -> Jwt {
    Jwt::new(vec![Key::hmac(Algorithm::HS256, None, SECRET).unwrap()], Duration::from_secs(30))
}

fn hs256_token() -> String {
    sign_hs(Algorithm::HS256, SECRET, claims().as_object().unwrap()).unwrap()
}

/// A format, a token of it, and its location.
struct Case {
    name: &'static str,
    format: Arc<dyn Format>,
    source: &'static str,
    token: String,
    /// Parameters that belong to the token, prefixed with `&`.
    companions: String,
    subject: &'static str,
}

fn case(name: &'static str, format: impl Format + 'static, source: &'static str, token: String) -> Case {
    Case { name, format: Arc::new(format), source, token, companions: String::new(), subject: "claim:sub" }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

const LEEWAY: Duration = Duration::from_secs(30);
const EXP: u64 = NOW.0 / 1000 + 86_400;

fn issuers(name: Option<&str>, key: Key) -> Issuers {
    Issuers::new(vec![Issuer { name: name.map(Into::into), audience: Vec::new(), keys: Arc::new(Keys::new([key])) }])
}

fn cases() -> Vec<Case> {
    let public = |name: &'static str, signer: &Signer, algorithm: Algorithm| {
        let named = algorithm.name().parse().unwrap();
        let header = json!({ "alg": algorithm.name(), "typ": "JWT" }).to_string();
        let token = signer.sign(named, &header, &claims().to_string());
        let key = Key::public_pem(algorithm, None, signer.public_pem.as_bytes()).unwrap();
        case(name, Jwt::new(vec![key], LEEWAY), "query:token", token)
    };
    let secret = || Key::hmac(Algorithm::HS256, None, SECRET).unwrap();
    let cat = Cat::new(cat::Settings {
        issuers: issuers(None, secret()),
        leeway: LEEWAY,
        ignore: Vec::new(),
        country_header: None,
        renew: false,
        replay: cat::Replay::PerPlay,
    });
    let begins = |text: &str| Cbor::Map(vec![(Cbor::Integer(1.into()), Cbor::Text(text.into()))]);
    let cat_token = cat::sign_hs(
        Algorithm::HS256,
        None,
        SECRET,
        &[
            (2, Cbor::Text("5d0c2b1e-7c1a-4f0e-9d38-1f1f0b6f2f55".into())),
            (4, Cbor::Integer(EXP.into())),
            (7, Cbor::Bytes(vec![7; 16])),
            (312, Cbor::Map(vec![(Cbor::Integer(3.into()), begins("/live/"))])),
        ],
    );
    let edge = EdgeAuth::new(edge_auth::Settings {
        keys: Arc::new(Rotating::new([edge_auth::Key::from_hex(&hex(SECRET)).unwrap()])),
        algorithm: edge_auth::Mac::Sha256,
        salt: None,
        bind_url: false,
        check_ip: false,
        leeway: LEEWAY,
    });
    let fields = format!("exp={EXP}~acl=/live/*!/vod/*~id=play-7f3a~data=acct=H-2041");
    let mac = |text: &str| hex(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET), text.as_bytes()).as_ref());
    let edge_token = format!("{fields}~hmac={}", mac(&fields));
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let public_key = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
    let cdn = |key: media_cdn::Key| {
        MediaCdn::new(media_cdn::Settings {
            keys: Arc::new(Rotating::new([key])),
            signed_urls: false,
            check_ip: false,
            leeway: LEEWAY,
        })
    };
    let fields = format!("PathGlobs=/live/*,/vod/*~Expires={EXP}~SessionID=play-7f3a~Data=H-2041");
    let ed25519 = format!("{fields}~Signature={}", URL_SAFE_NO_PAD.encode(pair.sign(fields.as_bytes())));
    let hmac256 = format!("{fields}~hmac={}", mac(&fields));
    let signed_uri = json!({
        "iss": "acme", "sub": "5d0c2b1e-7c1a-4f0e-9d38-1f1f0b6f2f55", "exp": EXP, "cdniuc": "regex:https?://[^/]*/live/.*"
    });
    let uri = UriSigning::new(uri_signing::Settings::strict(issuers(Some("acme"), secret())));
    let uri_token = sign_hs(Algorithm::HS256, SECRET, signed_uri.as_object().unwrap()).unwrap();

    let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let der: aws_lc_rs::encoding::PublicKeyX509Der = rsa.public_key().as_der().unwrap();
    let policy = format!(
        r#"{{"Statement":[{{"Resource":"http://tv.example/live/*","Condition":{{"DateLessThan":{{"AWS:EpochTime":{EXP}}}}}}}]}}"#
    );
    let mut signature = vec![0; rsa.public_modulus_len()];
    let random = aws_lc_rs::rand::SystemRandom::new();
    rsa.sign(&RSA_PKCS1_SHA256, &random, policy.as_bytes(), &mut signature).unwrap();
    let theirs = |bytes: &[u8]| STANDARD.encode(bytes).replace('+', "-").replace('=', "_").replace('/', "~");
    let key =
        Key::public_pem(Algorithm::RS256, Some("K1"), signers::pem("PUBLIC KEY", der.as_ref()).as_bytes()).unwrap();
    let front = CloudFront::new(cloud_front::Settings {
        keys: Arc::new(Keys::new([key])),
        in_query: true,
        in_cookies: false,
        check_ip: false,
        leeway: LEEWAY,
    });
    vec![
        case("JWT HS256", hs256(), "query:token", hs256_token()),
        public("JWT RS256", &Signer::rsa(), Algorithm::RS256),
        public("JWT ES256", &Signer::p256(), Algorithm::ES256),
        public("JWT EdDSA", &Signer::ed25519(), Algorithm::EdDSA),
        case("CAT HS256", cat, "query:token", cat_token.unwrap()),
        Case { subject: "claim:data", ..case("EdgeAuth", edge, "query:hdnts", edge_token) },
        Case {
            subject: "claim:Data",
            ..case(
                "Media CDN Ed25519",
                cdn(media_cdn::Key::ed25519(None, public_key.as_bytes()).unwrap()),
                "query:t",
                ed25519,
            )
        },
        Case {
            subject: "claim:Data",
            ..case(
                "Media CDN HMAC",
                cdn(media_cdn::Key::hmac_sha256(None, URL_SAFE_NO_PAD.encode(SECRET).as_bytes()).unwrap()),
                "query:t",
                hmac256,
            )
        },
        case("URI signing HS256", uri, "query:URISigningPackage", uri_token),
        Case {
            subject: "header:user-agent",
            companions: format!("&Policy={}&Key-Pair-Id=K1&Hash-Algorithm=SHA256", theirs(policy.as_bytes())),
            ..case("CloudFront RSA", front, "query:Signature", theirs(&signature))
        },
    ]
}

/// Each format: verified for the first time, and cached, with all steps of a request (finding the token, its
/// conditions, the viewer).
fn tokens(c: &mut Criterion) {
    let mut headers = HeaderMap::new();
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    let client = Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 17)));
    for Case { name, format, source, token, companions, subject } in cases() {
        let parameter = source.split_once(':').unwrap().1;
        let query = format!("{parameter}={token}{companions}");
        let request = RequestFacts {
            scheme: "http",
            host: "tv.example",
            client,
            ..RequestFacts::new("/live/news/720p/1.m4s", Some(&query), &headers)
        };
        let mut group = c.benchmark_group(name);
        group.bench_function("uncached", |b| {
            let bare = RequestFacts { query: None, ..request };
            b.iter(|| format.accept(black_box(token.as_bytes()), &bare, NOW).unwrap());
        });
        let value = |text: &str| text.parse::<ValueSource>().unwrap().into();
        let mapping = Mapping {
            idp: value("acme"),
            subject: value(subject),
            device: Some(value("text:tv-1")),
            stream: StreamSource::minted(),
            attributes: Vec::new(),
        };
        let token = Token { sources: vec![source.parse().unwrap()], format, forward: false, replaced_by: None };
        let identity =
            Identity::new(ApplicationId("tv".into()), Settings { tokens: vec![token], mapping, declared: None });
        group.bench_function("cached", |b| b.iter(|| identity.identify(black_box(&request), NOW).unwrap().unwrap()));
        group.finish();
    }
}

fn play_session(c: &mut Criterion) {
    let account = Account::new("acme", "5d0c2b1e-7c1a-4f0e-9d38-1f1f0b6f2f55");
    let session = PlaySession {
        stream: StreamId(*b"0123456789abcdef"),
        account,
        application: ApplicationId("tv".into()),
        device: Device::Named("living-room-tv-1".into()),
        asset: "/live/news/master.m3u8".into(),
        started: NOW,
        attributes: Attributes::default(),
        token: None,
        scope: Scope::default(),
    };
    let ring = KeyRing::new(vec![(1, vec![1; 32]), (2, vec![2; 32])], Duration::from_hours(12)).unwrap();
    let sealed = ring.seal(&session);
    let mut group = c.benchmark_group("play session");
    group.bench_function("seal", |b| b.iter(|| ring.seal(black_box(&session))));
    group.bench_function("open", |b| b.iter(|| ring.open(black_box(&sealed), NOW).unwrap()));
    let mut forged = sealed.clone();
    forged.replace_range(30..31, if forged.as_bytes().get(30) == Some(&b'A') { "B" } else { "A" });
    group.bench_function("refuse a forged one", |b| b.iter(|| ring.open(black_box(&forged), NOW).unwrap_err()));
    group.finish();
}

criterion_group!(benches, tokens, play_session);
criterion_main!(benches);
