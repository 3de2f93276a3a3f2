//! What is not wrong and yet hardly meant.

use std::path::Path;
use std::process::Command;

use super::support::{PROMISED, folder, good, read, with, with_rules};

/// The warnings, without the file, as `streamgate check` prints them.
fn warnings(text: &str) -> Vec<String> {
    let told = good(text).warnings.iter().map(|warning| warning.as_warning("")).collect::<Vec<_>>();
    told.iter().map(|line| line.strip_prefix(':').unwrap().to_owned()).collect()
}

/// The only warning about a rule, behind its place.
fn warning(rule: &str) -> String {
    let told = warnings(&with("limit: 2, when_exceeded: deny_newest", rule));
    let [told] = <[String; 1]>::try_from(told).unwrap_or_else(|told| panic!("{rule}: {told:?}"));
    told
}

#[test]
fn a_good_configuration_has_no_warnings() {
    assert_eq!(warnings(PROMISED), Vec::<String>::new());
    for rule in [
        // Known of every stream, or by the manifest, or mapped.
        "limit: 2, target: 'application == \"tv\" && tenant == \"a\" && idp == \"b\" && asset == \"c\"'",
        "limit: 2, count: distinct(deviceId), per: [contentType, asset]",
        "limit: 2, message: \"{limit} {count} {policy} {rule} {asset}\"",
        "limit: 2, target: 'now.getHours(\"Europe/Berlin\") >= 18'",
        "limit_attribute: tenant, limits: { acme: 3, default: 2 }",
    ] {
        assert_eq!(warnings(&with("limit: 2, when_exceeded: deny_newest", rule)), Vec::<String>::new(), "{rule}");
    }
}

#[test]
fn an_application_is_told_what_the_rules_of_its_policies_need_and_it_does_not_supply() {
    let rules = "      - { name: per-channel, per: [channel], limit: 2 }\n      \
                 - { name: devices, count: distinct(deviceId), limit: 3, target: hba }\n      \
                 - { name: plan, limit_attribute: max, when_exceeded: terminate_first(mobileDevice), exempt: genre == \"news\" }\n      \
                 - { name: quiet, limit: 2, target: hba, missing: ignore_rule }";
    let text = with_rules("{ channel: \"claim:c\", hba: \"claim:h\", max: \"claim:m\" }", rules).replace(
        "policies:\n  household:",
        "  web: { routes: [{ path: /, host: w, origin: main }], policies: [household], \
         identity: { token: { in: [\"query:t\"], callback: { url: \"http://127.0.0.1/\" } }, idp: a, subject: \"claim:sub\", \
         attributes: { genre: \"query:g\", mobileDevice: \"query:m\" } } }\n\
         policies:\n  household:",
    );
    let told = warnings(&text);
    let lacks = |application: &str, attribute: &str, rule: &str, verb: &str, remedy: &str| {
        format!(
            "warning: applications.{application}.policies[0]: application `{application}` supplies no `{attribute}`, which \
             rule `{rule}` of policy `household` {verb}: {remedy}, or say what happens without it with the rule's `missing:`"
        )
    };
    let map = "map it under `identity.attributes`";
    let expected = [
        ("24:16", lacks("tv", "genre", "plan", "asks for", map)),
        ("24:16", lacks("tv", "mobileDevice", "plan", "orders streams by", map)),
        ("25:67", lacks("web", "channel", "per-channel", "counts by", map)),
        ("25:67", lacks("web", "deviceId", "devices", "counts", "map it as `identity.device`")),
        ("25:67", lacks("web", "hba", "devices", "asks for", map)),
        ("25:67", lacks("web", "max", "plan", "takes its limit from", map)),
    ];
    let (about_rules, about_applications): (Vec<&String>, Vec<&String>) =
        told.iter().partition(|told| told.contains("policies.household"));
    let shown: Vec<String> = expected.iter().map(|(place, message)| format!("{place}: {message}")).collect();
    assert_eq!(about_applications, shown.iter().collect::<Vec<_>>());
    let [limit] = &*about_rules else { panic!("{told:#?}") };
    assert!(limit.contains("`max` is missing or not a number, there is no limit: write `limit:`"), "{limit}");
}

