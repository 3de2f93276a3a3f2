//! What every part of the compilation needs.

use std::path::{Path, PathBuf};

use crate::config::locate::Document;
use crate::config::pointer::Pointer;
use crate::config::raw::Material;
use crate::config::report::Problem;
use crate::config::secret::{self, Environment, Secret, SecretError};
use crate::config::section_digests::Sections;

/// The document, where its files are, and the problems found so far.
pub(super) struct Context<'a> {
    pub(super) document: &'a Document,
    /// The folder from which files are sought.
    pub(super) base: &'a Path,
    pub(super) environment: Environment<'a>,
    /// Every origin's name, of broken ones too; sorted.
    pub(super) origins: Vec<String>,
    /// Every policy's name, likewise.
    pub(super) policies: Vec<String>,
    /// What is written and what is read from files.
    pub(super) sections: Sections,
    pub(super) problems: &'a mut Vec<Problem>,
    /// One of them is none of the configuration.
    pub(super) shortage: &'a mut bool,
    /// What is not wrong and yet hardly meant.
    pub(super) warnings: Vec<Problem>,
}

impl Context<'_> {
    /// Something is wrong with the value at `at`.
    pub(super) fn say(&mut self, at: &Pointer, message: impl Into<String>) {
        self.problems.push(self.document.problem(at, message));
    }

    /// What the value at `at` names cannot be read.
    pub(super) fn say_unread(&mut self, at: &Pointer, error: &SecretError) {
        *self.shortage |= error.is_shortage();
        self.say(at, error.to_string());
    }

    /// Something is wrong with what begins at byte `at` of the text at `pointer`, which is `what`, as in `the expression`.
    pub(super) fn say_inside(&mut self, pointer: &Pointer, at: usize, what: &str, message: &str) {
        self.problems.push(self.document.problem_inside(pointer, at, what, message));
    }

    /// The value at `at` works, but hardly as it was meant.
    pub(super) fn warn(&mut self, at: &Pointer, message: impl Into<String>) {
        self.warnings.push(self.document.problem(at, message));
    }

    /// The mapping at `at` works, but hardly as it was meant.
    pub(super) fn warn_at_key(&mut self, at: &Pointer, message: impl Into<String>) {
        self.warnings.push(self.document.problem_at_key(at, message));
    }

    /// Something is missing in the mapping at `at`.
    pub(super) fn say_at_key(&mut self, at: &Pointer, message: impl Into<String>) {
        self.problems.push(self.document.problem_at_key(at, message));
    }

    /// Whether anything was written at `at`: if so, its absence now has been told already.
    pub(super) fn has(&self, at: &Pointer) -> bool {
        self.document.has(at)
    }

    /// Whether the list at `at`, or its items, were written and are there no more: then a problem with them has been told.
    pub(super) fn lost_list(&self, at: &Pointer) -> bool {
        self.document.lost(at) || self.document.lost(&at.item(0))
    }

    /// Where a file is that is read. A relative path is sought from the folder of the configuration, unless systemd has loaded
    /// the file as a credential: `keys/session.key` as `keys_session.key`.
    pub(super) fn path(&self, written: impl AsRef<Path>) -> PathBuf {
        secret::path(written.as_ref(), self.base, self.environment)
    }

    /// Where a file is that is written. A relative path is sought from the service's state folder where systemd has made one.
    pub(super) fn state_path(&self, written: &str) -> PathBuf {
        // Several stand there with colons between them.
        let folders = (self.environment)("STATE_DIRECTORY").and_then(|folders| folders.into_string().ok());
        let first =
            folders.as_deref().and_then(|folders| folders.split(':').next()).filter(|folder| !folder.is_empty());
        first.map_or(self.base, Path::new).join(written)
    }

    /// A secret or key. When it cannot be read, that is a problem at `at`.
    pub(super) fn read(&mut self, material: &Material, at: &Pointer) -> Option<Secret> {
        match secret::read(material, self.base, self.environment) {
            Ok(secret) => {
                self.sections.add(at, secret.expose());
                Some(secret)
            }
            Err(error) => {
                self.say_unread(at, &error);
                None
            }
        }
    }
}
