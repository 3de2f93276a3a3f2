//! The control port, the session API and webhooks.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;

use crate::config::pointer::Pointer;
use crate::config::raw;
use crate::config::secret::Secret;
use crate::config::settings::{Control, ControlToken, Role, SessionApi, Webhook, WebhookEvent};

use super::context::Context;
use super::times::{LIFETIME, TIMEOUT, UP_TO_AN_HOUR, WINDOW, bounded};

/// Minimum length of a bearer token, in bytes.
const MIN_TOKEN: usize = 16;
/// Minimum length of a webhook signing key, in bytes (Standard Webhooks 1.0.0: 24 to 64).
const MIN_SIGNING: usize = 24;
/// Prefix of a base64-encoded signing key.
const ENCODED: &[u8] = b"whsec_";

pub(super) fn control(context: &mut Context<'_>, raw: &raw::Control) -> Control {
    let at = Pointer::default().key("control");
    let mut tokens: Vec<ControlToken> = Vec::new();
    for (nth, token) in raw.tokens.iter().enumerate() {
        let at = at.key("tokens").item(nth);
        if raw.tokens.iter().take(nth).any(|other| other.name == token.name) {
            let message =
                format!("another token is named `{}`: rename one, as the log identifies tokens by name", token.name);
            context.say(&at.key("name"), message);
        }
        let Some(secret) = context.read(&token.secret, &at.key("secret")) else { continue };
        let bytes = secret.expose();
        if bytes.len() < MIN_TOKEN {
            let message = format!(
                "the token has {} bytes and needs at least {MIN_TOKEN}: make one with `openssl rand -hex 32`",
                bytes.len()
            );
            context.say(&at.key("secret"), message);
        } else if !bytes.iter().all(u8::is_ascii_graphic) {
            let message = "the token has a space, a line end or another character that a header cannot contain: make one with \
                           `openssl rand -hex 32`";
            context.say(&at.key("secret"), message);
        } else if let Some(other) = tokens.iter().find(|other| other.secret == secret) {
            let message = format!("`{}` has the same token: give each its own", other.name);
            context.say(&at.key("secret"), message);
        }
        let role = match token.role {
            raw::Role::Read => Role::Read,
            raw::Role::Operate => Role::Operate,
        };
        tokens.push(ControlToken { name: token.name.as_str().into(), role, secret });
    }
    if raw.open && !raw.tokens.is_empty() {
        context.warn(&at.key("open"), "this has no effect together with `tokens`: remove it");
    }
    let address = raw.address.value;
    if !address.ip().is_loopback() && raw.tokens.is_empty() && !raw.open && !context.lost_list(&at.key("tokens")) {
        let message = format!(
            "`{address}` can be reached from other machines without a token: write `tokens:`, \
             listen on 127.0.0.1, or write `open: true` if the network restricts access"
        );
        context.say(&at.key("address"), message);
    }
    Control { address, connections: raw.connections, tokens, open: raw.open }
}

pub(super) fn session_api(context: &mut Context<'_>, raw: &raw::SessionApi) -> SessionApi {
    let at = Pointer::default().key("session_api");
    for (nth, origin) in raw.cors.origins.iter().enumerate() {
        let written = as_browsers_write(origin);
        if written != *origin {
            let message = format!("browsers send `{origin}` in another form: write `{written}`");
            context.say(&at.key("cors").key("origins").item(nth), message);
        }
    }
    SessionApi {
        calls: raw.throttle.calls,
        window: bounded(context, &at.key("throttle").key("window"), &raw.throttle.window, WINDOW),
        origins: raw.cors.origins.iter().map(|origin| origin.as_str().into()).collect(),
    }
}

/// A web origin as in the `Origin` header (RFC 6454 §6.2): in lower case, without the default port.
fn as_browsers_write(origin: &str) -> String {
    let origin = origin.to_ascii_lowercase();
    let usual = if origin.starts_with("https:") { ":443" } else { ":80" };
    origin.strip_suffix(usual).map_or_else(|| origin.clone(), str::to_owned)
}

pub(super) fn webhooks(context: &mut Context<'_>, raw: &[raw::Webhook]) -> Vec<Webhook> {
    let at = |nth: usize| Pointer::default().key("webhooks").item(nth);
    let mut compiled = Vec::new();
    for (nth, hook) in raw.iter().enumerate() {
        let earlier = raw
            .iter()
            .take(nth)
            .position(|earlier| earlier.url == hook.url && !earlier.events.is_disjoint(&hook.events));
        if let Some(earlier) = earlier {
            let message = format!(
                "`webhooks[{earlier}]` has the same URL, which receives the same events twice: remove one, or set \
                 `events` for each"
            );
            context.warn(&at(nth).key("url"), message);
        }
        compiled.push(webhook(context, &at(nth), hook));
    }
    compiled
}

fn webhook(context: &mut Context<'_>, at: &Pointer, raw: &raw::Webhook) -> Webhook {
    match raw.url.parse::<Url>() {
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            let message = "the URL contains a user name or password: remove it, and sign batches with `secret:`";
            context.say(&at.key("url"), message);
        }
        Ok(_) => {}
        Err(error) => {
            let message = format!("this is not a URL ({error}): write one such as `https://ops.example.com/hooks`");
            context.say(&at.key("url"), message);
        }
    }
    let event = |event: &raw::WebhookEvent| match event {
        raw::WebhookEvent::Started => WebhookEvent::Started,
        raw::WebhookEvent::Refused => WebhookEvent::Refused,
        raw::WebhookEvent::WouldRefuse => WebhookEvent::WouldRefuse,
        raw::WebhookEvent::WouldTerminate => WebhookEvent::WouldTerminate,
        raw::WebhookEvent::Terminated => WebhookEvent::Terminated,
        raw::WebhookEvent::Ended => WebhookEvent::Ended,
    };
    let secret = raw.secret.as_ref().and_then(|secret| context.read(secret, &at.key("secret")));
    Webhook {
        url: raw.url.as_str().into(),
        events: raw.events.iter().map(event).collect(),
        secret: secret.and_then(|secret| signing_key(context, &at.key("secret"), secret)),
        batch: raw.batch,
        flush_interval: bounded(context, &at.key("flush_interval"), &raw.flush_interval, UP_TO_AN_HOUR),
        timeout: bounded(context, &at.key("timeout"), &raw.timeout, TIMEOUT),
        max_retry_duration: bounded(context, &at.key("max_retry_duration"), &raw.max_retry_duration, LIFETIME),
        queue: raw.queue,
    }
}

/// The decoded signing key.
fn signing_key(context: &mut Context<'_>, at: &Pointer, secret: Secret) -> Option<Secret> {
    let encoded = secret.expose().strip_prefix(ENCODED);
    let Ok(decoded) = encoded.map(|encoded| STANDARD.decode(encoded)).transpose() else {
        let message =
            "the text after `whsec_` is not base64: copy the secret again, or write raw bytes without `whsec_`";
        context.say(at, message);
        return None;
    };
    let key = decoded.map_or(secret, Secret::from);
    let length = key.expose().len();
    if length < MIN_SIGNING {
        let message = format!(
            "the secret has {length} bytes and needs at least {MIN_SIGNING}: make one with `openssl rand -hex 32`"
        );
        context.say(at, message);
    }
    Some(key)
}
