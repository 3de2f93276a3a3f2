//! Number of streams by state. Counting visits all accounts, so it is done rarely.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::yield_now;

use crate::model::Millis;
use crate::streams::{Settings, State, StreamTable};

/// How long a count is reused.
const AGAIN: Duration = Duration::from_secs(5);
/// Accounts inspected between two yields to the scheduler.
const AT_ONCE: usize = 256;

/// The last count.
#[derive(Debug, Default)]
pub struct Counted(Mutex<Option<Counts>>);

/// Number of streams and accounts at one time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) at: Millis,
    pub(super) accounts: u64,
    pub(super) reserved: u64,
    pub(super) playing: u64,
    pub(super) paused: u64,
    pub(super) idle: u64,
    pub(super) superseded: u64,
}

impl Counted {
    /// A recent count, or a new one. Concurrent callers share one.
    pub(super) async fn counts(&self, table: &StreamTable, settings: &Settings, now: Millis) -> Counts {
        let mut last = self.0.lock().await;
        if let Some(counts) = last.filter(|counts| now.since(counts.at) < AGAIN) {
            return counts;
        }
        let mut counts = Counts { at: now, ..Counts::default() };
        let mut behind = None;
        loop {
            let page = table.page(behind, AT_ONCE);
            let Some((key, _, _)) = page.last() else { break };
            behind = Some(*key);
            for (_, _, record) in &page {
                counts.accounts += 1;
                for stream in record.streams() {
                    match stream.state(settings, now) {
                        State::Reserved => counts.reserved += 1,
                        State::Playing => counts.playing += 1,
                        State::Paused => counts.paused += 1,
                        State::Idle => counts.idle += 1,
                        State::Superseded => counts.superseded += 1,
                        State::Ended => {}
                    }
                }
            }
            yield_now().await;
        }
        *last = Some(counts);
        counts
    }
}
