//! Tokens for trials.

use std::time::Duration;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use streamgate::config::{Application, MintError};
use streamgate::identity::RequestFacts;
use streamgate::model::{Device, Millis, StreamId};

use crate::support::{NOW, PROMISED, application, good, with};

const MINUTE: Duration = Duration::from_mins(1);

/// What the application makes of a token in its `Authorization` header.
fn viewer_of(tv: &Application, token: &str, now: Millis) -> Option<streamgate::identity::Viewer> {
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
    let request = RequestFacts::new("/a.m3u8", None, &headers);
    let viewer = tv.identity.as_ref().unwrap().identify(&request, now).unwrap();
    viewer.ok().map(|identified| (*identified.viewer).clone())
}

#[test]
fn a_minted_token_is_accepted_as_the_viewer_that_was_asked_for_until_it_expires() {
    let settings = good(PROMISED);
    let tv = application(&settings);
    let token = tv.mint("alice", Some("tv-1"), MINUTE, NOW, "t1").unwrap();
    let viewer = viewer_of(tv, &token, NOW).unwrap();
    assert_eq!((&*viewer.account.idp, &*viewer.account.subject), ("acme", "alice"));
    assert_eq!(viewer.device, Device::Named("tv-1".into()));
    assert_eq!(viewer.session, None);
    assert_eq!(viewer_of(tv, &token, NOW + 3 * MINUTE), None);
}

#[test]
fn minted_tokens_follow_the_claims_that_the_application_reads() {
    let settings = good(
        &with("idp: \"acme\"", "idp: \"claim:iss\"")
            .replace("claim:sub", "claim:https://acme.example/household")
            .replace("\"claim:device\"", "\"claim:ext.device\"")
            .replace("stream: minted", "stream: claim:sid"),
    );
    let tv = application(&settings);
    let session = |id| {
        let token = tv.mint("alice", Some("tv-1"), MINUTE, NOW, id).unwrap();
        let viewer = viewer_of(tv, &token, NOW).unwrap();
        assert_eq!((&*viewer.account.idp, &*viewer.account.subject), ("tv", "alice"));
        assert_eq!(viewer.device, Device::Named("tv-1".into()));
        viewer.session
    };
    let (one, two): (Option<StreamId>, Option<StreamId>) = (session("s1"), session("s2"));
    assert!(one.is_some() && two.is_some() && one != two, "{one:?} {two:?}");
}

#[test]
fn a_token_that_the_configuration_cannot_express_is_not_minted() {
    let fixed = good(&with("claim:sub", "everybody").replace("      device: \"claim:device\"\n", ""));
    let tv = application(&fixed);
    assert_eq!(tv.mint("alice", None, MINUTE, NOW, "1"), Err(MintError::FixedSubject("everybody".to_owned())));
    assert_eq!(tv.mint("everybody", Some("tv-1"), MINUTE, NOW, "1"), Err(MintError::NoDevice));
    assert!(tv.mint("everybody", None, MINUTE, NOW, "1").is_ok());
    let clash = good(&with("claim:device", "claim:sub"));
    let error = application(&clash).mint("alice", Some("tv-1"), MINUTE, NOW, "1").unwrap_err();
    assert_eq!(error, MintError::Clash("sub".to_owned()));
}
