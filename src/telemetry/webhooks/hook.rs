//! One hook: who wants what, and the way to the task that delivers it.

use std::sync::Arc;

use prometheus::IntCounter;
use tokio::sync::{mpsc, watch};

use crate::config::{Webhook, WebhookEvent};
use crate::model::Millis;
use crate::telemetry::Metrics;

use super::stream_event::StreamEvent;

/// The side of a hook that hears.
#[derive(Clone)]
pub(super) struct Hook {
    /// What it is called in metrics and the log.
    pub(super) label: Arc<str>,
    pub(super) webhook: Arc<Webhook>,
    pub(super) counts: Arc<Counts>,
    queue: mpsc::Sender<Arc<StreamEvent>>,
    leave: watch::Sender<Option<Millis>>,
}

/// The other side.
pub(super) struct HookReceiver {
    pub(super) queue: mpsc::Receiver<Arc<StreamEvent>>,
    /// Until when what waits is to be delivered, once the hook is to leave.
    pub(super) leave: watch::Receiver<Option<Millis>>,
}

/// What became of events.
pub(super) struct Counts {
    pub(super) sent: IntCounter,
    /// They found no room in the queue.
    pub(super) unheard: IntCounter,
    /// They were tried until it was too late.
    pub(super) given_up: IntCounter,
    /// The receiver does not want them.
    pub(super) rejected: IntCounter,
}

impl Hook {
    pub(super) fn new(webhook: Webhook, label: Arc<str>, metrics: &Metrics) -> (Self, HookReceiver) {
        let (queue, queued) = mpsc::channel(webhook.queue.max(1));
        let (leave, leaving) = watch::channel(None);
        let count = |result| metrics.webhook_events.with_label_values(&[&*label, result]);
        let counts = Counts {
            sent: count("sent"),
            unheard: count("dropped_queue"),
            given_up: count("dropped_retries"),
            rejected: count("rejected"),
        };
        let hook = Self { webhook: Arc::new(webhook), counts: Arc::new(counts), label, queue, leave };
        (hook, HookReceiver { queue: queued, leave: leaving })
    }

    /// Whether it is configured like this.
    pub(super) fn is_of(&self, webhook: &Webhook) -> bool {
        *self.webhook == *webhook
    }

    pub(super) fn wants(&self, event: WebhookEvent) -> bool {
        self.webhook.events.contains(&event)
    }

    /// Never waits.
    pub(super) fn offer(&self, told: &Arc<StreamEvent>) {
        if self.queue.try_send(told.clone()).is_err() {
            self.counts.unheard.inc();
        }
    }

    /// Events that wait.
    pub(super) fn waiting(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }

    /// What waits is to be delivered by then.
    pub(super) fn leave(&self, deadline: Millis) {
        self.leave.send_replace(Some(deadline));
    }
}
