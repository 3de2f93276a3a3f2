//! JSON Web Tokens: RFC 7519 over RFC 7515, compact form, signed; nested and encrypted tokens are not read.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::identity::claim_members::Members;
use crate::identity::claims::{Claims, Times};
use crate::identity::error::{KeyError, TokenError};
use crate::identity::format::Format;
use crate::identity::issuer::Issuers;
use crate::identity::jws::{self, Jws};
use crate::identity::keys::Keys;
use crate::identity::request::RequestFacts;
use crate::model::Millis;

pub use super::algorithm::{Algorithm, UnknownAlgorithm};
pub use super::key::Key;

/// Verifies tokens with their issuers' keys, each for exactly one algorithm.
#[derive(Debug)]
pub struct Jwt {
    issuers: Issuers,
    leeway: Duration,
}

impl Jwt {
    /// Accepts tokens of any issuer, signed with one of `keys`. `leeway` applies to `exp` and `nbf`, at most 60 s.
    pub fn new(keys: Vec<Key>, leeway: Duration) -> Self {
        Self::with_issuers(Issuers::anybody(Arc::new(Keys::new(keys))), leeway)
    }

    /// Accepts tokens of these issuers.
    pub fn with_issuers(issuers: Issuers, leeway: Duration) -> Self {
        Self { issuers, leeway }
    }

    /// Checks only form, issuer, algorithm and signature, and returns the payload (RFC 7515 §5.2).
    ///
    /// # Errors
    /// The first check that fails.
    pub fn payload(&self, token: &[u8]) -> Result<Vec<u8>, TokenError> {
        let jws = Jws::read(token)?;
        if let Some(only) = self.issuers.only() {
            jws.check(only)?;
        } else {
            let Members(members) = Members::read(&jws.payload)?;
            jws.check(self.issuers.keys_of(&members)?)?;
        }
        Ok(jws.payload)
    }
}

impl Format for Jwt {
    /// `exp` is required and exclusive (RFC 7519 §4.1.4), plus leeway; `nbf` is checked (§4.1.5).
    fn verify(&self, token: &[u8], _request: &RequestFacts<'_>, now: Millis) -> Result<Claims, TokenError> {
        let Members(members) = Members::read(&self.payload(token)?)?;
        let expires = Times::parse(&members)?.check(self.leeway, now)?;
        self.issuers.check(&members)?;
        Ok(Claims::new(members, expires))
    }

    fn resembles(&self, segment: &str) -> bool {
        // A JSON object in base64 starts with `ey`.
        segment.starts_with("ey") && segment.bytes().filter(|byte| *byte == b'.').count() == 2
    }

    fn unverified(&self, token: &[u8], claim: &str) -> Option<String> {
        let Members(members) = Members::read(&Jws::read(token).ok()?.payload).ok()?;
        let text = Claims::new(members, Millis(0)).text(claim)?.into_owned();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (!text.is_empty() && text.len() <= 128 && text.bytes().all(plain)).then_some(text)
    }

    fn keys_version(&self) -> u64 {
        self.issuers.keys_version()
    }
}

/// Signs a test token: HS256, HS384 or HS512, without a `kid`.
///
/// # Errors
/// As [`Key::hmac`].
pub fn sign_hs(algorithm: Algorithm, secret: &[u8], claims: &Map<String, Value>) -> Result<String, KeyError> {
    let key = Key::hmac(algorithm, None, secret)?;
    let claims = Value::Object(claims.clone()).to_string();
    jws::sign(&key, claims.as_bytes()).ok_or(KeyError::NeedsPublicKey(algorithm))
}

#[cfg(test)]
mod tests;
