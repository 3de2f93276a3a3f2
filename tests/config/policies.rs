//! What policies mean.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use streamgate::policy::{
    ApplicationBinding, Count, Expression, Field, Limit, Message, Missing, Mode, Policy, Rule, Type, WhenExceeded,
};

use super::support::{PROMISED, application, good, read, with, with_rules};

/// The rules of the one policy that these make.
fn rules(attributes: &str, rules: &str) -> Vec<Rule> {
    application(&good(&with_rules(attributes, rules))).policies[0].rules.clone()
}

fn one_rule(written: &str) -> Rule {
    let attributes =
        "{ channel: \"claim:ch\", contractType: \"claim:plan\", maxStreams: \"claim:max\", tier: \"claim:t\" }";
    let [rule] = rules(attributes, &format!("      - {{ name: one, {written} }}")).try_into().unwrap();
    rule
}

fn condition(source: &str) -> Expression {
    Expression::compile(source, &[Type::Bool]).unwrap()
}

#[test]
fn a_rule_means_every_key_that_is_written_in_it() {
    let written = r#"
      - name: everything
        count: distinct(deviceId)
        per: [channel, tenant]
        limit: 3
        limit_attribute: tier
        limits: { premium: 4, "1": 1 }
        target: 'contentType == "live" && now.getHours("Europe/Berlin") >= 18'
        when_exceeded: terminate_first(tier == "free")
        exempt: tier == "staff"
        grace: 90s
        missing: treat_as("none")
        mode: annotate
        message: { default: "Only {limit}", de: "Nur {limit} für {channel}" }"#;
    let [rule] = rules("{ channel: \"claim:ch\", tier: \"claim:t\" }", written).try_into().unwrap();
    let texts = [("default", "Only {limit}"), ("de", "Nur {limit} für {channel}")];
    let texts: BTreeMap<String, String> = texts.map(|(tag, text)| (tag.to_owned(), text.to_owned())).into();
    let expected = Rule {
        name: "everything".into(),
        key: rule.key,
        mode: Mode::Annotate,
        target: Some(condition("contentType == \"live\" && now.getHours(\"Europe/Berlin\") >= 18")),
        count: Count::Distinct(Field::DeviceId),
        per: vec![Field::named("channel"), Field::Tenant],
        limit: Limit::ByValue {
            field: Field::named("tier"),
            values: [("premium".into(), 4), ("1".into(), 1)].into(),
            otherwise: Some(3),
        },
        when_exceeded: WhenExceeded::TerminateFirst(condition("tier == \"free\"")),
        exempt: Some(condition("tier == \"staff\"")),
        grace: Some(Duration::from_secs(90)),
        missing: Missing::TreatAs("none".into()),
        message: Some(Arc::new(Message::in_languages(&texts).unwrap())),
    };
    assert_eq!(rule, expected);
}

#[test]
fn a_rule_of_a_name_and_a_limit_counts_streams_and_refuses_the_newest() {
    let rule = one_rule("limit: 2");
    assert_eq!(rule, Rule { key: rule.key, ..Rule::streams("one", 2, WhenExceeded::DenyNewest) });
}

#[test]
fn a_limit_is_a_number_or_stands_in_an_attribute_or_goes_by_the_value_of_one() {
    let (max, plan) = (Field::named("maxStreams"), Field::named("contractType"));
    for (written, limit) in [
        ("limit: 0", Limit::Fixed(0)),
        ("limit: 2.0", Limit::Fixed(2)),
        ("limit_attribute: maxStreams", Limit::Attribute { field: max.clone(), otherwise: None }),
        ("limit_attribute: maxStreams, limit: 1", Limit::Attribute { field: max, otherwise: Some(1) }),
        (
            "limits: { premium: 4, default: 2 }",
            Limit::ByValue { field: plan.clone(), values: [("premium".into(), 4)].into(), otherwise: Some(2) },
        ),
        (
            "limits: { true: 4, 1: 3 }, limit: 1",
            Limit::ByValue { field: plan, values: [("true".into(), 4), ("1".into(), 3)].into(), otherwise: Some(1) },
        ),
    ] {
        assert_eq!(one_rule(written).limit, limit, "{written}");
    }
}

#[test]
fn each_word_for_who_gives_way_and_for_what_is_missing_is_heard() {
    for (word, meaning) in [
        ("deny_newest", WhenExceeded::DenyNewest),
        ("terminate_oldest", WhenExceeded::TerminateOldest),
        ("terminate_idlest", WhenExceeded::TerminateIdlest),
        ("terminate_first( mobileDevice )", WhenExceeded::TerminateFirst(condition(" mobileDevice "))),
    ] {
        assert_eq!(one_rule(&format!("limit: 1, when_exceeded: {word}")).when_exceeded, meaning);
    }
    for (word, meaning) in [
        ("refuse", Missing::Refuse),
        ("ignore_rule", Missing::IgnoreRule),
        ("treat_as(\"a b\")", Missing::TreatAs("a b".into())),
        ("treat_as('0')", Missing::TreatAs("0".into())),
    ] {
        assert_eq!(one_rule(&format!("limit: 1, missing: {word}")).missing, meaning);
    }
    assert_eq!(one_rule("limit: 1").missing, Missing::Unknown);
    let message = one_rule("limit: 1, message: \"Only {limit}\"").message;
    assert_eq!(message, Some(Arc::new(Message::one("Only {limit}").unwrap())));
}

