//! Checks what a configuration needs of the machine: file descriptors, free ports, and a writable folder.

mod descriptors;
mod files;
mod ports;

use std::path::Path;

use streamgate::config::Settings;

pub(super) use files::put_aside;
pub(super) use ports::Reserved;

/// A finding about the machine, with the affected part of the configuration.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Finding {
    /// As in `limits.connections`.
    pub(super) path: String,
    /// One sentence: what is wrong, and what to do.
    pub(super) message: String,
}

impl Finding {
    /// As `PATH: MESSAGE`.
    pub(super) fn line(&self) -> String {
        format!("{}: {}", self.path, self.message)
    }
}

/// What prevents the gateway from saving its state across a restart.
pub(super) fn problems(settings: &Settings) -> Vec<Finding> {
    files::unusable(settings)
}

/// Ports in use. Before the start this is not an error, as the other process may be about to end.
pub(super) fn taken_ports(settings: &Settings, file: &Path) -> Vec<Finding> {
    ports::taken(settings, file)
}

/// What may cause problems while the gateway runs.
pub(super) fn warnings(settings: &Settings) -> Vec<Finding> {
    descriptors::shortfall(settings).into_iter().collect()
}

/// Raises the limit of file descriptors to the maximum.
pub(super) fn raise_limits() {
    match descriptors::raise() {
        Ok(Some((before, now))) => tracing::info!(before, now, "limit of open files raised"),
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "cannot raise the limit of open files; keeping the soft limit"),
    }
}
