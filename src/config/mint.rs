//! Test tokens: `streamgate token`.

use std::time::Duration;

use serde_json::{Map, Value as Json};

use crate::identity::jwt::{self, Algorithm};
use crate::identity::{KeyError, Mapping, Value, ValueSource};
use crate::model::{ApplicationId, Millis};

use super::secret::Secret;

/// Why an application cannot sign a test token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MintError {
    /// The application does not identify viewers.
    #[error("this application has no `identity` and accepts no tokens: configure `identity` first")]
    NoIdentity,
    /// Only the issuer can sign.
    #[error(
        "this application has only public keys, which cannot sign: get a token from its issuer, or add a key \
         with `alg: HS256` and a `secret` for tests"
    )]
    NoSecret,
    /// `subject` is a literal: every token has the same account.
    #[error("this application has the constant subject `{0}`: use that one")]
    FixedSubject(String),
    /// The subject is not exactly one claim.
    #[error("the subject of this application is not one claim of a JWT: get a token from its issuer")]
    SubjectElsewhere,
    /// Tokens have no device.
    #[error("this application reads no device from its tokens: omit `--device`, or configure `device: claim:NAME`")]
    NoDevice,
    /// Two values need the same claim.
    #[error(
        "the claim `{0}` would have two values: use different claims for subject, device, stream and idp, and set \
         none of them, \
         nor `exp`, `iat` and `jti`, with `--claim`"
    )]
    Clash(String),
    /// The key is not usable.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Content of a test token.
#[derive(Clone, Copy, Debug)]
pub struct TokenRequest<'a> {
    /// The account within its identity provider.
    pub subject: &'a str,
    /// The device.
    pub device: Option<&'a str>,
    /// Further claims.
    pub claims: &'a [(String, Json)],
    /// Lifetime.
    pub lifetime: Duration,
    /// `jti`, and the stream id if tokens contain one.
    pub id: &'a str,
}

/// First shared secret of an application, and the claims that it reads.
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

/// Sets a claim, by the name that the application looks up first. Fails if the claim is in use.
fn put(claims: &mut Map<String, Json>, name: &str, value: impl Into<Json>) -> Result<(), MintError> {
    let value = value.into();
    match claims.insert(name.to_owned(), value.clone()) {
        Some(before) if before != value => Err(MintError::Clash(name.to_owned())),
        _ => Ok(()),
    }
}
