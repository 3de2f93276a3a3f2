//! How an application identifies viewers.

use std::sync::Arc;

use crate::config::mint::{MintError, Signing};
use crate::config::pointer::Pointer;
use crate::config::raw;
use crate::config::scalar_formats::StreamWord;
use crate::config::value::{Item, Part, ValueFrom};
use crate::identity::{
    CallbackSource, Choice, Identity, KeyFiles, KeyRing, KeySource, MAX_ACCOUNT, MAX_ATTRIBUTE_NAME, Mapping, Settings,
    StreamSource, Take, Value, ValueSource,
};
use crate::model::ApplicationId;
use crate::policy::Field;

use super::context::Context;
use super::tokens;

/// An application's compiled `identity`.
pub(super) struct Compiled {
    pub(super) identity: Identity,
    pub(super) signing: Result<Signing, MintError>,
    pub(super) sources: Vec<KeySource>,
    pub(super) files: Vec<KeyFiles>,
    pub(super) callbacks: Vec<CallbackSource>,
    /// Attributes that the manifest supplies.
    pub(super) of_manifest: Vec<std::sync::Arc<str>>,
}

pub(super) fn identity(
    context: &mut Context<'_>,
    at: &Pointer,
    application: &ApplicationId,
    raw: &raw::Identity,
    declared: Option<Arc<KeyRing>>,
) -> Compiled {
    let mapping = mapping(context, at, raw);
    let mut tokens = tokens::Tokens::new(application, &mapping);
    match (&raw.token, raw.tokens.as_slice()) {
        (Some(token), []) => tokens.add(context, &at.key("token"), token),
        (None, []) => {
            if !context.has(&at.key("token")) && !context.has(&at.key("tokens")) {
                context
                    .say_at_key(at, "`token` is missing: write `token:` with the location and the format of the token");
            }
        }
        (Some(_), _) => context.say_at_key(&at.key("tokens"), "`token` and `tokens` exclude each other: remove one"),
        (None, several) => {
            for (nth, token) in several.iter().enumerate() {
                tokens.add(context, &at.key("tokens").item(nth), token);
            }
        }
    }
    let of_manifest = mapping.attributes.iter().filter(|(_, value)| value.is_of_manifest());
    let of_manifest = of_manifest.map(|(name, _)| name.clone()).collect();
    let tokens::Tokens { kinds: tokens, signing, sources, files, callbacks, .. } = tokens;
    let settings = Settings { tokens, mapping, declared };
    Compiled { identity: Identity::new(application.clone(), settings), signing, sources, files, callbacks, of_manifest }
}

fn mapping(context: &mut Context<'_>, at: &Pointer, raw: &raw::Identity) -> Mapping {
    for (key, source) in [("idp", &raw.idp), ("subject", &raw.subject)] {
        for item in source.items() {
            if let Item::Text(text) = item
                && matches!(&text.value, ValueSource::Literal(literal) if literal.len() > MAX_ACCOUNT)
            {
                context.say(&at.key(key), format!("the value is longer than {MAX_ACCOUNT} bytes: shorten it"));
            }
        }
    }
    warn_of_one_account(context, &at.key("subject"), &raw.subject);
    let device = raw.device.as_ref().map(|device| {
        let at = at.key("device");
        match device.items().iter().position(|item| matches!(item.source(), ValueSource::Literal(_))) {
            Some(nth) if matches!(device, ValueFrom::List(_)) => context.warn(
                &at.item(nth),
                "a constant gives an account one device for all requests that the sources before it give no value \
                 for: remove it",
            ),
            Some(_) => {
                context.say(&at, "a literal gives an account one device only: write `claim:NAME`, or remove the key");
            }
            None => {}
        }
        value(context, &at, device)
    });
    let named = [Some(("idp", &raw.idp)), Some(("subject", &raw.subject)), raw.device.as_ref().map(|d| ("device", d))];
    for (key, source) in named.into_iter().flatten() {
        if source.is_of_manifest() {
            context.say(&at.key(key), "a manifest does not identify a viewer: write `claim:NAME`, for example");
        }
    }
    let attributes = raw.attributes.iter().map(|(name, from)| {
        let at = at.key("attributes").key(name);
        if name.len() > MAX_ATTRIBUTE_NAME {
            context.say_at_key(&at, format!("the name is longer than {MAX_ATTRIBUTE_NAME} characters: shorten it"));
        }
        if Field::named(name).is_built_in() {
            let message = format!("rules cannot use this: `{name}` is reserved by the gateway; choose another name");
            context.warn_at_key(&at, message);
        }
        (name.as_str().into(), value(context, &at, from))
    });
    let attributes = attributes.collect();
    Mapping {
        idp: value(context, &at.key("idp"), &raw.idp),
        subject: value(context, &at.key("subject"), &raw.subject),
        device,
        stream: stream(context, &at.key("stream"), raw),
        attributes,
    }
}

