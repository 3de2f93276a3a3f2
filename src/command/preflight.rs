//! What the machine has to give a configuration, whatever its words are: file descriptors, free ports, and a folder that can be
//! written.

mod descriptors;
mod files;
mod ports;

use std::path::Path;

use streamgate::config::Settings;

pub(super) use files::put_aside;
pub(super) use ports::Reserved;

/// What was found out about a machine, and what in the configuration it is about.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Finding {
    /// As in `limits.connections`.
    pub(super) path: String,
    /// One sentence: what is the matter, and what to do.
    pub(super) message: String,
}

impl Finding {
    /// As `PATH: MESSAGE`.
    pub(super) fn line(&self) -> String {
        format!("{}: {}", self.path, self.message)
    }
}

/// What keeps the gateway from writing what it keeps over a restart.
pub(super) fn problems(settings: &Settings) -> Vec<Finding> {
    files::unusable(settings)
}

/// The ports that are not free. That is no problem before the start: what listens there may be about to end.
pub(super) fn taken_ports(settings: &Settings, file: &Path) -> Vec<Finding> {
    ports::taken(settings, file)
}

/// What may become a trouble while the gateway runs.
pub(super) fn warnings(settings: &Settings) -> Vec<Finding> {
    descriptors::shortfall(settings).into_iter().collect()
}

/// Lets the process have as many file descriptors as it may.
pub(super) fn raise_limits() {
    match descriptors::raise() {
        Ok(Some((before, now))) => tracing::info!(before, now, "limit of open files raised"),
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "the limit of open files cannot be raised; the soft limit stays"),
    }
}
