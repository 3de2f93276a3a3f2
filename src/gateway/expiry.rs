//! Advances the expiry of streams once a second, on a blocking thread.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};

use crate::model::Clock;
use crate::streams::StreamTable;
use crate::telemetry::ClockWatch;

/// Time between two advances.
const INTERVAL: Duration = Duration::from_secs(1);

/// Advances the expiry of a table's streams. With a million accounts this takes tens of milliseconds, so it does not
/// run on the threads of the asynchronous runtime.
pub struct Expiry {
    table: Arc<StreamTable>,
    clock: Arc<dyn Clock>,
    watched: ClockWatch,
    /// True after [`finish`](Self::finish). Locked during an advance.
    is_finished: Mutex<bool>,
}

impl Expiry {
    /// Nothing expires before [`run`](Self::run).
    pub fn new(table: Arc<StreamTable>, clock: Arc<dyn Clock>) -> Self {
        Self { table, clock, watched: ClockWatch::default(), is_finished: Mutex::new(false) }
    }

    /// Advances expiry once a second. An advance that runs when this is dropped still completes.
    pub async fn run(self: &Arc<Self>) {
        let mut seconds = interval(INTERVAL);
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            seconds.tick().await;
            let (expiry, runtime) = (self.clone(), Handle::current());
            if let Err(error) = spawn_blocking(move || expiry.advance(&runtime)).await {
                tracing::error!(%error, "expiry of streams failed");
            }
        }
    }

    /// Waits for a running advance and prevents further ones. All its events have been reported when this returns.
    pub fn finish(&self) {
        *self.is_finished.lock() = true;
    }

    fn advance(&self, runtime: &Handle) {
        let is_finished = self.is_finished.lock();
        if *is_finished {
            return;
        }
        let moment = self.clock.moment();
        self.table.tell_wall(moment);
        self.watched.look(moment);
        self.table.tick(moment.now);
        runtime.block_on(self.table.expire_grace(moment.now));
    }
}

#[cfg(test)]
mod tests;
