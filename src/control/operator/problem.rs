//! Problem documents (RFC 9457): the only place that turns failures into HTTP.

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use axum::response::{IntoResponse, Response};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

/// A problem document.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Problem {
    /// `urn:streamgate:problem:` and one word.
    #[serde(rename = "type", serialize_with = "in_full")]
    kind: &'static str,
    /// Summary of the problem type.
    title: &'static str,
    /// HTTP status.
    status: u16,
    /// What failed, and what to do.
    detail: Box<str>,
    /// Why the configuration was refused or could not be read; absent otherwise.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    #[schema(value_type = Vec<String>, required = false)]
    reasons: Box<[String]>,
}

fn in_full<S: Serializer>(kind: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("urn:streamgate:problem:{kind}"))
}

impl Problem {
    fn new(status: StatusCode, kind: &'static str, title: &'static str, detail: impl Into<Box<str>>) -> Self {
        Self { kind, title, status: status.as_u16(), detail: detail.into(), reasons: Box::default() }
    }

    /// 401: missing or invalid token. Identical for all causes.
    pub(super) fn unauthorized() -> Self {
        let detail = "Send `Authorization: Bearer` and one of the tokens of `control.tokens`.";
        Self::new(StatusCode::UNAUTHORIZED, "no-token", "No token", detail)
    }

    /// 403: the token's role does not allow the action.
    pub(super) fn only_reads() -> Self {
        let detail = "This token has the role `read`. Use a token with the role `operate`.";
        Self::new(StatusCode::FORBIDDEN, "wrong-role", "Wrong role", detail)
    }

    /// 403: the request comes, or may come, from a web page, and no tokens are configured.
    pub(super) fn from_a_page(detail: &'static str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "from-a-page", "Not from a web page", detail)
    }

    /// 404.
    pub(super) fn nothing(detail: impl Into<Box<str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found", detail)
    }

    /// 405.
    pub(super) fn method() -> Self {
        let detail = "Method not allowed here. See `Allow`.";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method", "Method not allowed", detail)
    }

    /// 400.
    pub(super) fn malformed(detail: impl Into<Box<str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", "Bad request", detail)
    }

    /// 415: `Content-Type` is not `application/json`.
    pub(super) fn not_json() -> Self {
        let detail = "Send JSON with `Content-Type: application/json`.";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type", "Unsupported media type", detail)
    }

    /// 413.
    pub(super) fn too_large(most: usize) -> Self {
        let detail = format!("The body is larger than {most} bytes.");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "Body too large", detail)
    }

    /// 422: valid JSON with invalid content.
    pub(super) fn unprocessable(detail: impl Into<Box<str>>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "meaningless", "Unprocessable content", detail)
    }

    /// 409.
    pub(super) fn conflict(kind: &'static str, detail: impl Into<Box<str>>) -> Self {
        Self::new(StatusCode::CONFLICT, kind, "Conflict", detail)
    }

    /// 422: the configuration is invalid.
    pub(super) fn refused_configuration(reasons: Vec<String>) -> Self {
        let detail = "The configuration is refused; see `reasons`. The previous one stays in force.";
        let (status, kind) = (StatusCode::UNPROCESSABLE_ENTITY, "configuration-refused");
        Self { reasons: reasons.into(), ..Self::new(status, kind, "Configuration refused", detail) }
    }

    /// 503: the configuration cannot be read for lack of file descriptors.
    pub(super) fn out_of_descriptors(reasons: Vec<String>) -> Self {
        let detail =
            "The configuration could not be read; see `reasons`. The previous one stays in force; the gateway retries.";
        Self { reasons: reasons.into(), ..Self::unavailable(detail) }
    }

    /// 503.
    pub(super) fn unavailable(detail: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Not available", detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::UNAUTHORIZED {
            // Required by RFC 9110 §15.5.2.
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"streamgate\""));
        }
        response
    }
}

/// An answer that must not be cached.
#[derive(Debug)]
pub(super) struct Answer<T>(pub(super) T);

impl<T: Serialize> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        ([(CACHE_CONTROL, "no-store")], Json(self.0)).into_response()
    }
}
