use std::time::Duration;

use super::*;
use crate::model::{ApplicationId, Attributes, Millis, StreamId};
use crate::policy::required_limit::RequiredLimits;
use crate::policy::stream_view::Content;

mod oracle_tests;
mod sentence_tests;

/// Wednesday, 1 July 2026, 21:30:15.250 UTC: 23:30 in Berlin.
const NOW: Millis = Millis(1_782_941_415_250);

const BOTH: [Type; 2] = [Type::Bool, Type::Int];

/// A stream with these attributes; `content` comes from the manifest.
struct Case<'a> {
    pairs: &'a [(&'a str, &'a str)],
    content: Content,
    missing: Missing,
    now: Millis,
}

fn case<'a>(pairs: &'a [(&'a str, &'a str)]) -> Case<'a> {
    Case { pairs, content: Content::Unknown, missing: Missing::Unknown, now: NOW }
}

impl Case<'_> {
    fn look<T>(&self, with: impl FnOnce(&StreamView<'_>, &ApplicationBinding, &EvalContext<'_>, &Missing) -> T) -> T {
        let application = ApplicationId("tv-app".into());
        let attributes = self.pairs.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        let standing = StreamView {
            stream: StreamId([1; 16]),
            application: &application,
            device: None,
            asset: "/live/news",
            attributes: attributes.collect::<Attributes>(),
            content: self.content,
            started: Millis(0),
            tenure: Millis(0),
            seen: Millis(0),
            ranks: RequiredLimits::default(),
        };
        let carrier = ApplicationBinding { tenant: "acme".into(), from_manifest: Vec::new() };
        let scene = EvalContext { idp: "sso", now: self.now, min_tenure: Duration::ZERO };
        with(&standing, &carrier, &scene, &self.missing)
    }

    /// `yes`, `no`, `awaited`, or the missing field.
    fn truth(&self, source: &str) -> String {
        let expression = compile(source);
        self.look(|standing, carrier, scene, missing| match expression.truth(standing, carrier, scene, missing) {
            Truth::Yes => "yes".to_owned(),
            Truth::No => "no".to_owned(),
            Truth::Pending => "awaited".to_owned(),
            Truth::Lacks(field) => field.to_string(),
        })
    }

    fn weight(&self, source: &str) -> i64 {
        let expression = compile(source);
        self.look(|standing, carrier, scene, missing| expression.weight(standing, carrier, scene, missing))
    }
}

fn compile(source: &str) -> Expression {
    Expression::compile(source, &BOTH).unwrap_or_else(|errors| panic!("{source}: {errors:?}"))
}

fn all(case: &Case<'_>, expected: &str, sources: &[&str]) {
    for source in sources {
        assert_eq!(case.truth(source), expected, "{source}");
    }
}

#[test]
fn fields_are_compared_with_values_and_with_each_other() {
    let case = case(&[
        ("channel", "sport1"),
        ("deviceType", "tv"),
        ("hba", "TRUE"),
        ("duration", "5400"),
        ("zipcode", "01067"),
        ("package", "sports"),
        ("country", "DE"),
    ]);
    let yes = [
        "channel == 'sport1'",
        "channel != \"news\" && \"tv\" == deviceType",
        "deviceType in ['tv', \"stb\",]",
        "!(deviceType in ['phone'])",
        "channel.startsWith('sport') && channel.endsWith(\"1\") && channel.contains('ort')",
        "channel.matches('^sport[0-9]+$') && channel.matches('por')",
        "size(channel) == 6 && channel.size() < 7",
        "hba && hba == true && !!hba && hba != false",
        "duration > 3600 && duration <= 5400 && duration in [60, -1, 5400]",
        "duration / 60 == 90 && duration % 7 == 3 && -duration < 0 && duration * 2 - 1 + 1 == 10800",
        "int(zipcode) == 1067 && double(zipcode) < 1067.5 && double(duration) == 5400.0",
        "(hba ? 'home' : 'away') == 'home'",
        "(hba ? duration : 0) > 1 ? true : false",
        "package == 'sports' && country < 'FR'",
        "application == 'tv-app' && tenant == 'acme' && idp == 'sso' && asset.startsWith('/live/')",
        "// of this platform\nchannel ==\r\n\t'sport1' // and no other",
        "r'a\\b' == \"a\\\\b\" && '''it's''' == \"it's\" && 'é'.size() == 1",
        "true",
    ];
    all(&case, "yes", &yes);
    all(&case, "no", &["channel == 'sport'", "channel == 'Sport1'", "hba == (duration < 1)", "false", "duration < -1"]);
}

#[test]
fn what_the_stream_lacks_is_unknown_where_it_is_text_and_lacked_where_it_is_not() {
    let case = case(&[("mobileDevice", "maybe"), ("duration", "an hour")]);
    all(&case, "yes", &["channel == 'Unknown'", "channel != 'sport'", "channel in ['Unknown']", "size(channel) == 7"]);
    all(&case, "hba", &["hba", "!hba", "hba || duration > 5", "hba == true"]);
    all(&case, "mobileDevice", &["mobileDevice", "mobileDevice && channel == 'Unknown'"]);
    all(&case, "duration", &["duration > 5", "duration > 5 ? hba : hba", "duration in [1, 2]"]);
    all(&case, "zipcode", &["int(zipcode) > 5", "double(zipcode) > 5.0"]);
}

#[test]
fn the_other_side_settles_what_a_missing_value_leaves_open_in_either_order() {
    let case = case(&[]);
    all(&case, "no", &["hba && false", "false && hba", "hba && channel == 'x' && duration > 5"]);
    all(&case, "yes", &["hba || true", "true || hba", "duration > 5 || hba || channel == 'Unknown'"]);
    all(&case, "hba", &["hba && true", "true && hba", "hba || false", "false || hba"]);
    all(&case, "yes", &["1 / (size('') + 0) > 1 || true", "true || 1 / size('') > 1"]);
}

