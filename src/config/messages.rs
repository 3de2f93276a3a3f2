//! Turns schema violations into messages that say what is wrong and what to write instead.
//!
//! Quotes a value only where the schema lists or formats the allowed ones; elsewhere it might be a misplaced secret.

use jsonschema::error::ValidationErrorKind as Kind;
use serde_json::Value;

use super::raw;
use super::scalar_formats::FORMATS;

/// What to write where any text is allowed.
const TEXT: &str = "text";

/// Maximum edit distance of a suggestion.
const CLOSE: usize = 2;

/// Describes the violation `kind` of `value` against the schema `node`. Not for unknown or missing keys.
pub(super) fn describe(kind: &Kind, node: &Value, value: &Value) -> String {
    match kind {
        Kind::Type { .. } => match wanted(node).as_str() {
            TEXT => format!("found {}: write {TEXT}, in quotes if it looks like something else", found(value)),
            wanted => format!("found {}: write {wanted}", found(value)),
        },
        Kind::Enum { .. } | Kind::Constant { .. } | Kind::OneOfNotValid { .. } => not_one_of(node, value),
        Kind::Format { format } => {
            let text = value.as_str().unwrap_or_default();
            let grammar = FORMATS.iter().find(|grammar| grammar.name == format);
            let fault = grammar.and_then(|grammar| (grammar.fault)(text));
            format!("`{text}` {}", fault.unwrap_or_else(|| "is not well formed".to_owned()))
        }
        Kind::MinItems { .. } => {
            let item = node.get("items").map_or_else(|| "an item".to_owned(), wanted);
            format!("the list is empty: write at least one item, {item}")
        }
        Kind::MinProperties { .. } => match keys(node).as_slice() {
            [] => format!("this is empty: write at least one entry, such as {}", entry(node)),
            keys => format!("this is empty: write one of {}", list(keys)),
        },
        Kind::MaxProperties { limit } => match keys(node).as_slice() {
            [] => format!("there are more than {limit} entries: remove some"),
            keys => format!("only one of {} is allowed: remove the other", list(keys)),
        },
        Kind::MaxItems { limit } => format!("the list has more than {limit} items: remove some"),
        Kind::Minimum { .. } | Kind::Maximum { .. } => format!("{value} is out of range: write {}", wanted(node)),
        Kind::MinLength { .. } => "the text is empty: write text, or remove the key".to_owned(),
        Kind::MaxLength { limit } => format!("the text is longer than {limit} characters: shorten it"),
        Kind::UniqueItems => "an item is listed twice: remove one".to_owned(),
        Kind::Pattern { pattern } => not_like(pattern, value.as_str().unwrap_or_default()),
        Kind::PropertyNames { error } => {
            let name = error.instance().as_str().unwrap_or_default().to_owned();
            not_like(raw::NAME, &name)
        }
        other => format!("this part breaks the schema's `{}`: see `streamgate schema`", other.keyword()),
    }
}

/// Keys of version 0.1.0 and their current names.
const RENAMED: &[(&str, &str)] = &[
    ("activity", "stream_source"),
    ("behind_tls", "assume_https"),
    ("client_address", "trusted_proxies"),
    ("explanations", "decisions"),
    ("forget", "idle_retention"),
    ("from", "header"),
    ("paused_holds_slot", "paused_timeout"),
    ("retry_for", "max_retry_duration"),
    ("ripping", "download_rate"),
    ("ripping_above", "max_download_rate"),
    ("trusted", "networks"),
    ("unidentified", "anonymous"),
    ("wait", "flush_interval"),
    ("when_away", "on_error"),
];

/// Message for a key that the schema `node` does not have.
pub(super) fn unknown_key(key: &str, node: &Value) -> String {
    let keys = keys(node);
    if let Some((_, new)) = RENAMED.iter().find(|(old, new)| *old == key && keys.contains(new)) {
        return format!("`{key}` is now called `{new}`: rename it");
    }
    match nearest(key, &keys) {
        Some(near) => format!("unknown key `{key}`: did you mean `{near}`?"),
        None => format!("unknown key `{key}`: the keys are {}", list(&keys)),
    }
}

/// Message for a missing key that the schema `node` requires.
pub(super) fn missing_key(key: &str, node: &Value) -> String {
    let inside = node.get("properties").and_then(|keys| keys.get(key)).map(wanted).unwrap_or_default();
    format!("`{key}` is missing: write `{key}:` with {inside}")
}

/// Message for an undefined name. `kind` is what it should name: `origin`, `policy`.
pub fn unknown_name(kind: &str, name: &str, known: &[String]) -> String {
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    match (nearest(name, &known), known.as_slice()) {
        (Some(near), _) => format!("there is no {kind} `{name}`: did you mean `{near}`?"),
        (None, []) => format!("there is no {kind} `{name}` and no other {kind}: define it"),
        (None, known) => format!("there is no {kind} `{name}`: define it, or write one of {}", list(known)),
    }
}

