//! Token formats and their keys.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::config::mint::{MintError, Signing};
use crate::config::pointer::Pointer;
use crate::config::raw;
use crate::config::secret;
use crate::identity::cat::{self, Cat};
use crate::identity::cloud_front::{self, CloudFront};
use crate::identity::edge_auth::{self, EdgeAuth};
use crate::identity::jwt::{Algorithm, Jwt, Key};
use crate::identity::media_cdn::{self, MediaCdn};
use crate::identity::uri_signing::{self, UriSigning};
use crate::identity::{
    Ask, Away, Callback, CallbackSource, Format, Issuer, Issuers, KeyError, KeyFiles, KeySource, Keys, Mapping,
    Rotating, Source, Token,
};
use crate::model::ApplicationId;

use super::context::Context;
use super::keys::{Found, file, http_url, keys, place};
use super::times::{LIFETIME, TIMEOUT, bounded};

/// Leeway for clock differences with issuers.
const LEEWAY: Duration = Duration::from_mins(1);

/// The tokens of an application, and their sources.
pub(super) struct Tokens<'a> {
    application: &'a ApplicationId,
    mapping: &'a Mapping,
    pub(super) kinds: Vec<Token>,
    pub(super) signing: Result<Signing, MintError>,
    pub(super) sources: Vec<KeySource>,
    pub(super) files: Vec<KeyFiles>,
    pub(super) callbacks: Vec<CallbackSource>,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(application: &'a ApplicationId, mapping: &'a Mapping) -> Self {
        Self {
            application,
            mapping,
            kinds: Vec::new(),
            signing: Err(MintError::NoSecret),
            sources: Vec::new(),
            files: Vec::new(),
            callbacks: Vec::new(),
        }
    }

    /// Adds one kind of token.
    pub(super) fn add(&mut self, context: &mut Context<'_>, at: &Pointer, raw: &raw::Token) {
        let Some(format) = self.format(context, at, raw) else { return };
        let numbered = raw.places.iter().any(|place| matches!(place.value, Source::Nth(_)));
        let replaced_by = raw.replaced_by.as_ref().and_then(|text| {
            let claim = text.strip_prefix("claim:").filter(|claim| !claim.is_empty());
            if claim.is_none() {
                context.say(&at.key("replaced_by"), format!("`{text}` is not a claim: write `claim:sub`, for example"));
            } else if !numbered {
                context.say(&at.key("replaced_by"), "this token has no location `segment:NUMBER`: remove this key");
            }
            claim.map(Into::into)
        });
        let in_path = |place: &Source| matches!(place, Source::Segment(_) | Source::Nth(_) | Source::Param(_));
        if raw.forward && raw.places.iter().any(|place| in_path(&place.value)) {
            let message =
                "a token in the path is always removed: list its other locations as a separate item of `tokens`";
            context.say(&at.key("forward"), message);
        }
        self.kinds.push(Token {
            sources: raw.places.iter().map(|place| place.value.clone()).collect(),
            format,
            forward: raw.forward,
            replaced_by,
        });
    }

    fn format(&mut self, context: &mut Context<'_>, at: &Pointer, raw: &raw::Token) -> Option<Arc<dyn Format>> {
        let written: Vec<&str> = [
            ("jwt", raw.jwt.is_some()),
            ("cat", raw.cat.is_some()),
            ("edge_auth", raw.edge_auth.is_some()),
            ("media_cdn", raw.media_cdn.is_some()),
            ("uri_signing", raw.uri_signing.is_some()),
            ("cloud_front", raw.cloud_front.is_some()),
            ("callback", raw.callback.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, is)| (is || context.has(&at.key(name))).then_some(name))
        .collect();
        match written.as_slice() {
            [] => {
                context.say_at_key(
                    at,
                    "the token has no format: write `jwt:`, `cat:`, `edge_auth:`, `media_cdn:`, \
                     `uri_signing:`, `cloud_front:` or `callback:`",
                );
                return None;
            }
            [_] => {}
            [first, second, ..] => {
                let message = format!("`{first}` and `{second}` are two formats: write them as two items of `tokens`");
                context.say_at_key(&at.key(second), message);
                return None;
            }
        }
        let places: Vec<Source> = raw.places.iter().map(|place| place.value.clone()).collect();
        Some(if let Some(raw) = &raw.jwt {
            Arc::new(Jwt::with_issuers(self.jwt(context, &at.key("jwt"), raw), leeway(raw.strict)))
        } else if let Some(raw) = &raw.cat {
            Arc::new(self.cat(context, &at.key("cat"), raw))
        } else if let Some(raw) = &raw.edge_auth {
            Arc::new(self.edge_auth(context, &at.key("edge_auth"), raw))
        } else if let Some(raw) = &raw.media_cdn {
            Arc::new(self.media_cdn(context, &at.key("media_cdn"), raw, &places))
        } else if let Some(raw) = &raw.uri_signing {
            Arc::new(self.uri_signing(context, &at.key("uri_signing"), raw))
        } else if let Some(raw) = &raw.cloud_front {
            Arc::new(self.cloud_front(context, &at.key("cloud_front"), raw, &places))
        } else {
            self.callback(context, &at.key("callback"), raw.callback.as_ref()?)?
        })
    }

    fn jwt(&mut self, context: &mut Context<'_>, at: &Pointer, raw: &raw::Jwt) -> Issuers {
        if raw.issuers.is_empty() {
            let found = keys(context, at, self.application.as_str(), &raw.keys, raw.jwks.as_ref());
            return Issuers::new(vec![self.issuer(found, raw.issuer.as_deref(), &raw.audience, true)]);
        }
        for (key, is) in
            [("keys", !raw.keys.is_empty()), ("jwks", raw.jwks.is_some()), ("issuer", raw.issuer.is_some())]
        {
            if is {
                context.say_at_key(
                    &at.key(key),
                    format!("each item of `issuers` has its own `{key}`: move this one there"),
                );
            }
        }
        self.issuers(context, at, &raw.issuers, true)
    }

    fn cat(&mut self, context: &mut Context<'_>, at: &Pointer, raw: &raw::Cat) -> Cat {
        let found = keys(context, at, self.application.as_str(), &raw.keys, raw.jwks.as_ref());
        if raw.renew && found.secret.is_none() {
            context.say(&at.key("renew"), "only a shared secret can sign a new token: add one, or remove this key");
        }
        let issuers = Issuers::new(vec![self.issuer(found, raw.issuer.as_deref(), &raw.audience, false)]);
        Cat::new(cat::Settings {
            issuers,
            leeway: leeway(raw.strict),
            ignore: raw.ignore.iter().map(|name| name.as_str().into()).collect(),
            country_header: raw.country_header.as_ref().map(|name| name.value.0.clone()),
            renew: raw.renew,
            replay: match raw.replay {
                raw::Replay::PerPlay if raw.strict => cat::Replay::Refuse,
                raw::Replay::PerPlay => cat::Replay::PerPlay,
                raw::Replay::Refuse => cat::Replay::Refuse,
            },
        })
    }

    fn uri_signing(&mut self, context: &mut Context<'_>, at: &Pointer, raw: &raw::UriSigning) -> UriSigning {
        let before = self.sources.len();
        let issuers = self.issuers(context, at, &raw.issuers, false);
        let secrets = self.sources.get(before..).unwrap_or_default().iter().flat_map(KeySource::known);
        if raw.renew && !secrets.into_iter().any(|key| key.is_secret()) {
            context.say(&at.key("renew"), "only a shared secret can sign a new token: add one, or remove this key");
        }
        let decrypt = raw.decrypt.iter().enumerate().filter_map(|(nth, material)| {
            let at = at.key("decrypt").item(nth);
            let secret = context.read(material, &at)?;
            match uri_signing::ContentKey::new(None, secret.expose()) {
                Ok(key) => Some(key),
                Err(error) => {
                    context.say(&at, error.to_string());
                    None
                }
            }
        });
        let decrypt = decrypt.collect();
        let settings = uri_signing::Settings {
            leeway: leeway(raw.strict),
            uri_required: raw.uri_required || raw.strict,
            to_the_letter: raw.strict,
            renew: raw.renew,
            decrypt,
            ..uri_signing::Settings::strict(issuers)
        };
        UriSigning::new(settings)
    }

    fn issuers(&mut self, context: &mut Context<'_>, at: &Pointer, raw: &[raw::Issuer], jwt: bool) -> Issuers {
        let mut named: Vec<&str> = Vec::new();
        let issuers = raw.iter().enumerate().map(|(nth, issuer)| {
            let at = at.key("issuers").item(nth);
            if named.contains(&issuer.issuer.as_str()) {
                context.say(
                    &at.key("issuer"),
                    format!("`{}` is listed twice: put all its keys into one item", issuer.issuer),
                );
            }
            named.push(&issuer.issuer);
            let found = keys(context, &at, self.application.as_str(), &issuer.keys, issuer.jwks.as_ref());
            self.issuer(found, Some(&issuer.issuer), &issuer.audience, jwt)
        });
        Issuers::new(issuers.collect())
    }

    /// One issuer. The first shared secret of a JWT signs test tokens.
    fn issuer(&mut self, found: Found, name: Option<&str>, audience: &[String], jwt: bool) -> Issuer {
        let Found { source, secret } = found;
        if let (Some((algorithm, secret)), Err(_), true) = (secret, &self.signing, jwt) {
            self.signing = Ok(Signing {
                algorithm,
                secret,
                issuer: name.map(Into::into),
                audience: audience.first().map(|name| name.as_str().into()),
                mapping: self.mapping.clone(),
            });
        }
        let keys = source.keys.clone();
        self.sources.push(source);
        Issuer {
            name: name.map(Into::into),
            audience: audience.iter().map(|name| name.as_str().into()).collect(),
            keys,
        }
    }

    fn callback(&mut self, context: &mut Context<'_>, at: &Pointer, raw: &raw::Callback) -> Option<Arc<dyn Format>> {
        let timeout = bounded(context, &at.key("timeout"), &raw.timeout, TIMEOUT);
        let lifetime = bounded(context, &at.key("lifetime"), &raw.lifetime, LIFETIME);
        http_url(context, &at.key("url"), &raw.url).then_some(())?;
        // Several callbacks of one application are separate services.
        let name = match self.callbacks.len() {
            0 => self.application.to_string(),
            nth => format!("{} ({})", self.application, nth + 1),
        };
        let source = CallbackSource {
            ask: match raw.method {
                raw::CallbackMethod::Get => Ask::Get,
                raw::CallbackMethod::Post => Ask::Post,
            },
            deadline: timeout,
            lifetime,
            away: match raw.on_error {
                raw::FailureMode::Refuse => Away::Refuse,
                raw::FailureMode::Admit => Away::Admit,
            },
            ..CallbackSource::new(name, &raw.url)
        };
        let callback = Callback::new(&source);
        self.callbacks.push(source);
        Some(Arc::new(callback))
    }
}

