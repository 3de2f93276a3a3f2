//! The HTTP server of the control port.

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::connection::Port;
use super::document::{self, empty};
use super::state::ControlParts;
use super::{Control, authz, operator, session};

impl ControlParts {
    /// Answers on `listener` until `stop` resolves.
    ///
    /// # Errors
    /// The `OpenAPI` document cannot be serialized.
    pub async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        let router = self.clone().router()?;
        Port::new(self, router).serve(listener, stop).await;
        Ok(())
    }

    fn router(self: Arc<Self>) -> io::Result<Router> {
        let authz = authz::routes(self.admission.clone(), self.current.clone());
        let mut whole = empty();
        whole.merge(authz::documented());
        let routes = OpenApiRouter::with_openapi(whole)
            .merge(session::routes().layer(from_fn_with_state(self.clone(), session::count)))
            .merge(operator::routes())
            .routes(routes!(document::document))
            .routes(routes!(alive))
            .routes(routes!(ready))
            .routes(routes!(metrics));
        let (plain, document) = routes.split_for_parts();
        let _ = self.document.set(document.to_json()?.into()); // there is one set of routes
        Ok(plain.fallback(not_found).with_state(self).merge(authz))
    }
}

async fn not_found(State(control): State<Control>, request: Request) -> Response {
    if operator::is_below(request.uri().path()) {
        return operator::not_found(&control, &request);
    }
    let pages = "Streamgate's control port has /api, /v1, /v2, /authz, /metrics, /healthz and /readyz. See /api/openapi.json.\n";
    plain(StatusCode::NOT_FOUND, pages.to_owned())
}

/// Liveness probe.
#[utoipa::path(get, path = "/healthz", tag = "about", operation_id = "alive", responses(
    (status = 200, description = "The process is alive.", body = String, content_type = "text/plain; charset=utf-8")
))]
async fn alive() -> Response {
    plain(StatusCode::OK, "ok\n".to_owned())
}

/// Readiness probe.
#[utoipa::path(get, path = "/readyz", tag = "about", operation_id = "ready", responses(
    (status = 200, description = "Ready for requests.", body = String, content_type = "text/plain; charset=utf-8"),
    (status = 503, description = "Not ready; the body has the reason.", body = String, content_type = "text/plain; charset=utf-8")
))]
async fn ready(State(control): State<Control>) -> Response {
    let (status, text) = control.readiness.state();
    plain(status, text.to_owned())
}

/// Metrics for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "about", operation_id = "metrics", responses(
    (status = 200, description = "Prometheus text format.", body = String,
        content_type = "text/plain; version=0.0.4; charset=utf-8")
))]
async fn metrics(State(control): State<Control>) -> Response {
    (control.refresh)();
    let headers = [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"), (CACHE_CONTROL, "no-store")];
    (headers, control.admission.metrics.render()).into_response()
}

fn plain(status: StatusCode, text: String) -> Response {
    (status, [(CONTENT_TYPE, "text/plain; charset=utf-8"), (CACHE_CONTROL, "no-store")], text).into_response()
}
