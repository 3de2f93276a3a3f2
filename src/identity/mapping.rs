//! From claims to account, device and stream. What means what is configuration, never code.

use std::borrow::Cow;
use std::str::FromStr;
use std::sync::Arc;

use crate::model::{Account, AccountKey, ApplicationId, StreamId};

use super::bounds::{ACCOUNT_MAX, DEVICE_MAX, bounded, fingerprint};
use super::claims::Claims;
use super::error::TokenError;

/// Bytes of a claim that names a stream.
const SESSION_MAX: usize = 128;

/// Where a value comes from. Written `claim:NAME`, or as the value itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueSource {
    /// The same for every token.
    Literal(Arc<str>),
    /// A claim, by name or by a path with dots (see [`Claims::text`]).
    Claim(Box<str>),
}

/// Where a stream's id comes from. Written `minted` or `claim:NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamSource {
    /// The gateway mints a play session.
    Minted,
    /// A claim of tokens that reach every request of the play. A token without the claim gets a minted one.
    Claim(Box<str>),
}

/// The text names no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueSourceError {
    /// Nothing, or `claim:` without a name.
    #[error("a value is missing; write claim:NAME or the value itself")]
    Empty,
    /// Neither `minted` nor a claim.
    #[error("`{0}` gives no stream; write minted or claim:NAME")]
    NotAStream(Box<str>),
}

impl FromStr for ValueSource {
    type Err = ValueSourceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix("claim:") {
            Some("") => Err(ValueSourceError::Empty),
            Some(name) => Ok(Self::Claim(name.into())),
            None if text.is_empty() => Err(ValueSourceError::Empty),
            None => Ok(Self::Literal(text.into())),
        }
    }
}

impl FromStr for StreamSource {
    type Err = ValueSourceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match (text, text.strip_prefix("claim:")) {
            ("minted", _) => Ok(Self::Minted),
            (_, Some(name)) if !name.is_empty() => Ok(Self::Claim(name.into())),
            _ => Err(ValueSourceError::NotAStream(text.into())),
        }
    }
}

impl ValueSource {
    /// The value, where the claims have one that is not empty.
    fn value<'a>(&'a self, claims: &'a Claims) -> Option<Cow<'a, str>> {
        match self {
            Self::Literal(value) => Some(Cow::Borrowed(&**value)),
            Self::Claim(name) => claims.text(name).filter(|value| !value.is_empty()),
        }
    }

    fn name(&self, claims: &Claims) -> Result<Arc<str>, TokenError> {
        if let Self::Literal(value) = self {
            return Ok(Arc::clone(value));
        }
        let value = self.value(claims).ok_or(TokenError::NoAccount)?;
        if value.len() > ACCOUNT_MAX { Err(TokenError::NoAccount) } else { Ok(value.into()) }
    }
}

/// The account that the claims name.
pub(super) fn account(idp: &ValueSource, subject: &ValueSource, claims: &Claims) -> Result<Account, TokenError> {
    Ok(Account { idp: idp.name(claims)?, subject: subject.name(claims)? })
}

/// The device that the claims name, if they do.
pub(super) fn device(source: &ValueSource, claims: &Claims) -> Option<Arc<str>> {
    source.value(claims).map(|name| bounded(&name, DEVICE_MAX).into())
}

/// The stream that the claims name, if they do. Bound to the application and the account: one account cannot name
/// another's stream.
pub(super) fn stream(
    source: &StreamSource,
    application: &ApplicationId,
    account: AccountKey,
    claims: &Claims,
) -> Result<Option<StreamId>, TokenError> {
    let StreamSource::Claim(name) = source else { return Ok(None) };
    if claims.value(name).is_none() {
        return Ok(None);
    }
    let value = claims.text(name).ok_or(TokenError::BadSession)?;
    let printable = value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if value.is_empty() || value.len() > SESSION_MAX || !printable {
        return Err(TokenError::BadSession);
    }
    Ok(Some(StreamId(fingerprint(&[b"stream", application.as_str().as_bytes(), &account.0, value.as_bytes()]))))
}
