//! Wrappers around the proxy that close gaps of the framework: nothing else limits how long a request's header may take, or
//! the first words of HTTP/2.

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

/// Bytes of one HTTP/2 answer that wait for a connection which does not take them. Each stream of each connection may have as
/// many; more would not be faster, because the connection sends what waits in one go.
const SEND_BUFFER: usize = 64 << 10;

/// Tells the guard around this request that its header is here.
pub(super) fn header_read() {
    // Outside the scope (HTTP/2, whose headers are read before the guard sees them) there is nobody to tell.
    let _ = HEADER_READ.try_with(|read| read.store(true, Relaxed));
}

/// Closes a connection whose next request header does not arrive in time.
///
/// The time covers the idle wait on a kept connection too, so it has to exceed the keep-alive time. There is one of these
/// for each connection, because the framework's options are fixed for as long as what gives them lives.
pub(super) struct HeaderTimeout<A> {
    app: Arc<A>,
    options: HttpServerOptions,
    greeting: Greeting,
    current: Arc<ArcSwap<ProxyConfig>>,
    metrics: Arc<Metrics>,
}

/// How far the first words of HTTP/2 have got. The framework waits for them without end and tells nobody; but it asks for the
/// options of HTTP/2 right before, and for those of the server right after.
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
    /// The guard of a new connection. What it is held to stays as it is now.
    pub(super) fn new(app: Arc<A>, current: Arc<ArcSwap<ProxyConfig>>, metrics: Arc<Metrics>) -> Arc<Self> {
        let options = options(&current.load().runtime.settings.limits);
        Arc::new(Self { app, options, greeting: Greeting::default(), current, metrics })
    }

    /// Answers the requests of a connection until it ends.
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
