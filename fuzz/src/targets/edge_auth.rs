use std::sync::{Arc, LazyLock};
use std::time::Duration;

use aws_lc_rs::hmac::{self, HMAC_SHA1_FOR_LEGACY_USE_ONLY};

use crate::identity::edge_auth::{EdgeAuth, Key, Mac, Settings};
use crate::identity::{Format, MAX_TOKEN, Rotating};

use super::Seed;
use super::ask::{SECRET, UNUSED, carry, escaped, hex, judge, mac, plain, refuse};

static OURS: LazyLock<Arc<dyn Format>> = LazyLock::new(|| Arc::new(EdgeAuth::new(settings(SECRET))));
/// Binds tokens without `acl` to a path, and adds a salt.
static BOUND: LazyLock<Arc<dyn Format>> = LazyLock::new(|| {
    let salt = Some((*b"orchard").into());
    Arc::new(EdgeAuth::new(Settings { algorithm: Mac::Sha1, salt, bind_url: true, ..settings(SECRET) }))
});
static STRANGERS: LazyLock<[EdgeAuth; 3]> = LazyLock::new(|| {
    [Mac::Sha256, Mac::Sha1, Mac::Md5].map(|algorithm| EdgeAuth::new(Settings { algorithm, ..settings(UNUSED) }))
});

fn settings(secret: &[u8]) -> Settings {
    Settings {
        keys: Arc::new(Rotating::new([Key::from_hex(&hex(secret)).unwrap()])),
        algorithm: Mac::Sha256,
        salt: None,
        bind_url: false,
        check_ip: true,
        leeway: Duration::ZERO,
    }
}

fn judged(format: &Arc<dyn Format>, token: &str) {
    let request = plain();
    for strangers in &*STRANGERS {
        refuse(strangers, token.as_bytes(), &request);
    }
    let answer = judge(&**format, token.as_bytes(), &request).map(|claims| claims.members().clone());
    // Some clients escape what stands in a query.
    let other = escaped(token);
    if !token.contains('%') && other.len() <= MAX_TOKEN {
        let same = judge(&**format, other.as_bytes(), &request).map(|claims| claims.members().clone());
        assert_eq!(answer, same, "an escaped token is worth something else");
    }
    carry(format, token);
}

/// A token, or the fields of one.
pub fn edge_auth(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    judged(&OURS, text);
    judged(&OURS, &format!("{text}~hmac={}", hex(&mac(data))));
    let hidden = if text.contains("acl=") { "" } else { "~url=/live/news/720p.m3u8" };
    let key = hmac::Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, SECRET);
    let mac = hmac::sign(&key, format!("{text}{hidden}~salt=orchard").as_bytes());
    judged(&BOUND, &format!("{text}~hmac={}", hex(mac.as_ref())));
}

pub fn ours() -> &'static Arc<dyn Format> {
    &OURS
}

pub fn seeds() -> Vec<Seed> {
    let fields = "ip=192.0.2.7~st=1789999000~exp=1790000600~acl=/live/*!/vod/??/*~id=alice~data=a=1&b=2";
    let texts = [
        ("fields", fields),
        ("fields-url", "exp=1790000600~id=alice+b%2fc"),
        ("fields-edge-issued", "hdntl=exp=1790000600~acl=/*~data=x"),
        ("fields-escaped-address", "ip=2001%3Adb8%3A%3A1~exp=1790000600~acl=/*"),
        ("fields-twice", "exp=1790000600~exp=1790000700~acl=/*"),
        ("fields-order", "acl=/*~exp=1790000600"),
        ("fields-hidden", "exp=1790000600~acl=/*~salt=orchard"),
        ("fields-no-value", "exp~acl~id"),
        ("fields-signature-in-data", "exp=1790000600~acl=/*~data=~hmac=00"),
        ("fields-sign", "exp=+1790000600~acl=/*"),
        ("fields-huge-time", "exp=18446744073709551615~acl=/*"),
        ("fields-unicode", "exp=1790000600~acl=/*~id=\u{e9}\u{1f600}~data=%ff"),
    ];
    let mut seeds: Vec<Seed> = texts.map(|(name, text)| (name, text.into())).into();
    let token = format!("{fields}~hmac={}", hex(&mac(fields.as_bytes())));
    let globs = format!("exp=1790000600~acl={}", "/*a!".repeat(1500));
    seeds.extend([
        ("token", token.clone().into()),
        ("token-escaped", escaped(&token).into()),
        ("token-half-escaped", token.replace('~', "%7e").replace('*', "%2A").into()),
        ("token-upper-case", token.replace("hmac=", "hmac=A").into()),
        ("token-short-mac", token.get(..token.len() - 1).unwrap_or_default().into()),
        ("fields-many-globs", globs.into()),
    ]);
    seeds
}
