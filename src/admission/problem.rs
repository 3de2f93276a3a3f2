//! Problem documents (RFC 9457): the only place that turns a refusal into HTTP.

use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{
    ACCEPT_LANGUAGE, ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ALLOW, CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HeaderMap, HeaderValue, ORIGIN,
    RETRY_AFTER, VARY, WWW_AUTHENTICATE,
};
use http::{HeaderName, StatusCode};
use serde_json::{Map, Value, json};

use crate::identity::{Block, OpenError, TokenError};
use crate::media::Kind;
use crate::model::Millis;
use crate::streams::{Cause, Refusal, Stream, Surplus};
use crate::telemetry::Outcome;

use super::fields::{Field, brief};
use super::refusal_details::RefusalDetails;

/// Maximum bytes of a page's origin: scheme, host and port. Longer values are not echoed.
const MAX_ORIGIN: usize = 300;
/// Maximum characters of a refusal's text in a header field.
const MAX_DETAIL: usize = 500;

/// A refused request and the reason.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    /// The last part of the problem type.
    kind: &'static str,
    title: &'static str,
    detail: String,
    more: Map<String, Value>,
    /// The streams that hold the slots: shown to the viewer, never to a page of another site.
    personal: Option<Value>,
    /// The refusing rules.
    over: RefusalDetails,
    header: Option<(HeaderName, &'static str)>,
    pub(crate) outcome: Outcome,
    /// Reason word for log and metrics.
    pub(crate) reason: &'static str,
}

impl Problem {
    fn new(status: StatusCode, kind: &'static str, title: &'static str, detail: impl Into<String>) -> Box<Self> {
        Box::new(Self {
            status,
            kind,
            title,
            detail: detail.into(),
            more: Map::new(),
            personal: None,
            over: RefusalDetails::default(),
            header: None,
            outcome: Outcome::Malformed,
            reason: kind,
        })
    }

    fn outcome(mut self: Box<Self>, outcome: Outcome, reason: &'static str) -> Box<Self> {
        (self.outcome, self.reason) = (outcome, reason);
        self
    }

    /// No token.
    pub(crate) fn anonymous() -> Box<Self> {
        let detail = "This URL requires a token. Start playback from your provider's link.";
        let mut problem = Self::new(StatusCode::UNAUTHORIZED, "no-identity", "No token", detail);
        problem.header = Some((WWW_AUTHENTICATE, "Bearer"));
        problem.outcome(Outcome::Anonymous, "no_token")
    }

    /// An invalid token. Only the log has the cause.
    pub(crate) fn token(error: TokenError) -> Box<Self> {
        let detail = "The token was not accepted. Restart playback from your provider's link.";
        Self::new(StatusCode::FORBIDDEN, "token-not-accepted", "Token not accepted", detail)
            .outcome(Outcome::Invalid, error.label())
    }

    /// A play session that cannot be opened.
    pub(crate) fn play_session(error: OpenError) -> Box<Self> {
        let detail = "The play session was not accepted. Restart playback.";
        Self::new(StatusCode::FORBIDDEN, "play-session-not-accepted", "Play session not accepted", detail)
            .outcome(Outcome::Invalid, error.label())
    }

    /// A play session of another application.
    pub(crate) fn foreign_play_session() -> Box<Self> {
        let detail = "The play session belongs to another application. Restart playback.";
        Self::new(StatusCode::FORBIDDEN, "play-session-not-accepted", "Play session not accepted", detail)
            .outcome(Outcome::Invalid, "other_application")
    }

    /// Blocked for a time by an operator.
    pub(crate) fn blocked(block: &Block) -> Box<Self> {
        let detail = if block.reason.is_empty() { "Access is blocked." } else { &block.reason };
        let mut problem = Self::new(StatusCode::FORBIDDEN, "blocked", "Blocked", detail);
        if let Some(until) = block.until {
            problem.more.insert("until".into(), rfc3339(until).into());
        }
        problem.outcome(Outcome::Blocked, "blocked")
    }

