//! Where log lines go: standard error, through a queue that never blocks a request.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use parking_lot::Mutex;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::reload::Handle;

/// Bytes of lines that may wait. What comes when they are full is given up and counted.
const MAX_WAITING: usize = 4 << 20;
/// How long a line may wait. Waking a writer for every line made the access log cost 19 microseconds a request; in batches it
/// costs 8 (`make bench`, 1 KB objects).
const PAUSE: Duration = Duration::from_millis(20);

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

#[derive(Default)]
struct Queue {
    waiting: Mutex<Vec<u8>>,
    dropped: AtomicU64,
    closed: AtomicBool,
}

/// One line on its way into the queue; it is written in one piece.
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
    /// Writes what waits, again and again, until the queue is closed and empty.
    fn drain(&self, mut out: impl Write) {
        let mut taken = Vec::new();
        loop {
            let closed = self.closed.load(Relaxed);
            std::mem::swap(&mut *self.waiting.lock(), &mut taken);
            // Where standard error has gone, nothing is left to tell anybody.
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

/// Keeps the log's writer alive; what is still queued is written when it is dropped.
pub struct LogGuard {
    queue: Arc<Queue>,
    set: Arc<SetLevel>,
    writer: Option<JoinHandle<()>>,
}

/// Changes what is logged from now on.
type SetLevel = dyn Fn(&str) -> Result<(), String> + Send + Sync;

impl LogGuard {
    /// Changes the level from now on, as [`init`] set it. `RUST_LOG` goes on overriding it.
    pub fn levels(&self) -> Arc<SetLevel> {
        self.set.clone()
    }

    /// Lines that were given up since the last call, because standard error could not keep up.
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
/// `level` is not a filter, or logging was started before.
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
    Ok(LogGuard { queue, set, writer: Some(writer.map_err(|error| format!("the log's writer: {error}"))?) })
}

fn filter(level: &str) -> Result<EnvFilter, String> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(filter) => EnvFilter::try_new(filter),
        // The framework tells of each service it starts and each viewer who leaves early; we tell what matters of that.
        Err(_) if level == "info" => EnvFilter::try_new("info,pingora_core=error,pingora_proxy=error"),
        // What operators do is told however little else is.
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
