//! What the machine has to give a configuration, whatever its words are: file descriptors.

mod descriptors;

use streamgate::config::Settings;

/// What was found out about a machine, and what in the configuration it is about.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Finding {
    /// As in `limits.connections`.
    pub(super) path: &'static str,
    /// One sentence: what is the matter, and what to do.
    pub(super) message: String,
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
