//! Keys that verify tokens.

use std::fmt;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::hmac;
use aws_lc_rs::rsa::PublicEncryptingKey;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256};
use aws_lc_rs::signature::{ParsedPublicKey, RsaPublicKeyComponents, VerificationAlgorithm};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{DecodingKey, DecodingKeyKind};
use serde_json::Value;

use super::algorithm::{Algorithm, Needs};
use super::error::KeyError;

/// A key and its algorithm.
pub struct Key {
    algorithm: Algorithm,
    kid: Option<Box<str>>,
    material: Material,
}

enum Material {
    Secret(Box<hmac::Key>),
    Public(ParsedPublicKey),
}

impl Key {
    /// A shared secret for HS256, HS384 or HS512, raw bytes.
    ///
    /// # Errors
    /// Another algorithm; a secret shorter than the algorithm's hash (RFC 7518 §3.2); a key file instead of a secret.
    pub fn hmac(algorithm: Algorithm, kid: Option<&str>, secret: &[u8]) -> Result<Self, KeyError> {
        let Needs::Secret(hash) = algorithm.needs() else { return Err(KeyError::NeedsPublicKey(algorithm)) };
        if is_key_file(secret) {
            return Err(KeyError::KeyAsSecret(algorithm));
        }
        let least = hash.digest_algorithm().output_len();
        if secret.len() < least {
            return Err(KeyError::ShortSecret { algorithm, length: secret.len(), least });
        }
        Ok(Self {
            algorithm,
            kid: kid.map(Into::into),
            material: Material::Secret(hmac::Key::new(hash, secret).into()),
        })
    }

    /// A public key as PEM: `PUBLIC KEY` (SPKI, RFC 5280 §4.1.2.7), or `RSA PUBLIC KEY` (RFC 8017).
    ///
    /// # Errors
    /// An algorithm that needs a secret; a private key; a key of another kind or curve; RSA below 2048 bits.
    pub fn public_pem(algorithm: Algorithm, kid: Option<&str>, pem: &[u8]) -> Result<Self, KeyError> {
        let text = String::from_utf8_lossy(pem);
        if text.contains("PRIVATE KEY-----") {
            return Err(KeyError::Private);
        }
        let key = match algorithm.needs() {
            Needs::Secret(_) => return Err(KeyError::NeedsSecret(algorithm)),
            _ if !text.contains("PUBLIC KEY-----") => return Err(KeyError::Unfit(algorithm)),
            Needs::Rsa(_) => DecodingKey::from_rsa_pem(pem),
            Needs::Ec(_) => DecodingKey::from_ec_pem(pem),
            Needs::Ed(_) => DecodingKey::from_ed_pem(pem),
        };
        Self::public(algorithm, kid, &key.map_err(|_| KeyError::Unfit(algorithm))?)
    }

    /// A public key as one JSON Web Key (RFC 7517). Without `kid`, the key's own is used.
    ///
    /// # Errors
    /// As [`public_pem`](Self::public_pem); or the key's own `alg`, `use` or `key_ops` excludes this use.
    pub fn public_jwk(algorithm: Algorithm, kid: Option<&str>, json: &[u8]) -> Result<Self, KeyError> {
        let value: Value = serde_json::from_slice(json).map_err(|_| KeyError::Unfit(algorithm))?;
        if value.get("d").is_some() {
            return Err(KeyError::Private);
        }
        let jwk: Jwk = serde_json::from_value(value).map_err(|_| KeyError::Unfit(algorithm))?;
        let fits = match (algorithm.needs(), &jwk.algorithm) {
            (Needs::Secret(_), _) => return Err(KeyError::NeedsSecret(algorithm)),
            (Needs::Rsa(_), AlgorithmParameters::RSA(_)) => true,
            (Needs::Ec(_), AlgorithmParameters::EllipticCurve(parameters)) => {
                parameters.curve
                    == match algorithm {
                        Algorithm::ES256 => EllipticCurve::P256,
                        Algorithm::ES384 => EllipticCurve::P384,
                        _ => EllipticCurve::P521,
                    }
            }
            (Needs::Ed(_), AlgorithmParameters::OctetKeyPair(parameters)) => parameters.curve == EllipticCurve::Ed25519,
            _ => false,
        };
        if !fits {
            return Err(KeyError::Unfit(algorithm));
        }
        if let Some(member) = forbidding_member(&jwk, algorithm) {
            return Err(KeyError::NotForThis { member, algorithm });
        }
        let key = DecodingKey::from_jwk(&jwk).map_err(|_| KeyError::Unfit(algorithm))?;
        Self::public(algorithm, kid.or(jwk.common.key_id.as_deref()), &key)
    }

