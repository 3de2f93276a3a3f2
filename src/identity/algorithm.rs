//! The signature algorithms of RFC 7518 §3.1 and RFC 8037 that are accepted.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384,
    RSA_PSS_2048_8192_SHA512, RsaParameters, VerificationAlgorithm,
};

/// A signature algorithm, by its registered name. There is no `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the registered names say it all")]
pub enum Algorithm {
    HS256,
    HS384,
    HS512,
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    ES512,
    EdDSA,
}

/// The name is not that of an accepted algorithm.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not an accepted algorithm; write HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512 or EdDSA"
)]
pub struct UnknownAlgorithm(Box<str>);

/// What an algorithm needs for a key.
pub(super) enum Needs {
    Secret(hmac::Algorithm),
    Rsa(&'static RsaParameters),
    Ec(&'static dyn VerificationAlgorithm),
    Ed(&'static dyn VerificationAlgorithm),
}

impl Algorithm {
    /// Every accepted algorithm.
    pub const ALL: [Self; 13] = [
        Self::HS256,
        Self::HS384,
        Self::HS512,
        Self::RS256,
        Self::RS384,
        Self::RS512,
        Self::PS256,
        Self::PS384,
        Self::PS512,
        Self::ES256,
        Self::ES384,
        Self::ES512,
        Self::EdDSA,
    ];

    /// The registered name.
    pub fn name(self) -> &'static str {
        match self {
            Self::HS256 => "HS256",
            Self::HS384 => "HS384",
            Self::HS512 => "HS512",
            Self::RS256 => "RS256",
            Self::RS384 => "RS384",
            Self::RS512 => "RS512",
            Self::PS256 => "PS256",
            Self::PS384 => "PS384",
            Self::PS512 => "PS512",
            Self::ES256 => "ES256",
            Self::ES384 => "ES384",
            Self::ES512 => "ES512",
            Self::EdDSA => "EdDSA",
        }
    }

    /// True if it is verified with an RSA key.
    pub fn is_rsa(self) -> bool {
        matches!(self.needs(), Needs::Rsa(_))
    }

    pub(super) fn needs(self) -> Needs {
        match self {
            Self::HS256 => Needs::Secret(hmac::HMAC_SHA256),
            Self::HS384 => Needs::Secret(hmac::HMAC_SHA384),
            Self::HS512 => Needs::Secret(hmac::HMAC_SHA512),
            Self::RS256 => Needs::Rsa(&RSA_PKCS1_2048_8192_SHA256),
            Self::RS384 => Needs::Rsa(&RSA_PKCS1_2048_8192_SHA384),
            Self::RS512 => Needs::Rsa(&RSA_PKCS1_2048_8192_SHA512),
            Self::PS256 => Needs::Rsa(&RSA_PSS_2048_8192_SHA256),
            Self::PS384 => Needs::Rsa(&RSA_PSS_2048_8192_SHA384),
            Self::PS512 => Needs::Rsa(&RSA_PSS_2048_8192_SHA512),
            Self::ES256 => Needs::Ec(&ECDSA_P256_SHA256_FIXED),
            Self::ES384 => Needs::Ec(&ECDSA_P384_SHA384_FIXED),
            Self::ES512 => Needs::Ec(&ECDSA_P521_SHA512_FIXED),
            Self::EdDSA => Needs::Ed(&ED25519),
        }
    }
}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name).ok_or_else(|| UnknownAlgorithm(name.into()))
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
