//! The control port, the session API and webhooks.

use crate::config::pointer::Pointer;
use crate::config::raw;
use crate::config::settings::{Control, ControlToken, Role, SessionApi, Webhook, WebhookEvent};

use super::context::Context;
use super::times::{LIFETIME, OPTIONAL_WINDOW, TIMEOUT, WINDOW, bounded};

const EVENTS: [WebhookEvent; 4] =
    [WebhookEvent::Started, WebhookEvent::Refused, WebhookEvent::Terminated, WebhookEvent::Ended];
/// Bytes of the shortest bearer token.
const TOKEN_MIN: usize = 16;

pub(super) fn control(context: &mut Context<'_>, raw: &raw::Control) -> Control {
    let at = Pointer::default().key("control");
    let mut tokens: Vec<ControlToken> = Vec::new();
    for (nth, token) in raw.tokens.iter().enumerate() {
        let at = at.key("tokens").item(nth);
        if tokens.iter().any(|other| *other.name == *token.name) {
            context.say(&at.key("name"), format!("another token is called `{}`: rename one", token.name));
        }
        let Some(secret) = context.read(&token.secret, &at.key("secret")) else { continue };
        let bytes = secret.expose();
        if bytes.len() < TOKEN_MIN {
            let message = format!("the token has {} bytes and needs at least {TOKEN_MIN}", bytes.len());
            context.say(&at.key("secret"), message);
        } else if !bytes.iter().all(u8::is_ascii_graphic) {
            let message =
                "the token has a character that cannot stand in a header: use letters, digits and marks of ASCII";
            context.say(&at.key("secret"), message);
        }
        let role = match token.role {
            raw::Role::Read => Role::Read,
            raw::Role::Operate => Role::Operate,
        };
        tokens.push(ControlToken { name: token.name.as_str().into(), role, secret });
    }
    let address = raw.address.value;
    if !address.ip().is_loopback() && raw.tokens.is_empty() && !raw.open && !context.has(&at.key("tokens")) {
        let message = format!(
            "`{address}` can be reached from other machines, and nothing keeps them from ending streams: write `tokens:` beside it, \
             listen on 127.0.0.1, or write `open: true` where the network keeps strangers out"
        );
        context.say(&at.key("address"), message);
    }
    Control { address, tokens, open: raw.open }
}

pub(super) fn session_api(context: &mut Context<'_>, raw: &raw::SessionApi) -> SessionApi {
    let at = Pointer::default().key("session_api").key("throttle").key("window");
    SessionApi {
        calls: raw.throttle.calls,
        window: bounded(context, &at, &raw.throttle.window, WINDOW),
        origins: raw.cors.origins.iter().map(|origin| origin.as_str().into()).collect(),
    }
}

pub(super) fn webhooks(context: &mut Context<'_>, raw: &[raw::Webhook]) -> Vec<Webhook> {
    let at = |nth: usize| Pointer::default().key("webhooks").item(nth);
    let hooks = raw.iter().enumerate().map(|(nth, hook)| webhook(context, &at(nth), hook));
    hooks.collect()
}

fn webhook(context: &mut Context<'_>, at: &Pointer, raw: &raw::Webhook) -> Webhook {
    if !raw.url.parse::<http::Uri>().is_ok_and(|url| url.host().is_some()) {
        let message = format!("`{}` is no URL: write one such as `https://ops.example.com/hooks`", raw.url);
        context.say(&at.key("url"), message);
    }
    let event = |event: &raw::WebhookEvent| match event {
        raw::WebhookEvent::Started => WebhookEvent::Started,
        raw::WebhookEvent::Refused => WebhookEvent::Refused,
        raw::WebhookEvent::Terminated => WebhookEvent::Terminated,
        raw::WebhookEvent::Ended => WebhookEvent::Ended,
    };
    Webhook {
        url: raw.url.as_str().into(),
        events: if raw.events.is_empty() { EVENTS.to_vec() } else { raw.events.iter().map(event).collect() },
        secret: raw.secret.as_ref().and_then(|secret| context.read(secret, &at.key("secret"))),
        batch: raw.batch,
        wait: bounded(context, &at.key("wait"), &raw.wait, OPTIONAL_WINDOW),
        timeout: bounded(context, &at.key("timeout"), &raw.timeout, TIMEOUT),
        retry_for: bounded(context, &at.key("retry_for"), &raw.retry_for, LIFETIME),
        queue: raw.queue,
    }
}
