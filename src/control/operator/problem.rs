//! Why something is not done: the one place where that becomes HTTP (RFC 9457 problem documents).

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
    /// The problem in general.
    title: &'static str,
    /// The status of the answer.
    status: u16,
    /// This problem, and what to do about it.
    detail: Box<str>,
    /// All reasons, where there is more than one.
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

    /// Nothing proves who asks. It is the same whatever was sent.
    pub(super) fn unauthorized() -> Self {
        let detail = "Send `Authorization: Bearer` and one of the tokens of `control.tokens`.";
        Self::new(StatusCode::UNAUTHORIZED, "no-token", "No token", detail)
    }

    /// The token is not good for that.
    pub(super) fn only_reads() -> Self {
        let detail = "This token has the role `read`: it may look and not do. Use one with the role `operate`.";
        Self::new(StatusCode::FORBIDDEN, "wrong-role", "Wrong role", detail)
    }

    /// A page in a browser asks, or may ask, where no token is asked for.
    pub(super) fn from_a_page(detail: &'static str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "from-a-page", "Not from a web page", detail)
    }

    /// Nothing is there.
    pub(super) fn nothing(detail: impl Into<Box<str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found", detail)
    }

    /// The method is not for this address.
    pub(super) fn method() -> Self {
        let detail = "This address is not for that method; `Allow` names those that it is for.";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method", "Method not allowed", detail)
    }

    /// The request is not well-formed.
    pub(super) fn malformed(detail: impl Into<Box<str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", "Bad request", detail)
    }

    /// The body is no JSON by its own word.
    pub(super) fn not_json() -> Self {
        let detail = "Send JSON with `Content-Type: application/json`.";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type", "Unsupported media type", detail)
    }

    /// The body is too long.
    pub(super) fn too_large(most: usize) -> Self {
        let detail = format!("The body has more than {most} bytes, which nothing here needs.");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "Body too large", detail)
    }

    /// The body is JSON and says nothing that can be done.
    pub(super) fn unprocessable(detail: impl Into<Box<str>>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "meaningless", "This cannot be done", detail)
    }

    /// Something stands in its way.
    pub(super) fn conflict(kind: &'static str, detail: impl Into<Box<str>>) -> Self {
        Self::new(StatusCode::CONFLICT, kind, "This cannot be done now", detail)
    }

    /// The configuration cannot be used.
    pub(super) fn refused_configuration(reasons: Vec<String>) -> Self {
        let detail = "The configuration is refused for these reasons; the one before goes on.";
        let (status, kind) = (StatusCode::UNPROCESSABLE_ENTITY, "configuration-refused");
        Self { reasons: reasons.into(), ..Self::new(status, kind, "Configuration refused", detail) }
    }

    /// The configuration cannot be read now.
    pub(super) fn out_of_descriptors(reasons: Vec<String>) -> Self {
        let detail =
            "The configuration cannot be read now for these reasons; the one before goes on, and this is tried again.";
        Self { reasons: reasons.into(), ..Self::unavailable(detail) }
    }

    /// It may work later.
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
            // RFC 9110 §15.5.2 asks for it.
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"streamgate\""));
        }
        response
    }
}

/// An answer, which nobody is to keep.
#[derive(Debug)]
pub(super) struct Answer<T>(pub(super) T);

impl<T: Serialize> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        ([(CACHE_CONTROL, "no-store")], Json(self.0)).into_response()
    }
}