/// Leeway for the times of tokens.
fn leeway(strict: bool) -> Duration {
    if strict { Duration::ZERO } else { LEEWAY }
}

/// Parses a key from the content of a file.
type Read<T> = Box<dyn Fn(&[u8]) -> Result<T, KeyError> + Send + Sync>;

/// One key of a reloadable set, and how it is read.
struct Part<T> {
    at: Pointer,
    material: raw::Material,
    read: Read<T>,
}

impl Tokens<'_> {
    /// A set of keys from files and variables. The files are watched.
    fn rotating<T: Send + Sync + 'static>(
        &mut self,
        context: &mut Context<'_>,
        parts: Vec<Part<T>>,
    ) -> Arc<Rotating<T>> {
        let set = Arc::new(Rotating::default());
        let mut keys = Vec::new();
        // Keys from variables stay; keys from files are reloaded by path.
        let mut again: Vec<(Result<PathBuf, Arc<T>>, _)> = Vec::new();
        for Part { at, material, read } in parts {
            let Some(bytes) = context.read(&material, &at) else { continue };
            match read(bytes.expose()) {
                Ok(key) => {
                    let key = Arc::new(key);
                    keys.push(key.clone());
                    again.push((file(context, &material).ok_or(key), read));
                }
                Err(error) => context.say(&at, error.to_string()),
            }
        }
        set.replace(keys);
        let files: Vec<PathBuf> = again.iter().filter_map(|(place, _)| place.as_ref().ok().cloned()).collect();
        if !files.is_empty() {
            let watched = set.clone();
            let read = Arc::new(move || {
                let keys = again.iter().map(|(place, read)| match place {
                    Err(key) => Ok(key.clone()),
                    Ok(path) => {
                        let bytes = secret::read_trimmed(path).map_err(|error| error.to_string())?;
                        read(&bytes).map(Arc::new).map_err(|error| format!("`{}`: {error}", path.display()))
                    }
                });
                watched.replace(keys.collect::<Result<_, String>>()?);
                Ok(())
            });
            self.files.push(KeyFiles { name: self.application.as_str().into(), files, read });
        }
        set
    }

    fn edge_auth(&mut self, context: &mut Context<'_>, at: &Pointer, raw: &raw::EdgeAuth) -> EdgeAuth {
        let parts = raw.keys.iter().enumerate().map(|(nth, material)| Part {
            at: at.key("keys").item(nth),
            material: material.clone(),
            read: Box::new(|text: &[u8]| edge_auth::Key::from_hex(&String::from_utf8_lossy(text))),
        });
        let keys = self.rotating(context, parts.collect());
        let salt = raw.salt.as_ref().and_then(|salt| context.read(salt, &at.key("salt")));
        EdgeAuth::new(edge_auth::Settings {
            keys,
            algorithm: match raw.algorithm {
                raw::EdgeAuthHash::Sha256 => edge_auth::Mac::Sha256,
                raw::EdgeAuthHash::Sha1 => edge_auth::Mac::Sha1,
                raw::EdgeAuthHash::Md5 => edge_auth::Mac::Md5,
            },
            salt: salt.map(|salt| salt.expose().into()),
            bind_url: raw.url_tokens,
            check_ip: raw.check_ip || raw.strict,
            leeway: leeway(raw.strict),
        })
    }

    fn media_cdn(
        &mut self,
        context: &mut Context<'_>,
        at: &Pointer,
        raw: &raw::MediaCdn,
        places: &[Source],
    ) -> MediaCdn {
        type Make = fn(Option<&str>, &[u8]) -> Result<media_cdn::Key, KeyError>;
        let parts = raw.keys.iter().enumerate().filter_map(|(nth, key)| {
            let at = at.key("keys").item(nth);
            let kinds: [(_, _, Make); 3] = [
                ("ed25519", &key.ed25519, media_cdn::Key::ed25519),
                ("hmac_sha256", &key.hmac_sha256, media_cdn::Key::hmac_sha256),
                ("hmac_sha1", &key.hmac_sha1, media_cdn::Key::hmac_sha1),
            ];
            let mut written =
                kinds.into_iter().filter_map(|(kind, material, read)| Some((kind, material.as_ref()?, read)));
            let Some((kind, material, read)) = written.next() else {
                context.say_at_key(&at, "the key is missing: write `ed25519:`, `hmac_sha256:` or `hmac_sha1:`");
                return None;
            };
            if let Some((second, ..)) = written.next() {
                let message = format!("`{kind}` and `{second}` are two keys: write them as two items");
                context.say_at_key(&at.key(second), message);
            }
            let name = key.name.clone();
            let read = Box::new(move |text: &[u8]| read(name.as_deref(), text));
            Some(Part { at: at.key(kind), material: material.clone(), read: read as _ })
        });
        let parts = parts.collect();
        let keys = self.rotating(context, parts);
        let signed_urls = places.iter().any(|place| matches!(place, Source::Query(name) if **name == *"Signature"));
        MediaCdn::new(media_cdn::Settings {
            keys,
            signed_urls,
            leeway: leeway(raw.strict),
            check_ip: raw.check_ip || raw.strict,
        })
    }

    fn cloud_front(
        &mut self,
        context: &mut Context<'_>,
        at: &Pointer,
        raw: &raw::CloudFront,
        places: &[Source],
    ) -> CloudFront {
        let mut read_from = Vec::new();
        for (nth, key) in raw.keys.iter().enumerate() {
            let at = at.key("keys").item(nth).key("public_key");
            let Some(pem) = context.read(&key.public_key, &at) else { continue };
            let read = |algorithm| Key::public_pem(algorithm, Some(&key.id), pem.expose());
            // Try RSA first, then ECDSA.
            match read(Algorithm::RS256).or_else(|error| read(Algorithm::ES256).map_err(|_| error)) {
                Ok(read) => read_from.push(place(context, &key.public_key, Some(&key.id), Arc::new(read))),
                Err(error) => context.say(&at, error.to_string()),
            }
        }
        let source =
            KeySource { name: self.application.as_str().into(), keys: Arc::new(Keys::default()), places: read_from };
        source.keys.replace(source.known());
        let keys = source.keys.clone();
        self.sources.push(source);
        let in_query = places.iter().any(|place| matches!(place, Source::Query(_)));
        let in_cookies = places.iter().any(|place| matches!(place, Source::Cookie(_)));
        CloudFront::new(cloud_front::Settings {
            keys,
            in_query,
            in_cookies,
            check_ip: raw.check_ip || raw.strict,
            leeway: leeway(raw.strict),
        })
    }
}
