//! Two wrappers around the proxy that close gaps of the framework: nothing else limits how many connections are open, nor
//! how long a request's header may take.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use pingora::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream, ServerApp};
use pingora::protocols::Stream;
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::H2Options;
use pingora::server::ShutdownWatch;
use pingora_timeout::fast_timeout::fast_timeout;

use super::proxy_protocol::ProxyProtocol;
use super::snapshot::Snapshot;
use crate::config::Limits;
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

/// Closes a connection whose next request header does not arrive in time.
///
/// The time covers the idle wait on a kept connection too, so it has to exceed the keep-alive time. There is one of these
/// for each connection, because the framework's options are fixed for as long as what gives them lives.
struct HeaderDeadline<A> {
    app: Arc<A>,
    options: HttpServerOptions,
    current: Arc<ArcSwap<Snapshot>>,
    metrics: Arc<Metrics>,
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
        let budget = self.current.load().settings.limits.header_timeout;
        let read = Arc::new(AtomicBool::new(false));
        let request = HEADER_READ.scope(read.clone(), self.app.process_new_http(session, shutdown));
        tokio::pin!(request);
        // The framework's own timers: with one of the runtime's for each request, parking its threads showed in profiles.
        match fast_timeout(budget, &mut request).await {
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
        Some(&self.options)
    }

    async fn http_cleanup(&self) {
        self.app.http_cleanup().await;
    }
}

/// Closes connections beyond a number at once, and counts those that are open.
pub(super) struct ConnectionGate<A> {
    pub(super) app: Arc<A>,
    pub(super) open: AtomicUsize,
    pub(super) proxy_protocol: ProxyProtocol,
    pub(super) current: Arc<ArcSwap<Snapshot>>,
    pub(super) metrics: Arc<Metrics>,
}

/// A connection that is open as long as this lives, however its task ends.
struct Open<'a>(&'a AtomicUsize, &'a Metrics);

impl<'a> Open<'a> {
    /// `None` where so many are open already.
    fn one_of(most: usize, open: &'a AtomicUsize, metrics: &'a Metrics) -> Option<Self> {
        let one = Self(open, metrics);
        metrics.connections.inc();
        (open.fetch_add(1, Relaxed) < most).then_some(one)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
        self.1.connections.dec();
    }
}

impl<A> ConnectionGate<A> {
    /// What a new connection is held to. One that is open keeps what it began with.
    fn options(limits: &Limits) -> HttpServerOptions {
        let mut options = HttpServerOptions::default();
        options.keepalive_request_limit = Some(limits.requests_per_connection);
        options.h2_idle_timeout = Some(limits.keep_alive);
        options
    }
}

#[async_trait]
impl<A: HttpServerApp + Send + Sync + 'static> ServerApp for ConnectionGate<A> {
    async fn process_new(self: &Arc<Self>, stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        let (most, options) = {
            let limits = &self.current.load().settings.limits;
            (limits.connections, Self::options(limits))
        };
        let Some(_open) = Open::one_of(most, &self.open, &self.metrics) else {
            self.metrics.connections_refused.with_label_values(&["too_many"]).inc();
            return None;
        };
        let stream = self.proxy_protocol.strip(stream).await?;
        let (app, current, metrics) = (self.app.clone(), self.current.clone(), self.metrics.clone());
        Arc::new(HeaderDeadline { app, options, current, metrics }).process_new(stream, shutdown).await
    }

    async fn cleanup(&self) {
        self.app.http_cleanup().await;
    }
}
