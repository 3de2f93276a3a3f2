use std::sync::{Arc, LazyLock};
use std::time::Duration;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;

use crate::identity::media_cdn::{Key, MediaCdn, Settings};
use crate::identity::{Format, InPath, MAX_TOKEN, RequestFacts, Rotating, Source};

use super::Seed;
use super::ask::{NOW, SECRET, UNUSED, carry, escaped, hex, judge, mac, plain, refuse};

static PAIR: LazyLock<Ed25519KeyPair> = LazyLock::new(|| pair(7));
static OURS: LazyLock<Arc<dyn Format>> = LazyLock::new(|| Arc::new(format(&PAIR, SECRET)));
static STRANGERS: LazyLock<MediaCdn> = LazyLock::new(|| format(&pair(8), UNUSED));
static SEGMENT: LazyLock<Source> = LazyLock::new(|| "segment:edge-cache-token".parse().unwrap());

fn pair(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
}

fn format(pair: &Ed25519KeyPair, secret: &[u8]) -> MediaCdn {
    let public = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
    let keys = [
        Key::ed25519(Some("k1"), public.as_bytes()).unwrap(),
        Key::hmac_sha256(Some("k2"), URL_SAFE_NO_PAD.encode(secret).as_bytes()).unwrap(),
    ];
    let keys = Arc::new(Rotating::new(keys));
    MediaCdn::new(Settings { keys, signed_urls: true, check_ip: true, leeway: Duration::ZERO })
}

fn signature(signed: &str) -> String {
    URL_SAFE_NO_PAD.encode(PAIR.sign(signed.as_bytes()))
}

/// What a signature over these fields covers, of the plain request.
fn covered(fields: &str, separator: char) -> String {
    let header = |name: &str| {
        let value = plain().headers.get(name).map_or("", |value| value.to_str().unwrap());
        format!("{name}={value}")
    };
    let field = |field: &str| match (field, field.strip_prefix("Headers=")) {
        ("FullPath", _) => format!("FullPath={}", plain().path),
        (_, Some(names)) => format!("Headers={}", names.split(',').map(header).collect::<Vec<_>>().join(",")),
        _ => field.to_owned(),
    };
    fields.split(separator).map(field).collect::<Vec<_>>().join(&separator.to_string())
}

fn judged(token: &str, request: &RequestFacts<'_>) {
    refuse(&*STRANGERS, token.as_bytes(), request);
    let _ = judge(&**OURS, token.as_bytes(), request);
}

/// The same of a token that some clients escape, since it stands in their query.
fn judged_escaped_too(token: &str) {
    judged(token, &plain());
    let other = escaped(token);
    if !token.contains('%') && other.len() <= MAX_TOKEN {
        let [one, same] = [token, &other]
            .map(|token| judge(&**OURS, token.as_bytes(), &plain()).map(|claims| claims.members().clone()));
        assert_eq!(one, same, "an escaped token is worth something else");
    }
}

/// A token, or the fields of one in each of its forms.
pub fn media_cdn(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let request = plain();
    judged_escaped_too(text);
    carry(&OURS, text);

    let token = format!("{text}~Signature={}", signature(&covered(text, '~')));
    judged_escaped_too(&token);
    carry(&OURS, &token);
    judged_escaped_too(&format!("{text}~hmac={}", hex(&mac(covered(text, '~').as_bytes()))));
    judged_escaped_too(&format!("{text}:Signature={}", signature(&covered(text, ':'))));

    let front = "https://cdn.example/live/edge-cache-token=";
    let token = format!("{text}&Signature={}", signature(&format!("{front}{}", covered(text, '&'))));
    let in_path = Some(InPath { source: &SEGMENT, token: &token, before: "/live/", scope: None });
    judged(&token, &RequestFacts { in_path, ..request });

    let start = text.find("URLPrefix=");
    let signed =
        start.map_or_else(|| format!("https://cdn.example{}?{text}", request.path), |at| text[at..].to_owned());
    let token = signature(&signed);
    let query = format!("{text}&Signature={token}");
    judged(&token, &RequestFacts { raw_query: Some(&query), ..request });
    let headers = HeaderMap::new();
    let _ = OURS.accept(token.as_bytes(), &RequestFacts::new(text, Some(text), &headers), NOW);
}

pub fn ours() -> &'static Arc<dyn Format> {
    &OURS
}

/// A token of these fields.
pub fn token(fields: &str) -> String {
    format!("{fields}~Signature={}", signature(&covered(fields, '~')))
}

pub fn seeds() -> Vec<Seed> {
    let prefix = URL_SAFE_NO_PAD.encode("https://cdn.example/live/");
    let ranges = URL_SAFE_NO_PAD.encode("192.0.2.0/24,2001:db8::/32,nonsense");
    let fields =
        "PathGlobs=/live/*,/vod/??/*~Starts=1789999000~Expires=1790000600~SessionID=alice~Data=a%20b~KeyName=k1";
    let texts = [
        ("fields", fields.to_owned()),
        ("fields-path-and-headers", "FullPath~Expires=1790000600~Headers=User-Agent,x-country,x-none".to_owned()),
        ("fields-prefix", format!("URLPrefix={prefix}~Expires=1790000600~IPRanges={ranges}~KeyName=k2")),
        ("fields-edge-issued", "Expires=1790000600~_GO=x~PathGlobs=/*".to_owned()),
        ("fields-two-scopes", "PathGlobs=/*~FullPath~Expires=1790000600".to_owned()),
        ("fields-no-scope", "Expires=1790000600~SessionID=alice".to_owned()),
        ("fields-signed-path", "FullPath=/live/news/720p.m3u8~Expires=1790000600".to_owned()),
        (
            "fields-prefix-in-host",
            format!("URLPrefix={}~Expires=1790000600", URL_SAFE_NO_PAD.encode("https://cdn.exam")),
        ),
        ("fields-many-headers", format!("FullPath~Expires=1790000600~Headers={}", "user-agent,".repeat(40))),
        ("cookie", format!("URLPrefix={prefix}:Expires=1790000600:KeyName=k1")),
        ("path-component", "Expires=1790000600&KeyName=k1".to_owned()),
        ("path-component-prefix", format!("URLPrefix={prefix}&Expires=1790000600&KeyName=k1")),
        ("query", "a=1&Expires=1790000600&KeyName=k1".to_owned()),
        ("query-prefix", format!("a=1&URLPrefix={prefix}&Expires=1790000600&KeyName=k1")),
        ("query-twice", "Expires=1790000600&Expires=1790000700&KeyName=k1".to_owned()),
        ("token", token(fields)),
        ("token-escaped", escaped(&token(fields))),
        ("token-hmac", format!("{fields}~hmac={}", hex(&mac(fields.as_bytes())))),
        ("token-both", format!("{}~hmac=00", token(fields))),
    ];
    texts.map(|(name, text)| (name, text.into())).into()
}
