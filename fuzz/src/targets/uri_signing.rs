use std::sync::{Arc, LazyLock};

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::identity::jwt::{Algorithm, Key};
use crate::identity::uri_signing::{
    ContentKey, Coverage, Settings, UriSigning, decrypt, normal_form, remove_dot_segments,
};
use crate::identity::{Format, Issuers, Keys};

use super::Seed;
use super::ask::{SECRET, UNUSED, carry, judge, jws, plain, refuse, resigned};

const HEADER: &[u8] = br#"{"alg":"HS256"}"#;
const CONTENT: &[u8; 16] = b"sixteen bytes ok";

static OURS: LazyLock<Arc<dyn Format>> = LazyLock::new(|| {
    Arc::new(UriSigning::new(Settings {
        expiry_required: false,
        uri_required: false,
        regex: Coverage::Part,
        ..settings(SECRET)
    }))
});
/// Accepts less.
static STRICT: LazyLock<UriSigning> = LazyLock::new(|| UriSigning::new(settings(SECRET)));
static STRANGERS: LazyLock<UriSigning> = LazyLock::new(|| UriSigning::new(settings(UNUSED)));

fn settings(secret: &[u8]) -> Settings {
    let key = Key::hmac(Algorithm::HS256, None, secret).unwrap();
    let decrypt = vec![ContentKey::new(Some("c1"), CONTENT).unwrap()];
    Settings { renew: true, decrypt, ..Settings::strict(Issuers::anybody(Arc::new(Keys::new([key])))) }
}

/// An encrypted claim with this header and text, whatever they are.
fn jwe(header: &[u8], text: &[u8]) -> String {
    let header = URL_SAFE_NO_PAD.encode(header);
    let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, CONTENT).unwrap());
    let mut text = text.to_vec();
    let nonce = [7; 12];
    let aad = Aad::from(header.as_bytes());
    let tag = key.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), aad, &mut text).unwrap();
    let [nonce, text, tag] = [&nonce[..], &text, tag.as_ref()].map(|part| URL_SAFE_NO_PAD.encode(part));
    format!("{header}..{nonce}.{text}.{tag}")
}

fn judged(token: &str) {
    let request = plain();
    refuse(&*STRANGERS, token.as_bytes(), &request);
    let ours = judge(&**OURS, token.as_bytes(), &request).map(drop);
    let strict = judge(&*STRICT, token.as_bytes(), &request).map(drop);
    assert!(strict.is_err() || ours.is_ok(), "a strict reader accepts what a lax one refuses: {ours:?}");
    carry(&OURS, token);
}

/// A token, the payload of one, an encrypted claim, the header or the text of one, or a URL.
pub fn uri_signing(data: &[u8]) {
    judged(&jws(HEADER, data));

    let keys = [ContentKey::new(Some("c1"), CONTENT).unwrap()];
    let sealed = jwe(br#"{"alg":"dir","enc":"A128GCM"}"#, data);
    assert_eq!(decrypt(&keys, &sealed).ok().as_deref(), std::str::from_utf8(data).ok());
    judged(&jws(HEADER, format!(r#"{{"exp":1790000600,"cdniip":"{sealed}","sub":"{sealed}"}}"#).as_bytes()));
    let _ = decrypt(&keys, &jwe(data, b"alice"));

    let Ok(text) = std::str::from_utf8(data) else { return };
    judged(text);
    if let Some((signed, _)) = text.rsplit_once('.') {
        judged(&resigned(signed));
    }
    let _ = decrypt(&keys, text);
    let clean = remove_dot_segments(text);
    assert_eq!(remove_dot_segments(&clean), clean, "{text}");
    for url in [text.to_owned(), format!("http://{text}"), format!("https://cdn.example/{text}")] {
        if let Some(normal) = normal_form(&url) {
            assert_eq!(normal_form(&normal).as_ref(), Some(&normal), "the normal form of {url} has another one");
        }
    }
}

pub fn ours() -> &'static Arc<dyn Format> {
    &OURS
}

pub fn seeds() -> Vec<Seed> {
    let whole = r#"{"iss":"acme","sub":"alice","aud":"cdn","exp":1790000600,"nbf":1,"iat":1,"jti":"7f3a","cdniv":1,"cdniuc":"regex:https://cdn\\.example/live/.*","cdniets":600,"cdnistt":1,"cdnistd":1}"#;
    let texts = [
        ("claims", whole),
        ("claims-hash", r#"{"exp":1790000600,"cdniuc":"hash:sha-256;AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#),
        ("claims-version", r#"{"exp":1790000600,"cdniv":2,"cdniuc":"regex:.*"}"#),
        ("claims-crit", r#"{"exp":1790000600,"cdnicrit":"x","cdniuc":"regex:.*"}"#),
        ("claims-no-expiry", r#"{"cdnistt":1,"cdniets":18446744073709551615,"cdnistd":0}"#),
        ("claims-deep-path", r#"{"exp":1790000600,"cdnistt":1,"cdniets":60,"cdnistd":99,"cdniuc":"regex:.*"}"#),
        ("claims-other-transport", r#"{"exp":1790000600,"cdnistt":2,"cdniets":60}"#),
        ("claims-no-lifetime", r#"{"exp":1790000600,"cdnistt":1}"#),
        ("claims-plain-network", r#"{"exp":1790000600,"cdniip":"192.0.2.0/24"}"#),
        (
            "claims-reserved-name",
            r#"{"exp":1790000600,"sub":"alice","cdnistt":1,"cdniets":60,"cdniuc":"regex:.*","streamgate: claims as they were encrypted":{"sub":"bob"}}"#,
        ),
        ("regex-closing", r#"{"exp":1790000600,"cdniuc":"regex:a)|(b"}"#),
        ("regex-repeated", r#"{"exp":1790000600,"cdniuc":"regex:((a{100}){100}){100}"}"#),
        ("regex-bounds", r#"{"exp":1790000600,"cdniuc":"regex:(?i)^https?://[a-z.]+(/[^/?#]*){1,5}\\?.*$"}"#),
        ("sealed-network", "192.0.2.0/24"),
        ("sealed-network-in-brackets", "[2001:db8::]/32"),
        ("jwe-header", r#"{"alg":"dir","enc":"A128GCM","kid":"c1"}"#),
        ("jwe-header-zip", r#"{"alg":"dir","enc":"A128GCM","zip":"DEF"}"#),
        ("url", "HTTP://User:Me@CDN.Example:80/a/%7eb/../%2e%2E/./c?d=%41#e"),
        ("url-address", "https://[2001:DB8::1]:443/%e9/..;x/é b"),
        ("url-broken", "http://a.example/%4"),
        ("path", "/a/b/../c/./..//d/../..//../x"),
    ];
    let mut seeds: Vec<Seed> = texts.map(|(name, text)| (name, text.into())).into();
    // Its successor is longer than the longest token.
    let long = whole.replace("alice", &"a".repeat(5_908));
    let classes = format!(r#"{{"exp":1790000600,"cdniuc":"regex:{}"}}"#, r"(?i)[\\pL\\pN]|".repeat(250));
    seeds.extend([
        ("token", jws(HEADER, whole.as_bytes()).into()),
        ("jwe", jwe(br#"{"alg":"dir","enc":"A128GCM"}"#, b"alice").into()),
        ("claims-long", long.into()),
        ("regex-classes", classes.into()),
    ]);
    seeds
}
