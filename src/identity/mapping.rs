//! From claims and requests to account, device, stream and attributes. What means what is configuration, never code.

use std::sync::Arc;

use crate::model::{Account, AccountKey, ApplicationId, Attributes, StreamId};

use super::claims::Claims;
use super::error::TokenError;
use super::keyring::KeyRing;
use super::limits::{MAX_ACCOUNT, MAX_ATTRIBUTE, MAX_DEVICE, bounded, fingerprint};
use super::request::RequestFacts;
use super::value::Value;

/// Bytes of a value that names a stream.
const MAX_SESSION: usize = 128;

/// What the claims of an application's tokens mean.
#[derive(Clone, Debug)]
pub struct Mapping {
    /// The account's identity provider.
    pub idp: Value,
    /// The account within it.
    pub subject: Value,
    /// The device's name, where something names it.
    pub device: Option<Value>,
    /// Where a stream's id comes from.
    pub stream: StreamSource,
    /// What policies may want to know, by name.
    pub attributes: Vec<(Arc<str>, Value)>,
}

/// Where a stream's id comes from.
#[derive(Clone, Debug)]
pub struct StreamSource {
    /// A value that reaches every request of the play.
    pub named: Option<Value>,
    /// Where nothing names it: whether the gateway mints a play session. Else the id is a fingerprint of account, device (or
    /// client network and user agent) and asset, for players that cannot carry a play session.
    pub mint: bool,
}

impl StreamSource {
    /// Whether only tokens name streams. What a request's own fields name, its viewer can choose.
    pub fn is_of_token_alone(&self) -> bool {
        self.named.as_ref().is_none_or(Value::is_of_token_alone)
    }

    /// The gateway mints all of them.
    pub fn minted() -> Self {
        Self { named: None, mint: true }
    }
}

impl Mapping {
    /// Whether all of it can be told from the token, so that the result is the same for every request.
    pub(super) fn is_of_token_alone(&self) -> bool {
        let attributes = self.attributes.iter().map(|(_, value)| value);
        let values =
            [&self.idp, &self.subject].into_iter().chain(&self.device).chain(&self.stream.named).chain(attributes);
        values.into_iter().all(Value::is_of_token_alone)
    }

    /// The account that is named.
    pub(super) fn account(&self, claims: &Claims, request: &RequestFacts<'_>) -> Result<Account, TokenError> {
        let name = |value: &Value| {
            let name = value.find(claims, request).filter(|name| name.len() <= MAX_ACCOUNT);
            name.map(Arc::<str>::from).ok_or(TokenError::NoAccount)
        };
        Ok(Account::new(name(&self.idp)?, name(&self.subject)?))
    }

    /// The device that is named, if one is.
    pub(super) fn device(&self, claims: &Claims, request: &RequestFacts<'_>) -> Option<Arc<str>> {
        let name = self.device.as_ref()?.find(claims, request)?;
        Some(bounded(&name, MAX_DEVICE).into())
    }

    /// The stream that is named, if one is. Bound to the application and the account: one account cannot name another's
    /// stream. `declared` issues the ids of streams that the application declares, where it does.
    pub(super) fn stream(
        &self,
        application: &ApplicationId,
        account: AccountKey,
        declared: Option<&KeyRing>,
        claims: &Claims,
        request: &RequestFacts<'_>,
    ) -> Result<Option<StreamId>, TokenError> {
        let Some(value) = self.stream.named.as_ref().and_then(|named| named.find(claims, request)) else {
            return Ok(None);
        };
        let printable = value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        if value.len() > MAX_SESSION || !printable {
            return Err(TokenError::BadSession);
        }
        // The id that the session API has issued names the stream that was declared under it.
        if let (Some(keys), Ok(id)) = (declared, value.parse())
            && keys.has_issued(application, &account, id)
        {
            return Ok(Some(id));
        }
        Ok(Some(StreamId(fingerprint(&[b"stream", application.as_str().as_bytes(), &account.0, value.as_bytes()]))))
    }

    /// What policies may want to know.
    pub(super) fn attributes(&self, claims: &Claims, request: &RequestFacts<'_>) -> Attributes {
        let found = self.attributes.iter().filter_map(|(name, value)| {
            let value = value.find(claims, request)?;
            Some((name.clone(), Arc::from(&*bounded(&value, MAX_ATTRIBUTE))))
        });
        found.collect()
    }
}
