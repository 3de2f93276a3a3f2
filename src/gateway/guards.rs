//! Two wrappers around the proxy that close gaps of the framework: nothing else limits how many connections are open, nor
//! how long a request's header may take.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use async_trait::async_trait;
use pingora::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream, ServerApp};
use pingora::protocols::Stream;
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::H2Options;
use pingora::server::ShutdownWatch;
use pingora_timeout::fast_timeout::fast_timeout;
use tokio::sync::Semaphore;

use super::proxy_protocol::ProxyProtocol;
use crate::telemetry::Metrics;

tokio::task_local! {
    /// Set by the first hook of a request, which the framework calls once the header has been read.
    static HEADER_READ: Arc<AtomicBool>;
}

/// Tells the guard around this request that its header is here.
pub(super) fn header_read() {
    // Outside the scope (HTTP/2, whose headers are read before the guard sees them) there is nobody to tell.
    let _ = HEADER_READ.try_with(|read| read.store(true, Relaxed));
}

/// Closes a connection whose next request header does not arrive within `budget`.
///
/// The budget covers the idle wait on a kept connection too, so it has to exceed the keep-alive time.
pub(super) struct HeaderDeadline<A> {
    pub(super) app: Arc<A>,
    pub(super) budget: Duration,
    pub(super) metrics: Arc<Metrics>,
}

#[async_trait]
impl<A: HttpServerApp + Send + Sync + 'static> HttpServerApp for HeaderDeadline<A> {
    async fn process_new_http(
        self: &Arc<Self>,
        session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        if session.is_http2() {
            return self.app.process_new_http(session, shutdown).await;
        }
        let read = Arc::new(AtomicBool::new(false));
        let request = HEADER_READ.scope(read.clone(), self.app.process_new_http(session, shutdown));
        tokio::pin!(request);
        // The framework's own timers: with one of the runtime's for each request, parking its threads showed in profiles.
        match fast_timeout(self.budget, &mut request).await {
            Ok(next) => next,
            Err(_) if read.load(Relaxed) => request.await,
            Err(_) => {
                self.metrics.connections_refused.with_label_values(&["slow_header"]).inc();
                None
            }
        }
    }

    fn h2_options(&self) -> Option<H2Options> {
        self.app.h2_options()
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        self.app.server_options()
    }

    async fn http_cleanup(&self) {
        self.app.http_cleanup().await;
    }
}

/// Closes connections beyond a number at once, and counts those that are open.
pub(super) struct ConnectionGate<A> {
    pub(super) app: Arc<A>,
    pub(super) slots: Arc<Semaphore>,
    pub(super) proxy_protocol: ProxyProtocol,
    pub(super) metrics: Arc<Metrics>,
}

/// A connection that is open as long as this lives, however its task ends.
struct Open(Arc<Metrics>);

impl Open {
    fn new(metrics: &Arc<Metrics>) -> Self {
        metrics.connections.inc();
        Self(metrics.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connections.dec();
    }
}

#[async_trait]
impl<A: ServerApp + Send + Sync + 'static> ServerApp for ConnectionGate<A> {
    async fn process_new(self: &Arc<Self>, stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        let Ok(_slot) = self.slots.try_acquire() else {
            self.metrics.connections_refused.with_label_values(&["too_many"]).inc();
            return None;
        };
        let _open = Open::new(&self.metrics);
        let stream = self.proxy_protocol.strip(stream).await?;
        self.app.process_new(stream, shutdown).await
    }

    async fn cleanup(&self) {
        self.app.cleanup().await;
    }
}
