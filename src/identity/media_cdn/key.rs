//! The keys of a Media CDN key set.

use std::fmt;

use aws_lc_rs::hmac::{self, HMAC_SHA1_FOR_LEGACY_USE_ONLY, HMAC_SHA256};
use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::json;

use crate::identity::algorithm::Algorithm;
use crate::identity::edge_auth_fields;
use crate::identity::error::{KeyError, TokenError};
use crate::identity::key::Key as PublicKey;
use crate::identity::percent::percent_decoded;

/// base64url, padded or not; unused bits are zero.
pub(super) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Minimum bytes of a secret.
const MIN_SECRET: usize = 16;

/// A key, its name in the key set, and its algorithm.
pub struct Key {
    name: Option<Box<str>>,
    material: Material,
}

enum Material {
    Ed25519(PublicKey),
    Secret(Box<hmac::Key>),
}

impl Key {
    /// An Ed25519 public key: 32 bytes in base64url as in the key set, PEM (`PUBLIC KEY`), or one JSON Web Key, whose
    /// `kid` is the default name.
    ///
    /// # Errors
    /// Anything else, such as a private key.
    pub fn ed25519(name: Option<&str>, text: &[u8]) -> Result<Self, KeyError> {
        let text = text.trim_ascii();
        let key = if text.starts_with(b"-----BEGIN ") {
            PublicKey::public_pem(Algorithm::EdDSA, name, text)?
        } else if text.starts_with(b"{") {
            PublicKey::public_jwk(Algorithm::EdDSA, name, text)?
        } else {
            let x = String::from_utf8_lossy(text);
            let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": x.trim_end_matches('=') });
            PublicKey::public_jwk(Algorithm::EdDSA, name, jwk.to_string().as_bytes())?
        };
        Ok(Self { name: key.kid().map(Into::into), material: Material::Ed25519(key) })
    }

    /// A shared secret for HMAC-SHA-256, in base64url.
    ///
    /// # Errors
    /// Invalid, or shorter than 16 bytes.
    pub fn hmac_sha256(name: Option<&str>, text: &[u8]) -> Result<Self, KeyError> {
        Self::secret(HMAC_SHA256, name, text)
    }

    /// A shared secret for HMAC-SHA-1, in base64url.
    ///
    /// # Errors
    /// Invalid, or shorter than 16 bytes.
    pub fn hmac_sha1(name: Option<&str>, text: &[u8]) -> Result<Self, KeyError> {
        Self::secret(HMAC_SHA1_FOR_LEGACY_USE_ONLY, name, text)
    }

    fn secret(hash: hmac::Algorithm, name: Option<&str>, text: &[u8]) -> Result<Self, KeyError> {
        let secret = BASE64.decode(text.trim_ascii()).ok().filter(|secret| secret.len() >= MIN_SECRET);
        let secret = secret.ok_or(KeyError::NotBase64)?;
        Ok(Self { name: name.map(Into::into), material: Material::Secret(hmac::Key::new(hash, &secret).into()) })
    }

    /// True if a token with this key name, or none, may be signed with it. A key without a name serves every name.
    pub(super) fn answers_to(&self, name: Option<&str>) -> bool {
        name.is_none() || self.name.is_none() || self.name.as_deref() == name
    }

    /// True if it serves the algorithm of that signature.
    pub(super) fn fits(&self, signature: &Signature) -> bool {
        match (&self.material, signature) {
            (Material::Ed25519(_), Signature::Ed25519(_)) => true,
            (Material::Secret(key), Signature::Mac(mac)) => {
                key.algorithm().digest_algorithm().output_len() == mac.len()
            }
            _ => false,
        }
    }

    pub(super) fn verifies(&self, signed: &[u8], signature: &Signature) -> bool {
        match (&self.material, signature) {
            (Material::Ed25519(key), Signature::Ed25519(signature)) => key.verifies(signed, signature),
            (Material::Secret(key), Signature::Mac(mac)) => hmac::verify(key, signed, mac).is_ok(),
            _ => false,
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The signature, by the name of its field.
pub(super) enum Signature {
    /// `Signature=`
    Ed25519(Vec<u8>),
    /// `hmac=`
    Mac(Vec<u8>),
}

impl Signature {
    pub(super) fn read((name, text): (&str, &str)) -> Result<Self, TokenError> {
        match name {
            "hmac" => edge_auth_fields::mac_from_hex(text).map(Self::Mac),
            // In a query, clients escape the padding.
            _ => BASE64.decode(percent_decoded(text.as_bytes())).map(Self::Ed25519).map_err(|_| TokenError::Malformed),
        }
    }
}
