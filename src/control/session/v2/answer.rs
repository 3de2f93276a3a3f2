//! The only place that turns this version's answers into HTTP.

use std::time::{Duration, UNIX_EPOCH};

use axum::body::Body;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, CACHE_CONTROL, CONTENT_TYPE, DATE, EXPIRES, HeaderMap,
    HeaderName, HeaderValue, LOCATION, ORIGIN, RETRY_AFTER, VARY, WWW_AUTHENTICATE,
};
use axum::http::{Response, StatusCode};
use serde::Serialize;

use crate::config::Settings;
use crate::model::{Millis, StreamId};

/// As in `/authz`.
const REFUSAL: HeaderName = HeaderName::from_static("streamgate-refusal");

/// The answer to a call.
#[derive(Debug)]
pub(super) struct Answer {
    status: StatusCode,
    /// The new session.
    location: Option<StreamId>,
    /// Deadline for the next heartbeat, or when the next call is allowed.
    expires: Option<Millis>,
    /// A JSON document; empty if none.
    body: Vec<u8>,
    /// The refusal id.
    refusal: Option<u64>,
}

impl Answer {
    pub(super) const ACCEPTED: Self = Self::bare(StatusCode::ACCEPTED);
    /// Unknown application.
    pub(super) const UNAUTHORIZED: Self = Self::bare(StatusCode::UNAUTHORIZED);
    /// Not allowed for this application.
    pub(super) const FORBIDDEN: Self = Self::bare(StatusCode::FORBIDDEN);
    /// Unknown route, or a session that never existed.
    pub(super) const UNKNOWN: Self = Self::bare(StatusCode::NOT_FOUND);
    pub(super) const WRONG_METHOD: Self = Self::bare(StatusCode::METHOD_NOT_ALLOWED);
    /// The session is over; no details.
    pub(super) const GONE: Self = Self::bare(StatusCode::GONE);
    /// The stream store is unavailable.
    pub(super) const UNAVAILABLE: Self = Self::bare(StatusCode::SERVICE_UNAVAILABLE);

    /// The next call is allowed at `until`.
    pub(super) fn throttled(until: Millis) -> Self {
        Self::bare(StatusCode::TOO_MANY_REQUESTS).expires(until)
    }

    /// With a JSON body.
    pub(super) fn json(status: StatusCode, document: &impl Serialize) -> Self {
        // These documents consist of strings, lists and numbers: serialization cannot fail.
        Self { body: serde_json::to_vec(document).unwrap_or_default(), ..Self::bare(status) }
    }

    pub(super) fn expires(self, expires: Millis) -> Self {
        Self { expires: Some(expires), ..self }
    }

    pub(super) fn location(self, session: StreamId) -> Self {
        Self { location: Some(session), ..self }
    }

    /// Adds the refusal id.
    pub(super) fn refusal(self, name: u64) -> Self {
        Self { refusal: Some(name), ..self }
    }

    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }

    const fn bare(status: StatusCode) -> Self {
        Self { status, location: None, expires: None, body: Vec::new(), refusal: None }
    }

    /// Builds the response for a request with these headers. `now` must be the reading that `expires` is based on.
    pub(super) fn into_response(self, asked: &HeaderMap, settings: &Settings, now: Millis) -> Response<Body> {
        let mut headers = HeaderMap::with_capacity(12);
        headers.insert(DATE, http_date(now));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(expires) = self.expires {
            headers.insert(EXPIRES, http_date(expires));
            if self.status == StatusCode::TOO_MANY_REQUESTS {
                headers.insert(RETRY_AFTER, expires.seconds().saturating_sub(now.seconds()).into());
            }
        }
        if let Some(session) = self.location
            && let Ok(location) = HeaderValue::from_str(&session.to_string())
        {
            headers.insert(LOCATION, location);
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(r#"Basic realm="streamgate""#));
        }
        if let Some(name) = self.refusal.and_then(|name| HeaderValue::from_str(&format!("{name:016x}")).ok()) {
            headers.insert(REFUSAL, name);
        }
        if !self.body.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        share(&mut headers, asked.get(ORIGIN), settings);
        let mut response = Response::new(if self.body.is_empty() { Body::empty() } else { Body::from(self.body) });
        *response.status_mut() = self.status;
        *response.headers_mut() = headers;
        response
    }
}

/// CORS headers (Fetch standard, "CORS protocol"). Scripts can read only the exposed headers.
fn share(headers: &mut HeaderMap, origin: Option<&HeaderValue>, settings: &Settings) {
    const VARIES: &str = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";
    headers.insert(VARY, HeaderValue::from_static(VARIES));
    let exposed = HeaderValue::from_static("Location, Date, Expires, Retry-After");
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    let known = |origin: &&HeaderValue| {
        let allowed = &settings.session_api.origins;
        allowed.iter().any(|allowed| **allowed == *"*" || allowed.as_bytes() == origin.as_bytes())
    };
    if let Some(origin) = origin.filter(known) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    }
}

/// Turns a 405 answer, which lists the allowed methods, into the answer to a CORS preflight.
pub(super) fn preflight(answer: &mut Response<Body>) {
    const HEADERS: &str = "Authorization, Content-Type, X-Terminate, X-Terminator, X-Client-Version";
    *answer.status_mut() = StatusCode::NO_CONTENT;
    let allowed: [(HeaderName, &'static str); 3] = [
        (ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, DELETE, OPTIONS"),
        (ACCESS_CONTROL_ALLOW_HEADERS, HEADERS),
        (ACCESS_CONTROL_MAX_AGE, "600"),
    ];
    answer.headers_mut().extend(allowed.map(|(name, value)| (name, HeaderValue::from_static(value))));
}

/// RFC 9110 §5.6.7, in whole seconds.
fn http_date(time: Millis) -> HeaderValue {
    // A time after the year 9999 means a broken clock.
    let bounded = Duration::from_secs(time.seconds().min(253_402_300_799));
    let text = httpdate::fmt_http_date(UNIX_EPOCH + bounded);
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
}
