//! `/authz`: other proxies ask whether a viewer's request may pass (forward auth).

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::any;

use utoipa::OpenApi;

use crate::admission::{AUTHZ, Admission, Current};

/// Authorizes a viewer's request for another proxy, which describes the request in header fields.
#[utoipa::path(
    get,
    path = "/authz",
    tag = "authz",
    operation_id = "authorize",
    params(
        ("X-Original-URI" = Option<String>, Header, description = "Path and query of the viewer's request. X-Original-URL and \
            X-Forwarded-Uri are alternatives; all that are present must agree."),
        ("X-Original-Method" = Option<String>, Header, description = "Method of the viewer's request. Alternative: X-Forwarded-Method."),
        ("X-Original-Host" = Option<String>, Header, description = "Host of the viewer's request. Alternative: X-Forwarded-Host."),
    ),
    responses(
        (status = 200, description = "The request is allowed. Streamgate-* headers identify the viewer."),
        (status = 401, description = "The request has no token.", content_type = "application/problem+json",
            body = serde_json::Value),
        (status = 403, description = "The request is refused; the body has the reason.", content_type = "application/problem+json",
            body = serde_json::Value),
    )
)]
#[allow(dead_code, reason = "only describes the route; one handler serves every method")]
fn authorize() {}

/// Same as `GET`, without a body.
#[utoipa::path(head, path = "/authz", tag = "authz", operation_id = "authorize_bare", responses(
    (status = 200, description = "The request is allowed."),
    (status = 401, description = "The request has no token."),
    (status = 403, description = "The request is refused."),
))]
#[allow(dead_code, reason = "as above")]
fn authorize_bare() {}

#[derive(OpenApi)]
#[openapi(paths(authorize, authorize_bare))]
struct Documented;

/// The `OpenAPI` paths of `/authz`.
pub(super) fn documented() -> utoipa::openapi::OpenApi {
    Documented::openapi()
}

/// The routes of `/authz`: the viewer's request is in header fields, or in the path and the method.
pub(super) fn routes(admission: Arc<Admission>, current: Current) -> Router {
    let answer = any(move |request: Request| {
        let (admission, config) = (admission.clone(), current());
        async move {
            let (parts, _) = request.into_parts();
            let answer: Response = admission.authorize(config, parts).await.map(Body::from);
            answer
        }
    });
    Router::new()
        .route(AUTHZ, answer.clone())
        .route(&format!("{AUTHZ}/"), answer.clone())
        .route(&format!("{AUTHZ}/{{*path}}"), answer)
}