    /// A manifest outside the token's scope.
    pub(crate) fn out_of_scope() -> Box<Self> {
        let detail =
            "The token of this play session does not cover this URL. Restart playback from your provider's link.";
        Self::new(StatusCode::FORBIDDEN, "play-session-not-accepted", "Play session not accepted", detail)
            .outcome(Outcome::Invalid, "out_of_scope")
    }

    /// A second client uses the same stream at the same time.
    pub(crate) fn shared() -> Box<Self> {
        let detail = "This stream is being watched from another device or location. Restart playback from your provider's \
                      link.";
        Self::new(StatusCode::FORBIDDEN, "session-in-use", "Stream in use elsewhere", detail)
            .outcome(Outcome::Refused, "shared")
    }

    /// Media is requested much faster than it plays.
    pub(crate) fn too_fast() -> Box<Self> {
        let detail = "This stream is downloaded much faster than it plays. Wait a moment.";
        let mut problem = Self::new(StatusCode::FORBIDDEN, "download-rate-exceeded", "Download rate exceeded", detail);
        problem.header = Some((RETRY_AFTER, "30"));
        problem.outcome(Outcome::Refused, "too_fast")
    }

    /// A start refused by policy, or a terminated stream.
    pub(crate) fn refused(refusal: &Refusal) -> Box<Self> {
        match refusal {
            Refusal::Policy { refused, holders } => {
                let over = RefusalDetails::from_decision(&refused.decision);
                let (status, detail) = (StatusCode::FORBIDDEN, over.detail());
                let mut problem = if over.is_too_many() {
                    Self::new(status, "stream-limit", "Too many streams", detail).outcome(Outcome::Refused, "limit")
                } else {
                    let problem = Self::new(status, "attribute-missing", "Missing attribute", detail);
                    problem.outcome(Outcome::Refused, "attribute_missing")
                };
                problem.personal = Some(holders.iter().map(|stream| holder(stream)).collect());
                problem.over = over;
                problem
            }
            Refusal::Terminated(cause) => {
                let detail = match cause {
                    Cause::Evicted { .. } => "Another stream of this account started and replaced this one.".into(),
                    Cause::Displaced { .. } => {
                        "The gateway was restarted. A stream of this account that had started earlier returned \
                         and replaced this one."
                            .into()
                    }
                    Cause::Refused { .. } => "The rules of this account no longer allow this stream.".into(),
                    Cause::Stopped => "This stream was stopped.".into(),
                    Cause::Killed { reason, .. } => format!("This stream was ended: {reason}"),
                };
                let title = "Stream ended";
                let mut problem = Self::new(StatusCode::FORBIDDEN, "stream-terminated", title, detail);
                problem.more.insert("cause".into(), cause.label().into());
                if let Cause::Evicted { policy, rule, .. }
                | Cause::Displaced { policy, rule, .. }
                | Cause::Refused { policy, rule } = cause
                {
                    problem.more.insert("violations".into(), json!([{ "policy": policy, "rule": rule }]));
                }
                problem.outcome(Outcome::Terminated, cause.label())
            }
        }
    }

    /// Ends a stream when a takeover turned out to be two streams that both play.
    pub(crate) fn surplus(surplus: &Surplus) -> Box<Self> {
        let Surplus { cause, refused, holders } = surplus;
        let mut problem = Self::refused(&Refusal::Terminated(cause.clone()));
        problem.more.remove("violations");
        problem.over = RefusalDetails::from_decision(&refused.decision);
        problem.personal = Some(holders.iter().map(|stream| holder(stream)).collect());
        problem
    }

    /// 404: no application serves this URL.
    pub(crate) fn no_route() -> Box<Self> {
        Self::new(StatusCode::NOT_FOUND, "no-route", "Not found", "No application is configured for this URL.")
    }

