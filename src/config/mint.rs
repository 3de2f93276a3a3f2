//! Tokens for trials: `streamgate token`.

use std::time::Duration;

use serde_json::{Map, Value as Json};

use crate::identity::jwt::{self, Algorithm};
use crate::identity::{KeyError, Mapping, Value, ValueSource};
use crate::model::{ApplicationId, Millis};

use super::secret::Secret;

/// Why an application cannot sign a token for a trial.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MintError {
    /// Viewers are not recognised at all.
    #[error("this application has no `identity`, so that no token means anything to it")]
    NoIdentity,
    /// Only the issuer can sign.
    #[error(
        "this application has only public keys, with which nobody can sign: take a token from its issuer, or add a key \
         with `alg: HS256` and a `secret` for trials"
    )]
    NoSecret,
    /// `subject` is a literal: every token is of the same account.
    #[error("this application takes every viewer for the subject `{0}`: ask for that one")]
    FixedSubject(String),
    /// The subject is not one claim as it stands.
    #[error("this application does not take the subject from one claim of a JWT: take a token from its issuer")]
    SubjectElsewhere,
    /// Tokens carry no device.
    #[error(
        "this application takes no device from its tokens: leave `--device` out, or configure `device: claim:NAME`"
    )]
    NoDevice,
    /// Two things of the token want the same claim.
    #[error(
        "the claim `{0}` is to hold two things at once: give each of subject, device, stream and idp its own, and name none of them, \
         nor `exp`, `iat` and `jti`, with `--claim`"
    )]
    Clash(String),
    /// The key refuses.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// What a token for a trial is to say.
#[derive(Clone, Copy, Debug)]
pub struct TokenRequest<'a> {
    /// The account within its identity provider.
    pub subject: &'a str,
    /// The device.
    pub device: Option<&'a str>,
    /// Further claims.
    pub claims: &'a [(String, Json)],
    /// How long it is valid.
    pub lifetime: Duration,
    /// Its `jti`, and the stream's name where tokens name the stream.
    pub id: &'a str,
}

/// The first shared secret of an application, and the claims that it reads.
#[derive(Clone, Debug)]
pub struct Signing {
    pub(super) algorithm: Algorithm,
    pub(super) secret: Secret,
    pub(super) issuer: Option<Box<str>>,
    pub(super) audience: Option<Box<str>>,
    pub(super) mapping: Mapping,
}

impl Signing {
    pub(super) fn mint(
        &self,
        application: &ApplicationId,
        request: &TokenRequest<'_>,
        now: Millis,
    ) -> Result<String, MintError> {
        let TokenRequest { subject, device, lifetime, id, .. } = *request;
        let mut claims = Map::new();
        for (name, time) in [("iat", now), ("exp", now + lifetime)] {
            claims.insert(name.to_owned(), time.seconds().into());
        }
        claims.insert("jti".to_owned(), id.into());
        let named = [("iss", &self.issuer), ("aud", &self.audience)];
        for (name, value) in named.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
            put(&mut claims, name, &**value)?;
        }
        let Mapping { idp, subject: account, device: named, stream, .. } = &self.mapping;
        if let Some(ValueSource::Claim(name)) = idp.only()
            && !claims.contains_key(&**name)
        {
            put(&mut claims, name, application.as_str())?;
        }
        match account.only() {
            Some(ValueSource::Claim(name)) => put(&mut claims, name, subject)?,
            Some(ValueSource::Literal(only)) if **only == *subject => {}
            Some(ValueSource::Literal(only)) => return Err(MintError::FixedSubject(only.to_string())),
            _ => return Err(MintError::SubjectElsewhere),
        }
        match (device, named.as_ref().and_then(Value::only)) {
            (None, _) => {}
            (Some(device), Some(ValueSource::Claim(name))) => put(&mut claims, name, device)?,
            (Some(_), _) => return Err(MintError::NoDevice),
        }
        if let Some(ValueSource::Claim(name)) = stream.named.as_ref().and_then(Value::only) {
            put(&mut claims, name, id)?;
        }
        for (name, value) in request.claims {
            put(&mut claims, name, value.clone())?;
        }
        Ok(jwt::sign_hs(self.algorithm, self.secret.expose(), &claims)?)
    }
}

/// Sets a claim, by the very name that the application looks up first; no other use may have it.
fn put(claims: &mut Map<String, Json>, name: &str, value: impl Into<Json>) -> Result<(), MintError> {
    let value = value.into();
    match claims.insert(name.to_owned(), value.clone()) {
        Some(before) if before != value => Err(MintError::Clash(name.to_owned())),
        _ => Ok(()),
    }
}
