use crate::identity::parse_blocks;
use crate::model::{Account, Device, StreamId};

use super::Seed;
use super::ask::NOW;

/// A file of blocks.
pub fn blocks(data: &[u8]) {
    match parse_blocks(data) {
        Ok(blocks) => {
            let account = Account::new("acme", "alice").key();
            let device = Device::Named("tv".into());
            let block = blocks.blocked(&account, &device, None, StreamId([0; 16]), NOW);
            assert!(block.is_none_or(|block| block.until.is_none_or(|until| NOW < until)), "a block that has run out");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

pub fn seeds() -> Vec<Seed> {
    let all = r#"- account: { idp: "acme", subject: "alice" }
  until: 2026-12-01T00:00:00Z
  reason: Your subscription is paused.
- device: { idp: acme, subject: alice, device: tv }
  until: forever
  reason: >-
    This device was
    reported as stolen.
- token: { application: tv, id: 7f3a }
  until: 2026-01-01T00:00:00.5Z
  reason: 'Please sign in again.'
- session: 0b3ffb6c-3c5b-4f3b-8a55-6d5a2f1f0b11
  until: 1969-12-31T23:59:59Z
  reason: "\u00e9\t"
"#;
    let aliases = (1..9).fold("- &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned(), |text, level| {
        let before = format!("*a{}", level - 1);
        format!("{text}- &a{level} [{}]\n", [before.as_str(); 9].join(","))
    });
    let merges = "- &a { account: { idp: a, subject: b }, until: forever, reason: x }\n- { <<: *a, reason: y }\n- *a\n";
    let texts = [
        ("all", all.to_owned()),
        ("json", r#"[{"session":"0b3ffb6c-3c5b-4f3b-8a55-6d5a2f1f0b11","until":"forever","reason":"x"}]"#.to_owned()),
        ("empty", String::new()),
        ("byte-order-mark", "\u{feff}[]".to_owned()),
        ("aliases", aliases),
        ("merges", merges.to_owned()),
        ("two-documents", "[]\n---\n- a\n".to_owned()),
        ("keys-twice", "- session: a\n  session: b\n".to_owned()),
        ("odd-keys", "- ? [a, b]\n  : c\n- !!binary aGk=\n- 0x1f: 1e999\n- !x { y: }\n".to_owned()),
        ("unquoted-numbers", "- account: { idp: 007, subject: yes }\n  until: 12\n  reason: ~\n".to_owned()),
        ("unclosed", "- account: { idp: \"a\n".to_owned()),
        ("deep", "[".repeat(3000)),
        ("deep-mappings", "{a: ".repeat(1000)),
        ("deep-lines", (0..100).map(|depth| "  ".repeat(depth) + "- a:\n").collect()),
        ("tabs", "-\taccount:\n\t\tidp: x\n".to_owned()),
        ("anchors-in-circle", "- &a [*a]\n- *b\n".to_owned()),
    ];
    texts.map(|(name, text)| (name, text.into())).into()
}