#[test]
fn an_attribute_that_several_rules_need_is_told_once_for_each_application() {
    let rules = (1..=5).map(|nth| format!("      - {{ name: r{nth}, limit: 2, target: hba }}"));
    let told = warnings(&with_rules("{ a: \"claim:a\" }", &rules.collect::<Vec<_>>().join("\n")));
    let expected = "24:16: warning: applications.tv.policies[0]: application `tv` supplies no `hba`, which the rules `r1`, `r2`, \
                    `r3` and 2 more of policy `household` need: map it under `identity.attributes`, or say what happens \
                    without it with the rules' `missing:`";
    assert_eq!(told, [expected]);
}

#[test]
fn what_hardly_can_be_meant_is_told_at_its_place() {
    for (rule, told) in [
        (
            "limit: 2, target: 'true'",
            "28:48: warning: policies.household.rules[0].target: `target` selects all streams or none",
        ),
        (
            "limit: 2, exempt: 1 > 2",
            "28:48: warning: policies.household.rules[0].exempt: `exempt` exempts all streams or none",
        ),
        ("limit: 2, per: [idp]", "28:46: warning: policies.household.rules[0].per[0]: all streams of an account"),
        (
            "limit: 2, count: distinct(idp)",
            "28:47: warning: policies.household.rules[0].count: all streams of an account",
        ),
        (
            "limits: { a: 4, default: 2 }",
            "28:38: warning: policies.household.rules[0].limits: no application that uses this policy supplies \
             `contractType`, so everybody has the same limit",
        ),
        (
            "limit: 2, limit_attribute: platform",
            "28:57: warning: policies.household.rules[0].limit_attribute: no application that uses this policy \
             supplies \
             `platform`, so everybody has the same limit",
        ),
        (
            "limit: 2, per: [channel], missing: treat_as(\"Unknown\")",
            "28:46: warning: policies.household.rules[0].per[0]: no application that uses this policy supplies \
             `channel`, \
             so `missing` applies to every stream",
        ),
        (
            "limit: 2, message: \"On {deviceName}\"",
            "28:49: warning: policies.household.rules[0].message: no application that uses this policy supplies \
             `deviceName`, so viewers see `Unknown`",
        ),
    ] {
        let warning = warning(rule);
        assert!(warning.starts_with(told), "{rule}\n{warning}\n{told}");
    }
    let unused = warnings(&with("    policies: [household]\n", ""));
    let told = "24:3: warning: policies.household: no application uses this policy: list it under `policies` of one";
    assert!(unused.len() == 1 && unused[0].starts_with(told), "{unused:?}");
    let hidden = warnings(&with_rules("{ asset: \"claim:a\" }", "      - { name: one, limit: 2 }"));
    let told = "21:21: warning: applications.tv.identity.attributes.asset: rules cannot use this";
    assert!(hidden.len() == 1 && hidden[0].starts_with(told), "{hidden:?}");
}

#[test]
fn a_limit_that_an_attribute_holds_needs_a_number_for_those_without_it() {
    let attributes = "{ max: \"claim:m\" }";
    let told =
        |rule: &str| warnings(&with_rules(attributes, &format!("      - {{ name: one, limit_attribute: max{rule} }}")));
    assert!(
        told("")[0]
            .ends_with("where `max` is missing or not a number, there is no limit: write `limit:` for these streams")
    );
    assert_eq!(told(", missing: treat_as(\"many\")").len(), 1);
    for said in [", limit: 2", ", missing: treat_as(\"2\")", ", missing: refuse", ", missing: ignore_rule"] {
        assert_eq!(told(said), Vec::<String>::new(), "{said}");
    }
}