#[test]
fn a_rule_has_the_mode_of_its_policy_unless_it_has_its_own() {
    let text = with("mode: enforce", "mode: shadow")
        .replace("deny_newest }", "deny_newest }\n      - { name: hard, limit: 9, mode: enforce }");
    let settings = good(&text);
    let modes: Vec<Mode> = application(&settings).policies[0].rules.iter().map(|rule| rule.mode).collect();
    assert_eq!(modes, [Mode::Shadow, Mode::Enforce]);
}

#[test]
fn every_application_that_names_a_policy_carries_it_with_its_tenant_and_what_its_manifests_tell() {
    let text = with("    name: TV app", "    tenant: acme")
        .replace(
            "stream: minted",
            "stream: minted\n      attributes: { kind: [\"claim:kind\", \"manifest:live\"], plan: \"claim:p\" }",
        )
        .replace(
            "policies:\n  household:",
            "  web: { routes: [{ path: /, host: w, origin: main }], policies: [other, household], \
             identity: { token: { in: [\"query:t\"], callback: { url: \"http://127.0.0.1/\" } }, idp: a, subject: \"claim:sub\" } }\n\
             policies:\n  other: { rules: [{ name: two-streams, limit: 2 }] }\n  household:",
        );
    let settings = good(&text);
    assert_eq!(settings.warnings, []);
    let [household] = &*application(&settings).policies else { panic!() };
    let carriers: Vec<(&str, &str, Vec<&str>)> = household
        .carriers
        .iter()
        .map(|(id, ApplicationBinding { tenant, from_manifest })| {
            (id.as_str(), &**tenant, from_manifest.iter().map(|name| &**name).collect())
        })
        .collect();
    assert_eq!(carriers, [("tv", "acme", vec!["kind"]), ("web", "default", vec![])]);
    // In the order in which the application names them, and one policy is one wherever it is carried.
    let web = settings.applications.values().find(|application| application.id.as_str() == "web").unwrap();
    let [other, shared] = &*web.policies else { panic!() };
    assert_eq!((&*other.name, &*web.tenant), ("other", "default"));
    assert!(Arc::ptr_eq(shared, household));
    assert_ne!(other.rules[0].key, household.rules[0].key, "rules of one name in two policies are two");
}

#[test]
fn keys_of_rules_do_not_change_when_others_come_and_go() {
    let key = |policy: &Policy, name: &str| policy.rules.iter().find(|rule| *rule.name == *name).unwrap().key;
    let before = good(PROMISED);
    let after = good(&with("      - { name: two", "      - { name: a, limit: 9 }\n      - { name: two"));
    let (before, after) = (&application(&before).policies[0], &application(&after).policies[0]);
    assert_eq!(key(before, "two-streams"), key(after, "two-streams"));
    assert_ne!(key(after, "a"), key(after, "two-streams"));
}

#[test]
fn what_nobody_needs_in_such_numbers_is_refused_in_a_sentence() {
    let rule = |nth: usize| format!("      - {{ name: r{nth}, limit: 2 }}\n");
    let many = |count: usize| (0..count).map(rule).collect::<String>();
    assert_eq!(rules("{ a: \"claim:a\" }", &many(64)).len(), 64);
    for (text, told) in [
        (with_rules("{ a: \"claim:a\" }", &many(65)), "policies.household.rules: the list has more than 64 items"),
        (with_rules("{ a: \"claim:a\" }", &many(10_000)), "policies.household.rules: the list has more than 64 items"),
        (with("policies:\n", &policies(257)), "policies: there are more than 256 entries: remove some"),
    ] {
        let report = read(&text).err().unwrap();
        assert!(report.problems.len() == 1 && report.to_string().contains(told), "{report}");
    }
}

fn policies(count: usize) -> String {
    let policy = |nth: usize| format!("  p{nth}: {{ rules: [{{ name: r, limit: 2 }}] }}\n");
    format!("policies:\n{}", (1..=count).map(policy).collect::<String>())
}

#[test]
fn an_expression_of_any_size_or_depth_is_answered() {
    for source in [
        "(".repeat(10_000) + &")".repeat(10_000),
        "!".repeat(100_000) + "hba",
        vec!["hba"; 10_000].join(" && "),
        format!("channel in [{}]", vec!["\"a\""; 10_000].join(", ")),
        "\u{0}\u{feff}é".to_owned(),
        format!("duration > {}", "9".repeat(400)),
    ] {
        for key in ["target", "exempt"] {
            let rule = format!("      - {{ name: one, limit: 2, {key}: {} }}", serde_json::to_string(&source).unwrap());
            assert!(read(&with_rules("{ channel: \"claim:c\" }", &rule)).is_err(), "{key} {source:.40}");
        }
    }
}
