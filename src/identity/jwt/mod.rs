//! JSON Web Tokens: RFC 7519 over RFC 7515, compact form, signed; nested and encrypted tokens are not read.

mod header;
mod key;
mod members;

use std::borrow::Cow;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::model::Millis;

use crate::identity::claims::Claims;
use crate::identity::error::{KeyError, TokenError};
use crate::identity::format::{Format, TOKEN_MAX};
use crate::identity::source::RequestFacts;

pub use super::algorithm::{Algorithm, UnknownAlgorithm};
pub use key::Key;

use header::Header;
use members::Members;

/// The longest leeway for clocks that differ.
const LEEWAY_MAX: Duration = Duration::from_mins(1);

/// Verifies tokens with a set of keys, each of which serves exactly one algorithm.
#[derive(Debug)]
pub struct Jwt {
    keys: Vec<Key>,
    leeway: Duration,
}

impl Jwt {
    /// Tokens signed with one of `keys`. `leeway` is given to `exp` and `nbf` for clocks that differ, 60 s at most.
    pub fn new(keys: Vec<Key>, leeway: Duration) -> Self {
        Self { keys, leeway: leeway.min(LEEWAY_MAX) }
    }

    /// Checks form, algorithm and signature only, and gives the payload (RFC 7515 §5.2).
    ///
    /// The algorithm is the key's; the header's must agree. A `kid` that is configured selects its key; without one, or
    /// with a foreign one, every key of the algorithm is tried.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn payload(&self, token: &[u8]) -> Result<Vec<u8>, TokenError> {
        if token.len() > TOKEN_MAX {
            return Err(TokenError::TooLong);
        }
        let token = percent_decoded(token);
        let (signed, signature) = cut_last_dot(&token)?;
        let (header, payload) = cut_last_dot(signed)?;
        if header.contains(&b'.') {
            return Err(TokenError::Malformed);
        }
        let header = Header::read(&decode(header)?)?;
        let (signature, payload) = (decode(signature)?, decode(payload)?);
        self.check(&header, signed, &signature)?;
        Ok(payload)
    }

    fn check(&self, header: &Header, signed: &[u8], signature: &[u8]) -> Result<(), TokenError> {
        let algorithm = header.algorithm.ok_or(TokenError::AlgorithmRefused)?;
        if !self.keys.iter().any(|key| key.algorithm() == algorithm) {
            return Err(TokenError::AlgorithmRefused);
        }
        let named = |key: &&Key| header.kid.is_some() && key.kid() == header.kid.as_deref();
        let known = self.keys.iter().any(|key| named(&key));
        let mut keys = self.keys.iter().filter(|key| !known || named(key)).filter(|key| key.algorithm() == algorithm);
        if known && keys.clone().next().is_none() {
            return Err(TokenError::AlgorithmRefused);
        }
        if keys.any(|key| key.verifies(signed, signature)) {
            Ok(())
        } else if header.kid.is_some() && !known {
            Err(TokenError::UnknownKey)
        } else {
            Err(TokenError::BadSignature)
        }
    }
}

impl Format for Jwt {
    /// `exp` is required and its moment is already too late (RFC 7519 §4.1.4), leeway apart; `nbf` is honoured (§4.1.5).
    fn verify(&self, token: &[u8], _request: &RequestFacts<'_>, now: Millis) -> Result<Claims, TokenError> {
        let Members(members) = Members::read(&self.payload(token)?)?;
        let expires = time(&members, "exp")?.ok_or(TokenError::NoExpiry)? + self.leeway;
        if now >= expires {
            return Err(TokenError::Expired);
        }
        if time(&members, "nbf")?.is_some_and(|not_before| now < not_before - self.leeway) {
            return Err(TokenError::NotYet);
        }
        Ok(Claims::new(members, expires))
    }
}

/// Signs a token for tests and trials: HS256, HS384 or HS512, without a `kid`.
///
/// # Errors
/// As [`Key::hmac`].
pub fn sign_hs(algorithm: Algorithm, secret: &[u8], claims: &Map<String, Value>) -> Result<String, KeyError> {
    let key = Key::hmac(algorithm, None, secret)?;
    let header = serde_json::json!({ "alg": algorithm.name(), "typ": "JWT" }).to_string();
    let claims = Value::Object(claims.clone()).to_string();
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let mac = key.mac(signed.as_bytes()).ok_or(KeyError::NeedsPublicKey(algorithm))?;
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac)))
}

/// A `NumericDate` (RFC 7519 §2). Fractions are cut; a number inside a string is no number.
fn time(members: &Map<String, Value>, name: &str) -> Result<Option<Millis>, TokenError> {
    let Some(value) = members.get(name) else { return Ok(None) };
    let seconds = match value.as_u64() {
        Some(seconds) => seconds,
        None => whole(value.as_f64().ok_or(TokenError::Malformed)?),
    };
    Ok(Some(Millis(seconds.saturating_mul(1000))))
}

/// Floor, with everything before 1970 as 1970 and everything beyond the range as its end.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the conversion saturates, as intended")]
fn whole(seconds: f64) -> u64 {
    seconds.floor() as u64
}

fn cut_last_dot(text: &[u8]) -> Result<(&[u8], &[u8]), TokenError> {
    let at = text.iter().rposition(|byte| *byte == b'.').ok_or(TokenError::Malformed)?;
    let (head, tail) = text.split_at_checked(at).ok_or(TokenError::Malformed)?;
    Ok((head, tail.get(1..).unwrap_or_default()))
}

/// Strict base64url: no padding, unused bits zero, so that a token has exactly one spelling.
fn decode(part: &[u8]) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed)
}

/// Undoes, once, the percent-encoding that some clients put on `.`, `-` and `_`. No `%` can be part of a JWT itself.
fn percent_decoded(token: &[u8]) -> Cow<'_, [u8]> {
    if !token.contains(&b'%') {
        return Cow::Borrowed(token);
    }
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut out = Vec::with_capacity(token.len());
    let mut rest = token;
    while let Some((first, after)) = rest.split_first() {
        let escaped = match after {
            [high, low, after @ ..] if *first == b'%' => digit(high).zip(digit(low)).map(|(h, l)| (h << 4 | l, after)),
            _ => None,
        };
        let (byte, after) = escaped.unwrap_or((*first, after));
        out.push(byte);
        rest = after;
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests;
