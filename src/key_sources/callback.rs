//! Authorization callbacks over HTTP, in the style of media servers.
//!
//! | request (query of `GET`, members of `POST`) | |
//! |---|---|
//! | `name` `proto` `ip` `token` | see [`Question`]; `ip` is absent if the address is unknown |
//! | `host` `qs` `user_agent` `referer` | of the viewer's request, if present |
//! | `session_id` | the same for the same token, folder and address; a UUID |
//! | `request_type` `request_number` | `new_session` and 0 first, then `update_session` and a count |
//!
//! | response | |
//! |---|---|
//! | 2xx | yes: every `X-…` header, and every member of a JSON object in the body, is a claim, under its name in lower case, without `x-` and with `_` for `-`: `userid`, `max_sessions`, `authduration`, `unique`. A header goes before a member |
//! | 4xx | refused, except 408 and 429, which count as no answer |
//! | anything else, or nothing within the deadline | no answer: the previous answer stays in force |
//!
//! `authduration` (or `auth_duration`) is how long an admission is valid, in seconds.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use parking_lot::Mutex;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Client, RequestBuilder, StatusCode, Url};
use serde_json::{Map, Value};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::identity::{Ask, Away, CallbackRequest, CallbackSource, FailureMode, QuestionKey, TokenError};
use crate::model::{Clock, StreamId};

use super::settings::Observer;
use crate::net::{HttpClientError, body, error_chain, url_of};

/// Maximum concurrent requests to one service; more would not be answered in time either.
const MAX_UNDER_WAY: usize = 1024;
/// Maximum bytes of a response body, and of all claims.
const MAX_ANSWER: usize = 16 * 1024;

/// One authorization service.
pub(super) struct Service {
    source: CallbackSource,
    url: Url,
    client: Client,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
    under_way: Mutex<HashMap<QuestionKey, watch::Receiver<()>>>,
    is_away: AtomicBool,
}

enum Answer {
    Yes(Map<String, Value>, Duration),
    No,
}

impl Service {
    pub(super) fn new(
        source: CallbackSource,
        client: &Client,
        clock: &Arc<dyn Clock>,
        observer: &Arc<dyn Observer>,
        before: Option<&Arc<Self>>,
    ) -> Result<Arc<Self>, HttpClientError> {
        let url = url_of(&source.name, &source.url)?;
        let (client, clock, observer) = (client.clone(), clock.clone(), observer.clone());
        let before = before.filter(|before| before.url == url && before.source.ask == source.ask);
        if let Some(before) = before {
            source.verdicts.share(&before.source.verdicts);
        }
        let is_away = AtomicBool::new(before.is_some_and(|before| before.is_away.load(Relaxed)));
        let under_way = Mutex::default();
        Ok(Arc::new(Self { source, url, client, clock, observer, under_way, is_away }))
    }

    /// See [`KeySources::ask`](super::KeySources::ask).
    pub(super) async fn ask(self: &Arc<Self>, question: CallbackRequest) {
        let key = question.key;
        let mut answered = {
            let mut under_way = self.under_way.lock();
            let known = self.source.verdicts.get(&key, self.clock.wall());
            if !matches!(known, Err(TokenError::NotCached)) {
                return; // answered in the meantime by another request
            }
            let full = under_way.len() >= MAX_UNDER_WAY;
            match under_way.entry(key) {
                Entry::Occupied(other) => other.get().clone(),
                Entry::Vacant(_) if full => {
                    drop(under_way);
                    self.serve_without(&question, Some("busy"));
                    return;
                }
                Entry::Vacant(place) => {
                    let (done, answered) = watch::channel(());
                    place.insert(answered.clone());
                    let under_way = UnderWay { service: self.clone(), key, _done: done };
                    tokio::spawn(async move { under_way.service.settle(&question).await });
                    answered
                }
            }
        };
        let _ = answered.changed().await; // resolves when the sender is dropped
    }

    async fn settle(&self, question: &CallbackRequest) {
        let late = |_| format!("no answer within {:?}", self.source.deadline);
        let answer = timeout(self.source.deadline, self.answer(question)).await.map_err(late);
        let CallbackSource { name, verdicts, negative, .. } = &self.source;
        // Wall-clock time, as for tokens.
        let now = self.clock.wall();
        let result = match answer.and_then(|answer| answer) {
            Ok(answer) => {
                if self.is_away.swap(false, Relaxed) {
                    tracing::info!(service = %name, "authorization service answers again");
                }
                match answer {
                    Answer::Yes(claims, lifetime) => {
                        verdicts.allow(question.key, claims, lifetime, now);
                        "allowed"
                    }
                    Answer::No => {
                        verdicts.refuse(question.key, *negative, now);
                        "refused"
                    }
                }
            }
            Err(why) => {
                if !self.is_away.swap(true, Relaxed) {
                    tracing::error!(service = %name, %why, "authorization service does not answer; its previous answers stay in force");
                }
                self.serve_without(question, None);
                return;
            }
        };
        self.observer.callback(name, result);
    }

