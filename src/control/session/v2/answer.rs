//! The one place where this version's answers become HTTP.

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

/// As `/authz` calls it.
const REFUSAL: HeaderName = HeaderName::from_static("streamgate-refusal");

/// What a call is answered with.
#[derive(Debug)]
pub(super) struct Answer {
    status: StatusCode,
    /// The new session.
    location: Option<StreamId>,
    /// By when it has to be heard of again, or when the next call passes.
    expires: Option<Millis>,
    /// A JSON document; empty for none.
    body: Vec<u8>,
    /// By which name an operator can ask why.
    refusal: Option<u64>,
}

impl Answer {
    /// Done.
    pub(super) const ACCEPTED: Self = Self::bare(StatusCode::ACCEPTED);
    /// Nobody we know.
    pub(super) const UNAUTHORIZED: Self = Self::bare(StatusCode::UNAUTHORIZED);
    /// Not for this application.
    pub(super) const FORBIDDEN: Self = Self::bare(StatusCode::FORBIDDEN);
    /// No such call, or a session that never was.
    pub(super) const UNKNOWN: Self = Self::bare(StatusCode::NOT_FOUND);
    /// There is such a call, by another method.
    pub(super) const WRONG_METHOD: Self = Self::bare(StatusCode::METHOD_NOT_ALLOWED);
    /// The session is over, and that is all there is to say.
    pub(super) const GONE: Self = Self::bare(StatusCode::GONE);
    /// The store is away.
    pub(super) const UNAVAILABLE: Self = Self::bare(StatusCode::SERVICE_UNAVAILABLE);

    /// The next call passes then.
    pub(super) fn throttled(until: Millis) -> Self {
        Self::bare(StatusCode::TOO_MANY_REQUESTS).expires(until)
    }

    /// With a document.
    pub(super) fn json(status: StatusCode, document: &impl Serialize) -> Self {
        // Documents of ours are texts, lists and numbers, which always can be written.
        Self { body: serde_json::to_vec(document).unwrap_or_default(), ..Self::bare(status) }
    }

    pub(super) fn expires(self, expires: Millis) -> Self {
        Self { expires: Some(expires), ..self }
    }

    pub(super) fn location(self, session: StreamId) -> Self {
        Self { location: Some(session), ..self }
    }

    /// It is a refusal of that name.
    pub(super) fn refusal(self, name: u64) -> Self {
        Self { refusal: Some(name), ..self }
    }

    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }

    const fn bare(status: StatusCode) -> Self {
        Self { status, location: None, expires: None, body: Vec::new(), refusal: None }
    }

    /// For a request with these headers, answered `now`: the same reading from which `expires` was reckoned.
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

/// Who may read the answer (Fetch standard, "CORS protocol"). Scripts see no other headers than those that are named.
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

/// Makes the answer to a browser that asks what it may do of that to a wrong method, which names the right ones.
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
    // A time after the year 9999 can only come from a broken clock.
    let bounded = Duration::from_secs(time.seconds().min(253_402_300_799));
    let text = httpdate::fmt_http_date(UNIX_EPOCH + bounded);
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
}
