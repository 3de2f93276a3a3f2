//! Shutdown: after the last request at SIGTERM, immediately at SIGINT or a second signal.
//!
//! The framework would always sleep for the whole grace period. So this module waits, and stops the framework only when
//! nothing is left to wait for.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use pingora::server::{ShutdownSignal, ShutdownSignalWatch};
use streamgate::control::Readiness;
use streamgate::gateway::ProxyConfig;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// Signals a port to close. It is closed when no receiver is left: the port has one, and each of its connections one.
pub(super) type Closing = watch::Sender<bool>;

/// Waits for the signals that stop the program.
pub(super) struct Shutdown {
    pub(super) current: Arc<ArcSwap<ProxyConfig>>,
    pub(super) readiness: Arc<Readiness>,
    /// The listeners of viewers.
    pub(super) viewers: Closing,
    /// The control port.
    pub(super) control: Closing,
}

#[async_trait]
impl ShutdownSignalWatch for Shutdown {
    async fn recv(&self) -> ShutdownSignal {
        let mut signals = match Signals::new() {
            Ok(signals) => signals,
            Err(error) => {
                tracing::error!(%error, "cannot handle SIGTERM and SIGINT; use SIGKILL to stop the gateway");
                return std::future::pending().await;
            }
        };
        let first = signals.next().await;
        if first == "SIGINT" {
            tracing::info!(signal = first, "stopping without waiting for requests");
            return ShutdownSignal::FastShutdown;
        }
        let (delay, grace) = {
            let settings = &self.current.load().runtime.settings;
            (settings.shutdown_delay, settings.shutdown_grace)
        };
        tracing::info!(
            signal = first,
            delay_seconds = delay.as_secs_f64(),
            grace_seconds = grace.as_secs_f64(),
            "stopping when the last request has ended; send another signal to stop now"
        );
        self.readiness.drain();
        tokio::select! {
            () = self.finish(delay, grace) => ShutdownSignal::GracefulTerminate,
            second = signals.next() => {
                tracing::info!(signal = second, "stopping now");
                ShutdownSignal::FastShutdown
            }
        }
    }
}

impl Shutdown {
    /// Returns when the last request has ended, or when `grace` is over. Before that, requests are served for `delay`,
    /// so that load balancers see 503 from `/readyz` before connections are refused.
    async fn finish(&self, delay: Duration, grace: Duration) {
        if !delay.is_zero() {
            sleep(delay).await;
        }
        let requests = async {
            self.viewers.send_replace(true);
            self.viewers.closed().await;
            // Only now: other proxies and load balancers still use the control port.
            self.control.send_replace(true);
            self.control.closed().await;
        };
        if timeout(grace, requests).await.is_ok() {
            tracing::info!("the last request has ended");
        } else {
            let open = self.viewers.receiver_count() + self.control.receiver_count();
            tracing::warn!(open, "the grace period is over; closing requests in flight");
        }
    }
}

/// The signals that stop the program.
struct Signals {
    terminate: Signal,
    quit: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            quit: signal(SignalKind::quit())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// The name of the next signal.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.quit.recv() => "SIGQUIT",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
