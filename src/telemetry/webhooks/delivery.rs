//! The delivery task of a hook.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, StatusCode, Url};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use crate::config::Webhook;
use crate::model::{Clock, Entropy, Millis};
use crate::net::{body, error_chain};

use super::backoff::Backoff;
use super::document::{self, BATCH};
use super::hook::{Counts, Hook, HookReceiver};
use super::signing::signature;
use super::stream_event::StreamEvent;

/// Maximum bytes of a response that are read so that the connection can be reused.
const MAX_ANSWER: usize = 64 << 10;

/// Shared dependencies of all hooks.
pub(super) struct Deps {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
    /// Set if a hook is configured.
    pub(super) client: ArcSwapOption<Client>,
    /// The `source` of all events.
    pub(super) source: String,
}

/// Delivers for one hook, batch by batch, in order.
pub(super) struct Courier {
    label: Arc<str>,
    webhook: Arc<Webhook>,
    counts: Arc<Counts>,
    queue: mpsc::Receiver<Arc<StreamEvent>>,
    leave: watch::Receiver<Option<Millis>>,
    url: Url,
    edges: Arc<Deps>,
    /// The last batch failed, and that was logged.
    fails: bool,
}

/// A batch. Its id lets receivers detect duplicates.
struct Batch {
    id: String,
    events: u64,
    body: Bytes,
}

/// Result of an attempt.
enum Outcome {
    Accepted,
    /// May succeed later, but not before this delay.
    Later(Option<Duration>, String),
    /// Will never succeed.
    Rejected(String),
    /// The time to drain is over.
    Gone,
}

impl Courier {
    pub(super) fn new(hook: &Hook, heard: HookReceiver, url: Url, edges: Arc<Deps>) -> Self {
        let HookReceiver { queue, leave } = heard;
        let (label, webhook, counts) = (hook.label.clone(), hook.webhook.clone(), hook.counts.clone());
        Self { label, webhook, counts, queue, leave, url, edges, fails: false }
    }

    /// Runs until the hook is removed and its queue delivered, or the time to drain is over.
    pub(super) async fn run(mut self) {
        while let Some(told) = self.gather().await {
            let batch = Batch {
                id: format!("msg_{:032x}", u128::from_be_bytes(self.edges.entropy.bytes())),
                events: told.len() as u64,
                body: document::batch(&told, &self.edges.source).into(),
            };
            self.deliver(&batch).await;
        }
    }

    /// The next events; `None` if there will be none.
    async fn gather(&mut self) -> Option<Vec<Arc<StreamEvent>>> {
        let most = self.webhook.batch.max(1);
        let mut told = Vec::new();
        loop {
            tokio::select! {
                // Events first: the queue of a removed hook must be emptied before it is checked for closure.
                biased;
                count = self.queue.recv_many(&mut told, most) => match count {
                    0 => return None,
                    _ => break,
                },
                () = left(self.leave.clone()) => {
                    self.queue.close();
                    if self.queue.is_empty() {
                        return None;
                    }
                }
            }
        }
        let waited = sleep(self.webhook.flush_interval);
        tokio::pin!(waited);
        while told.len() < most && self.leave.borrow().is_none() {
            let room = most - told.len();
            tokio::select! {
                count = self.queue.recv_many(&mut told, room) => if count == 0 { break },
                () = &mut waited => break,
                _ = self.leave.changed() => break,
            }
        }
        Some(told)
    }

    /// Retries until the batch is accepted, rejected or too late.
    async fn deliver(&mut self, batch: &Batch) {
        let mut backoff = Backoff::new(self.edges.clock.now(), self.webhook.max_retry_duration);
        loop {
            let (wait, why) = match self.attempt(batch).await {
                Outcome::Accepted => {
                    self.counts.sent.inc_by(batch.events);
                    if std::mem::take(&mut self.fails) {
                        tracing::info!(hook = %self.label, "webhook accepts events again");
                    }
                    return;
                }
                Outcome::Rejected(why) => {
                    self.counts.rejected.inc_by(batch.events);
                    self.tell(&why, "webhook rejects events; dropping them");
                    return;
                }
                Outcome::Gone => {
                    self.queue.close();
                    self.give_up(batch.events, "the hook was removed, or the gateway is stopping");
                    return;
                }
                Outcome::Later(asked, why) => {
                    let (now, random) = (self.edges.clock.now(), self.edges.entropy.bytes());
                    (backoff.wait(now, asked, random), why)
                }
            };
            let Some(wait) = wait else {
                self.give_up(batch.events, &why);
                return;
            };
            self.tell(&why, "webhook delivery failed; retrying");
            self.pause(wait).await;
        }
    }

