//! Tokens of any kind, judged by an authorization service of the operator: the HTTP callback of media servers.

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

/// One authorization service, for whoever asks it and puts its answers among the verdicts.
#[derive(Clone)]
pub struct CallbackSource {
    /// Whose service it is, for questions and the log: `application tv`.
    pub name: Arc<str>,
    /// Where its answers go.
    pub verdicts: Arc<CallbackCache>,
    /// Where it is: `http` or `https`. Its own query stays; a user and password in it are sent as basic credentials.
    pub url: Box<str>,
    /// How it is asked.
    pub ask: Ask,
    /// How long an answer may take.
    pub deadline: Duration,
    /// How long a yes holds that names no time.
    pub lifetime: Duration,
    /// How long a no holds.
    pub negative: Duration,
    /// What serves for a token that it never judged, while it is away.
    pub away: Away,
}

/// How a service is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// `GET` with parameters in the query.
    Get,
    /// `POST` with a JSON object.
    Post,
}

/// What serves while a service is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Away {
    /// The token is refused as undecided.
    Refuse,
    /// Each token counts as an account of its own: `userid` is its SHA-256 in hexadecimal digits, shortened, and `away` is
    /// `true`.
    Admit,
}

impl CallbackSource {
    /// A service at `url` that is asked by `GET` within 200 ms; a yes holds 180 s, a no 5 s, and its silence is a no.
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
    /// Without the URL, which may have a password in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallbackSource").field("name", &self.name).field("ask", &self.ask).finish_non_exhaustive()
    }
}

/// Tokens that an authorization service judges. Verifying one is looking its verdict up; asking goes by
/// [`Format::question`].
#[derive(Debug)]
pub struct Callback {
    service: Arc<str>,
    verdicts: Arc<CallbackCache>,
}

impl Callback {
    /// Tokens that this service judges.
    pub fn new(source: &CallbackSource) -> Self {
        Self { service: source.name.clone(), verdicts: source.verdicts.clone() }
    }
}

impl Format for Callback {
    /// Claims are what the service said; they expire when it has to be asked again.
    fn verify(&self, token: &[u8], request: &RequestFacts<'_>, now: Millis) -> Result<Claims, TokenError> {
        if token.len() > MAX_TOKEN {
            return Err(TokenError::TooLong);
        }
        self.verdicts.get(&callback_request::key(token, request), now)
    }

    /// An answer is about a folder and a client.
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