/// Message for an attribute that no application supplies. `supplied` are the supplied ones, `known` all possible ones.
pub(super) fn unknown_attribute(name: &str, supplied: &[&str], known: &[&str]) -> String {
    match (nearest(name, known), supplied) {
        (Some(near), _) => format!("there is no attribute `{name}`: did you mean `{near}`?"),
        (None, []) => format!("no application supplies `{name}`: map it under `identity.attributes`"),
        (None, supplied) => {
            let supplied = list(supplied);
            format!("no application supplies `{name}`: map it under `identity.attributes`, or write one of {supplied}")
        }
    }
}

/// Syntax of an entry in a mapping with arbitrary keys.
fn entry(node: &Value) -> &'static str {
    match node.get("additionalProperties").and_then(|inner| inner.get("type")).and_then(Value::as_str) {
        Some("integer") => "`VALUE: NUMBER`",
        Some("string") => "`NAME: TEXT`",
        Some(_) => "`NAME:` with its keys below",
        None => "`NAME: VALUE`",
    }
}

fn not_one_of(node: &Value, value: &Value) -> String {
    let choices = choices(node);
    match value.as_str() {
        Some(text) => match nearest(text, &choices) {
            Some(near) => format!("unknown value `{text}`: did you mean `{near}`? Write one of {}", list(&choices)),
            None => format!("unknown value `{text}`: write one of {}", list(&choices)),
        },
        None => format!("found {}: write one of {}", found(value), list(&choices)),
    }
}

fn not_like(pattern: &str, text: &str) -> String {
    match pattern {
        raw::NAME => format!(
            "`{text}` is not a valid name: write 1 to 64 letters, digits, `_`, `.` or `-`, with a letter or digit first"
        ),
        raw::ORIGIN => format!(
            "`{text}` is not a web origin: write only scheme, host and port, such as `https://player.example`, or `*` \
             for all"
        ),
        // It may hold a secret.
        raw::URL => "this is not an HTTP URL: write one such as `https://ops.example.com/hooks`".to_owned(),
        _ => format!("`{text}` does not start with `/`: write a path such as `/` or `/live`"),
    }
}

/// Describes the values that the schema `node` accepts.
fn wanted(node: &Value) -> String {
    let text = |key: &str| node.get(key).and_then(Value::as_str);
    if let Some(grammar) = text("format").and_then(|format| FORMATS.iter().find(|grammar| grammar.name == format)) {
        return grammar.wanted.to_owned();
    }
    let choices = choices(node);
    if !choices.is_empty() {
        return format!("one of {}", list(&choices));
    }
    match text("pattern") {
        Some(raw::URL) => return "a URL such as `https://ops.example.com/hooks`".to_owned(),
        Some(raw::ORIGIN) => return "a web origin such as `https://player.example`".to_owned(),
        _ => {}
    }
    match text("type") {
        Some("object") => match keys(node).as_slice() {
            [] => format!("a mapping with entries such as {}", entry(node)),
            keys => format!("a mapping with the keys {}", list(keys)),
        },
        Some("array") => {
            let item = node.get("items").map_or_else(|| "items".to_owned(), wanted);
            format!("a list (`[…]`, or lines with `-`), each item {item}")
        }
        Some("boolean") => "`true` or `false`".to_owned(),
        Some("integer" | "number") => match (node.get("minimum"), node.get("maximum")) {
            (Some(least), Some(most)) => format!("a whole number from {least} to {most}"),
            (Some(least), None) => format!("a whole number, {least} or more"),
            _ => "a whole number".to_owned(),
        },
        _ => TEXT.to_owned(),
    }
}

fn found(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "`true` or `false`",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}

/// Keys that the schema of a mapping names.
fn keys(node: &Value) -> Vec<&str> {
    let keys = node.get("properties").and_then(Value::as_object);
    keys.map(|keys| keys.keys().map(String::as_str).collect()).unwrap_or_default()
}

/// Values of an enumeration: a plain list, or constants with a description each.
fn choices(node: &Value) -> Vec<&str> {
    let words = node.get("enum").and_then(Value::as_array).into_iter().flatten();
    let constants = node.get("oneOf").and_then(Value::as_array).into_iter().flatten();
    let described = constants.flat_map(|choice| {
        let several = choice.get("enum").and_then(Value::as_array).into_iter().flatten();
        choice.get("const").into_iter().chain(several)
    });
    words.chain(described).filter_map(Value::as_str).collect()
}

fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let word = word.to_lowercase();
    let distance = |other: &str| strsim::osa_distance(&word, &other.to_lowercase());
    let best = known.iter().copied().min_by_key(|other| distance(other))?;
    // With two edits, a three-letter word matches too many others.
    let most = CLOSE.min(best.chars().count() / 3).max(1);
    (distance(best) <= most).then_some(best)
}

fn list(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}
