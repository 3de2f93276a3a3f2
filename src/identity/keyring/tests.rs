#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use crate::identity::TokenId;
use crate::identity::limits::{MAX_ACCOUNT, MAX_APPLICATION, MAX_ASSET, MAX_DEVICE};
use crate::identity::limits::{MAX_ATTRIBUTE, MAX_ATTRIBUTE_NAME, MAX_ATTRIBUTES};
use crate::identity::scope::{MAX_SCOPE, Scope};
use crate::model::{Account, ApplicationId, Attributes, Device, StreamId};

use super::*;

const NOW: Millis = Millis(1_790_000_000_000);
const HOURS: Duration = Duration::from_hours(12);

fn ring(ids: &[u8]) -> KeyRing {
    KeyRing::new(ids.iter().map(|id| (*id, vec![*id; 32])).collect(), HOURS).unwrap()
}

fn session() -> PlaySession {
    let account = Account::new("acme", "5d0c2b1e-alice@example.com");
    PlaySession {
        stream: StreamId(*b"0123456789abcdef"),
        account,
        application: ApplicationId("tv".into()),
        device: Device::Named("living-room-tv-1".into()),
        asset: "/live/news/master.m3u8".into(),
        started: NOW,
        attributes: Attributes::default(),
        token: None,
        scope: Scope::default(),
    }
}

fn any_session() -> impl Strategy<Value = PlaySession> {
    let device =
        prop_oneof![any::<u64>().prop_map(Device::Hint), ".{0,40}".prop_map(|name| Device::Named(name.into()))];
    let texts = (".{0,60}", ".{0,60}", ".{0,30}", ".{0,120}");
    let attributes = proptest::collection::vec(("[a-zA-Z]{1,32}", ".{0,20}"), 0..4);
    let whole = (any::<[u8; 16]>(), device, texts, 0_u64..NOW.0, attributes, any::<Option<u64>>());
    whole.prop_map(|(stream, device, (idp, subject, app, asset), age, attributes, token)| {
        let account = Account::new(idp, subject);
        PlaySession {
            stream: StreamId(stream),
            account,
            application: ApplicationId(app.into()),
            device,
            asset: asset.into(),
            started: Millis(NOW.0 - age % 43_200_000),
            attributes: attributes.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
            token: token.filter(|id| *id != 0).map(TokenId),
            scope: Scope::from(if age % 2 == 0 { "" } else { "/live/\n/vod/" }),
        }
    })
}

fn issue(ring: &KeyRing, application: &str, account: &AccountKey, random: u8) -> StreamId {
    ring.issue(&ApplicationId(application.into()), account, NOW, [random; 16])
}

#[test]
fn an_issued_id_begins_with_its_time_and_is_known_again_for_its_application_and_account_alone() {
    let (ring, tv, web) = (ring(&[1]), ApplicationId("tv".into()), ApplicationId("web".into()));
    let (alice, bob) = (Account::new("acme", "alice").key(), Account::new("acme", "bob").key());
    let id = issue(&ring, "tv", &alice, 7);
    assert_eq!(id.0.first_chunk(), Some(&NOW.0.to_be_bytes()));
    assert_ne!(id, issue(&ring, "tv", &alice, 8));
    assert!(ring.has_issued(&tv, &alice, id));
    assert!(!ring.has_issued(&web, &alice, id) && !ring.has_issued(&tv, &bob, id));
    for at in 0..16 {
        let mut changed = id;
        changed.0[at] ^= 1;
        assert!(!ring.has_issued(&tv, &alice, changed), "byte {at}");
    }
}

#[test]
fn ids_and_codes_of_a_key_that_no_longer_comes_first_are_still_good() {
    let (old, rotated, gone) = (ring(&[1]), ring(&[2, 1]), ring(&[2]));
    let (tv, alice) = (ApplicationId("tv".into()), Account::new("acme", "alice").key());
    let id = issue(&old, "tv", &alice, 7);
    let code = old.termination_code(&alice, id);
    assert!(rotated.has_issued(&tv, &alice, id) && !gone.has_issued(&tv, &alice, id));
    assert_ne!(rotated.termination_code(&alice, id), code);
    assert!(rotated.is_termination_code(&alice, id, &code) && !gone.is_termination_code(&alice, id, &code));
}

