//! Errors caused by a lack of file descriptors rather than by the file or connection.

use std::io;

const ENFILE: i32 = 23;
const EMFILE: i32 = 24;

/// Remedy for a lack of file descriptors.
pub const SHORTAGE_REMEDY: &str = "raise the limit of open files (LimitNOFILE= of the systemd unit, ulimit -n), or lower \
                                   limits.connections and control.connections";

/// True if the process or the system has no file descriptor left. A retry may succeed.
pub fn is_shortage(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(ENFILE | EMFILE))
}
