//! Tokens of any kind, verified by the operator's authorization service: the HTTP callback of media servers.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::model::Millis;

use super::callback_cache::CallbackCache;
use super::callback_request::{self, CallbackRequest};
use super::claims::Claims;
use super::error::TokenError;
use super::format::{Format, MAX_TOKEN};
use super::request::RequestFacts;

/// One authorization service, for the task that calls it.
#[derive(Clone)]
pub struct CallbackSource {
    /// Owner of the service, for requests and the log: `application tv`.
    pub name: Arc<str>,
    /// Cache of its results.
    pub verdicts: Arc<CallbackCache>,
    /// URL, `http` or `https`. Its query is kept; user and password are sent as basic credentials.
    pub url: Box<str>,
    /// Request method.
    pub ask: Ask,
    /// Time limit for a response.
    pub deadline: Duration,
    /// Lifetime of a positive result without a lifetime of its own.
    pub lifetime: Duration,
    /// Lifetime of a negative result.
    pub negative: Duration,
    /// Result for an unknown token while the service is unavailable.
    pub away: Away,
}

/// Request method of a callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// `GET` with parameters in the query.
    Get,
    /// `POST` with a JSON object.
    Post,
}

/// Result while a service is unavailable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Away {
    /// The token is refused as undecided.
    Refuse,
    /// Each token counts as a separate account: `userid` is its SHA-256 in hexadecimal, shortened, and `away` is
    /// `true`.
    Admit,
}

impl CallbackSource {
    /// A service at `url` with defaults: `GET`, 200 ms timeout; positive results hold 180 s, negative ones 5 s; refuses
    /// while unavailable.
    pub fn new(name: impl Into<Arc<str>>, url: &str) -> Self {
        Self {
            name: name.into(),
            verdicts: Arc::default(),
            url: url.into(),
            ask: Ask::Get,
            deadline: Duration::from_millis(200),
            lifetime: Duration::from_mins(3),
            negative: Duration::from_secs(5),
            away: Away::Refuse,
        }
    }
}

impl fmt::Debug for CallbackSource {
    /// Omits the URL, which may contain a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallbackSource").field("name", &self.name).field("ask", &self.ask).finish_non_exhaustive()
    }
}

/// Tokens that an authorization service verifies. `verify` only looks up the cached result; [`Format::question`] gives
/// the request to send.
#[derive(Debug)]
pub struct Callback {
    service: Arc<str>,
    verdicts: Arc<CallbackCache>,
}

impl Callback {
    /// Tokens that this service verifies.
    pub fn new(source: &CallbackSource) -> Self {
        Self { service: source.name.clone(), verdicts: source.verdicts.clone() }
    }
}

impl Format for Callback {
    /// The claims come from the service and expire when it must be called again.
    fn verify(&self, token: &[u8], request: &RequestFacts<'_>, now: Millis) -> Result<Claims, TokenError> {
        if token.len() > MAX_TOKEN {
            return Err(TokenError::TooLong);
        }
        self.verdicts.get(&callback_request::key(token, request), now)
    }

    /// A result applies to a folder and a client.
    fn covers_request(&self, _token: &[u8]) -> bool {
        true
    }

    fn question(&self, token: &[u8], request: &RequestFacts<'_>) -> Option<CallbackRequest> {
        (token.len() <= MAX_TOKEN).then(|| CallbackRequest::new(&self.service, token, request))
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use serde_json::{Map, Value};

    use super::*;

    const NOW: Millis = Millis(1_000_000);

    fn yes(user: &str) -> Map<String, Value> {
        Map::from_iter([("userid".to_owned(), user.into())])
    }

    #[test]
    fn a_token_is_worth_what_the_service_said_about_it_in_this_folder() {
        let source = CallbackSource::new("application tv", "http://127.0.0.1/");
        let format = Callback::new(&source);
        let headers = HeaderMap::new();
        let news = RequestFacts::new("/news/index.m3u8", None, &headers);
        assert_eq!(format.verify(b"t", &news, NOW).unwrap_err(), TokenError::NotCached);
        let question = format.question(b"t", &news).unwrap();
        assert_eq!(&*question.service, "application tv");
        source.verdicts.allow(question.key, yes("alice"), source.lifetime, NOW);
        let segment = RequestFacts::new("/news/1.ts", Some("x=1"), &headers);
        assert_eq!(format.verify(b"t", &segment, NOW).unwrap().text("userid").unwrap(), "alice");
        for (token, path) in [(&b"u"[..], "/news/1.ts"), (b"t", "/sport/1.ts")] {
            let other = RequestFacts::new(path, None, &headers);
            assert_eq!(format.verify(token, &other, NOW).unwrap_err(), TokenError::NotCached, "{path}");
        }
    }

    #[test]
    fn an_overlong_token_is_refused_and_raises_no_question() {
        let format = Callback::new(&CallbackSource::new("a", "http://127.0.0.1/"));
        let (headers, token) = (HeaderMap::new(), vec![b'a'; MAX_TOKEN + 1]);
        let request = RequestFacts::new("/a/b.m3u8", None, &headers);
        assert_eq!(format.verify(&token, &request, NOW).unwrap_err(), TokenError::TooLong);
        assert_eq!(format.question(&token, &request), None);
        assert!(format.question(&token[1..], &request).is_some());
    }
}
