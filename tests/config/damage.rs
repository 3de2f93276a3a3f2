//! Whatever is written, the reader answers.

use std::path::Path;

use proptest::prelude::*;
use serde_json::Value;
use streamgate::config::{parse, schema};

use super::form::keys;
use super::support::{PROMISED, read, with_rules};

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC*|[-:{}\\[\\]&*!|>'\"%@`#,? \\n\\ta-c0-9.~<]{0,80}") {
        let _ = parse(&text, Path::new(""));
    }

    #[test]
    fn no_damage_to_a_configuration_makes_the_reader_panic(at in 0..PROMISED.len(), length in 0..40_usize, put in "[-:{}\\[\\]&*'\" \\na-c0-9.]{0,6}") {
        let mut text = PROMISED.to_owned();
        let end = (at + length).min(text.len());
        text.replace_range(at..end, &put);
        if let Err(report) = parse(&text, Path::new("")) {
            let lines = text.lines().count();
            for problem in &report.problems {
                prop_assert!(problem.line >= 1 && problem.line <= lines + 1 && problem.column >= 1, "{}", report);
                prop_assert!(!problem.message.is_empty());
            }
        }
    }

    #[test]
    fn no_expression_and_no_message_makes_the_reader_panic(text in "\\PC{0,30}|[a-z.()\\[\\]\"'&|=<>!?:{}+*0-9 \\\\-]{0,60}", quote in 0..3) {
        let written = match quote {
            0 => serde_json::to_string(&text).unwrap(),
            1 => format!("'{}'", text.replace('\'', "''")),
            _ => format!("\"terminate_first({})\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
        };
        for key in ["target", "exempt", "when_exceeded", "message"] {
            let text = with_rules("{ a: \"claim:a\" }", &format!("      - {{ name: one, limit: 2, {key}: {written} }}"));
            if let Err(report) = read(&text) {
                for problem in &report.problems {
                    let line = text.lines().nth(problem.line - 1).unwrap_or_default();
                    prop_assert!((1..=line.chars().count() + 1).contains(&problem.column), "{}\n{}", report, line);
                }
            }
        }
    }

    #[test]
    fn any_tree_of_the_right_keys_is_judged_without_a_panic(value in tree()) {
        let _ = parse(&value.to_string(), Path::new(""));
    }
}

/// Values made of the schema's own keys, nested at random.
fn tree() -> impl Strategy<Value = Value> {
    let mut words = Vec::new();
    keys(&schema(), "", &mut words);
    let words: Vec<String> = words.iter().filter_map(|path| path.rsplit('.').next().map(ToOwned::to_owned)).collect();
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z:/0-9]{0,9}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 60, 6, move |inner| {
        let key = proptest::sample::select(words.clone());
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(key, inner, 0..6).prop_map(|members| members.into_iter().collect()),
        ]
    })
}
