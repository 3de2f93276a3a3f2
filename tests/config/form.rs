//! The complete form and the schema.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use streamgate::config::schema;

use super::support::{PROMISED, meaning};

fn complete() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("conf/streamgate.yaml")).unwrap()
}

/// The complete form with the keys that are switched off switched on.
fn complete_and_on() -> String {
    let on = |line: &str| match line.split_once('#') {
        Some((indent, rest)) if indent.trim().is_empty() && !rest.starts_with([' ', '#']) && !rest.is_empty() => {
            format!("{indent}{rest}\n")
        }
        _ => format!("{line}\n"),
    };
    complete().lines().map(on).collect()
}

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap()
}

#[test]
fn the_complete_form_loads_once_its_keys_are_beside_it_and_means_the_promised_one() {
    assert_eq!(meaning(&complete()), meaning(PROMISED));
}

/// Calls `visit` with the schema and value of every part of `value`.
fn walk(schema: &Value, value: &Value, path: &str, visit: &mut dyn FnMut(&Value, &Value, &str)) {
    visit(schema, value, path);
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                let inner = &schema["properties"][key];
                let inner = if inner.is_null() { &schema["additionalProperties"] } else { inner };
                walk(inner, member, &format!("{path}.{key}"), visit);
            }
        }
        Value::Array(items) => {
            for item in items {
                walk(&schema["items"], item, &format!("{path}[]"), visit);
            }
        }
        _ => {}
    }
}

#[test]
fn the_schema_accepts_the_complete_form_which_has_every_key() {
    let schema = schema();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let mut written = BTreeSet::new();
    for text in [complete(), complete_and_on()] {
        let value = yaml(&text);
        let faults: Vec<String> = validator.iter_errors(&value).map(|fault| fault.to_string()).collect();
        assert!(faults.is_empty(), "{faults:?}");
        walk(&schema, &value, "", &mut |schema, value, path| {
            if let (Some(members), true) = (value.as_object(), schema["properties"].is_object()) {
                written.extend(members.keys().map(|key| format!("{path}.{key}")));
            }
        });
    }
    let written: BTreeSet<String> = written
        .into_iter()
        .map(|path| path.replace(".main", ".*").replace(".tv", ".*").replace(".household", ".*"))
        .map(|path| path.replace(".token.", ".tokens[]."))
        .collect();
    let mut all = Vec::new();
    keys(&schema, "", &mut all);
    let lacking: Vec<&String> =
        all.iter().filter(|key| !written.contains(&key.replace(".token.", ".tokens[].")) && !has_twin(key)).collect();
    assert!(all.len() > 60, "{all:?}");
    assert_eq!(lacking, Vec::<&String>::new(), "the complete form lacks keys");
}

/// Keys that say the same as another one that is there: one of `file`, `env` and `url` beside each secret is enough, one
/// value shows how a part is taken, and one list of keys shows them all.
fn has_twin(key: &str) -> bool {
    let of_an_issuer = key.contains(".issuers[].") || key.contains(".keys[].");
    matches!(key.rsplit('.').next(), Some("file" | "env" | "url" | "from" | "split" | "part" | "matching"))
        || of_an_issuer
}

#[test]
fn each_default_of_the_complete_form_is_the_one_that_counts_when_the_key_is_left_out() {
    let schema = schema();
    let mut value = yaml(&complete());
    let mut defaults = Vec::new();
    walk(&schema, &value.clone(), "", &mut |schema, value, path| {
        if let Some(default) = schema.get("default").filter(|_| !value.is_object()) {
            defaults.push(path.to_owned());
            // What the form shows for an application is an example where the default is to have none.
            if !path.ends_with(".policies") {
                assert_eq!(value, default, "{path}");
            }
        }
    });
    assert!(defaults.len() > 30, "{defaults:?}");
    for path in defaults.iter().filter(|path| !path.ends_with(".policies")) {
        let pointer = path.replace("[]", "/0").replace('.', "/");
        let (holder, key) = pointer.rsplit_once('/').unwrap();
        value.pointer_mut(holder).unwrap().as_object_mut().unwrap().remove(key).unwrap();
    }
    assert_eq!(meaning(&value.to_string()), meaning(&complete()));
}

/// Every key of the schema below `node`, as a path.
pub(crate) fn keys(node: &Value, path: &str, all: &mut Vec<String>) {
    for (key, inner) in node["properties"].as_object().into_iter().flatten() {
        assert!(inner["description"].is_string(), "{path}.{key} has no description");
        all.push(format!("{path}.{key}"));
        keys(inner, &format!("{path}.{key}"), all);
    }
    if node["additionalProperties"].is_object() {
        keys(&node["additionalProperties"], &format!("{path}.*"), all);
    }
    if node["items"].is_object() {
        keys(&node["items"], &format!("{path}[]"), all);
    }
}
