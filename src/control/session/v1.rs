//! Version 1 (information point): applications declare streams and decide themselves what to do about violations.
//!
//! A stream that violates policies is still created, but takes no slot and reports that it is not compliant. The
//! application's id in the path is the only credential. Section and mark numbers follow the published documentation of
//! concurrency monitoring; `docs/session-api-v1.md` covers what it leaves open.

mod activity;
mod call;
mod link;
mod problem;
mod stream;
mod streams;

use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ALLOW, CACHE_CONTROL, EXPIRES, PRAGMA,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Control;
use problem::Problem;

pub(super) fn routes() -> OpenApiRouter<Control> {
    let routes = OpenApiRouter::new()
        .routes(routes!(streams::start, streams::list, streams::preflight))
        .routes(routes!(stream::heartbeat, stream::show, stream::preflight))
        .routes(routes!(activity::show, activity::preflight))
        .fallback(|| async { Problem::no_such_page() })
        .layer(map_response(finished));
    OpenApiRouter::new().nest("/v1", routes)
}

/// Adds the headers of every answer: readable by any origin, never cached.
async fn finished(response: Response) -> Response {
    let mut response = if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        let allow = response.headers().get(ALLOW).cloned();
        let mut problem = Problem::method().into_response();
        problem.headers_mut().extend(allow.map(|allow| (ALLOW, allow)));
        problem
    } else {
        response
    };
    let common = [
        (CACHE_CONTROL, "no-cache, no-store, max-age=0, must-revalidate"),
        (PRAGMA, "no-cache"),
        (EXPIRES, "0"),
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, OPTIONS, HEAD, PUT, DELETE"),
        (ACCESS_CONTROL_ALLOW_HEADERS, "Content-Type"),
        (ACCESS_CONTROL_EXPOSE_HEADERS, "Location, Date"),
    ];
    let common: HeaderMap = common.into_iter().map(|(name, value)| (name, HeaderValue::from_static(value))).collect();
    response.headers_mut().extend(common);
    response
}
