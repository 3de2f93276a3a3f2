//! Encrypted claims: RFC 7516, compact form, with a pre-shared key (`dir`) and AES-GCM.

use std::fmt;

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, Algorithm, LessSafeKey, Nonce, UnboundKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::identity::claim_members::Members;
use crate::identity::error::TokenError;

/// The secret has the wrong length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key for encrypted claims has 16 bytes (A128GCM) or 32 bytes (A256GCM), and this one has {0}")]
pub struct ContentKeyError(usize);

/// A key that decrypts claims (RFC 7518 §4.5 and §5.3).
pub struct ContentKey {
    kid: Option<Box<str>>,
    /// `A128GCM` or `A256GCM`.
    enc: &'static str,
    key: LessSafeKey,
}

impl ContentKey {
    /// The key with these raw bytes: 16 for A128GCM, 32 for A256GCM.
    ///
    /// # Errors
    /// Another number of bytes.
    pub fn new(kid: Option<&str>, secret: &[u8]) -> Result<Self, ContentKeyError> {
        let ciphers: [(&'static str, &'static Algorithm); 2] = [("A128GCM", &AES_128_GCM), ("A256GCM", &AES_256_GCM)];
        let fitting = ciphers.into_iter().find(|(_, cipher)| cipher.key_len() == secret.len());
        let (enc, cipher) = fitting.ok_or(ContentKeyError(secret.len()))?;
        let key = UnboundKey::new(cipher, secret).map_err(|_| ContentKeyError(secret.len()))?;
        Ok(Self { kid: kid.map(Into::into), enc, key: LessSafeKey::new(key) })
    }
}

impl fmt::Debug for ContentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContentKey").field("kid", &self.kid).field("enc", &self.enc).finish_non_exhaustive()
    }
}

/// True if a claim looks encrypted.
pub(super) fn is_encrypted(claim: &str) -> bool {
    claim.starts_with("ey") && claim.bytes().filter(|byte| *byte == b'.').count() == 4
}

/// Decrypts a claim. A known `kid` selects its key; otherwise every key of the algorithm is tried.
///
/// # Errors
/// `Malformed`; `Critical` for another kind of encryption; `UnknownKey` if none of `keys` fits.
pub fn decrypt(keys: &[ContentKey], jwe: &str) -> Result<String, TokenError> {
    let mut parts = jwe.split('.');
    let (Some(header), Some(wrapped), Some(iv), Some(text), Some(tag), None) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(TokenError::Malformed);
    };
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed);
    let Members(members) = Members::read(&decode(header)?)?;
    let member = |name: &str| members.get(name).and_then(|value| value.as_str());
    let plain = !members.contains_key("crit") && !members.contains_key("zip");
    if !plain || member("alg") != Some("dir") || !matches!(member("enc"), Some("A128GCM" | "A256GCM")) {
        return Err(TokenError::Critical);
    }
    let iv: [u8; 12] = decode(iv)?.try_into().map_err(|_| TokenError::Malformed)?;
    let (text, tag) = (decode(text)?, decode(tag)?);
    if !wrapped.is_empty() || tag.len() != 16 {
        return Err(TokenError::Malformed);
    }
    let sealed = [text, tag].concat();
    let (kid, enc) = (member("kid"), member("enc"));
    let fits = |key: &&ContentKey| Some(key.enc) == enc;
    let named = |key: &&ContentKey| kid.is_some() && key.kid.as_deref() == kid;
    let known = keys.iter().any(|key| named(&key));
    let opened = keys.iter().filter(fits).filter(|key| !known || named(key)).find_map(|key| {
        let mut sealed = sealed.clone();
        let opened = key.key.open_in_place(Nonce::assume_unique_for_key(iv), Aad::from(header), &mut sealed).ok()?;
        Some(opened.to_vec())
    });
    String::from_utf8(opened.ok_or(TokenError::UnknownKey)?).map_err(|_| TokenError::Malformed)
}
