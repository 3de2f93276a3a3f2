//! Context of the compilation.

use std::path::{Path, PathBuf};

use crate::config::locate::Document;
use crate::config::pointer::Pointer;
use crate::config::raw::Material;
use crate::config::report::Problem;
use crate::config::secret::{self, Environment, Secret, SecretError};
use crate::config::section_digests::Sections;

/// The document, the location of its files, and the problems so far.
pub(super) struct Context<'a> {
    pub(super) document: &'a Document,
    /// The folder for relative paths.
    pub(super) base: &'a Path,
    pub(super) environment: Environment<'a>,
    /// Names of all origins, including invalid ones; sorted.
    pub(super) origins: Vec<String>,
    /// Names of all policies, likewise.
    pub(super) policies: Vec<String>,
    /// Digests of the text and of the files.
    pub(super) sections: Sections,
    pub(super) problems: &'a mut Vec<Problem>,
    /// One of the problems is a lack of file descriptors.
    pub(super) shortage: &'a mut bool,
    /// What is valid but probably not intended.
    pub(super) warnings: Vec<Problem>,
}

impl Context<'_> {
    /// Reports a problem with the value at `at`.
    pub(super) fn say(&mut self, at: &Pointer, message: impl Into<String>) {
        self.problems.push(self.document.problem(at, message));
    }

    /// Reports that the file or variable at `at` cannot be read.
    pub(super) fn say_unread(&mut self, at: &Pointer, error: &SecretError) {
        *self.shortage |= error.is_shortage();
        self.say(at, error.to_string());
    }

    /// Reports a problem at byte `at` of the text at `pointer`. `what` describes the text, such as `the expression`.
    pub(super) fn say_inside(&mut self, pointer: &Pointer, at: usize, what: &str, message: &str) {
        self.problems.push(self.document.problem_inside(pointer, at, what, message));
    }

    /// Warns that the value at `at` is probably not intended.
    pub(super) fn warn(&mut self, at: &Pointer, message: impl Into<String>) {
        self.warnings.push(self.document.problem(at, message));
    }

    /// Warns that the mapping at `at` is probably not intended.
    pub(super) fn warn_at_key(&mut self, at: &Pointer, message: impl Into<String>) {
        self.warnings.push(self.document.problem_at_key(at, message));
    }

    /// Reports that something is missing in the mapping at `at`.
    pub(super) fn say_at_key(&mut self, at: &Pointer, message: impl Into<String>) {
        self.problems.push(self.document.problem_at_key(at, message));
    }

    /// True if anything was written at `at`. If it was cut, its problem has been reported.
    pub(super) fn has(&self, at: &Pointer) -> bool {
        self.document.has(at)
    }

    /// True if the list at `at` or one of its items was cut: then the problem has been reported.
    pub(super) fn lost_list(&self, at: &Pointer) -> bool {
        self.document.lost(at) || self.document.lost(&at.item(0))
    }

    /// Path of a file to read. A relative path starts at the folder of the configuration, unless systemd has loaded
    /// the file as a credential: `keys/session.key` as `keys_session.key`.
    pub(super) fn path(&self, written: impl AsRef<Path>) -> PathBuf {
        secret::path(written.as_ref(), self.base, self.environment)
    }

    /// Path of a file to write. A relative path starts at the service's state folder if systemd has created one.
    pub(super) fn state_path(&self, written: &str) -> PathBuf {
        // The variable may list several folders, separated by colons.
        let folders = (self.environment)("STATE_DIRECTORY").and_then(|folders| folders.into_string().ok());
        let first =
            folders.as_deref().and_then(|folders| folders.split(':').next()).filter(|folder| !folder.is_empty());
        first.map_or(self.base, Path::new).join(written)
    }

    /// Reads a secret or key. Reports a problem at `at` if that fails.
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