#[test]
fn nothing_is_guessed_about_rules_while_an_application_is_broken() {
    // What is misspelt may be the very attribute that the rule counts.
    let text = with("device: \"claim:device\"", "atributes: { tier: \"claim:t\" }")
        .replace("limit: 2", "limit: 2, per: [tier]");
    let report = read(&text).unwrap_err();
    let told: Vec<&str> = report.problems.iter().map(|one| one.path.as_str()).collect();
    assert_eq!(told, ["applications.tv.identity.atributes"], "{report}");
    // Broken routes hide no attribute.
    let text = with("path: /,", "pth: /,").replace("limit: 2", "limit: 2, per: [tier]");
    let report = read(&text).unwrap_err();
    let told: Vec<&str> = report.problems.iter().map(|one| one.path.as_str()).collect();
    assert!(told.contains(&"policies.household.rules[0].per[0]"), "{report}");
}

#[test]
fn check_prints_warnings_and_counts_them_and_is_content() {
    let folder = folder();
    let check = |text: &str| {
        let file = folder.path().join("streamgate.yaml");
        // Whatever this machine has listening, and however many files it lets a process open.
        let text = text.replace("127.0.0.1:8080", "127.0.0.1:0").replace("127.0.0.1:9090", "127.0.0.1:0");
        std::fs::write(&file, format!("{text}limits: {{ connections: 100 }}\n")).unwrap();
        let program = Path::new(env!("CARGO_BIN_EXE_streamgate"));
        let output = Command::new(program).args(["check", "--config"]).arg(&file).output().unwrap();
        let said = |bytes: &[u8]| {
            String::from_utf8(bytes.to_vec()).unwrap().replace(&folder.path().display().to_string(), "…")
        };
        (output.status.code(), said(&output.stdout), said(&output.stderr))
    };
    let good = "…/streamgate.yaml: good; 1 application, 1 origin";
    assert_eq!(check(PROMISED), (Some(0), format!("{good}\n"), String::new()));
    let (code, out, err) = check(&with("    policies: [household]\n", ""));
    assert_eq!((code, out), (Some(0), format!("{good}, 1 warning\n")));
    assert!(
        err.starts_with("…/streamgate.yaml:24:3: warning: policies.household: ") && err.lines().count() == 1,
        "{err}"
    );
    let (_, out, err) = check(&with("limit: 2", "limit: 2, target: 'true', per: [idp]"));
    assert_eq!((out, err.lines().count()), (format!("{good}, 2 warnings\n"), 2), "{err}");
    let (code, out, err) = check(&with("limit: 2", "limit: 2, target: chanel, exempt: 'true'"));
    assert_eq!((code, out.as_str(), err.lines().count()), (Some(1), "", 1), "{err}");
}

#[test]
fn a_subject_that_is_the_same_for_all_viewers_is_told() {
    let all = "a constant `subject` gives all viewers one account";
    let rest = "a constant gives one account to all viewers without a value from the sources before it";
    for (subject, told) in [
        ("everybody", format!("19:16: warning: applications.tv.identity.subject: {all}")),
        ("\"text:calim:sub\"", format!("19:16: warning: applications.tv.identity.subject: {all}")),
        (
            "{ from: \"text:a:b\", split: \":\", part: 2 }",
            format!("19:16: warning: applications.tv.identity.subject: {all}"),
        ),
        ("[everybody]", format!("19:17: warning: applications.tv.identity.subject[0]: {all}")),
        ("[everybody, \"claim:sub\"]", format!("19:17: warning: applications.tv.identity.subject[0]: {all}")),
        ("[\"claim:sub\", everybody]", format!("19:30: warning: applications.tv.identity.subject[1]: {rest}")),
    ] {
        let warnings = warnings(&with("subject: \"claim:sub\"", &format!("subject: {subject}")));
        assert!(warnings.len() == 1 && warnings[0].starts_with(&told), "{subject}\n{warnings:?}\n{told}");
    }
    let warnings = warnings(&with("device: \"claim:device\"", "device: [\"claim:device\", tv]"));
    let told = "20:32: warning: applications.tv.identity.device[1]: a constant gives an account one device";
    assert!(warnings.len() == 1 && warnings[0].starts_with(told), "{warnings:?}");
}
