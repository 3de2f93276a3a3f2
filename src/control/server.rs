//! The HTTP server of the control port.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use crate::config::Settings;
use crate::model::{Clock, Entropy};
use crate::streams::StreamTable;
use crate::telemetry::Metrics;

/// Whether requests should be sent here. Ready means: every origin has an address, and nobody asked for a drain.
pub struct Readiness {
    draining: AtomicBool,
    ready: Box<dyn Fn() -> bool + Send + Sync>,
}

impl Readiness {
    /// Ready whenever `ready` says so, until it drains.
    pub fn new(ready: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self { draining: AtomicBool::new(false), ready: Box::new(ready) }
    }

    /// From now on `/readyz` tells load balancers to look elsewhere; requests are still served.
    pub fn drain(&self) {
        self.draining.store(true, Relaxed);
    }

    fn state(&self) -> (StatusCode, &'static str) {
        if self.draining.load(Relaxed) {
            (StatusCode::SERVICE_UNAVAILABLE, "draining\n")
        } else if (self.ready)() {
            (StatusCode::OK, "ready\n")
        } else {
            (
                StatusCode::SERVICE_UNAVAILABLE,
                "an origin has no address yet; see the log for the name that does not resolve\n",
            )
        }
    }
}

/// The control port.
#[derive(Clone)]
pub struct Control {
    /// The streams of all accounts.
    pub table: Arc<StreamTable>,
    /// What is in force now.
    pub settings: Arc<dyn Fn() -> Arc<Settings> + Send + Sync>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// What `/metrics` shows.
    pub metrics: Arc<Metrics>,
    /// What `/readyz` says.
    pub readiness: Arc<Readiness>,
    /// Brings gauges up to date before they are shown.
    pub refresh: Arc<dyn Fn() + Send + Sync>,
}

impl Control {
    /// Answers on `listener` until `stop` resolves.
    ///
    /// # Errors
    /// The listener fails.
    pub async fn serve(self, listener: TcpListener, stop: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        let router = Router::new()
            .route("/healthz", get(|| async { plain(StatusCode::OK, "ok\n".to_owned()) }))
            .route("/readyz", get(ready))
            .route("/metrics", get(metrics))
            .fallback(|| async {
                let pages = "Streamgate's control port has /metrics, /healthz and /readyz.\n";
                plain(StatusCode::NOT_FOUND, pages.to_owned())
            })
            .with_state(self);
        axum::serve(listener, router).with_graceful_shutdown(stop).await
    }
}

async fn ready(State(control): State<Control>) -> Response {
    let (status, text) = control.readiness.state();
    plain(status, text.to_owned())
}

async fn metrics(State(control): State<Control>) -> Response {
    (control.refresh)();
    let headers = [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"), (CACHE_CONTROL, "no-store")];
    (headers, control.metrics.render()).into_response()
}

fn plain(status: StatusCode, text: String) -> Response {
    (status, [(CONTENT_TYPE, "text/plain; charset=utf-8"), (CACHE_CONTROL, "no-store")], text).into_response()
}
