//! Errors that come from a shortage of the process or the system, and say nothing about what was to be opened.

use std::io;

const ENFILE: i32 = 23;
const EMFILE: i32 = 24;

/// What helps where there is no file descriptor left.
pub const SHORTAGE_REMEDY: &str = "raise the limit of open files (LimitNOFILE= of the systemd unit, ulimit -n), or lower \
                                   limits.connections and control.connections";

/// Whether something failed because the process or the system has no file descriptor left. The same may work a moment later.
pub fn is_shortage(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(ENFILE | EMFILE))
}
