//! Digests of the sections of a configuration, to find the sections that changed.

use std::collections::BTreeMap;
use std::fmt;

use aws_lc_rs::digest::{Context, SHA256};
use serde_json::Value;

use super::pointer::{Pointer, Step};

/// A digest of each section: of its text, and of the secrets, keys and certificates in its files.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Sections(BTreeMap<String, Vec<u8>>);

impl Sections {
    /// The text only.
    pub(super) fn digest(document: &Value) -> Self {
        let mut sections = Self::default();
        for (name, value) in document.as_object().into_iter().flatten() {
            sections.add(&Pointer::default().key(name), value.to_string().as_bytes());
        }
        sections
    }

    /// Adds further content to the section of `at`.
    pub(super) fn add(&mut self, at: &Pointer, bytes: &[u8]) {
        let Some(Step::Key(name)) = at.0.first() else { return };
        let digest = self.0.entry(name.clone()).or_default();
        let mut both = Context::new(&SHA256);
        both.update(digest);
        both.update(bytes);
        *digest = both.finish().as_ref().to_vec();
    }

    /// Names of the sections that differ or exist in only one of the two.
    pub(super) fn that_differ(&self, other: &Self) -> Vec<String> {
        let names = self.0.keys().chain(other.0.keys().filter(|name| !self.0.contains_key(*name)));
        let mut differing: Vec<String> =
            names.filter(|name| self.0.get(*name) != other.0.get(*name)).cloned().collect();
        differing.sort();
        differing
    }
}

impl fmt::Debug for Sections {
    /// Omits the digests, as a weak secret could be guessed from them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sections").finish_non_exhaustive()
    }
}
