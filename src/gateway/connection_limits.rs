//! Timeouts that the framework lacks: for a request's header, and for the connection preface of HTTP/2.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::Relaxed};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use pingora::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream, ServerApp};
use pingora::protocols::Stream;
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::{H2Options, default_h2_options};
use pingora::server::ShutdownWatch;
use pingora_timeout::fast_timeout::fast_timeout;

use super::runtime_config::ProxyConfig;
use crate::config::Limits;
use crate::telemetry::Metrics;

tokio::task_local! {
    /// Set by the first hook of a request, which the framework calls once the header has been read.
    static HEADER_READ: Arc<AtomicBool>;
}

/// Maximum bytes of one HTTP/2 answer that wait to be sent, for each stream of each connection. More would not be
/// faster, because the connection sends them all at once.
const SEND_BUFFER: usize = 64 << 10;

/// Marks the header of this request as read.
pub(super) fn header_read() {
    // HTTP/2 has no such scope: its headers are read before.
    let _ = HEADER_READ.try_with(|read| read.store(true, Relaxed));
}

/// Closes a connection whose next request header does not arrive in time.
///
/// The timeout includes the idle time of a kept connection, so it must exceed the keep-alive time. Each connection has
/// its own instance, because the options of an instance cannot change.
pub(super) struct HeaderTimeout<A> {
    app: Arc<A>,
    options: HttpServerOptions,
    greeting: Greeting,
    current: Arc<ArcSwap<ProxyConfig>>,
    metrics: Arc<Metrics>,
}

/// Progress of the HTTP/2 connection preface. The framework waits for it without a limit and does not report it, but
/// reads the HTTP/2 options right before and the server options right after.
#[derive(Default)]
struct Greeting(AtomicU8);

impl Greeting {
    const EXPECTED: u8 = 1;
    const DONE: u8 = 2;

    fn begins(&self) {
        self.0.store(Self::EXPECTED, Relaxed);
    }

    fn may_be_over(&self) {
        let _ = self.0.compare_exchange(Self::EXPECTED, Self::DONE, Relaxed, Relaxed);
    }

    fn is_missing(&self) -> bool {
        self.0.load(Relaxed) == Self::EXPECTED
    }
}

impl<A: HttpServerApp + Send + Sync + 'static> HeaderTimeout<A> {
    /// Guards a new connection with the current limits.
    pub(super) fn new(app: Arc<A>, current: Arc<ArcSwap<ProxyConfig>>, metrics: Arc<Metrics>) -> Arc<Self> {
        let options = options(&current.load().runtime.settings.limits);
        Arc::new(Self { app, options, greeting: Greeting::default(), current, metrics })
    }

    /// Serves a connection until it ends.
    pub(super) async fn serve(self: &Arc<Self>, stream: Stream, shutdown: &ShutdownWatch) {
        let budget = self.current.load().runtime.settings.limits.handshake_timeout;
        let connection = self.process_new(stream, shutdown);
        tokio::pin!(connection);
        if fast_timeout(budget, &mut connection).await.is_ok() {
            return;
        }
        if self.greeting.is_missing() {
            self.metrics.connections_refused.with_label_values(&["slow_handshake"]).inc();
            return;
        }
        connection.await;
    }
}

fn options(limits: &Limits) -> HttpServerOptions {
    let mut options = HttpServerOptions::default();
    options.keepalive_request_limit = Some(limits.requests_per_connection);
    options.h2_idle_timeout = Some(limits.keep_alive);
    options
}

#[async_trait]
impl<A: HttpServerApp + Send + Sync + 'static> HttpServerApp for HeaderTimeout<A> {
    async fn process_new_http(
        self: &Arc<Self>,
        session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        if session.is_http2() {
            return self.app.process_new_http(session, shutdown).await;
        }
        let budget = self.current.load().runtime.settings.limits.header_timeout;
        let read = Arc::new(AtomicBool::new(false));
        let request = HEADER_READ.scope(read.clone(), self.app.process_new_http(session, shutdown));
        tokio::pin!(request);
        // The framework's timers: a runtime timer for each request showed in profiles, as parking of threads.
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
        self.greeting.begins();
        let mut options = default_h2_options();
        options.max_send_buffer_size(SEND_BUFFER);
        Some(options)
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        self.greeting.may_be_over();
        Some(&self.options)
    }

    async fn http_cleanup(&self) {
        self.app.http_cleanup().await;
    }
}
