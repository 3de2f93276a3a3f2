//! The signed envelope of JSON tokens: RFC 7515, compact form.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::error::TokenError;
use super::format::MAX_TOKEN;
use super::jose::Header;
use super::key::Key;
use super::keys::Keys;
use super::percent::percent_decoded;

/// A parsed, unverified token.
pub(super) struct Jws<'a> {
    token: Cow<'a, [u8]>,
    /// Length of the signed part: header and payload.
    signed: usize,
    header: Header,
    signature: Vec<u8>,
    pub(super) payload: Vec<u8>,
}

impl<'a> Jws<'a> {
    /// Parses a token.
    ///
    /// # Errors
    /// `TooLong`, `Malformed`, or `Critical` if its header requires an extension.
    pub(super) fn read(token: &'a [u8]) -> Result<Self, TokenError> {
        if token.len() > MAX_TOKEN {
            return Err(TokenError::TooLong);
        }
        let token = percent_decoded(token);
        let (signed, signature) = cut_last_dot(&token)?;
        let (header, payload) = cut_last_dot(signed)?;
        if header.contains(&b'.') {
            return Err(TokenError::Malformed);
        }
        let header = Header::read(&decode(header)?)?;
        let (signature, payload, signed) = (decode(signature)?, decode(payload)?, signed.len());
        Ok(Self { token, signed, header, signature, payload })
    }

    /// Verifies the token with `keys`.
    ///
    /// # Errors
    /// As [`Keys::check`].
    pub(super) fn check(&self, keys: &Keys) -> Result<(), TokenError> {
        let signed = self.token.get(..self.signed).unwrap_or_default();
        keys.check(self.header.algorithm, self.header.kid.as_deref(), signed, &self.signature)
    }
}

/// Signs `payload` with a shared secret; `None` for another key.
pub(super) fn sign(key: &Key, payload: &[u8]) -> Option<String> {
    let header = match key.kid() {
        Some(kid) => serde_json::json!({ "alg": key.algorithm().name(), "typ": "JWT", "kid": kid }),
        None => serde_json::json!({ "alg": key.algorithm().name(), "typ": "JWT" }),
    };
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(payload));
    let mac = key.mac(signed.as_bytes())?;
    Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac)))
}

fn cut_last_dot(text: &[u8]) -> Result<(&[u8], &[u8]), TokenError> {
    let at = text.iter().rposition(|byte| *byte == b'.').ok_or(TokenError::Malformed)?;
    let (head, tail) = text.split_at_checked(at).ok_or(TokenError::Malformed)?;
    Ok((head, tail.get(1..).unwrap_or_default()))
}

/// Strict base64url: no padding, unused bits zero, so that a token has only one spelling.
fn decode(part: &[u8]) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed)
}
