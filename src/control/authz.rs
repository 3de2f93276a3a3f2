//! `/authz`: where proxies that are not ours ask whether a request of a viewer may pass.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::any;

use utoipa::OpenApi;

use crate::admission::{AUTHZ, Admission, Current};

/// Whether a request of a viewer may pass: asked by a proxy that is not ours, with the request in fields.
#[utoipa::path(
    get,
    path = "/authz",
    tag = "authz",
    operation_id = "authorize",
    params(
        ("X-Original-URI" = Option<String>, Header, description = "Path and query of the viewer's request. X-Original-URL and \
            X-Forwarded-Uri say the same; those that are present have to agree."),
        ("X-Original-Method" = Option<String>, Header, description = "Its method; X-Forwarded-Method says the same."),
        ("X-Original-Host" = Option<String>, Header, description = "Its host; X-Forwarded-Host says the same."),
    ),
    responses(
        (status = 200, description = "It may. Fields that begin with Streamgate- tell whose it is."),
        (status = 401, description = "Nothing proves who asks.", content_type = "application/problem+json",
            body = serde_json::Value),
        (status = 403, description = "It may not, and why.", content_type = "application/problem+json",
            body = serde_json::Value),
    )
)]
#[allow(dead_code, reason = "the document is made of it; every method is answered by one handler")]
fn authorize() {}

/// The same without a body.
#[utoipa::path(head, path = "/authz", tag = "authz", operation_id = "authorize_bare", responses(
    (status = 200, description = "It may."),
    (status = 401, description = "Nothing proves who asks."),
    (status = 403, description = "It may not."),
))]
#[allow(dead_code, reason = "as above")]
fn authorize_bare() {}

#[derive(OpenApi)]
#[openapi(paths(authorize, authorize_bare))]
struct Documented;

/// What the document says of it.
pub(super) fn documented() -> utoipa::openapi::OpenApi {
    Documented::openapi()
}

/// The routes of `/authz`: with the viewer's request in fields, and with it in the path and the method.
pub(super) fn routes(questions: Arc<Admission>, current: Current) -> Router {
    let answer = any(move |request: Request| {
        let (questions, snapshot) = (questions.clone(), current());
        async move {
            let (parts, _) = request.into_parts();
            let answer: Response = questions.authorize(snapshot, parts).await.map(Body::from);
            answer
        }
    });
    Router::new()
        .route(AUTHZ, answer.clone())
        .route(&format!("{AUTHZ}/"), answer.clone())
        .route(&format!("{AUTHZ}/{{*path}}"), answer)
}
