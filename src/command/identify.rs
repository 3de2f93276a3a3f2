//! `streamgate identify`: shows the identity of a request without sending it.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use serde_json::{Value, json};
use streamgate::config::Settings;
use streamgate::identity::{Identified, Identity, PlaySession, RequestFacts, TokenError, path};
use streamgate::key_sources::{KeySourceSettings, KeySources, Pace};
use streamgate::media;
use streamgate::model::{Clock, Device};
use streamgate::telemetry::Metrics;

use super::Outcome;
use super::system::SystemClock;

/// Prints how the gateway identifies a `GET` of `url` with these headers (`NAME: VALUE`) from that address.
pub(crate) fn identify(file: &Path, url: &str, headers: &[String], client: Option<IpAddr>) -> Outcome {
    let settings = super::load(file)?;
    let url: Uri =
        url.parse().map_err(|_| format!("`{url}` is not a URL: write one such as http://tv.example/live.m3u8"))?;
    let headers = read_headers(headers)?;
    let host = url.authority().map(http::uri::Authority::as_str);
    let host = headers.get("host").and_then(|host| host.to_str().ok()).or(host).unwrap_or_default();
    let (sealed, rest) = path::split(url.path()).map_or((None, url.path()), |(sealed, rest)| (Some(sealed), rest));
    let bare = settings.path_tokens.iter().find_map(|application| {
        let bare = application.identity.as_ref()?.take_from_path(rest, sealed.is_none())?;
        let route = settings.routes.find(Some(host), &bare.path)?;
        (route.application.id == application.id).then_some(bare)
    });
    let path = bare.as_ref().map_or(rest, |bare| &bare.path);
    if path::find(path).is_some() {
        return Err("the gateway refuses this path (400): it contains a play session after its start".to_owned());
    }
    let route = settings.routes.resolve(Some(host), path).map_err(|error| format!("{host}{path}: {error}"))?;
    let application = &route.application;
    let facts = RequestFacts {
        method: &Method::GET,
        scheme: url.scheme_str().unwrap_or("http"),
        host,
        path,
        in_path: bare.as_ref().map(streamgate::identity::StrippedPath::in_path),
        query: url.query(),
        raw_query: url.query(),
        headers: &headers,
        client,
        alpn: "http/1.1",
    };
    let now = SystemClock::new().wall();
    let mut shown = json!({ "application": application.id, "origin": route.origin.as_ref().map(|origin| &origin.name), "path": path });
    if let Some(sealed) = sealed {
        let session = settings.keys.open(sealed, now).map_err(|error| format!("{error} ({})", error.label()))?;
        if session.application != application.id {
            return Err(format!(
                "the play session belongs to application `{}` (other_application)",
                session.application
            ));
        }
        if media::classify(path, url.query()).is_manifest() && !session.scope.covers(path) {
            return Err("the token behind the play session does not cover this manifest (out_of_scope)".to_owned());
        }
        show(&mut shown, play_session(&session));
        return print(&shown);
    }
    let identity = application.identity.as_ref();
    let identity = identity.ok_or_else(|| format!("application `{}` does not identify viewers", application.id))?;
    let found = match identity.identify(&facts, now) {
        Some(Err(TokenError::UnknownKey | TokenError::NotCached)) => {
            outside(&settings, identity, application.id.as_str(), &facts)?
        }
        found => found,
    };
    match found {
        None => Err("the request has no token in the locations of this application".to_owned()),
        Some(Err(error)) => Err(format!("{error} ({})", error.label())),
        Some(Ok(Identified { viewer, renewed, .. })) => {
            let device = match &viewer.device {
                Device::Named(name) => json!(name),
                Device::Hint(hint) => json!({ "hint": format!("{hint:016x}") }),
            };
            show(
                &mut shown,
                json!({
                    "account": viewer.account,
                    "device": device,
                    "stream": viewer.session.map(|stream| stream.to_string()),
                    "attributes": viewer.attributes.iter().collect::<std::collections::BTreeMap<_, _>>(),
                    "expires_in_seconds": viewer.expires.since(now).as_secs(),
                    "renewed_by": renewed.map(|renewed| renewed.name.to_string()),
                }),
            );
            print(&shown)
        }
    }
}

/// Fetches keys or calls the operator's service, as the gateway would, and retries.
fn outside(
    settings: &Settings,
    identity: &Identity,
    application: &str,
    facts: &RequestFacts<'_>,
) -> Result<Option<Result<Identified, TokenError>>, String> {
    let _ = rustls::crypto::ring::default_provider().install_default(); // an earlier one is as good
    let key_sources = KeySources::new(KeySourceSettings {
        key_sources: settings.key_sources.clone(),
        key_files: Vec::new(),
        callbacks: settings.callbacks.clone(),
        blocks_file: None,
        ca_file: settings.fetch_ca.clone(),
        clock: Arc::new(SystemClock::new()),
        observer: Arc::new(Metrics::new().map_err(|error| error.to_string())?),
        pace: Pace::default(),
    })
    .map_err(|error| error.to_string())?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    runtime.block_on(async {
        match identity.question(facts) {
            Some(question) => key_sources.ask(question).await,
            None => {
                key_sources.refresh(application).await;
            }
        }
    });
    Ok(identity.identify(facts, SystemClock::new().wall()))
}

fn play_session(session: &PlaySession) -> Value {
    json!({
        "account": session.account,
        "device": session.device,
        "stream": session.stream.to_string(),
        "asset": session.asset,
        "started": session.started.seconds(),
        "attributes": session.attributes.iter().collect::<std::collections::BTreeMap<_, _>>(),
    })
}

fn read_headers(lines: &[String]) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for line in lines {
        let field = line.split_once(':').and_then(|(name, value)| {
            Some((name.trim().parse::<HeaderName>().ok()?, HeaderValue::from_str(value.trim()).ok()?))
        });
        let (name, value) = field.ok_or_else(|| format!("`{line}` is not a header: write NAME: VALUE"))?;
        headers.append(name, value);
    }
    Ok(headers)
}

fn show(shown: &mut Value, more: Value) {
    if let (Value::Object(shown), Value::Object(more)) = (shown, more) {
        shown.extend(more);
    }
}

fn print(shown: &Value) -> Outcome {
    let text = serde_json::to_string_pretty(shown).map_err(|error| error.to_string())?;
    super::print(&format!("{text}\n"))
}
