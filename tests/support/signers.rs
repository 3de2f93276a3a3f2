//! Signs tokens with new keys of every kind, with another library than the gateway's.

#![allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "tests and benchmarks include this file and use parts"
)]

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey};

/// A private key, and the forms of its public half.
pub struct Signer {
    key: EncodingKey,
    /// SPKI.
    pub public_der: Vec<u8>,
    /// SPKI in PEM.
    pub public_pem: String,
    /// PKCS#8 in PEM.
    pub private_pem: String,
}

impl Signer {
    /// RSA of 2048 bits.
    pub fn rsa() -> Self {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let private: Pkcs8V1Der = pair.as_der().unwrap();
        Self::new(private.as_ref(), &pair.public_key().as_der().unwrap(), EncodingKey::from_rsa_pem)
    }

    /// The curve P-256.
    pub fn p256() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let private = pair.to_pkcs8v1().unwrap();
        Self::new(private.as_ref(), &pair.public_key().as_der().unwrap(), EncodingKey::from_ec_pem)
    }

    /// The curve P-384.
    pub fn p384() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
        let private = pair.to_pkcs8v1().unwrap();
        Self::new(private.as_ref(), &pair.public_key().as_der().unwrap(), EncodingKey::from_ec_pem)
    }

    /// Ed25519.
    pub fn ed25519() -> Self {
        let pair = Ed25519KeyPair::generate().unwrap();
        let private = pair.to_pkcs8v1().unwrap();
        Self::new(private.as_ref(), &pair.public_key().as_der().unwrap(), EncodingKey::from_ed_pem)
    }

    fn new(
        private: &[u8],
        public: &PublicKeyX509Der<'_>,
        read: fn(&[u8]) -> jsonwebtoken::errors::Result<EncodingKey>,
    ) -> Self {
        let private_pem = pem("PRIVATE KEY", private);
        Self {
            key: read(private_pem.as_bytes()).unwrap(),
            public_der: public.as_ref().to_vec(),
            public_pem: pem("PUBLIC KEY", public.as_ref()),
            private_pem,
        }
    }

    /// The public half as a JSON Web Key with its algorithm.
    pub fn jwk(&self, algorithm: Algorithm) -> String {
        serde_json::to_string(&Jwk::from_encoding_key(&self.key, algorithm).unwrap()).unwrap()
    }

    /// A token with this header and payload, valid or not.
    pub fn sign(&self, algorithm: Algorithm, header: &str, payload: &str) -> String {
        signed_with(&self.key, algorithm, header, payload)
    }
}

/// A token with this header and payload, signed with a shared secret.
pub fn hmac_signed(secret: &[u8], algorithm: Algorithm, header: &str, payload: &str) -> String {
    signed_with(&EncodingKey::from_secret(secret), algorithm, header, payload)
}

fn signed_with(key: &EncodingKey, algorithm: Algorithm, header: &str, payload: &str) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), key, algorithm).unwrap();
    format!("{signed}.{signature}")
}

/// A PEM block.
pub fn pem(tag: &str, der: &[u8]) -> String {
    let lines: Vec<String> =
        STANDARD.encode(der).as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    format!("-----BEGIN {tag}-----\n{}\n-----END {tag}-----\n", lines.join("\n"))
}