#[test]
fn a_value_that_is_told_counts_for_what_is_missing_if_it_can_be_read() {
    let told = |value: &str| Case { missing: Missing::TreatAs(value.into()), ..case(&[("hba", "maybe")]) };
    all(&told("tv"), "yes", &["deviceType == 'tv'", "deviceType == channel"]);
    all(&told("tv"), "hba", &["hba"]);
    all(&told("true"), "yes", &["hba && mobileDevice", "channel == 'true'"]);
    all(&told("7"), "yes", &["duration == 7", "int(channel) == 7"]);
    all(&told("7"), "hba", &["hba"]);
}

#[test]
fn a_rule_that_ignores_or_refuses_the_missing_is_told_what_is_missing() {
    for missing in [Missing::IgnoreRule, Missing::Refuse] {
        let case = Case { missing, ..case(&[]) };
        all(
            &case,
            "channel",
            &["channel == 'Unknown'", "channel != 'a'", "channel.startsWith('a')", "size(channel) > 1"],
        );
        all(&case, "channel", &["channel == 'a' || hba"]);
        all(&case, "no", &["channel == 'a' && idp == 'b'"]);
    }
}

#[test]
fn what_the_manifest_will_tell_is_awaited_before_anything_is_lacked() {
    let case = Case { content: Content::Pending, ..case(&[]) };
    let awaited = [
        "contentType == 'live'",
        "contentType != 'live'",
        "hba && contentType == 'live'",
        "contentType == 'live' || hba",
        "hba == (contentType == 'live')",
        "contentType == 'live' ? true : false",
        "1 / size('') == 1 || contentType == 'live'",
    ];
    all(&case, "awaited", &awaited);
    all(&case, "no", &["contentType == 'live' && false", "channel == 'a' && contentType == 'live'"]);
    all(&case, "yes", &["contentType == 'live' || channel == 'Unknown'"]);
    let live = Case { content: Content::Live, ..case };
    all(&live, "yes", &["contentType == 'live'"]);
}

#[test]
fn arithmetic_without_a_result_makes_nothing_true() {
    let case = case(&[("duration", "9223372036854775807"), ("channel", "x")]);
    let without =
        ["duration + 1 > 0", "duration * 2 > 0", "-duration - 2 < 0", "1 / size('') == 0", "1 % (1 - 1) == 0"];
    all(&case, "no", &without);
    all(&case, "no", &["!(duration + 1 > 0)", "int(true ? 'x' : 'y') == 1"]);
    assert_eq!(case.weight("duration + 1"), i64::MIN);
}

#[test]
fn an_order_puts_true_before_false_and_what_is_unknown_last() {
    let case = case(&[("hba", "true"), ("duration", "60")]);
    let weights = ["hba", "!hba", "duration", "duration * -2", "mobileDevice", "int(channel)", "hba ? 3 : 4"];
    let expected = [1, 0, 60, -120, i64::MIN, i64::MIN, 3];
    assert_eq!(weights.map(|source| case.weight(source)), expected);
    all(&case, "no", &["duration"]);
}

#[test]
fn a_clock_is_read_where_it_hangs() {
    let case = case(&[]);
    let yes = [
        "now.getHours() == 21 && now.getHours('UTC') == 21",
        "now.getHours('Europe/Berlin') == 23 && now.getHours('+02:00') == 23 && now.getHours('02:00') == 23",
        "now.getHours('-03:30') == 18 && now.getMinutes('-03:30') == 0",
        "now.getHours('Asia/Kolkata') == 3 && now.getMinutes('Asia/Kolkata') == 0 && now.getDate('Asia/Kolkata') == 2",
        "now.getFullYear() == 2026 && now.getMonth() == 6 && now.getDate() == 1 && now.getDayOfMonth() == 0",
        "now.getDayOfWeek() == 3 && now.getDayOfYear() == 181",
        "now.getMinutes() == 30 && now.getSeconds() == 15 && now.getMilliseconds() == 250",
        "now > timestamp('2026-07-01T00:00:00Z') && now <= timestamp('2026-07-01T23:30:15.250+02:00')",
        "now == timestamp('2026-07-01T21:30:15.25Z') && now != timestamp('2026-07-01T21:30:15.250000001Z')",
        "timestamp('2026-03-29T01:00:00Z').getHours('Europe/Berlin') == 3",
        "timestamp('2026-07-01T00:30:00+02:00').getHours() == 22",
        "now.getDayOfWeek('Europe/Berlin') in [1, 2, 3, 4, 5] && now.getHours('Europe/Berlin') >= 20",
    ];
    all(&case, "yes", &yes);
    let never = Case { now: Millis(u64::MAX), ..case };
    all(&never, "no", &["now > timestamp('2026-07-01T00:00:00Z')", "now.getHours() >= 0"]);
}

#[test]
fn the_fields_are_listed_with_the_places_where_they_stand() {
    let source = "'é' != channel && (package in ['a'] || channel.size() > 1) && now.getHours() > 1";
    let expression = compile(source);
    let places: Vec<(&str, &str)> =
        expression.places().iter().map(|(field, at)| (field.name(), &source[at.clone()])).collect();
    assert_eq!(places, [("channel", "channel"), ("package", "package"), ("channel", "channel")]);
    assert_eq!(expression.places()[0].1, 8..15);
    assert_eq!(expression.source(), source);
    assert_eq!(expression, expression.clone());
    assert_eq!(expression.fields().count(), 3);
}