/// Warns if the configuration gives several viewers one account, so that their streams count together.
fn warn_of_one_account(context: &mut Context<'_>, at: &Pointer, subject: &ValueFrom) {
    let items = subject.items();
    let Some(nth) = items.iter().position(|item| matches!(item.source(), ValueSource::Literal(_))) else { return };
    let at = if matches!(subject, ValueFrom::List(_)) { at.item(nth) } else { at.clone() };
    context.warn(
        &at,
        if nth == 0 {
            "a constant `subject` gives all viewers one account, and their streams count together: write \
             `claim:NAME`, for \
             example"
        } else {
            "a constant gives one account to all viewers without a value from the sources before it, and their \
             streams count \
             together: leave it out, and they are refused"
        },
    );
}

/// A value with its fallbacks.
fn value(context: &mut Context<'_>, at: &Pointer, from: &ValueFrom) -> Value {
    let items = from.items();
    let single = items.len() == 1 && !matches!(from, ValueFrom::List(_));
    let choices = items.iter().enumerate().map(|(nth, item)| match item {
        Item::Text(text) => Choice::from(text.value.clone()),
        Item::Part(part) => {
            let at = if single { at.clone() } else { at.item(nth) };
            Choice { source: part.from.value.clone(), take: take(context, &at, part) }
        }
    });
    Value::new(choices.collect())
}

fn take<W: crate::config::scalar_formats::Grammar>(
    context: &mut Context<'_>,
    at: &Pointer,
    part: &Part<W>,
) -> Option<Take> {
    match (&part.split, part.part, &part.matching) {
        (Some(separator), Some(number), None) => Some(Take::Part { separator: separator.as_str().into(), number }),
        (None, None, Some(pattern)) => match Take::capture(pattern) {
            Ok(take) => Some(take),
            Err(error) => {
                context.say(&at.key("matching"), error.to_string());
                None
            }
        },
        (None, None, None) => {
            context.say(at, "there is no rule for the part to take: write `split:` and `part:`, or `matching:`");
            None
        }
        (Some(_), None, None) => {
            context.say(&at.key("split"), "`part` is missing: write its number, counted from 1");
            None
        }
        (None, Some(_), None) => {
            context.say(&at.key("part"), "`split` is missing: write what separates the parts");
            None
        }
        (_, _, Some(_)) => {
            context.say(&at.key("matching"), "`matching` and `split` exclude each other: remove one");
            None
        }
    }
}

fn stream(context: &mut Context<'_>, at: &Pointer, raw: &raw::Identity) -> StreamSource {
    let items = raw.stream.items();
    let last = items.len().saturating_sub(1);
    let mut choices = Vec::new();
    let mut mint = true;
    for (nth, item) in items.iter().enumerate() {
        let (word, part) = match item {
            Item::Text(text) => (&text.value, None),
            Item::Part(part) => (&part.from.value, Some(part)),
        };
        match (word, part) {
            (StreamWord::Named(source), part) => {
                let take = part.and_then(|part| take(context, at, part));
                choices.push(Choice { source: source.clone(), take });
            }
            (StreamWord::Minted | StreamWord::Fingerprint, Some(_)) => {
                context.say(at, "only a value has parts: write `claim:NAME`, for example");
            }
            (StreamWord::Minted | StreamWord::Fingerprint, None) if nth != last => {
                context.say(at, "`minted` and `fingerprint` always give a stream id: write them last");
            }
            (word, None) => mint = *word == StreamWord::Minted,
        }
    }
    StreamSource { named: (!choices.is_empty()).then(|| Value::new(choices)), mint }
}
