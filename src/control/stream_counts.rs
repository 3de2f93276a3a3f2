//! How many streams there are, by state. To know it all accounts have to be looked at, so that it is done seldom.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::yield_now;

use crate::model::Millis;
use crate::streams::{Settings, State, StreamTable};

/// So long a count is good.
const AGAIN: Duration = Duration::from_secs(5);
/// Accounts that are looked at without a break.
const AT_ONCE: usize = 256;

/// The last count.
#[derive(Debug, Default)]
pub struct Counted(Mutex<Option<Counts>>);

/// Streams and accounts at a moment.
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
    /// The count of a moment ago, or a new one. However many ask, one counts.
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
