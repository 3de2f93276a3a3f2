//! The attributes that applications supply, and the names that rules may use.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::messages;
use crate::policy::Field;

use super::context::Context;

/// Maximum attributes listed in a message.
const LISTED: usize = 20;
/// Maximum names searched for a suggestion, to bound the time for a large file.
const SOUGHT: usize = 500;

/// Attributes that applications supply to rules.
pub(super) struct Supply {
    /// Attributes by application, including `deviceId` if a device is mapped. Includes invalid applications.
    by_application: BTreeMap<String, BTreeSet<String>>,
    /// All attributes.
    names: BTreeSet<String>,
    /// Applications that declare streams, with any attributes; true if they have no other streams.
    declaring: BTreeMap<String, bool>,
    /// True if no invalid part can hide a name.
    names_whole: bool,
    /// True if no part of any application is invalid.
    applications_whole: bool,
}

impl Supply {
    pub(super) fn read(context: &Context<'_>) -> Self {
        let mut by_application: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut note = |keys: &[&str], name: &str| {
            if let Some(application) = keys.get(1) {
                by_application.entry((*application).to_owned()).or_default().insert(name.to_owned());
            }
        };
        let identity = [Some("applications"), None, Some("identity")];
        for keys in context.document.keys(&[&identity[..], &[Some("attributes"), None]].concat()) {
            note(&keys, keys.last().copied().unwrap_or_default());
        }
        for keys in context.document.keys(&[&identity[..], &[Some("device")]].concat()) {
            note(&keys, "deviceId");
        }
        let applications = context.document.value.get("applications").and_then(serde_json::Value::as_object);
        let declares = |(id, application): (&String, &serde_json::Value)| {
            let source = application.get("stream_source")?.as_str()?;
            matches!(source, "api" | "both").then(|| (id.clone(), source == "api"))
        };
        let declaring: BTreeMap<String, bool> = applications.into_iter().flatten().filter_map(declares).collect();
        let names = by_application.values().flatten().cloned().collect();
        let broken = context.problems.iter().map(|problem| &*problem.path).filter(|at| at.starts_with("applications"));
        let broken: Vec<&str> = broken.collect();
        // A misspelled key may contain the name that a rule uses.
        let names_whole = broken.iter().all(|at| at.contains(".routes"));
        let some = !context.document.names("applications").is_empty();
        let names_whole = names_whole && declaring.is_empty();
        Self {
            by_application,
            names,
            declaring,
            names_whole: some && names_whole,
            applications_whole: some && broken.is_empty(),
        }
    }

    /// True if no part of any application was cut.
    pub(super) fn is_whole(&self) -> bool {
        self.applications_whole
    }

    /// True if `application` may declare streams, which can have any attribute.
    pub(super) fn declares(&self, application: &str) -> bool {
        self.declaring.contains_key(application)
    }

    /// True if every stream of `application` can have the attribute.
    pub(super) fn has(&self, application: &str, field: &Field) -> bool {
        let supplies = || self.by_application.get(application).is_some_and(|names| names.contains(field.name()));
        // The manifest supplies the content type.
        let declared = self.declaring.get(application) == Some(&true);
        field.is_built_in() || *field == Field::ContentType || declared || supplies()
    }

    /// The problem with a name in a rule, if any; `others` are valid as well. `None` while an invalid application may
    /// supply it.
    pub(super) fn unknown(&self, name: &str, others: &[&str]) -> Option<String> {
        let others = || others.iter().copied().chain(Field::well_known().map(|name| -> &str { name }));
        if !self.names_whole || self.names.contains(name) || others().any(|known| known == name) {
            return None;
        }
        let supplied: Vec<&str> = self.names.iter().map(String::as_str).take(SOUGHT).collect();
        let known: Vec<&str> = supplied.iter().copied().chain(others()).collect();
        Some(messages::unknown_attribute(name, supplied.get(..LISTED).unwrap_or(&supplied), &known))
    }
}
