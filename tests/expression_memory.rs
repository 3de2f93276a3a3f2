//! Evaluating a condition takes no memory, whatever it asks.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use streamgate::model::{ApplicationId, Attributes, Millis, StreamId};
use streamgate::policy::Expression;
use streamgate::policy::RequiredLimits;
use streamgate::policy::{ApplicationBinding, Content, EvalContext, StreamView};
use streamgate::policy::{Missing, Type};

#[test]
fn evaluating_an_expression_takes_no_memory() {
    let application = ApplicationId("tv".into());
    let attributes = [("channel", "news-24"), ("deviceType", "tv"), ("zipcode", "01067")];
    let standing = StreamView {
        stream: StreamId([1; 16]),
        application: &application,
        device: None,
        asset: "/live/news",
        attributes: attributes.map(|(name, value)| (name.into(), value.into())).into_iter().collect::<Attributes>(),
        content: Content::Live,
        started: Millis(0),
        tenure: Millis(0),
        seen: Millis(0),
        ranks: RequiredLimits::default(),
    };
    let carrier = ApplicationBinding::default();
    let scene = EvalContext { idp: "sso", now: Millis(1_782_941_415_250), min_tenure: Duration::ZERO };
    for source in [
        r#"contentType == "live" && deviceType in ["tv","stb"] && !channel.startsWith("sport")"#,
        r#"now.getHours("Europe/Berlin") >= 20 ? int(zipcode) / 7 > 3 : size(country) == 7"#,
        r#"channel.matches("^[a-z]+-[0-9]+$") && (hba || double(zipcode) > 1.5) && now > timestamp("2026-01-01T00:00:00Z")"#,
    ] {
        let expression = Expression::compile(source, &[Type::Bool]).unwrap();
        // The first match of a regular expression in a thread sets up what all later ones use.
        let before = expression.truth(&standing, &carrier, &scene, &Missing::Unknown);
        let taken = allocation_counter::measure(|| {
            assert_eq!(expression.truth(&standing, &carrier, &scene, &Missing::Unknown), before);
        });
        assert_eq!(taken.count_total, 0, "{source}");
    }
}