    /// A key from the content of a file: a raw secret, PEM, or one JSON Web Key, by algorithm.
    ///
    /// # Errors
    /// As the other constructors.
    pub fn read(algorithm: Algorithm, kid: Option<&str>, bytes: &[u8]) -> Result<Self, KeyError> {
        if matches!(algorithm.needs(), Needs::Secret(_)) {
            Self::hmac(algorithm, kid, bytes)
        } else if bytes.trim_ascii_start().starts_with(b"{") {
            Self::public_jwk(algorithm, kid, bytes)
        } else {
            Self::public_pem(algorithm, kid, bytes)
        }
    }

    fn public(algorithm: Algorithm, kid: Option<&str>, key: &DecodingKey) -> Result<Self, KeyError> {
        let parsed = match (algorithm.needs(), key.kind()) {
            (Needs::Secret(_), _) => return Err(KeyError::NeedsSecret(algorithm)),
            (Needs::Rsa(parameters), DecodingKeyKind::RsaModulusExponent { n, e }) => {
                RsaPublicKeyComponents { n, e }.to_parsed_public_key(parameters)
            }
            (Needs::Rsa(parameters), DecodingKeyKind::SecretOrDer(der)) => ParsedPublicKey::new(parameters, der),
            (Needs::Ec(parameters) | Needs::Ed(parameters), DecodingKeyKind::SecretOrDer(point)) => {
                ParsedPublicKey::new(parameters, point)
            }
            (Needs::Ec(_) | Needs::Ed(_), DecodingKeyKind::RsaModulusExponent { .. }) => {
                return Err(KeyError::Unfit(algorithm));
            }
        };
        let parsed = parsed.map_err(|_| KeyError::Unfit(algorithm))?;
        if matches!(algorithm.needs(), Needs::Rsa(_)) && !is_large_rsa(&parsed) {
            return Err(KeyError::SmallRsa(algorithm));
        }
        Ok(Self { algorithm, kid: kid.map(Into::into), material: Material::Public(parsed) })
    }

    /// Its algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key's id, if it has one.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    pub(super) fn verifies(&self, signed: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::Secret(key) => hmac::verify(key, signed, signature).is_ok(),
            Material::Public(key) => key.verify_sig(signed, signature).is_ok(),
        }
    }

    /// Verifies a signature of another scheme than that of JSON tokens, for the same kind of key.
    pub(super) fn verifies_as(
        &self,
        form: &'static dyn VerificationAlgorithm,
        signed: &[u8],
        signature: &[u8],
    ) -> bool {
        let Material::Public(key) = &self.material else { return false };
        let key = key.as_der().ok().and_then(|der| ParsedPublicKey::new(form, der.as_ref()).ok());
        key.is_some_and(|key| key.verify_sig(signed, signature).is_ok())
    }

    /// True if it is a shared secret, which can also sign.
    pub fn is_secret(&self) -> bool {
        matches!(self.material, Material::Secret(_))
    }

    pub(super) fn mac(&self, text: &[u8]) -> Option<hmac::Tag> {
        match &self.material {
            Material::Secret(key) => Some(hmac::sign(key, text)),
            Material::Public(_) => None,
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("algorithm", &self.algorithm).field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// The member of a JWK that excludes verification with this algorithm.
fn forbidding_member(jwk: &Jwk, algorithm: Algorithm) -> Option<&'static str> {
    let common = &jwk.common;
    if common.key_algorithm.is_some_and(|named| named.to_string() != algorithm.name()) {
        Some("alg")
    } else if common.public_key_use.as_ref().is_some_and(|named| *named != PublicKeyUse::Signature) {
        Some("use")
    } else if common.key_operations.as_ref().is_some_and(|named| !named.contains(&KeyOperations::Verify)) {
        Some("key_ops")
    } else {
        None
    }
}

/// RFC 7518 §3.3. The library checks the size only when it verifies; this reports it with the configuration.
fn is_large_rsa(key: &ParsedPublicKey) -> bool {
    let key = key.as_der().ok().and_then(|der| PublicEncryptingKey::from_der(der.as_ref()).ok());
    key.is_some_and(|key| key.key_size_bits() >= 2048)
}

/// True if a secret is a key file: PEM, a JWK, or DER of a public key. Public data must not be a secret.
fn is_key_file(secret: &[u8]) -> bool {
    let text = secret.trim_ascii();
    if text.starts_with(b"-----BEGIN ") {
        return true;
    }
    if text.starts_with(b"{") {
        return serde_json::from_slice::<Value>(text)
            .is_ok_and(|json| json.get("kty").is_some() || json.get("keys").is_some());
    }
    let kinds: [&'static dyn VerificationAlgorithm; 4] =
        [&RSA_PKCS1_2048_8192_SHA256, &ECDSA_P256_SHA256_FIXED, &ECDSA_P384_SHA384_FIXED, &ED25519];
    // DER starts with a sequence. The length is checked as well, since any 32 bytes are a raw Ed25519 key.
    let may_be_der = secret.len() > 32 && secret.starts_with(&[0x30]);
    may_be_der && kinds.into_iter().any(|kind| ParsedPublicKey::new(kind, secret).is_ok())
}
