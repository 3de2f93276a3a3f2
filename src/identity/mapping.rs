//! Maps claims and requests to account, device, stream and attributes, as configured.

use std::sync::Arc;

use crate::model::{Account, AccountKey, ApplicationId, Attributes, StreamId};

use super::claims::Claims;
use super::error::TokenError;
use super::keyring::KeyRing;
use super::limits::{MAX_ACCOUNT, MAX_ATTRIBUTE, MAX_DEVICE, bounded, fingerprint};
use super::request::RequestFacts;
use super::value::Value;

/// Maximum bytes of a value for a stream id.
const MAX_SESSION: usize = 128;

/// The mapping of one application.
#[derive(Clone, Debug)]
pub struct Mapping {
    /// The account's identity provider.
    pub idp: Value,
    /// The account at the identity provider.
    pub subject: Value,
    /// The device id, if configured.
    pub device: Option<Value>,
    /// Source of the stream id.
    pub stream: StreamSource,
    /// Attributes for policies, by name.
    pub attributes: Vec<(Arc<str>, Value)>,
}

/// Source of the stream id.
#[derive(Clone, Debug)]
pub struct StreamSource {
    /// A value that every request of the stream has.
    pub named: Option<Value>,
    /// Without such a value: mint a play session. Otherwise the id is a fingerprint of account, device (or client
    /// network and user agent) and asset, for players that cannot use a play session.
    pub mint: bool,
}

impl StreamSource {
    /// True if stream ids come only from tokens. Viewers can choose the other fields of a request.
    pub fn is_of_token_alone(&self) -> bool {
        self.named.as_ref().is_none_or(Value::is_of_token_alone)
    }

    /// The gateway mints all play sessions.
    pub fn minted() -> Self {
        Self { named: None, mint: true }
    }
}

impl Mapping {
    /// True if everything comes from the token, so that the result is the same for every request.
    pub(super) fn is_of_token_alone(&self) -> bool {
        let attributes = self.attributes.iter().map(|(_, value)| value);
        let values =
            [&self.idp, &self.subject].into_iter().chain(&self.device).chain(&self.stream.named).chain(attributes);
        values.into_iter().all(Value::is_of_token_alone)
    }

    /// The account.
    pub(super) fn account(&self, claims: &Claims, request: &RequestFacts<'_>) -> Result<Account, TokenError> {
        let name = |value: &Value| {
            let name = value.find(claims, request).filter(|name| name.len() <= MAX_ACCOUNT);
            name.map(Arc::<str>::from).ok_or(TokenError::NoAccount)
        };
        Ok(Account::new(name(&self.idp)?, name(&self.subject)?))
    }

    /// The device, if present.
    pub(super) fn device(&self, claims: &Claims, request: &RequestFacts<'_>) -> Option<Arc<str>> {
        let name = self.device.as_ref()?.find(claims, request)?;
        Some(bounded(&name, MAX_DEVICE).into())
    }

    /// The stream, if present. Bound to the application and account: an account cannot refer to another's stream.
    /// `declared` issues the ids of declared streams, if the application declares any.
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
        // An id issued by the session API refers to its declared stream.
        if let (Some(keys), Ok(id)) = (declared, value.parse())
            && keys.has_issued(application, &account, id)
        {
            return Ok(Some(id));
        }
        Ok(Some(StreamId(fingerprint(&[b"stream", application.as_str().as_bytes(), &account.0, value.as_bytes()]))))
    }

    /// The attributes for policies.
    pub(super) fn attributes(&self, claims: &Claims, request: &RequestFacts<'_>) -> Attributes {
        let found = self.attributes.iter().filter_map(|(name, value)| {
            let value = value.find(claims, request)?;
            Some((name.clone(), Arc::from(&*bounded(&value, MAX_ATTRIBUTE))))
        });
        found.collect()
    }
}
