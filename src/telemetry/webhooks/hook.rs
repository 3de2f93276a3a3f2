//! One hook: its configuration and its queue.

use std::sync::Arc;

use prometheus::IntCounter;
use tokio::sync::{mpsc, watch};

use crate::config::{Webhook, WebhookEvent};
use crate::model::Millis;
use crate::telemetry::Metrics;

use super::stream_event::StreamEvent;

/// The sending side of a hook.
#[derive(Clone)]
pub(super) struct Hook {
    /// Its label in metrics and log.
    pub(super) label: Arc<str>,
    pub(super) webhook: Arc<Webhook>,
    pub(super) counts: Arc<Counts>,
    queue: mpsc::Sender<Arc<StreamEvent>>,
    leave: watch::Sender<Option<Millis>>,
}

/// The receiving side.
pub(super) struct HookReceiver {
    pub(super) queue: mpsc::Receiver<Arc<StreamEvent>>,
    /// Set when the hook is removed: the deadline for delivering the queue.
    pub(super) leave: watch::Receiver<Option<Millis>>,
}

/// Events by result.
pub(super) struct Counts {
    pub(super) sent: IntCounter,
    /// The queue was full.
    pub(super) unheard: IntCounter,
    /// Not accepted in time.
    pub(super) given_up: IntCounter,
    /// Rejected by the receiver.
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

    /// True if this is its configuration.
    pub(super) fn is_of(&self, webhook: &Webhook) -> bool {
        *self.webhook == *webhook
    }

    pub(super) fn wants(&self, event: WebhookEvent) -> bool {
        self.webhook.events.contains(&event)
    }

    /// Never blocks.
    pub(super) fn offer(&self, told: &Arc<StreamEvent>) {
        if self.queue.try_send(told.clone()).is_err() {
            self.counts.unheard.inc();
        }
    }

    /// Queued events.
    pub(super) fn waiting(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }

    /// Removes the hook; its queue must be delivered by then.
    pub(super) fn leave(&self, deadline: Millis) {
        self.leave.send_replace(Some(deadline));
    }
}
