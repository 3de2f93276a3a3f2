//! Issuers of tokens.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::error::TokenError;
use super::keys::Keys;

/// One issuer of tokens.
#[derive(Debug)]
pub struct Issuer {
    /// Required `iss` (RFC 7519 §4.1.1); `None`: not checked, only for a single issuer.
    pub name: Option<Box<str>>,
    /// One of these must be in `aud` (§4.1.3). Empty: not checked.
    pub audience: Vec<Box<str>>,
    /// Keys that verify its tokens.
    pub keys: Arc<Keys>,
}

/// All accepted issuers. The keys of one never verify a token of another.
#[derive(Debug)]
pub struct Issuers(Vec<Issuer>);

impl Issuers {
    /// These issuers.
    pub fn new(issuers: Vec<Issuer>) -> Self {
        Self(issuers)
    }

    /// Any issuer that signs with one of `keys`.
    pub fn anybody(keys: Arc<Keys>) -> Self {
        Self(vec![Issuer { name: None, audience: Vec::new(), keys }])
    }

    /// The keys of a single issuer: then the payload need not be parsed before verification.
    pub(super) fn only(&self) -> Option<&Keys> {
        match self.0.as_slice() {
            [only] => Some(&only.keys),
            _ => None,
        }
    }

    /// The keys of the issuer in the unverified claims.
    pub(super) fn keys_of(&self, members: &Map<String, Value>) -> Result<&Keys, TokenError> {
        self.find(members).map(|issuer| &*issuer.keys)
    }

    fn find(&self, members: &Map<String, Value>) -> Result<&Issuer, TokenError> {
        let named = members.get("iss").and_then(Value::as_str);
        let is = |issuer: &&Issuer| issuer.name.as_deref().is_none_or(|name| named == Some(name));
        self.0.iter().find(is).ok_or(TokenError::WrongIssuer)
    }

    /// Checks issuer and audience.
    ///
    /// # Errors
    /// `WrongIssuer`, `WrongAudience`.
    pub(super) fn check(&self, members: &Map<String, Value>) -> Result<(), TokenError> {
        let issuer = self.find(members)?;
        if issuer.audience.is_empty() {
            return Ok(());
        }
        let is_ours =
            |name: &Value| name.as_str().is_some_and(|name| issuer.audience.iter().any(|ours| **ours == *name));
        let ours = match members.get("aud") {
            Some(Value::Array(names)) => names.iter().any(is_ours),
            Some(name) => is_ours(name),
            None => false,
        };
        if ours { Ok(()) } else { Err(TokenError::WrongAudience) }
    }

    pub(super) fn keys_version(&self) -> u64 {
        self.0.iter().map(|issuer| issuer.keys.version()).sum()
    }
}
