//! How the gateway stops: at SIGTERM when the last request has ended, at SIGINT and at a second signal without waiting.
//!
//! The framework would sleep for the whole grace period whatever is under way. So this decides when to stop, and the framework is
//! told only when nothing is left to wait for.

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

/// Asks a port to close. It is closed when no receiver is left: the port has one, and each of its connections another.
pub(super) type Closing = watch::Sender<bool>;

/// Waits for the signals that end the program.
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
                tracing::error!(%error, "SIGTERM and SIGINT cannot be received: end the gateway with SIGKILL");
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
            "stopping when the last request has ended; another signal ends the wait"
        );
        self.readiness.drain();
        tokio::select! {
            () = self.finish(delay, grace) => ShutdownSignal::GracefulTerminate,
            second = signals.next() => {
                tracing::info!(signal = second, "stopping without waiting any longer");
                ShutdownSignal::FastShutdown
            }
        }
    }
}

impl Shutdown {
    /// Ends when the last request has, or when `grace` is over. Before that, requests are answered as ever for `delay`: load
    /// balancers have to see that `/readyz` says 503 before connections are refused.
    async fn finish(&self, delay: Duration, grace: Duration) {
        if !delay.is_zero() {
            sleep(delay).await;
        }
        let requests = async {
            self.viewers.send_replace(true);
            self.viewers.closed().await;
            // Only now: other proxies ask there, and load balancers go on looking.
            self.control.send_replace(true);
            self.control.closed().await;
        };
        if timeout(grace, requests).await.is_ok() {
            tracing::info!("the last request has ended");
        } else {
            let open = self.viewers.receiver_count() + self.control.receiver_count();
            tracing::warn!(open, "the grace period is over; requests under way are cut off");
        }
    }
}

/// The signals that end the program.
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

    /// The name of the next one.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.quit.recv() => "SIGQUIT",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
