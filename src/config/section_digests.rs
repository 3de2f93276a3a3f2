//! What a configuration says, section by section, as far as two of them can be told apart.

use std::collections::BTreeMap;
use std::fmt;

use aws_lc_rs::digest::{Context, SHA256};
use serde_json::Value;

use super::pointer::{Pointer, Step};

/// A digest of each section: of its words, and of the secrets, keys and certificates in the files that it names.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Sections(BTreeMap<String, Vec<u8>>);

impl Sections {
    /// The words alone.
    pub(super) fn digest(document: &Value) -> Self {
        let mut sections = Self::default();
        for (name, value) in document.as_object().into_iter().flatten() {
            sections.add(&Pointer::default().key(name), value.to_string().as_bytes());
        }
        sections
    }

    /// Something else that counts for the section of `at`.
    pub(super) fn add(&mut self, at: &Pointer, bytes: &[u8]) {
        let Some(Step::Key(name)) = at.0.first() else { return };
        let digest = self.0.entry(name.clone()).or_default();
        let mut both = Context::new(&SHA256);
        both.update(digest);
        both.update(bytes);
        *digest = both.finish().as_ref().to_vec();
    }

    /// The names of those that differ, or that only one of the two has.
    pub(super) fn that_differ(&self, other: &Self) -> Vec<String> {
        let names = self.0.keys().chain(other.0.keys().filter(|name| !self.0.contains_key(*name)));
        let mut differing: Vec<String> =
            names.filter(|name| self.0.get(*name) != other.0.get(*name)).cloned().collect();
        differing.sort();
        differing
    }
}

impl fmt::Debug for Sections {
    /// Without the digests, from which a poor secret could be guessed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sections").finish_non_exhaustive()
    }
}
