//! Writes the log to standard error through a queue that never blocks a request.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use parking_lot::Mutex;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::reload::Handle;

/// Maximum bytes of queued lines. Further lines are dropped and counted.
const MAX_WAITING: usize = 4 << 20;
/// How long a line may be queued. Waking the writer for each line cost the access log 19 microseconds per request;
/// batches cost 8 (`make bench`, 1 KB objects).
const PAUSE: Duration = Duration::from_millis(20);

/// Log format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object per line.
    Json,
    /// Plain text.
    Text,
}

#[derive(Default)]
struct Queue {
    waiting: Mutex<Vec<u8>>,
    dropped: AtomicU64,
    closed: AtomicBool,
}

/// One line; added to the queue in one piece.
struct Line(Arc<Queue>);

impl Write for Line {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut waiting = self.0.waiting.lock();
        if waiting.len() + line.len() > MAX_WAITING {
            self.0.dropped.fetch_add(1, Relaxed);
        } else {
            waiting.extend_from_slice(line);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Queue {
    /// Writes queued lines until the queue is closed and empty.
    fn drain(&self, mut out: impl Write) {
        let mut taken = Vec::new();
        loop {
            let closed = self.closed.load(Relaxed);
            std::mem::swap(&mut *self.waiting.lock(), &mut taken);
            // If standard error is gone, there is nowhere to report it.
            let _ = out.write_all(&taken).and_then(|()| out.flush());
            if closed && taken.is_empty() {
                return;
            }
            taken.clear();
            if !closed {
                thread::park_timeout(PAUSE);
            }
        }
    }
}

/// Keeps the log's writer running. Dropping it writes what is queued.
pub struct LogGuard {
    queue: Arc<Queue>,
    set: Arc<SetLevel>,
    writer: Option<JoinHandle<()>>,
}

/// Changes the log level.
type SetLevel = dyn Fn(&str) -> Result<(), String> + Send + Sync;

impl LogGuard {
    /// Returns a function that changes the level set by [`init`]. `RUST_LOG` still overrides it.
    pub fn levels(&self) -> Arc<SetLevel> {
        self.set.clone()
    }

    /// Returns a function that counts the lines dropped since its last call, because standard error was too slow.
    pub fn take_dropped(&self) -> impl Fn() -> u64 + Send + Sync + use<> {
        let queue = self.queue.clone();
        move || queue.dropped.swap(0, Relaxed)
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        self.queue.closed.store(true, Relaxed);
        if let Some(writer) = self.writer.take() {
            writer.thread().unpark();
            // A writer that panicked has nothing left to write.
            let _ = writer.join();
        }
    }
}

/// Starts logging at `level` (a filter in the syntax of `RUST_LOG`, which overrides it).
///
/// # Errors
/// `level` is not a valid filter, or logging is already started.
pub fn init(level: &str, format: Format) -> Result<LogGuard, String> {
    let filter = filter(level)?;
    let queue = Arc::new(Queue::default());
    let (lines, drained) = (queue.clone(), queue.clone());
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(move || Line(lines.clone()));
    let (set, started) = match format {
        Format::Json => {
            let builder = builder.json().flatten_event(true).with_current_span(false).with_filter_reloading();
            (set_level(builder.reload_handle()), builder.try_init())
        }
        Format::Text => {
            let builder = builder.with_ansi(false).with_filter_reloading();
            (set_level(builder.reload_handle()), builder.try_init())
        }
    };
    started.map_err(|error| error.to_string())?;
    let writer = thread::Builder::new().name("log".to_owned()).spawn(move || drained.drain(io::stderr()));
    Ok(LogGuard { queue, set, writer: Some(writer.map_err(|error| format!("cannot start the log writer: {error}"))?) })
}

fn filter(level: &str) -> Result<EnvFilter, String> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(filter) => EnvFilter::try_new(filter),
        // The framework logs each service start and each viewer disconnect, which we log ourselves where it matters.
        Err(_) if level == "info" => EnvFilter::try_new("info,pingora_core=error,pingora_proxy=error"),
        // Operator actions are always logged.
        Err(_) => EnvFilter::try_new(format!("{level},operator=info")),
    };
    filter.map_err(|error| format!("log level {level:?}: {error}"))
}

fn set_level<S: 'static>(handle: Handle<EnvFilter, S>) -> Arc<SetLevel> {
    Arc::new(move |level| handle.reload(filter(level)?).map_err(|error| error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_out_whole_and_in_order_and_what_is_too_much_is_counted() {
        let queue = Arc::new(Queue::default());
        let mut line = Line(queue.clone());
        line.write_all(b"one\n").unwrap();
        line.write_all(&vec![b'x'; MAX_WAITING]).unwrap();
        line.write_all(b"two\n").unwrap();
        queue.closed.store(true, Relaxed);
        let mut out = Vec::new();
        queue.drain(&mut out);
        assert_eq!(out, b"one\ntwo\n");
        assert_eq!(queue.dropped.load(Relaxed), 1);
    }
}