    /// An HTTP/1.1 request without `Host` (RFC 9112 §3.2).
    pub(crate) fn no_host() -> Box<Self> {
        Self::new(
            StatusCode::BAD_REQUEST,
            "no-host",
            "Bad request",
            "The request names no host. Send one `Host` header.",
        )
    }

    /// Several hosts, or an invalid one (RFC 9112 §3.2).
    pub(crate) fn bad_host() -> Box<Self> {
        let detail = "The request must have exactly one valid host: a name or an IP address, with an optional port.";
        Self::new(StatusCode::BAD_REQUEST, "bad-host", "Bad request", detail)
    }

    /// A play session's prefix in the wrong place: after another one, or within the path.
    pub(crate) fn nested_play_session() -> Box<Self> {
        let detail = "The path contains a misplaced play session. Restart playback.";
        Self::new(StatusCode::BAD_REQUEST, "nested-play-session", "Bad request", detail)
    }

    /// A forward-auth call that does not name the viewer's request.
    pub(crate) fn authz_no_request() -> Box<Self> {
        let detail = "The call does not name the viewer's request. Configure the proxy to send its URI in X-Original-URI, \
                      X-Original-URL or X-Forwarded-Uri, or as the path after /authz.";
        Self::new(StatusCode::FORBIDDEN, "authz-no-request", "No request", detail)
    }

    /// The headers of a forward-auth call contradict each other, or repeat headers that the viewer sent.
    pub(crate) fn authz_conflict(who: &str) -> Box<Self> {
        let detail = format!("Headers disagree on {who}. Configure the proxy to set one and remove the others.");
        Self::new(StatusCode::FORBIDDEN, "authz-conflict", "Conflicting headers", detail)
    }

    /// A path that the origin could read differently.
    pub(crate) fn ambiguous_path() -> Box<Self> {
        let detail = "The path contains dot segments, an encoded slash, a backslash or a NUL, which servers interpret differently. \
                      Remove them.";
        Self::new(StatusCode::BAD_REQUEST, "ambiguous-path", "Bad request", detail)
    }

    /// A method that is not used for media.
    pub(crate) fn method() -> Box<Self> {
        let detail = "Use GET or HEAD.";
        let mut problem = Self::new(StatusCode::METHOD_NOT_ALLOWED, "method", "Method not allowed", detail);
        problem.header = Some((ALLOW, "GET, HEAD, OPTIONS"));
        problem
    }

    /// The HTTP framework rejected the request.
    pub(crate) fn malformed() -> Box<Self> {
        Self::new(StatusCode::BAD_REQUEST, "malformed", "Bad request", "The request is not well-formed HTTP.")
    }

    /// A body that took longer than `limits.body_timeout` (RFC 9110 §15.5.9).
    pub(crate) fn slow_body() -> Box<Self> {
        let detail = "The request body was not received in time.";
        Self::new(StatusCode::REQUEST_TIMEOUT, "slow-body", "Request timeout", detail)
    }

    /// A header larger than `limits.header_bytes`.
    pub(crate) fn header_too_large() -> Box<Self> {
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        Self::new(status, "header-too-large", "Header too large", "The request header exceeds the size limit.")
    }

    /// The answer to a CORS preflight for media (Fetch standard). It only allows the request; the answer to that
    /// decides whether a page may read it.
    pub(crate) fn preflight(kind: Kind) -> Box<Self> {
        let mut problem = Self::new(StatusCode::NO_CONTENT, "preflight", "", "");
        // Licenses are requested with POST.
        let methods = if kind == Kind::Key { "GET, HEAD, POST, OPTIONS" } else { "GET, HEAD, OPTIONS" };
        problem.header = Some((ALLOW, methods));
        problem.outcome(Outcome::Passed, "preflight")
    }