    /// Applies the failure mode if there is no answer.
    fn serve_without(&self, question: &CallbackRequest, label: Option<&'static str>) {
        let instead = match self.source.away {
            // Too many requests do not count as an outage: a flood of made-up tokens must not admit them all.
            Away::Admit if label.is_none() => Some(guest(&question.token)),
            Away::Admit | Away::Refuse => None,
        };
        let usual = match self.source.verdicts.away(question.key, instead, self.clock.wall()) {
            FailureMode::Stale => "stale",
            FailureMode::Instead => "away",
        };
        self.observer.callback(&self.source.name, label.unwrap_or(usual));
    }

    async fn answer(&self, question: &CallbackRequest) -> Result<Answer, String> {
        let response = self.request(question).send().await.map_err(error_chain)?;
        let status = response.status();
        if status.is_client_error() && status != StatusCode::REQUEST_TIMEOUT && status != StatusCode::TOO_MANY_REQUESTS
        {
            return Ok(Answer::No);
        }
        if !status.is_success() {
            return Err(format!("the response is {status}"));
        }
        let mut claims = of_headers(response.headers());
        if is_json(response.headers()) {
            let body = body(response, MAX_ANSWER).await?;
            let members: Map<String, Value> =
                serde_json::from_slice(&body).map_err(|error| format!("the body is not a JSON object: {error}"))?;
            for (name, value) in members {
                claims.entry(claim(&name)).or_insert(value);
            }
        }
        if claims.iter().map(|(name, value)| name.len() + value.as_str().map_or(0, str::len)).sum::<usize>()
            > MAX_ANSWER
        {
            return Err(format!("the response has more than {MAX_ANSWER} bytes of claims"));
        }
        let lifetime = lifetime(&claims).unwrap_or(self.source.lifetime);
        Ok(Answer::Yes(claims, lifetime))
    }

    fn request(&self, question: &CallbackRequest) -> RequestBuilder {
        let asked = self.source.verdicts.asked(&question.key);
        let parameters = [
            ("name", question.name.clone()),
            ("proto", question.proto.to_owned()),
            ("ip", question.client.map(|client| client.to_string()).unwrap_or_default()),
            ("token", question.token.clone()),
            ("host", question.host.clone()),
            ("qs", question.query.clone()),
            ("user_agent", question.user_agent.clone()),
            ("referer", question.referer.clone()),
            ("session_id", StreamId(question.key).to_string()),
            ("request_type", if asked == 0 { "new_session" } else { "update_session" }.to_owned()),
            ("request_number", asked.to_string()),
        ];
        let parameters = parameters.into_iter().filter(|(_, value)| !value.is_empty());
        match self.source.ask {
            Ask::Get => {
                let mut url = self.url.clone();
                url.query_pairs_mut().extend_pairs(parameters);
                self.client.get(url)
            }
            Ask::Post => {
                let members: Map<_, _> = parameters.map(|(name, value)| (name.to_owned(), value.into())).collect();
                let body = Value::Object(members).to_string();
                self.client.post(self.url.clone()).header(CONTENT_TYPE, "application/json").body(body)
            }
        }
    }
}

/// A request in flight. Dropping it ends the request, whatever the reason.
struct UnderWay {
    service: Arc<Service>,
    key: QuestionKey,
    _done: watch::Sender<()>,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.service.under_way.lock().remove(&self.key);
    }
}

/// The claims of a token admitted without an answer.
fn guest(token: &str) -> Map<String, Value> {
    let print: Vec<String> =
        digest(&SHA256, token.as_bytes()).as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    Map::from_iter([("userid".to_owned(), print.concat().into()), ("away".to_owned(), true.into())])
}

fn of_headers(headers: &HeaderMap) -> Map<String, Value> {
    let mut claims = Map::new();
    for (name, value) in headers {
        if let (true, Ok(value)) = (name.as_str().starts_with("x-"), std::str::from_utf8(value.as_bytes())) {
            claims.entry(claim(name.as_str())).or_insert_with(|| value.into());
        }
    }
    claims
}

/// The name of a claim: `X-Max-Sessions` becomes `max_sessions`.
fn claim(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    name.strip_prefix("x-").unwrap_or(&name).replace('-', "_")
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json")
}

fn lifetime(claims: &Map<String, Value>) -> Option<Duration> {
    let seconds = claims.get("authduration").or_else(|| claims.get("auth_duration"))?;
    let seconds = seconds.as_u64().or_else(|| seconds.as_str()?.trim().parse().ok())?;
    Some(Duration::from_secs(seconds))
}
