use std::sync::{Arc, LazyLock};
use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::identity::{
    KeyRing, MAX_ACCOUNT, MAX_APPLICATION, MAX_ASSET, MAX_ATTRIBUTE, MAX_ATTRIBUTE_NAME, MAX_ATTRIBUTES, MAX_DEVICE,
    MAX_SEALED, PlaySession, Scope, TokenId, path,
};
use crate::model::{Account, ApplicationId, Device, StreamId};

use super::Seed;
use super::ask::{NOW, SECRET, UNUSED};

static RING: LazyLock<KeyRing> = LazyLock::new(|| ring(SECRET));
static STRANGERS: LazyLock<KeyRing> = LazyLock::new(|| ring(UNUSED));

fn ring(secret: &[u8]) -> KeyRing {
    KeyRing::new(vec![(1, secret.to_vec())], Duration::from_hours(12)).unwrap()
}

/// Any bytes, sealed as the ring seals play sessions.
fn sealed(body: &[u8]) -> String {
    let secret = Salt::new(HKDF_SHA256, b"streamgate").extract(SECRET);
    let key: UnboundKey = secret.expand(&[b"play session"], &AES_256_GCM_SIV).unwrap().into();
    let (nonce, mut body) = ([7; 12], body.to_vec());
    let aad = Aad::from([1]);
    LessSafeKey::new(key).seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut body).unwrap();
    URL_SAFE_NO_PAD.encode([&[1][..], &nonce, &body].concat())
}

/// The session comes back as it is from a seal of its own.
fn returns(session: &PlaySession) {
    let sealed = RING.seal(session);
    assert!(sealed.len() <= MAX_SEALED, "a play session of {} characters", sealed.len());
    let opened = RING.open_of_any_age(&sealed).expect("what was sealed opens");
    assert_eq!(RING.open(&sealed, NOW).is_err(), RING.has_expired(session, NOW));
    let device = session.device.name().unwrap_or_default();
    let attributes = || session.attributes.iter();
    // Names come from the configuration, which has none that is longer.
    if attributes().all(|(name, _)| name.len() <= MAX_ATTRIBUTE_NAME) {
        assert_eq!(RING.seal(&opened), sealed, "sealed again it differs");
    }
    let fits = [&session.account.idp, &session.account.subject].iter().all(|name| name.len() <= MAX_ACCOUNT)
        && session.application.0.len() <= MAX_APPLICATION
        && device.len() <= MAX_DEVICE
        && session.asset.len() <= MAX_ASSET
        && attributes().all(|(name, value)| name.len() <= MAX_ATTRIBUTE_NAME && value.len() <= MAX_ATTRIBUTE)
        && attributes().count() <= MAX_ATTRIBUTES;
    if fits {
        assert_eq!(opened, *session);
    }
}

/// A sealed play session, what is sealed in one, the texts of one (one a line), or a path.
pub fn play_session(data: &[u8]) {
    if let Ok(session) = RING.open_of_any_age(&sealed(data)) {
        returns(&session);
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    assert!(STRANGERS.open_of_any_age(text).is_err(), "nobody sealed this");
    if let Ok(session) = RING.open_of_any_age(text) {
        returns(&session);
    }
    if let Some((sealed, rest)) = path::split(text) {
        assert!(!sealed.contains('/') && rest.starts_with('/'), "{text}");
    }

    let mut lines = text.split('\n');
    let mut next = || lines.next().unwrap_or_default();
    let account = Account::new(next(), next());
    let session = PlaySession {
        stream: StreamId(*b"0123456789abcdef"),
        account,
        application: ApplicationId(next().into()),
        device: match next() {
            "" => Device::Hint(7),
            name => Device::Named(name.into()),
        },
        asset: PlaySession::asset_name(next()),
        started: NOW,
        token: next().parse().ok().filter(|id| *id != 0).map(TokenId),
        scope: Scope::default(),
        attributes: lines.filter_map(|line| line.split_once('=')).map(|(n, v)| (Arc::from(n), Arc::from(v))).collect(),
    };
    returns(&session);
}

pub fn seeds() -> Vec<Seed> {
    let account = Account::new("https://id.example", "alice");
    let session = PlaySession {
        stream: StreamId(*b"0123456789abcdef"),
        account,
        application: ApplicationId("tv".into()),
        device: Device::Named("living-room".into()),
        asset: "/live/news/master.m3u8".into(),
        started: NOW,
        token: Some(TokenId(7)),
        scope: Scope::default(),
        attributes: [("tier".into(), "gold".into())].into_iter().collect(),
    };
    let sealed = RING.seal(&session);
    let body =
        b"\x02cdef\x00\x00\x01\xa0\xc4\x9e\x9c\x00\x04acme\x05alice\x02tv\x00\x00\x00\x00\x00\x00\x00\x00\x07\x02/a";
    let with_token =
        [&body[..], &[0, 0, 0, 0, 0, 0, 0, 9], b"\x0d/live/\n/news/\n\x04tier\x04gold\x04tier\x00\x01a\x81\x00"]
            .concat();
    let named = b"\x02cdef\x00\x00\x01\xa0\xc4\x9e\x9c\x00\x04acme\x05alice\x02tv\x01\x02tv\x02/a".to_vec();
    let texts = "acme\nalice\ntv\nliving-room\n/live/news/master.m3u8\n7\ntier=gold\ncountry=DE";
    let long = ["\u{e9}"; 6].map(|c| c.repeat(200)).join("\n")
        + "\n"
        + &format!("{}={}\n", "n".repeat(40), "v".repeat(120)).repeat(20);
    vec![
        ("sealed", sealed.clone().into()),
        ("sealed-cut", sealed.get(..20).unwrap_or_default().into()),
        ("path", format!("/~s/{sealed}/live/a.m3u8").into()),
        ("path-escaped", b"/%7Es//~s/x".to_vec()),
        ("body", body.to_vec()),
        ("body-with-token", with_token),
        ("body-named", named),
        ("body-lengths-that-lie", b"\x02cdef\x00\x00\x01\xa0\xc4\x9e\x9c\x00\xff\xff".to_vec()),
        ("texts", texts.into()),
        ("texts-long", long.into()),
    ]
}