    /// The origin did not answer.
    pub(crate) fn origin(status: StatusCode, reason: &'static str) -> Box<Self> {
        let detail = "The video origin did not answer. Retry in a moment.";
        let mut problem = Self::new(status, "origin-unavailable", "Origin unavailable", detail);
        problem.header = Some((RETRY_AFTER, "2"));
        problem.outcome(Outcome::OriginFailed, reason)
    }

    /// True if this answers a preflight, and is not a refusal.
    pub(crate) fn is_preflight(&self) -> bool {
        self.status == StatusCode::NO_CONTENT
    }

    /// The same for forward auth, which has only two refusals: 401 without an identity, 403 otherwise.
    pub(crate) fn for_proxy(mut self: Box<Self>) -> Box<Self> {
        if self.status != StatusCode::UNAUTHORIZED {
            self.status = StatusCode::FORBIDDEN;
        }
        self
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// Renders header fields and body. `refusal` is the id in the log.
    pub(crate) fn render(&self, refusal: u64, request: &HeaderMap) -> (Vec<Field>, Bytes) {
        if self.is_preflight() {
            return (allow(self.header.as_ref().map_or("", |(_, methods)| methods), request), Bytes::new());
        }
        let (mut fields, document) = self.describe(refusal, request);
        let body = Bytes::from(Value::Object(document).to_string());
        fields.push((CONTENT_LENGTH, HeaderValue::from(body.len())));
        (fields, body)
    }

    /// Same, with the essentials in header fields: most proxies drop the body.
    pub(crate) fn render_for_proxy(&self, refusal: u64, request: &HeaderMap) -> (Vec<Field>, Bytes) {
        let (mut fields, document) = self.describe(refusal, request);
        let detail = document.get("detail").and_then(Value::as_str).unwrap_or_default();
        let end = detail.char_indices().nth(MAX_DETAIL).map_or(detail.len(), |(at, _)| at);
        fields.extend(brief(refusal, self.kind, detail.get(..end).unwrap_or_default()));
        (fields, Bytes::from(Value::Object(document).to_string()))
    }

    fn describe(&self, refusal: u64, request: &HeaderMap) -> (Vec<Field>, Map<String, Value>) {
        let from_page = request.get(ORIGIN);
        // Another site's page can make a browser send the viewer's cookie, but must not learn who watches what.
        let foreign_page = from_page.is_some() && request.contains_key(COOKIE);
        let mut document = Map::new();
        document.insert("type".into(), format!("urn:streamgate:problem:{}", self.kind).into());
        document.insert("title".into(), self.title.into());
        document.insert("status".into(), self.status.as_u16().into());
        document.insert("detail".into(), self.detail.as_str().into());
        document.insert("refusal".into(), format!("{refusal:016x}").into());
        document.extend(self.more.clone());
        let accept_language = request.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        let (language, varies) = self.over.describe(accept_language, &mut document);
        if let Some(streams) = self.personal.as_ref().filter(|_| !foreign_page) {
            document.insert("streams".into(), streams.clone());
        }
        let mut fields = vec![
            (CONTENT_TYPE, HeaderValue::from_static("application/problem+json")),
            (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ];
        if let Some(language) = language.and_then(|language| HeaderValue::from_str(&language).ok()) {
            fields.push((CONTENT_LANGUAGE, language));
        }
        match (from_page.is_some(), varies) {
            (true, true) => fields.push((VARY, HeaderValue::from_static("Origin, Accept-Language"))),
            (true, false) => fields.push((VARY, HeaderValue::from_static("Origin"))),
            (false, true) => fields.push((VARY, HeaderValue::from_static("Accept-Language"))),
            (false, false) => {}
        }
        if let Some(origin) = from_page.filter(|origin| origin.len() <= MAX_ORIGIN) {
            // Without these, scripts see no status, and players report a network error.
            fields.push((ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone()));
            fields.push((ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("CMSD-Dynamic, Retry-After")));
            if foreign_page {
                fields.push((ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true")));
            }
        }
        if let Some((name, value)) = &self.header {
            fields.push((name.clone(), HeaderValue::from_static(value)));
        }
        (fields, document)
    }
}

/// The header fields of a preflight answer.
fn allow(methods: &'static str, request: &HeaderMap) -> Vec<Field> {
    let mut fields = vec![(ALLOW, HeaderValue::from_static(methods))];
    if let Some(page) = request.get(ORIGIN) {
        fields.push((ACCESS_CONTROL_ALLOW_ORIGIN, page.clone()));
        fields.push((ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true")));
        fields.push((ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods)));
        fields.push((ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600")));
        fields.push((VARY, HeaderValue::from_static("Origin, Access-Control-Request-Headers")));
        if let Some(asked) = request.get(ACCESS_CONTROL_REQUEST_HEADERS) {
            fields.push((ACCESS_CONTROL_ALLOW_HEADERS, asked.clone()));
        }
    }
    fields
}

/// A stream that holds a slot, reduced to what other viewers of the account may see.
fn holder(stream: &Stream) -> Value {
    let attributes = stream.attributes();
    // For a declared stream, the device is an attribute set by the application.
    let declared = || ["deviceName", "deviceId"].into_iter().find_map(|name| attributes.get(name));
    let device = stream.device.name().or_else(|| declared().filter(|_| stream.is_declared())).unwrap_or("Unknown");
    json!({ "device": device, "asset": stream.asset, "since": rfc3339(stream.started) })
}

fn rfc3339(time: Millis) -> String {
    // A time after the year 9999 means a broken clock; it must not prevent a refusal.
    let bounded = Duration::from_millis(time.0.min(253_402_300_799_999));
    humantime::format_rfc3339_seconds(UNIX_EPOCH + bounded).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(problem: &Problem, headers: &HeaderMap) -> (Vec<(HeaderName, HeaderValue)>, Value) {
        let (fields, body) = problem.render(7, headers);
        (fields, serde_json::from_slice(&body).unwrap())
    }

    fn full() -> Box<Problem> {
        let mut problem = Problem::new(StatusCode::FORBIDDEN, "stream-limit", "t", "d");
        problem.personal = Some(json!([{ "device": "tv-1" }]));
        problem
    }

    #[test]
    fn the_viewer_is_told_who_holds_the_slots() {
        let (fields, document) = document(&full(), &HeaderMap::new());
        assert_eq!(document["streams"][0]["device"], "tv-1");
        assert_eq!(document["refusal"], "0000000000000007");
        assert!(!fields.iter().any(|(name, _)| name == ACCESS_CONTROL_ALLOW_ORIGIN));
    }

    #[test]
    fn a_page_may_read_the_refusal() {
        let mut headers = HeaderMap::new();
        headers.insert(ORIGIN, HeaderValue::from_static("https://player.example"));
        let (fields, document) = document(&full(), &headers);
        assert!(fields.contains(&(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("https://player.example"))));
        assert!(!fields.iter().any(|(name, _)| name == ACCESS_CONTROL_ALLOW_CREDENTIALS));
        assert!(document.get("streams").is_some());
    }

    #[test]
    fn a_page_that_makes_the_browser_send_a_cookie_does_not_learn_who_watches() {
        let mut headers = HeaderMap::new();
        headers.insert(ORIGIN, HeaderValue::from_static("https://elsewhere.example"));
        headers.insert(COOKIE, HeaderValue::from_static("token=x"));
        let (fields, document) = document(&full(), &headers);
        assert!(fields.iter().any(|(name, _)| name == ACCESS_CONTROL_ALLOW_CREDENTIALS));
        assert!(document.get("streams").is_none());
    }

    #[test]
    fn a_clock_beyond_all_reason_still_renders() {
        assert_eq!(rfc3339(Millis(u64::MAX)), "9999-12-31T23:59:59Z");
        assert_eq!(rfc3339(Millis(0)), "1970-01-01T00:00:00Z");
    }
}