    /// Drops a batch, and the whole queue if the time to drain is over.
    fn give_up(&mut self, mut events: u64, why: &str) {
        while self.queue.is_closed()
            && let Ok(_told) = self.queue.try_recv()
        {
            events += 1;
        }
        self.counts.given_up.inc_by(events);
        tracing::error!(hook = %self.label, events, %why, "webhook did not accept events in time; dropping them");
        self.fails = true;
    }

    /// Logs only the first failure in a row.
    fn tell(&mut self, why: &str, what: &'static str) {
        if !std::mem::replace(&mut self.fails, true) {
            tracing::error!(hook = %self.label, %why, "{what}");
        }
    }

    /// Waits for the next attempt. Ends at once when the hook is removed.
    async fn pause(&self, wait: Duration) {
        let is_leaving = self.leave.borrow().is_some();
        tokio::select! {
            () = sleep(wait) => {}
            () = left(self.leave.clone()), if !is_leaving => {}
            () = gone(self.leave.clone(), &self.edges) => {}
        }
    }

    async fn attempt(&self, batch: &Batch) -> Outcome {
        tokio::select! {
            biased;
            () = gone(self.leave.clone(), &self.edges) => Outcome::Gone,
            outcome = timeout(self.webhook.timeout, self.post(batch)) => outcome.unwrap_or_else(|_| {
                Outcome::Later(None, format!("no answer within {:?}", self.webhook.timeout))
            }),
        }
    }

    async fn post(&self, batch: &Batch) -> Outcome {
        let timestamp = self.edges.clock.wall().seconds();
        let Some(client) = self.edges.client.load_full() else {
            return Outcome::Later(None, "no HTTP client".to_owned());
        };
        let mut request = client
            .post(self.url.clone())
            .header(CONTENT_TYPE, BATCH)
            .header("webhook-id", &batch.id)
            .header("webhook-timestamp", timestamp)
            .body(batch.body.clone());
        if let Some(key) = &self.webhook.secret {
            request = request.header("webhook-signature", signature(key.expose(), &batch.id, timestamp, &batch.body));
        }
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => return Outcome::Later(None, error_chain(error)),
        };
        let status = response.status();
        let asked = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let asked = asked.and_then(|value| retry_after(value, self.edges.clock.wall()));
        let why = format!("the response is {status}");
        let outcome = match status {
            _ if status.is_success() => Outcome::Accepted,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Outcome::Later(asked, why),
            _ if status.is_server_error() => Outcome::Later(asked, why),
            _ => Outcome::Rejected(why),
        };
        let _ = body(response, MAX_ANSWER).await; // its content does not matter
        outcome
    }
}

/// Resolves when the hook is removed.
async fn left(mut leave: watch::Receiver<Option<Millis>>) {
    // A dropped sender also means that the hook is removed.
    let _ = leave.wait_for(Option::is_some).await;
}

/// Resolves when the time to drain is over.
async fn gone(mut leave: watch::Receiver<Option<Millis>>, edges: &Deps) {
    let deadline = match leave.wait_for(Option::is_some).await {
        Ok(deadline) => deadline.unwrap_or_default(),
        Err(_) => return,
    };
    sleep(deadline.since(edges.clock.now())).await;
}

/// The delay in `Retry-After`: seconds or a date (RFC 9110 §10.2.3).
fn retry_after(value: &str, now: Millis) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let date = chrono::DateTime::parse_from_rfc2822(value).ok()?;
    let date = Millis(u64::try_from(date.timestamp_millis()).ok()?);
    Some(date.since(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_says_when_to_come_again_in_seconds_or_as_a_date() {
        let now = Millis(784_111_777_000); // Sun, 06 Nov 1994 08:49:37 GMT
        assert_eq!(retry_after("120", now), Some(Duration::from_mins(2)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:50:07 GMT", now), Some(Duration::from_secs(30)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", now), None);
        assert_eq!(retry_after("-1", now), None);
    }
}
