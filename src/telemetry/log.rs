//! Where log lines go: standard error, through a queue that never blocks a request.

use std::io::BufWriter;

use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// Keeps the log's writer alive; what is still queued is written when it is dropped.
pub struct LogGuard {
    _worker: WorkerGuard,
    dropped: ErrorCounter,
}

impl LogGuard {
    /// Lines that were given up because the log could not keep up.
    pub fn dropped(&self) -> ErrorCounter {
        self.dropped.clone()
    }
}

/// Starts logging at `level` (a filter in the syntax of `RUST_LOG`, which overrides it).
///
/// # Errors
/// `level` is not a filter, or logging was started before.
pub fn init(level: &str, format: Format) -> Result<LogGuard, String> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(filter) => EnvFilter::try_new(filter),
        // The framework tells of each service it starts and each viewer who leaves early; we tell what matters of that.
        Err(_) if level == "info" => EnvFilter::try_new("info,pingora_core=error,pingora_proxy=error"),
        Err(_) => EnvFilter::try_new(level),
    };
    let filter = filter.map_err(|error| format!("log level {level:?}: {error}"))?;
    // Lines that wait together are written together; the queue is flushed whenever it has run empty.
    let out = BufWriter::with_capacity(64 * 1024, std::io::stderr());
    let (writer, worker) = NonBlockingBuilder::default().lossy(true).finish(out);
    let dropped = writer.error_counter();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_target(true);
    match format {
        Format::Json => builder.json().flatten_event(true).with_current_span(false).try_init(),
        Format::Text => builder.with_ansi(false).try_init(),
    }
    .map_err(|error| error.to_string())?;
    Ok(LogGuard { _worker: worker, dropped })
}
