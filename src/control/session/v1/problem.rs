//! What cannot be answered, as a problem document (RFC 9457). The documentation publishes none for v1.

use axum::Json;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::control::session::malformed::Malformed;
use crate::streams::store::Unavailable;

/// Why a request cannot be answered.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = v1::Problem)]
pub(super) struct Problem {
    /// What kind of problem it is; `about:blank`: the status says it.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The status in words.
    title: &'static str,
    /// The status.
    status: u16,
    /// What is wrong and what to do about it.
    detail: &'static str,
}

impl Problem {
    fn new(status: StatusCode, detail: &'static str) -> Self {
        let title = status.canonical_reason().unwrap_or_default();
        Self { kind: "about:blank", title, status: status.as_u16(), detail }
    }

    /// 404: nobody lives here.
    pub(super) fn no_such_page() -> Self {
        Self::new(StatusCode::NOT_FOUND, "the session API has no such page; see its document of routes")
    }

    /// 405.
    pub(super) fn method() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "this page does not know that method; see Allow")
    }

    /// 404: no application of that id declares streams.
    pub(super) fn no_application() -> Self {
        Self::new(StatusCode::NOT_FOUND, "no application of that id declares streams here; see applications.*.activity")
    }

    /// 404: it was never issued, or is forgotten.
    pub(super) fn no_stream() -> Self {
        Self::new(StatusCode::NOT_FOUND, "no stream of that id is remembered for this account; start a new one")
    }

    /// 403: the application may not speak for accounts of this identity provider.
    pub(super) fn foreign_idp() -> Self {
        Self::new(StatusCode::FORBIDDEN, "the application does not speak for this mvpd; see applications.*.idps")
    }

    /// 403: an operator has blocked it.
    pub(super) fn blocked() -> Self {
        Self::new(StatusCode::FORBIDDEN, "the operator has blocked the account, the device or the stream")
    }

    /// 400.
    pub(super) fn bad(detail: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// 429: more streams than any account has.
    pub(super) fn too_many() -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "the account has more streams than are kept; stop some of them")
    }
}

impl From<Malformed> for Problem {
    fn from(Malformed(detail): Malformed) -> Self {
        Self::bad(detail)
    }
}

impl From<Unavailable> for Problem {
    fn from(_: Unavailable) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "the stream store is not available; ask again in a moment")
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
