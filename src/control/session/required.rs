//! The attributes that an application's policies require.

use std::collections::BTreeSet;

use crate::config::Application;
use crate::model::Attributes;
use crate::policy::{Count, Expression, Field, Missing, Mode, Rule};

use super::metadata::SERVER_OWNED;

/// The application's attributes that its rules use, in any mode: in targets, counts and scopes.
pub(super) fn required(application: &Application) -> BTreeSet<&str> {
    rules(application).flat_map(asked).collect()
}

/// Attributes missing from a start that an enforced rule uses, even if its target does not match. Rules with their own
/// `missing` behavior are skipped.
pub(super) fn missing<'a>(application: &'a Application, attributes: &Attributes) -> BTreeSet<&'a str> {
    let demands =
        |rule: &&Rule| rule.mode == Mode::Enforce && matches!(rule.missing, Missing::Unknown | Missing::Refuse);
    rules(application).filter(demands).flat_map(asked).filter(|name| attributes.get(name).is_none()).collect()
}

fn rules(application: &Application) -> impl Iterator<Item = &Rule> {
    application.policies.iter().flat_map(|policy| &policy.rules)
}

fn asked(rule: &Rule) -> impl Iterator<Item = &str> {
    let counted = match &rule.count {
        Count::Streams => None,
        Count::Distinct(field) => Some(field),
    };
    let fields = rule.target.iter().flat_map(Expression::fields).chain(counted).chain(&rule.per);
    let names = fields.filter(|field| !field.is_built_in()).map(Field::name);
    names.filter(|name| !SERVER_OWNED.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn application(rules: &str) -> std::sync::Arc<Application> {
        let text = format!(
            "applications:\n  tv: {{ stream_source: api, policies: [p] }}\npolicies:\n  p:\n    rules:\n{rules}\n\
             sessions:\n  keys: [{{ id: 1, secret: {{ file: session.key }} }}]\n"
        );
        let settings = crate::config::parse(&text, std::path::Path::new("conf/demo/keys"))
            .unwrap_or_else(|report| panic!("{report}"));
        settings.applications["tv"].clone()
    }

    fn names(application: &Application) -> Vec<&str> {
        required(application).into_iter().collect()
    }

    fn has(pairs: &[(&str, &str)]) -> Attributes {
        pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    #[test]
    fn it_is_what_targets_counts_and_scopes_name_and_an_application_can_say() {
        let tv = application(
            "      - { name: a, limit: 1, per: [channel, tenant, asset] }\n\
             \x20     - { name: b, count: distinct(deviceId), limit: 1, target: 'contentType == \"live\" && application == \"tv\"' }\n\
             \x20     - { name: c, limit: 1, exempt: 'deviceType == \"tv\"', target: 'mvpd == \"x\"' }\n\
             \x20     - { name: d, limits: { premium: 3, default: 1 } }",
        );
        assert_eq!(names(&tv), ["channel", "contentType", "deviceId"]);
        let lacks = |pairs: &[(&str, &str)]| missing(&tv, &has(pairs)).into_iter().collect::<Vec<_>>();
        assert_eq!(lacks(&[("channel", "a"), ("contentType", "vod")]), ["deviceId"], "although no target is met");
        assert_eq!(
            lacks(&[("channel", ""), ("contentType", "vod"), ("deviceId", "d")]),
            ["channel"],
            "empty is not there"
        );
        assert_eq!(lacks(&[("channel", "a"), ("contentType", "vod"), ("deviceId", "d")]), [""; 0]);
        let none = application("      - { name: a, limit: 1 }");
        assert!(names(&none).is_empty() && missing(&none, &Attributes::default()).is_empty());
    }

    #[test]
    fn a_rule_that_is_not_enforced_or_says_what_happens_without_is_listed_and_refuses_nobody() {
        for (rest, refuses) in [
            ("", true),
            ("missing: refuse", true),
            ("missing: ignore_rule", false),
            ("missing: 'treat_as(\"a\")'", false),
            ("mode: shadow", false),
            ("mode: annotate, missing: refuse", false),
        ] {
            let comma = if rest.is_empty() { "" } else { ", " };
            let tv = application(&format!("      - {{ name: a, limit: 1, per: [channel]{comma}{rest} }}"));
            assert_eq!(names(&tv), ["channel"], "{rest}");
            assert_eq!(!missing(&tv, &Attributes::default()).is_empty(), refuses, "{rest}");
        }
    }
}
