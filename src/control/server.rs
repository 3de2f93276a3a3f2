//! The HTTP server of the control port.

use std::io;
use std::net::SocketAddr;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use utoipa_axum::router::OpenApiRouter;

use super::{Control, authz, operator, session};

impl Control {
    /// Answers on `listener` until `stop` resolves.
    ///
    /// # Errors
    /// The listener fails.
    pub async fn serve(self, listener: TcpListener, stop: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        let authz = authz::routes(self.questions.clone(), self.current.clone());
        let (documented, _document) =
            OpenApiRouter::new().merge(session::routes()).merge(operator::routes()).split_for_parts();
        let router = documented
            .route("/healthz", get(|| async { plain(StatusCode::OK, "ok\n".to_owned()) }))
            .route("/readyz", get(ready))
            .route("/metrics", get(metrics))
            .fallback(|| async {
                let pages = "Streamgate's control port has /metrics, /healthz, /readyz and /authz.\n";
                plain(StatusCode::NOT_FOUND, pages.to_owned())
            })
            .with_state(self)
            .merge(authz);
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        axum::serve(listener, service).with_graceful_shutdown(stop).await
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
