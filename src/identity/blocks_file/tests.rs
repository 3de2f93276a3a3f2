#![allow(clippy::unwrap_used)]

use super::super::limits::{MAX_DEVICE, bounded};
use super::*;
use crate::model::{Device, StreamId};

const YAML: &str = r#"
# comments are fine
- account: { idp: "https://id.example", subject: "H-2041" }
  until: 2026-12-01T00:00:00Z
  reason: Your subscription is paused.
- device: { idp: "https://id.example", subject: "H-2042", device: tv-3 }
  until: forever
  reason: This device was reported as stolen.
- token: { application: tv, id: 7f3a }
  until: forever
  reason: Please sign in again.
- session: 0b3ffb6c-3c5b-4f3b-8a55-6d5a2f1f0b11
  until: forever
  reason: This stream was ended by the operator.
"#;

fn reason(blocks: &Blocks, subject: &str, device: &str, token: &str, stream: StreamId) -> Option<String> {
    let account = Account::new("https://id.example", subject).key();
    let token = TokenId::named(&ApplicationId("tv".into()), token);
    let now = Millis(1_796_083_199_999); // 2026-11-30T23:59:59.999Z
    let found = blocks.blocked(&account, &Device::Named(device.into()), Some(token), stream, now);
    found.map(|block| block.reason.to_string())
}

#[test]
fn the_four_kinds_of_entries_are_read_from_yaml_and_json_alike() {
    let value: Value = serde_saphyr::from_str(YAML).unwrap();
    let stream = "0b3ffb6c-3c5b-4f3b-8a55-6d5a2f1f0b11".parse().unwrap();
    let other = StreamId([0; 16]);
    for text in [YAML.to_owned(), value.to_string(), format!("\u{feff}{YAML}")] {
        let blocks = parse(text.as_bytes()).unwrap();
        assert_eq!(blocks.len(), 4);
        assert_eq!(reason(&blocks, "H-2041", "x", "x", other).unwrap(), "Your subscription is paused.");
        assert_eq!(reason(&blocks, "H-2042", "tv-3", "x", other).unwrap(), "This device was reported as stolen.");
        assert_eq!(reason(&blocks, "H-2042", "tv-4", "x", other), None);
        assert_eq!(reason(&blocks, "x", "x", "7f3a", other).unwrap(), "Please sign in again.");
        assert_eq!(reason(&blocks, "x", "x", "x", stream).unwrap(), "This stream was ended by the operator.");
    }
    let paused = Block {
        blocked: Blocked::Account(Account::new("https://id.example", "H-2041").key()),
        until: Some(Millis(1_796_083_200_000)),
        reason: "Your subscription is paused.".into(),
    };
    let account = Account::new("https://id.example", "H-2041").key();
    let blocks = parse(YAML.as_bytes()).unwrap();
    assert_eq!(blocks.blocked(&account, &Device::Hint(0), None, other, Millis(0)), Some(&paused));
}

#[test]
fn nothing_a_comment_and_an_empty_list_shut_nobody_out() {
    for text in ["", "# nobody yet\n", "[]", "---\n[]\n"] {
        assert!(parse(text.as_bytes()).unwrap().is_empty(), "{text:?}");
    }
}

#[test]
fn every_mistake_is_told_with_its_line_and_with_what_to_write() {
    let account = "- account: { idp: a, subject: b }\n  until: forever\n  reason: r\n";
    let cases = [
        ("until: 2026-12-01T00:00:00Z", "", "entry 2: `until` is missing: write a time in UTC such as"),
        ("until: 2026-12-01T00:00:00Z", "until: tomorrow", "entry 2: `until` is not a time: write"),
        ("until: 2026-12-01T00:00:00Z", "until: 2026-12-01", "entry 2: `until` is not a time: write"),
        ("until: 2026-12-01T00:00:00Z", "until: 1796083200", "entry 2: `until` is not a time: write"),
        ("reason: r2", "", "entry 2: `reason` is missing: write"),
        ("reason: r2", "reason: \"a\\nb\"", "entry 2: `reason` is shown to viewers: write one line"),
        ("reason: r2", "reason: r2\n  note: x", "entry 2: unknown key \"note\": write account"),
        ("{ idp: c, subject: d }", "{ idp: c }", "entry 2: in `account`: `subject` is missing"),
        (
            "{ idp: c, subject: d }",
            "{ idp: c, subject: 007 }",
            "entry 2: in `account`: `subject` is not text: put it in quotes",
        ),
        ("{ idp: c, subject: d }", "d", "entry 2: `account` is not a mapping: write `account: { idp: …, subject: … }`"),
        ("account: { idp: c, subject: d }", "session: abc", "entry 2: `session` is not a stream id: write"),
        ("account: { idp: c, subject: d }", "token: { id: x }", "entry 2: in `token`: `application` is missing"),
        ("account: { idp: c, subject: d }", "who: x", "entry 2: unknown key \"who\""),
        ("account: { idp: c, subject: d }\n  until", "until", "entry 2: the target of the block is missing: write"),
        ("reason: r2", "reason: r2\n  session: x", "entry 2: `account` and `session` in one entry"),
    ];
    let second = "- account: { idp: c, subject: d }\n  until: 2026-12-01T00:00:00Z\n  reason: r2\n";
    for (right, wrong, expected) in cases {
        assert!(second.contains(right), "{right}");
        let text = format!("{account}{}", second.replace(right, wrong));
        let said = parse(text.as_bytes()).unwrap_err().to_string();
        assert!(said.starts_with("line 4, ") && said.contains(expected), "{said}\n{text}");
    }
    for (text, expected) in [
        ("account: x", "line 1: "),
        ("- account: {", "line 1: "),
        ("- a\n  b: [", "line 2: "),
        ("- 5", "line 1, entry 1: an entry is a mapping"),
        ("- until: forever\n  until: forever", "line 2: "),
    ] {
        let said = parse(text.as_bytes()).unwrap_err().to_string();
        assert!(said.starts_with(expected), "{said}");
    }
    assert!(parse(b"\xff").is_err());
}

#[test]
fn a_device_is_found_by_the_name_that_the_mapping_makes_of_a_long_one() {
    let long = "d".repeat(MAX_DEVICE + 1);
    let entry = format!(
        "- device: {{ idp: \"https://id.example\", subject: a, device: {long} }}\n  until: forever\n  reason: r\n"
    );
    let blocks = parse(entry.as_bytes()).unwrap();
    assert!(reason(&blocks, "a", &bounded(&long, MAX_DEVICE), "x", StreamId([0; 16])).is_some());
}

#[test]
fn twenty_thousand_entries_are_read_and_a_bomb_of_aliases_is_not() {
    let entry = |n| format!("- {{ account: {{ idp: i, subject: s{n} }}, until: forever, reason: r }}");
    let entries: Vec<String> = (0..20_000).map(entry).collect();
    assert_eq!(parse(entries.join("\n").as_bytes()).unwrap().len(), 20_000);
    let layer = |n| format!("a{n}: &a{n} [{}]", vec![format!("*a{}", n - 1); 10].join(", "));
    let mut bomb = vec!["a0: &a0 [x, x, x, x, x, x, x, x, x, x]".to_owned()];
    bomb.extend((1..12).map(layer));
    let bomb = format!("- {}", bomb.join("\n  "));
    let said = parse(bomb.as_bytes()).unwrap_err().to_string();
    assert!(!said.contains("entry"), "refused before it was unfolded: {said}");
    assert!(parse(format!("- {}", "[".repeat(100_000)).as_bytes()).is_err());
}
