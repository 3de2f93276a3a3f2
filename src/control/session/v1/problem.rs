//! Problem documents (RFC 9457) of version 1. The published documentation defines none.

use axum::Json;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::control::session::malformed::Malformed;
use crate::streams::store::Unavailable;

/// Why a request failed.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = v1::Problem)]
pub(super) struct Problem {
    /// Problem type; always `about:blank`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The status in words.
    title: &'static str,
    /// HTTP status.
    status: u16,
    /// What failed, and what to do.
    detail: &'static str,
}

impl Problem {
    fn new(status: StatusCode, detail: &'static str) -> Self {
        let title = status.canonical_reason().unwrap_or_default();
        Self { kind: "about:blank", title, status: status.as_u16(), detail }
    }

    /// 404 for an unknown route.
    pub(super) fn no_such_page() -> Self {
        Self::new(StatusCode::NOT_FOUND, "no such route; see /api/openapi.json")
    }

    /// 405.
    pub(super) fn method() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method not allowed here; see Allow")
    }

    /// 404: no application with this id declares streams.
    pub(super) fn no_application() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "no application with this id declares streams; see applications.*.stream_source",
        )
    }

    /// 404: the stream was never issued, or its tombstone has expired.
    pub(super) fn no_stream() -> Self {
        Self::new(StatusCode::NOT_FOUND, "no such stream for this account; start a new one")
    }

    /// 403: the application may not use this identity provider.
    pub(super) fn foreign_idp() -> Self {
        Self::new(StatusCode::FORBIDDEN, "the application may not use this mvpd; see applications.*.idps")
    }

    /// 403: blocked by an operator.
    pub(super) fn blocked() -> Self {
        Self::new(StatusCode::FORBIDDEN, "an operator has blocked the account, the device or the stream")
    }

    /// 400.
    pub(super) fn bad(detail: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// 429: too many streams of this account.
    pub(super) fn too_many() -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "the account has too many streams; stop some of them")
    }
}

impl From<Malformed> for Problem {
    fn from(Malformed(detail): Malformed) -> Self {
        Self::bad(detail)
    }
}

impl From<Unavailable> for Problem {
    fn from(_: Unavailable) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "the stream store is unavailable; retry in a moment")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if [StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS].contains(&status) {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}
