//! Webhooks: sends stream events as CloudEvents over HTTP, in signed batches.
//!
//! [`Webhooks`] observes events under the lock of an account. It only copies the event into a bounded queue per hook;
//! if the queue is full, the event is dropped and counted. One task per hook delivers its queue.

mod backoff;
mod delivery;
mod document;
mod hook;
mod signing;
mod stream_event;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use parking_lot::Mutex;
use reqwest::{Client, Url};
use tokio::runtime::{self, Runtime};
use tokio::task::JoinHandle;

use crate::config::{Settings, Webhook};
use crate::model::{Account, Clock, Entropy};
use crate::net::{HttpClientError, http_client, url_of};
use crate::streams::{Event, Observer};

use super::Metrics;
use delivery::{Courier, Deps};
use hook::Hook;
use stream_event::{StreamEvent, kind};

/// How long a removed hook keeps delivering its queue.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// All configured webhooks.
pub struct Webhooks {
    hooks: ArcSwap<Vec<Hook>>,
    edges: Arc<Deps>,
    metrics: Arc<Metrics>,
    work: Mutex<Work>,
}

/// The delivery tasks. Their own threads keep running after the servers have stopped. Created only if a hook is
/// configured.
#[derive(Default)]
struct Work {
    runtime: Option<Runtime>,
    couriers: Vec<JoinHandle<()>>,
}

impl Work {
    fn prepare(&mut self, next: &NextWebhooks) -> std::io::Result<()> {
        if self.runtime.is_none() && !next.hooks.is_empty() {
            let builder = &mut runtime::Builder::new_multi_thread();
            self.runtime = Some(builder.worker_threads(1).thread_name("webhooks").enable_all().build()?);
        }
        Ok(())
    }
}

/// The hooks of a configuration, ready to be applied.
pub struct NextWebhooks {
    client: Option<Client>,
    hooks: Vec<(Webhook, Url)>,
}

impl NextWebhooks {
    /// Prepares the hooks of a configuration.
    ///
    /// # Errors
    /// A URL or the file of certification authorities is invalid.
    pub fn new(settings: &Settings) -> Result<Self, HttpClientError> {
        let url = |hook: &Webhook| Ok((hook.clone(), url_of("webhooks", &hook.url)?));
        let hooks: Vec<_> = settings.webhooks.iter().map(url).collect::<Result<_, HttpClientError>>()?;
        let client = (!hooks.is_empty()).then(|| http_client(settings.fetch_ca.as_deref())).transpose()?;
        Ok(Self { client, hooks })
    }
}

impl Webhooks {
    /// No hooks until [`Self::apply`].
    pub fn new(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>, metrics: Arc<Metrics>) -> Self {
        let source = document::source(entropy.bytes());
        let edges = Arc::new(Deps { clock, entropy, client: ArcSwapOption::empty(), source });
        Self { hooks: ArcSwap::default(), edges, metrics, work: Mutex::default() }
    }

    /// Starts a delivery thread if these hooks need one and none runs.
    ///
    /// # Errors
    /// The system cannot start a thread.
    pub fn prepare(&self, next: &NextWebhooks) -> std::io::Result<()> {
        self.work.lock().prepare(next)
    }

    /// Applies these hooks. Unchanged hooks keep their queues. Removed hooks deliver their queues for a few seconds.
    ///
    /// # Errors
    /// The system cannot start a delivery thread. Nothing has changed.
    pub fn apply(&self, next: NextWebhooks) -> std::io::Result<()> {
        let mut work = self.work.lock();
        work.prepare(&next)?;
        let Work { runtime, couriers } = &mut *work;
        if let Some(client) = next.client {
            self.edges.client.store(Some(Arc::new(client)));
        }
        let mut before: Vec<Hook> = self.hooks.load().iter().cloned().collect();
        let mut hooks: Vec<Hook> = Vec::new();
        for (webhook, url) in next.hooks {
            if let Some(at) = before.iter().position(|hook| hook.is_of(&webhook)) {
                hooks.push(before.swap_remove(at));
                continue;
            }
            let label = label(&url, hooks.iter().chain(&before));
            let (hook, told) = Hook::new(webhook, label.into(), &self.metrics);
            if let Some(runtime) = &runtime {
                let courier = Courier::new(&hook, told, url, self.edges.clone());
                couriers.push(runtime.handle().spawn(courier.run()));
            }
            hooks.push(hook);
        }
        self.hooks.store(Arc::new(hooks));
        let deadline = self.edges.clock.now() + DRAIN_TIMEOUT;
        for hook in before {
            hook.leave(deadline);
            let _ = self.metrics.webhook_queue.remove_label_values(&[&*hook.label]); // the gauge may not exist
        }
        couriers.retain(|courier| !courier.is_finished());
        Ok(())
    }

    /// Updates the gauges.
    pub fn refresh(&self) {
        for hook in self.hooks.load().iter() {
            let waiting = i64::try_from(hook.waiting()).unwrap_or(i64::MAX);
            self.metrics.webhook_queue.with_label_values(&[&*hook.label]).set(waiting);
        }
    }

    /// Delivers what is queued, for at most `patience`, and accepts nothing more. Must not be called on a runtime.
    pub fn finish(&self, patience: Duration) {
        let hooks = self.hooks.swap(Arc::default());
        let deadline = self.edges.clock.now() + patience;
        hooks.iter().for_each(|hook| hook.leave(deadline));
        drop(hooks);
        let Work { runtime, couriers } = std::mem::take(&mut *self.work.lock());
        let Some(runtime) = runtime else { return };
        runtime.block_on(async {
            for courier in couriers {
                if let Err(error) = courier.await {
                    tracing::error!(%error, "a webhook's delivery task failed; its queued events are lost");
                }
            }
        });
        runtime.shutdown_background();
    }
}

impl Observer for Webhooks {
    fn observe(&self, account: &Account, event: &Event<'_>) {
        let hooks = self.hooks.load();
        if hooks.is_empty() {
            return;
        }
        let Some(kind) = kind(event) else { return };
        if !hooks.iter().any(|hook| hook.wants(kind)) {
            return;
        }
        let edges = &self.edges;
        let Some(told) = StreamEvent::from_event(account, event, edges.clock.moment(), edges.entropy.bytes()) else {
            return;
        };
        let told = Arc::new(told);
        hooks.iter().filter(|hook| hook.wants(kind)).for_each(|hook| hook.offer(&told));
    }
}

/// The hook's label in metrics and log: the host only, since the rest of the URL may be secret.
fn label<'a>(url: &Url, others: impl Iterator<Item = &'a Hook>) -> String {
    let host = url.host_str().unwrap_or_default();
    let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let taken: Vec<&str> = others.map(|hook| &*hook.label).collect();
    let numbered = |nth: usize| if nth == 1 { host.clone() } else { format!("{host}#{nth}") };
    // At least one of these numbers is free.
    (1..=taken.len() + 1).map(numbered).find(|label| !taken.contains(&label.as_str())).unwrap_or_default()
}

#[cfg(test)]
mod tests;