#[test]
fn a_termination_code_is_good_for_one_stream_of_one_account() {
    let (ring, alice, bob) = (ring(&[1]), Account::new("acme", "alice").key(), Account::new("acme", "bob").key());
    let (one, other) = (issue(&ring, "tv", &alice, 1), issue(&ring, "tv", &alice, 2));
    let code = ring.termination_code(&alice, one);
    assert!(code.len() == 16 && code.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')), "{code}");
    assert!(ring.is_termination_code(&alice, one, &code));
    assert!(!ring.is_termination_code(&alice, other, &code) && !ring.is_termination_code(&bob, one, &code));
    for wrong in ["", "0", &code[..15], &format!("{code}0"), &code.to_uppercase().replace(char::is_numeric, "x")] {
        assert!(!ring.is_termination_code(&alice, one, wrong), "{wrong}");
    }
}

#[test]
fn a_play_session_seals_to_a_short_url_safe_string() {
    let sealed = ring(&[1]).seal(&session());
    assert!((150..=220).contains(&sealed.len()), "{}", sealed.len());
    assert!(sealed.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'), "{sealed}");
}

#[test]
fn nothing_personal_can_be_read_from_a_sealed_play_session() {
    let session = session();
    let bytes = URL_SAFE_NO_PAD.decode(ring(&[1]).seal(&session)).unwrap();
    for text in [&*session.account.subject, &*session.account.idp, &*session.asset, "living-room"] {
        assert!(!bytes.windows(text.len()).any(|window| window == text.as_bytes()), "{text}");
    }
}

#[test]
fn the_longest_play_session_still_opens() {
    let name = |length: usize| "é".repeat(length);
    let account = Account::new(name(MAX_ACCOUNT / 2), name(MAX_ACCOUNT / 2));
    let longest = PlaySession {
        account,
        application: ApplicationId(name(MAX_APPLICATION / 2).into()),
        device: Device::Named(name(MAX_DEVICE / 2).into()),
        asset: name(MAX_ASSET / 2).into(),
        attributes: (0..MAX_ATTRIBUTES)
            .map(|nth| (format!("{nth:032}").into(), name(MAX_ATTRIBUTE / 2).into()))
            .collect(),
        token: Some(TokenId(u64::MAX)),
        scope: Scope::from(&format!("/{}", "x".repeat(MAX_SCOPE - 1))),
        ..session()
    };
    assert_eq!(longest.attributes.iter().next().map(|(name, _)| name.len()), Some(MAX_ATTRIBUTE_NAME));
    let sealed = ring(&[1]).seal(&longest);
    assert!(sealed.len() <= MAX_SEALED, "{}", sealed.len());
    assert_eq!(ring(&[1]).open(&sealed, NOW), Ok(longest.clone()));

    let beyond = PlaySession { asset: name(5000).into(), ..longest };
    let opened = ring(&[1]).open(&ring(&[1]).seal(&beyond), NOW).unwrap();
    assert_eq!(opened.asset, PlaySession::asset_name(&beyond.asset));
}

#[test]
fn an_asset_keeps_its_name_up_to_512_bytes() {
    let (fits, beyond) = ("a".repeat(512), "a".repeat(513));
    assert_eq!(&*PlaySession::asset_name(&fits), fits);
    let shortened = PlaySession::asset_name(&beyond);
    assert_eq!(shortened.len(), 512);
    assert_ne!(shortened, PlaySession::asset_name(&"a".repeat(514)));
}

#[test]
fn a_new_first_key_seals_and_the_old_one_still_opens() {
    let (before, after, gone) = (ring(&[1]), ring(&[2, 1]), ring(&[2]));
    let old = before.seal(&session());
    assert_eq!(after.open(&old, NOW), Ok(session()));
    let new = after.seal(&session());
    assert_ne!(new, old);
    assert_eq!(gone.open(&new, NOW), Ok(session()));
    assert_eq!(gone.open(&old, NOW), Err(OpenError::UnknownKey));
}

#[test]
fn the_same_id_with_another_secret_opens_nothing() {
    let other = KeyRing::new(vec![(1, vec![9; 32])], HOURS).unwrap();
    assert_eq!(other.open(&ring(&[1]).seal(&session()), NOW), Err(OpenError::Forged));
}

#[test]
fn a_play_session_is_too_old_after_its_maximum_age_and_a_late_clock_does_no_harm() {
    let ring = ring(&[1]);
    let sealed = ring.seal(&session());
    assert!(ring.open(&sealed, NOW + HOURS).is_ok());
    assert_eq!(ring.open(&sealed, NOW + HOURS + Duration::from_millis(1)), Err(OpenError::Expired));
    assert!(ring.open(&sealed, NOW - Duration::from_secs(5)).is_ok());
}

#[test]
fn a_truncated_play_session_does_not_open() {
    let sealed = ring(&[1]).seal(&session());
    for length in 0..sealed.len() {
        let error = ring(&[1]).open(&sealed[..length], NOW).unwrap_err();
        assert!(matches!(error, OpenError::Malformed | OpenError::Forged), "{length}: {error}");
    }
    assert!(ring(&[1]).open(&format!("{sealed}A"), NOW).is_err());
    assert_eq!(ring(&[1]).open(&format!("{sealed}="), NOW), Err(OpenError::Malformed));
}

#[test]
fn the_halves_of_two_play_sessions_do_not_make_a_third() {
    let ring = ring(&[1]);
    let other = PlaySession { stream: StreamId([7; 16]), asset: "/live/arts/master.m3u8".into(), ..session() };
    let (one, two) = (ring.seal(&session()), ring.seal(&other));
    assert_eq!(one.len(), two.len());
    for at in 1..one.len() {
        for mixed in [format!("{}{}", &one[..at], &two[at..]), format!("{}{}", &two[..at], &one[at..])] {
            if mixed != one && mixed != two {
                assert!(ring.open(&mixed, NOW).is_err(), "cut at {at}");
            }
        }
    }
}

#[test]
fn what_is_longer_than_2_kib_is_not_even_decoded() {
    assert_eq!(ring(&[1]).open(&"A".repeat(MAX_SEALED + 1), NOW), Err(OpenError::Malformed));
    assert_eq!(ring(&[65]).open(&"QUFB".repeat(MAX_SEALED / 4), NOW), Err(OpenError::Forged));
}

#[test]
fn a_ring_needs_keys_with_ids_of_their_own_and_long_secrets() {
    let refused = |keys| KeyRing::new(keys, HOURS).map(|_| ()).unwrap_err();
    assert_eq!(refused(vec![]), KeyError::EmptyRing);
    assert_eq!(refused(vec![(1, vec![1; 32]), (2, vec![2; 32]), (1, vec![3; 32])]), KeyError::DuplicateId(1));
    assert_eq!(refused(vec![(4, vec![1; 31])]), KeyError::ShortRingSecret { id: 4, length: 31 });
}

#[test]
fn an_account_has_one_label_per_ring_and_the_label_is_not_the_key() {
    let key = session().account.key();
    let label = ring(&[1]).account_label(&key);
    assert!(label.len() == 16 && label.bytes().all(|byte| byte.is_ascii_hexdigit()), "{label}");
    assert_eq!(label, ring(&[1, 2]).account_label(&key));
    assert_ne!(label, ring(&[2]).account_label(&key));
    assert_ne!(label, ring(&[1]).account_label(&Account::new("acme", "bob").key()));
    assert!(!format!("{key:?}").contains(&label));
}

#[test]
fn a_ring_shows_no_secret() {
    assert_eq!(format!("{:?}", ring(&[3, 1])), "KeyRing { ids: [3, 1], max_age: 43200s, .. }");
}

proptest! {
    #[test]
    fn what_is_sealed_opens_to_the_same_play_session(session in any_session()) {
        let ring = ring(&[1, 2]);
        let sealed = ring.seal(&session);
        prop_assert_eq!(&ring.seal(&session), &sealed, "sealing is deterministic");
        prop_assert_eq!(ring.open(&sealed, NOW), Ok(session));
    }

    #[test]
    fn distinct_play_sessions_seal_to_distinct_strings(one in any_session(), two in any_session()) {
        prop_assume!(one != two);
        prop_assert_ne!(ring(&[1]).seal(&one), ring(&[1]).seal(&two));
        let moved = PlaySession { asset: format!("{}x", one.asset).into(), ..one.clone() };
        prop_assert_ne!(ring(&[1]).seal(&one), ring(&[1]).seal(&moved), "also under the same nonce");
    }

    #[test]
    fn any_flipped_bit_is_noticed(session in any_session(), at in any::<prop::sample::Index>(), bit in 0_u32..8) {
        let mut bytes = URL_SAFE_NO_PAD.decode(ring(&[1]).seal(&session)).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let expected = if at == 0 { OpenError::UnknownKey } else { OpenError::Forged };
        prop_assert_eq!(ring(&[1]).open(&URL_SAFE_NO_PAD.encode(bytes), NOW), Err(expected));
    }

    #[test]
    fn any_changed_character_is_noticed(at in any::<prop::sample::Index>(), to in any::<char>()) {
        let sealed = ring(&[1]).seal(&session());
        let mut changed: Vec<char> = sealed.chars().collect();
        let at = at.index(changed.len());
        changed[at] = to;
        let changed: String = changed.into_iter().collect();
        prop_assume!(changed != sealed);
        prop_assert!(ring(&[1]).open(&changed, NOW).is_err());
    }

    #[test]
    fn arbitrary_text_never_panics(text in any::<String>(), safe in "[A-Za-z0-9_-]{0,300}") {
        let ring = KeyRing::new((0..=255).map(|id| (id, vec![id; 32])).collect(), HOURS).unwrap();
        prop_assert!(ring.open(&text, NOW).is_err());
        prop_assert!(ring.open(&safe, NOW).is_err());
    }

    #[test]
    fn arbitrary_content_under_a_good_seal_never_panics(nonce in any::<[u8; NONCE]>(), body in any::<Vec<u8>>()) {
        let mut with_version = vec![1];
        with_version.extend_from_slice(&body);
        for body in [body, with_version] {
            if let Some(session) = PlaySession::decode(&nonce, &body) {
                prop_assert_eq!(session.nonce(), nonce);
            }
        }
    }
}
