//! Keys that verify tokens, and their sources.

use std::path::PathBuf;
use std::sync::Arc;

use crate::config::pointer::Pointer;
use crate::config::raw;
use crate::config::secret::{Secret, read_file};
use crate::identity::jwt::{Algorithm, Key};
use crate::identity::{KeyError, KeyPlace, KeySource, Keys, MAX_SET, parse_key_set};

use super::context::Context;
use super::times::{REFRESH, TIMEOUT, bounded};

/// A set of keys, its sources, and its first shared secret.
pub(super) struct Found {
    pub(super) source: KeySource,
    pub(super) secret: Option<(Algorithm, Secret)>,
}

/// The keys of one issuer: single ones and those of a set.
pub(super) fn keys(
    context: &mut Context<'_>,
    at: &Pointer,
    name: &str,
    raw: &[raw::Key],
    jwks: Option<&raw::Jwks>,
) -> Found {
    let mut places = Vec::new();
    let mut secret = None;
    for (nth, key) in raw.iter().enumerate() {
        let at = at.key("keys").item(nth);
        let Some((place, bytes)) = self::key(context, &at, key) else { continue };
        places.push(place);
        if secret.is_none() {
            secret = bytes.map(|bytes| (key.alg.value, bytes));
        }
    }
    if let Some(jwks) = jwks {
        places.extend(set(context, &at.key("jwks"), jwks));
    } else if raw.is_empty() && !context.has(&at.key("keys")) && !context.has(&at.key("jwks")) {
        context.say_at_key(at, "there is no key to verify tokens: write `keys:` with a list, or `jwks:`");
    }
    let keys = Arc::new(Keys::default());
    let source = KeySource { name: name.into(), keys, places };
    source.keys.replace(source.known());
    Found { source, secret }
}

/// A key set: the current content of a file, or a URL to fetch.
fn set(context: &mut Context<'_>, at: &Pointer, raw: &raw::Jwks) -> Option<KeyPlace> {
    let rsa = raw.rsa.value;
    if !rsa.is_rsa() {
        context.say(&at.key("rsa"), format!("{rsa} is not for RSA keys: write RS256 or PS256, for example"));
    }
    let refresh = bounded(context, &at.key("refresh"), &raw.refresh, REFRESH);
    let timeout = bounded(context, &at.key("timeout"), &raw.timeout, TIMEOUT);
    match (&raw.file, &raw.url) {
        (Some(file), None) => {
            let path = context.path(file);
            let at = at.key("file");
            let json = read_file(&path, MAX_SET as u64).map_err(|error| context.say_unread(&at, &error)).ok()?;
            match parse_key_set(&json, rsa, true) {
                Ok(set) => Some(KeyPlace::SetFile { path, rsa, keys: set.keys.into_iter().map(Arc::new).collect() }),
                Err(error) => {
                    context.say(&at, format!("`{}`: {error}", path.display()));
                    None
                }
            }
        }
        (None, Some(url)) => {
            let at = at.key("url");
            http_url(context, &at, url).then(|| KeyPlace::SetUrl { url: url.as_str().into(), rsa, refresh, timeout })
        }
        (None, None) => {
            context.say(at, "the key set has no location: write `url:` or `file:`");
            None
        }
        (Some(_), Some(_)) => {
            context.say_at_key(&at.key("file"), "`file` and `url` exclude each other: remove one");
            None
        }
    }
}

/// True if the text is an HTTP URL.
pub(super) fn http_url(context: &mut Context<'_>, at: &Pointer, text: &str) -> bool {
    let uri = text.parse::<http::Uri>().ok();
    let fits = uri.is_some_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty())
    });
    if !fits {
        context.say(at, format!("`{text}` is not a URL: write one such as `https://idp.example.com/path`"));
    }
    fits
}

/// A key, its source, and its secret if it can sign.
fn key(context: &mut Context<'_>, at: &Pointer, raw: &raw::Key) -> Option<(KeyPlace, Option<Secret>)> {
    let algorithm = raw.alg.value;
    let symmetric = algorithm.name().starts_with("HS");
    let (right, wrong) = if symmetric { ("secret", "public_key") } else { ("public_key", "secret") };
    let (material, other) = if symmetric { (&raw.secret, &raw.public_key) } else { (&raw.public_key, &raw.secret) };
    if other.is_some() {
        let error = if symmetric { KeyError::NeedsSecret(algorithm) } else { KeyError::NeedsPublicKey(algorithm) };
        context.say_at_key(&at.key(wrong), format!("{error}, as `{right}`"));
    }
    let Some(material) = material else {
        if other.is_none() && !context.has(&at.key(right)) {
            context.say_at_key(
                at,
                format!("`{right}` is missing, which {algorithm} needs: write `{right}: {{ file: PATH }}`"),
            );
        }
        return None;
    };
    let at = at.key(right);
    let bytes = context.read(material, &at)?;
    let kid = raw.kid.as_deref();
    match Key::read(algorithm, kid, bytes.expose()) {
        Ok(key) => {
            let place = place(context, material, kid, Arc::new(key));
            Some((place, symmetric.then_some(bytes)))
        }
        Err(error) => {
            context.say(&at, error.to_string());
            None
        }
    }
}

/// Source of a key.
pub(super) fn place(context: &Context<'_>, material: &raw::Material, kid: Option<&str>, key: Arc<Key>) -> KeyPlace {
    match file(context, material) {
        Some(path) => KeyPlace::File { path, algorithm: key.algorithm(), kid: kid.map(Into::into), key },
        None => KeyPlace::Fixed(key),
    }
}

/// The file of `material`, if it is one.
pub(super) fn file(context: &Context<'_>, material: &raw::Material) -> Option<PathBuf> {
    material.file.as_ref().map(|file| context.path(file))
}
