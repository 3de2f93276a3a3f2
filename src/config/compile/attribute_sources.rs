//! Which attributes applications supply, and which names mean something in a rule.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::messages;
use crate::policy::Field;

use super::context::Context;

/// How many attributes are listed in a sentence.
const LISTED: usize = 20;
/// Among how many the one that is meant is sought: hardly anybody has more, and a file that is full of both takes no ages.
const SOUGHT: usize = 500;

/// What applications supply to rules.
pub(super) struct Supply {
    /// Attributes by application, `deviceId` among them where a device is mapped. Those of broken applications too.
    by_application: BTreeMap<String, BTreeSet<String>>,
    /// All of those.
    names: BTreeSet<String>,
    /// Applications that declare streams through the session API, with whatever attributes they like; whether that is all
    /// that they do.
    declaring: BTreeMap<String, bool>,
    /// Whether nothing that is broken can hide a name.
    names_whole: bool,
    /// Whether nothing of any application is broken.
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
        // A key that is misspelt may hold the very name that a rule asks for.
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

    /// Whether all applications are as they were written.
    pub(super) fn is_whole(&self) -> bool {
        self.applications_whole
    }

    /// Whether some of the streams of `application` are declared, and may bring any attribute.
    pub(super) fn declares(&self, application: &str) -> bool {
        self.declaring.contains_key(application)
    }

    /// Whether all streams of `application` have the attribute, or may have it.
    pub(super) fn has(&self, application: &str, field: &Field) -> bool {
        let supplies = || self.by_application.get(application).is_some_and(|names| names.contains(field.name()));
        // The manifest tells the type of the content.
        let declared = self.declaring.get(application) == Some(&true);
        field.is_built_in() || *field == Field::ContentType || declared || supplies()
    }

    /// What is wrong with a name in a rule, if anything; `others` are good as well. Nothing is said while a broken application
    /// may be what supplies it.
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
