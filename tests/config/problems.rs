//! What is said when a configuration is wrong.

use super::support::{PROMISED, SEAL, SECRET, application, good, read, with};

/// What becomes of one change to the promised configuration. `- ` the text that is there, `+ ` what is written instead
/// (`\n` and `\t` are a line end and a tab), `= ` the report, in which `***` stands for what differs between machines.
const BROKEN: &str = include_str!("broken.txt");

#[test]
fn each_broken_configuration_is_told_where_and_how_to_mend_it() {
    let lines: Vec<&str> = BROKEN.lines().filter(|line| !line.is_empty()).collect();
    let spelled = |text: &str| text.replace("\\n", "\n").replace("\\t", "\t");
    let (cases, rest) = lines.as_chunks::<3>();
    assert!(rest.is_empty() && cases.len() >= 255, "{} cases", cases.len());
    let mut wrong = Vec::new();
    for [from, to, expected] in cases {
        let (from, to) = (spelled(from.strip_prefix("- ").unwrap()), spelled(to.strip_prefix("+ ").unwrap()));
        let expected = expected.strip_prefix("= ").unwrap();
        match read(&with(&from, &to)) {
            Ok(_) => wrong.push(format!("{from} > {to}\nis accepted")),
            Err(report) => {
                let report = report.to_string();
                if !is_like(report.strip_prefix("configuration:").unwrap(), expected) {
                    wrong.push(format!("{from} > {to}\nis  {report}\nnot {expected}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// Whether a report of one line is what is expected, with anything in place of each `***`.
fn is_like(report: &str, expected: &str) -> bool {
    let mut rest = report;
    for (nth, part) in expected.split("***").enumerate() {
        match rest.find(part) {
            Some(at) if nth > 0 || at == 0 => rest = &rest[at + part.len()..],
            _ => return false,
        }
    }
    (rest.is_empty() || expected.ends_with("***")) && report.lines().count() == 1
}

#[test]
fn several_problems_of_every_kind_are_told_at_once_in_the_order_of_the_file() {
    let text = PROMISED
        .replace("127.0.0.1:9090", "127.0.0.1:8080") // meaning
        .replace("servers: [127.0.0.1:8081]", "servers: [nonsense, 127.0.0.1:8081, 127.0.0.1:8081]") // shape, and meaning behind it
        .replace("origin: main", "origin: mian") // meaning
        .replace("keys/tv.hs256", "keys/none") // file
        .replace("limit: 2", "limit: two") // shape
        .replace("household]", "household, plan]") // meaning
        .replace("reserve: 20s", "reserv: 20s") // unknown key
        .replace("min: 20s, max: 90s", "min: 2m, max: 90s"); // meaning
    let report = read(&text).unwrap_err();
    let told: Vec<(usize, &str)> = report.problems.iter().map(|one| (one.line, one.path.as_str())).collect();
    let expected = [
        (4, "control.address"),
        (7, "origins.main.servers[0]"),
        (7, "origins.main.servers[2]"),
        (12, "applications.tv.routes[0].origin"),
        (17, "applications.tv.identity.token.jwt.keys[0].secret"),
        (23, "applications.tv.policies[1]"),
        (28, "policies.household.rules[0].limit"),
        (33, "streams.reserv"),
        (34, "streams.idle.min"),
    ];
    assert_eq!(told, expected, "\n{report}");
    assert_eq!(report.to_string().lines().count(), expected.len());
}

#[test]
fn what_is_cut_for_one_problem_raises_no_other() {
    // The origin, the policy and the identity are broken, yet they exist.
    let text = PROMISED
        .replace("servers: [127.0.0.1:8081]", "servers: 127.0.0.1:8081")
        .replace("limit: 2,", "")
        .replace("subject: \"claim:sub\"", "subject: 17");
    let report = read(&text).unwrap_err();
    let told: Vec<&str> = report.problems.iter().map(|one| one.path.as_str()).collect();
    assert_eq!(
        told,
        ["origins.main.servers", "applications.tv.identity.subject", "policies.household.rules[0]"],
        "\n{report}"
    );
}

#[test]
fn an_empty_file_lacks_what_every_configuration_must_have() {
    for text in ["", "# nothing\n", "{}", "listeners:\norigins:\n", "\u{feff}"] {
        let report = read(text).unwrap_err();
        let missing: Vec<&str> = report.problems.iter().map(|one| one.message.split('`').nth(1).unwrap()).collect();
        assert_eq!(missing, ["applications", "sessions"], "{text:?}\n{report}");
    }
}

#[test]
fn an_environment_variable_that_is_not_set_is_told_and_one_that_is_set_is_read() {
    let report = read(&with("file: keys/session.key", "env: STREAMGATE_NO_SUCH_VARIABLE")).unwrap_err();
    assert!(report.to_string().contains("`STREAMGATE_NO_SUCH_VARIABLE` is not set"), "{report}");
    // Cargo sets this one for tests: it is read, and too short for a secret.
    let report = read(&with("file: keys/session.key", "env: CARGO_PKG_NAME")).unwrap_err();
    assert!(report.to_string().contains("has 10 bytes and needs at least 32"), "{report}");
}

#[test]
fn secrets_show_nowhere() {
    let settings = good(PROMISED);
    let shown = format!("{settings:?} {:#?}", application(&settings));
    assert!(shown.contains("[redacted]"), "{shown}");
    let bytes = format!("{:?}", SECRET.as_bytes());
    for secret in [SECRET, SEAL, bytes.as_str()] {
        assert!(!shown.contains(secret), "{shown}");
    }
    // Written in the wrong place, a secret is not repeated to the terminal either.
    for wrong in [
        with("secret: { file: keys/tv.hs256 }", &format!("secret: {SECRET}")),
        with("secret: { file: keys/session.key }", &format!("secret: [{SECRET}]")),
        with("{ file: keys/session.key }", &format!("{{ file: keys/session.key, env: {{ x: {SECRET} }} }}")),
    ] {
        let report = read(&wrong).unwrap_err();
        assert!(!report.to_string().contains(SECRET) && !format!("{report:?}").contains(SECRET), "{report}");
    }
}
