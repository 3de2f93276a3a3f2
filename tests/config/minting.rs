//! Tokens for trials.

use std::time::Duration;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde_json::{Value, json};
use streamgate::config::{Application, MintError, TokenRequest};
use streamgate::identity::RequestFacts;
use streamgate::model::{Device, Millis, StreamId};

use super::support::{NOW, PROMISED, application, good, with};

const MINUTE: Duration = Duration::from_mins(1);

pub(crate) fn request<'a>(subject: &'a str, device: Option<&'a str>, id: &'a str) -> TokenRequest<'a> {
    TokenRequest { subject, device, claims: &[], lifetime: MINUTE, id }
}

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
    let token = tv.mint(&request("alice", Some("tv-1"), "t1"), NOW).unwrap();
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
        let token = tv.mint(&request("alice", Some("tv-1"), id), NOW).unwrap();
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
    assert_eq!(tv.mint(&request("alice", None, "1"), NOW), Err(MintError::FixedSubject("everybody".to_owned())));
    assert_eq!(tv.mint(&request("everybody", Some("tv-1"), "1"), NOW), Err(MintError::NoDevice));
    assert!(tv.mint(&request("everybody", None, "1"), NOW).is_ok());
    let clash = good(&with("claim:device", "claim:sub"));
    let error = application(&clash).mint(&request("alice", Some("tv-1"), "1"), NOW).unwrap_err();
    assert_eq!(error, MintError::Clash("sub".to_owned()));
}

#[test]
fn further_claims_reach_the_attributes_and_never_take_the_place_of_others() {
    let device = "      device: \"claim:device\"\n";
    let attributes = "      attributes: { plan: \"claim:plan\", maxStreams: \"claim:max\" }\n";
    let settings = good(&with(device, &format!("{device}{attributes}")));
    let tv = application(&settings);
    let claims: Vec<(String, Value)> = vec![("plan".to_owned(), json!("premium")), ("max".to_owned(), json!(3))];
    let token = tv.mint(&TokenRequest { claims: &claims, ..request("alice", Some("tv-1"), "t1") }, NOW).unwrap();
    let viewer = viewer_of(tv, &token, NOW).unwrap();
    assert_eq!((viewer.attributes.get("plan"), viewer.attributes.get("maxStreams")), (Some("premium"), Some("3")));
    for taken in ["sub", "device", "exp", "jti"] {
        let claims = [(taken.to_owned(), json!("other"))];
        let minted = tv.mint(&TokenRequest { claims: &claims, ..request("alice", Some("tv-1"), "t1") }, NOW);
        assert_eq!(minted, Err(MintError::Clash(taken.to_owned())));
    }
}
