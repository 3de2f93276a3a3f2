//! What identity costs: a token verified for the first time, a token seen before, a play session sealed and opened.

#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use http::header::{HeaderMap, HeaderValue, USER_AGENT};
use serde_json::json;
use streamgate::identity::jwt::{Algorithm, Jwt, Key, sign_hs};
use streamgate::identity::{Format, Identity, KeyRing, PlaySession, RequestFacts, Settings};
use streamgate::model::{Account, ApplicationId, Device, Millis, StreamId};

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

fn first_time(c: &mut Criterion) {
    let headers = HeaderMap::new();
    let request = RequestFacts { path: "/", query: None, headers: &headers, client: None };
    let public = |signer: &Signer, algorithm: Algorithm| {
        let named = algorithm.name().parse().unwrap();
        let header = json!({ "alg": algorithm.name(), "typ": "JWT" }).to_string();
        let token = signer.sign(named, &header, &claims().to_string());
        let key = Key::public_pem(algorithm, None, signer.public_pem.as_bytes()).unwrap();
        (Jwt::new(vec![key], Duration::from_secs(30)), token)
    };
    let cases = [
        ("HS256", (hs256(), hs256_token())),
        ("RS256", public(&Signer::rsa(), Algorithm::RS256)),
        ("ES256", public(&Signer::p256(), Algorithm::ES256)),
        ("EdDSA", public(&Signer::ed25519(), Algorithm::EdDSA)),
    ];
    let mut group = c.benchmark_group("jwt uncached");
    for (name, (jwt, token)) in &cases {
        group.bench_function(*name, |b| b.iter(|| jwt.verify(black_box(token.as_bytes()), &request, NOW).unwrap()));
    }
    group.finish();
}

fn seen_before(c: &mut Criterion) {
    let identity = |device: Option<&str>| {
        let settings = Settings {
            sources: ["query:token", "header:authorization", "cookie:token"]
                .map(|source| source.parse().unwrap())
                .into(),
            format: Arc::new(hs256()),
            idp: "acme".parse().unwrap(),
            subject: "claim:sub".parse().unwrap(),
            device: device.map(|device| device.parse().unwrap()),
            stream: "minted".parse().unwrap(),
        };
        Identity::new(ApplicationId("tv".into()), settings)
    };
    let query = format!("v=1&token={}", hs256_token());
    let mut headers = HeaderMap::new();
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    let client = Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 17)));
    let request = RequestFacts { path: "/live/news/720p/1.m4s", query: Some(&query), headers: &headers, client };
    let mut group = c.benchmark_group("jwt cached");
    for (name, device) in [("named device", Some("claim:device")), ("device hint", None)] {
        let identity = identity(device);
        group.bench_function(name, |b| b.iter(|| identity.identify(black_box(&request), NOW).unwrap().unwrap()));
    }
    group.finish();
}

fn play_session(c: &mut Criterion) {
    let account = Account::new("acme", "5d0c2b1e-7c1a-4f0e-9d38-1f1f0b6f2f55");
    let session = PlaySession {
        stream: StreamId(*b"0123456789abcdef"),
        key: account.key(),
        account,
        application: ApplicationId("tv".into()),
        device: Device::Named("living-room-tv-1".into()),
        asset: "/live/news/master.m3u8".into(),
        started: NOW,
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

criterion_group!(benches, first_time, seen_before, play_session);
criterion_main!(benches);
