//! The effective configuration: every default filled in, without secrets.
//!
//! A configuration contains only the locations of secrets. URLs may contain some: user name and password, or a query.

use std::borrow::Cow;
use std::fmt;

use serde_json::{Map, Value};

use super::schema::schema;

/// Replaces what may be a secret.
const HIDDEN: &str = "[hidden]";

/// Sections for which missing and empty mean the same; their keys have the defaults.
const ALWAYS_THERE: [&str; 1] = ["control"];

/// The configuration with every default and without secrets.
#[derive(Clone)]
pub struct Effective(pub(super) Value);

impl Effective {
    /// As JSON.
    pub fn value(&self) -> &Value {
        &self.0
    }
}

impl fmt::Debug for Effective {
    /// Omits the text: equal configurations can be written differently.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Effective").finish_non_exhaustive()
    }
}

/// The document with the defaults of the schema. The caller adds the others.
pub(super) fn effective_document(document: &Value) -> Value {
    let mut effective = document.clone();
    if let Value::Object(members) = &mut effective {
        for section in ALWAYS_THERE {
            members.entry(section).or_insert_with(|| Value::Object(Map::new()));
        }
    }
    fill(&mut effective, &schema());
    hide(&mut effective);
    effective
}

/// Adds the schema's defaults to every part that is present.
fn fill(value: &mut Value, schema: &Value) {
    match value {
        Value::Object(members) => {
            let properties = schema.get("properties").and_then(Value::as_object);
            for (name, of_member) in properties.into_iter().flatten() {
                if let Some(default) = of_member.get("default")
                    && members.get(name).is_none_or(Value::is_null)
                {
                    members.insert(name.clone(), default.clone());
                }
                if let Some(member) = members.get_mut(name) {
                    fill(member, of_member);
                }
            }
            if let Some(of_others) = schema.get("additionalProperties").filter(|others| others.is_object()) {
                let known = |name: &String| properties.is_some_and(|properties| properties.contains_key(name));
                members.iter_mut().filter(|(name, _)| !known(name)).for_each(|(_, member)| fill(member, of_others));
            }
        }
        Value::Array(items) => {
            if let Some(of_item) = schema.get("items") {
                for item in items {
                    fill(item, of_item);
                }
            }
        }
        _ => {}
    }
}

/// Hides what may be a secret in URLs.
fn hide(value: &mut Value) {
    match value {
        Value::Object(members) => members.values_mut().for_each(hide),
        Value::Array(items) => items.iter_mut().for_each(hide),
        Value::String(text) => {
            if let Cow::Owned(without) = without_secrets(text) {
                *text = without;
            }
        }
        _ => {}
    }
}

fn without_secrets(text: &str) -> Cow<'_, str> {
    let Some((scheme, rest)) = text.split_once("://") else { return Cow::Borrowed(text) };
    if !["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        return Cow::Borrowed(text);
    }
    let (before_query, query) = rest.split_once(['?', '#']).map_or((rest, ""), |(before, query)| (before, query));
    let (authority, path) = before_query.split_at(before_query.find('/').unwrap_or(before_query.len()));
    let (user, host) = authority.rsplit_once('@').map_or(("", authority), |(user, host)| (user, host));
    if user.is_empty() && query.is_empty() {
        return Cow::Borrowed(text);
    }
    let user = if user.is_empty() { String::new() } else { format!("{HIDDEN}@") };
    let query = if query.is_empty() { String::new() } else { format!("?{HIDDEN}") };
    Cow::Owned(format!("{scheme}://{user}{host}{path}{query}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn defaults_stand_where_nothing_was_written_and_nowhere_else() {
        let written = json!({
            "applications": { "tv": { "policies": [], "name": "TV" } },
            "sessions": { "keys": [{ "id": 1, "secret": { "file": "k" } }] },
            "streams": { "reserve": "7s" },
        });
        let effective = effective_document(&written);
        assert_eq!(effective["streams"]["reserve"], "7s");
        assert_eq!(effective["streams"]["idle_retention"], "10m");
        assert_eq!(effective["streams"]["idle"]["min"], "20s");
        assert_eq!(effective["control"]["address"], "127.0.0.1:9090");
        assert_eq!(effective["session_api"]["throttle"]["calls"], 200);
        assert_eq!(effective["applications"]["tv"]["anonymous"], "refuse");
        assert_eq!(effective["sessions"]["max_age"], "12h");
        assert_eq!(effective["sessions"]["keys"][0], json!({ "id": 1, "secret": { "file": "k" } }));
        assert!(effective.get("blocks").is_none(), "what has no default stays out");
    }

    #[test]
    fn a_url_shows_neither_name_nor_password_nor_query() {
        for (written, shown) in [
            ("https://ops:hush@hooks.example/a?key=hush", "https://[hidden]@hooks.example/a?[hidden]"),
            ("https://hooks.example?key=hush", "https://hooks.example?[hidden]"),
            ("https://a@b@hooks.example/x#hush", "https://[hidden]@hooks.example/x?[hidden]"),
            ("https://hooks.example/a", "https://hooks.example/a"),
            ("urn:a?b", "urn:a?b"),
            ("a sentence: https://is?no=url", "a sentence: https://is?no=url"),
        ] {
            assert_eq!(without_secrets(written), shown);
        }
    }
}
