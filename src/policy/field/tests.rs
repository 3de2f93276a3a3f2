use std::collections::HashSet;
use std::time::Duration;

use super::*;
use crate::model::{ApplicationId, Attributes, Millis, StreamId};
use crate::policy::required_limit::RequiredLimits;

fn attributes(pairs: &[(&str, &str)]) -> Attributes {
    pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
}

/// Result of a lookup of the field with that name.
fn found(name: &str, pairs: &[(&str, &str)], device: Option<&str>, content: Content) -> String {
    let application = ApplicationId("tv".into());
    let standing = StreamView {
        stream: StreamId([1; 16]),
        application: &application,
        device,
        asset: "/live/news",
        attributes: attributes(pairs),
        content,
        started: Millis(0),
        tenure: Millis(0),
        seen: Millis(0),
        ranks: RequiredLimits::default(),
    };
    let carrier = ApplicationBinding { tenant: "acme".into(), from_manifest: vec!["kind".into()] };
    let scene = EvalContext { idp: "sso", now: Millis(0), min_tenure: Duration::ZERO };
    match Field::named(name).resolve(&standing, &carrier, &scene) {
        Found::Known(value) => value.to_owned(),
        Found::Missing => MISSING.to_owned(),
        Found::Pending => AWAITED.to_owned(),
    }
}

const AWAITED: &str = "(awaited)";
const MISSING: &str = "(missing)";

#[test]
fn the_gateways_own_words_are_known_of_every_stream_whatever_the_application_supplies() {
    let claimed = [("application", "x"), ("tenant", "x"), ("idp", "x"), ("asset", "x")];
    for (name, value) in [("application", "tv"), ("tenant", "acme"), ("idp", "sso"), ("asset", "/live/news")] {
        assert_eq!(found(name, &claimed, None, Content::Unknown), value);
        assert!(Field::named(name).is_built_in());
    }
    assert!(!Field::named("deviceId").is_built_in());
}

#[test]
fn a_device_that_is_named_counts_before_the_attribute() {
    let attribute = [("deviceId", "tv-2")];
    assert_eq!(found("deviceId", &attribute, Some("tv-1"), Content::Unknown), "tv-1");
    assert_eq!(found("deviceId", &attribute, None, Content::Unknown), "tv-2");
    assert_eq!(found("deviceId", &[], None, Content::Unknown), MISSING);
}

#[test]
fn what_the_token_says_of_live_counts_before_the_manifest() {
    for (content, value) in
        [(Content::Live, "live"), (Content::Vod, "vod"), (Content::Pending, AWAITED), (Content::Unknown, MISSING)]
    {
        assert_eq!(found("contentType", &[("contentType", "event")], None, content), "event");
        assert_eq!(found("contentType", &[], None, content), value);
        assert_eq!(found("kind", &[], None, content), value, "the carrier takes it from the manifest");
        assert_eq!(found("kind", &[("kind", "event")], None, content), "event");
        assert_eq!(found("channel", &[], None, content), MISSING);
    }
    assert_eq!(found("channel", &[("channel", "one")], None, Content::Unknown), "one");
}

#[test]
fn every_name_is_a_field_that_goes_by_that_name() {
    for name in Field::well_known().chain(["anything", "idp"]) {
        assert_eq!(Field::named(name).name(), name);
    }
}

#[test]
fn the_well_known_names_stand_once_and_are_those_of_the_documentation() {
    let names: Vec<&str> = Field::well_known().collect();
    let set: HashSet<&str> = names.iter().copied().collect();
    assert_eq!(set.len(), names.len(), "{names:?}");
    let documented = "programmerName channel assetId type contentType genre duration deviceId deviceName marketingName \
                      deviceModel osName browserName browserVersion mobileDevice deviceType osType applicationName \
                      applicationId applicationPlatform applicationVersion accountId contractType name hba continent country \
                      state city zipcode streamCDN package platform hba_status initiator idp mvpd application tenant asset";
    assert_eq!(set, documented.split_whitespace().collect());
}

#[test]
fn a_type_reads_its_own_values() {
    for (kind, reads, refuses) in [
        (Type::Text, &["", "anything"][..], &[][..]),
        (Type::Bool, &["true", "FALSE", "True", "1", "0"], &["", "yes", "2", " true"]),
        (Type::Int, &["0", "-5", "+5", "9223372036854775807"], &["", "5.0", " 5", "0x5", "9223372036854775808"]),
        (Type::Double, &["5", "-0.5", "1e3"], &["", "a half"]),
        (Type::Timestamp, &["2026-12-31T20:00:00Z"], &["", "tomorrow"]),
    ] {
        assert!(reads.iter().all(|text| kind.reads(text)), "{kind:?}");
        assert!(!refuses.iter().any(|text| kind.reads(text)), "{kind:?}");
    }
    assert_eq!(Field::named("hba").kind(), Type::Bool);
    assert_eq!(Field::named("mobileDevice").kind(), Type::Bool);
    assert_eq!(Field::named("duration").kind(), Type::Int);
    assert_eq!(Field::named("zipcode").kind(), Type::Text, "zip codes begin with zeros");
}
