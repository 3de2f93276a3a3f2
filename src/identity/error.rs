//! Errors of tokens, play sessions and keys.

use super::algorithm::Algorithm;

/// Why a token is invalid. The viewer gets a generic answer; this is for the log and the metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Longer than [`MAX_TOKEN`](super::MAX_TOKEN).
    #[error("the token is longer than 8 KiB")]
    TooLong,
    /// Not a token of this format: wrong shape or encoding, a duplicate member, a time that is not a number.
    #[error("the token is malformed")]
    Malformed,
    /// It requires something unsupported: `crit` (RFC 7515 §4.1.11), or a claim that must not be ignored.
    #[error("the token requires an extension that is not supported")]
    Critical,
    /// The header has an algorithm that no configured key serves, or not the algorithm of its key id.
    #[error("the token is signed with an algorithm that no configured key serves")]
    AlgorithmRefused,
    /// The header has an unknown key id, and no other key of the algorithm verifies the token.
    #[error("the token is signed with a key that is not configured")]
    UnknownKey,
    /// The signature or MAC is wrong.
    #[error("the token's signature is wrong")]
    BadSignature,
    /// No `exp`: the token would never expire.
    #[error("the token has no expiry time")]
    NoExpiry,
    /// `exp` has passed, leeway included.
    #[error("the token has expired")]
    Expired,
    /// `nbf` is in the future, leeway included.
    #[error("the token is not valid yet")]
    NotYet,
    /// `iss` is not that of a configured issuer.
    #[error("the token's issuer is not configured")]
    WrongIssuer,
    /// None of its `aud` is configured.
    #[error("the token is meant for another audience")]
    WrongAudience,
    /// It was made for another URL.
    #[error("the token was made for another URL")]
    WrongUrl,
    /// It was made for another network.
    #[error("the token was made for another network")]
    WrongClient,
    /// It was made for another method, protocol or header.
    #[error("the token was made for another kind of request")]
    WrongRequest,
    /// The authorization service must be called first, or again. No viewer is refused for this reason.
    #[error("the authorization service has not verified the token yet")]
    NotCached,
    /// The authorization service refused the token.
    #[error("the authorization service refused the token")]
    Refused,
    /// The authorization service did not answer, and the configuration refuses then.
    #[error("the authorization service did not answer")]
    Unavailable,
    /// Valid, but without an account: the configured claim is missing, empty or longer than
    /// [`MAX_ACCOUNT`](super::MAX_ACCOUNT).
    #[error("the token contains no account")]
    NoAccount,
    /// Valid, but the claim for the stream is not 1 to 128 bytes of printable ASCII.
    #[error("the token's claim for the stream is not 1 to 128 printable ASCII characters")]
    BadSession,
}

impl TokenError {
    /// Every value of [`label`](Self::label).
    pub const LABELS: [&str; 12] = [
        "malformed",
        "unknown_key",
        "bad_signature",
        "expired",
        "not_yet",
        "wrong_issuer",
        "wrong_url",
        "wrong_client",
        "wrong_request",
        "refused",
        "undecided",
        "no_account",
    ];

    /// The reason as a metric label, from a closed set.
    pub fn label(self) -> &'static str {
        match self {
            Self::TooLong | Self::Malformed | Self::Critical | Self::NoExpiry | Self::BadSession => "malformed",
            Self::AlgorithmRefused | Self::UnknownKey => "unknown_key",
            Self::BadSignature => "bad_signature",
            Self::Expired => "expired",
            Self::NotYet => "not_yet",
            Self::WrongIssuer | Self::WrongAudience => "wrong_issuer",
            Self::WrongUrl => "wrong_url",
            Self::WrongClient => "wrong_client",
            Self::WrongRequest => "wrong_request",
            Self::Refused => "refused",
            Self::NotCached | Self::Unavailable => "undecided",
            Self::NoAccount => "no_account",
        }
    }
}

/// Why a sealed play session was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Not a sealed play session.
    #[error("the play session is malformed")]
    Malformed,
    /// Sealed with a key that is not (or no longer) in the ring.
    #[error("the play session was sealed with a key that is not in the ring")]
    UnknownKey,
    /// Not sealed with this key, or modified.
    #[error("the play session was not sealed here")]
    Forged,
    /// Started longer ago than the ring's maximum age.
    #[error("the play session is too old")]
    Expired,
}

impl OpenError {
    /// Every value of [`label`](Self::label).
    pub const LABELS: [&str; 4] = ["malformed", "unknown_key", "forged", "expired"];

    /// The reason as a metric label, from a closed set.
    pub fn label(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::UnknownKey => "unknown_key",
            Self::Forged => "forged",
            Self::Expired => "expired",
        }
    }
}

/// Why a configured key is refused, in one sentence with the remedy. Never shows the key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Shorter than the algorithm's hash (RFC 7518 §3.2).
    #[error(
        "the secret for {algorithm} has {length} bytes and needs at least {least}; make one with `openssl rand -hex 64`"
    )]
    ShortSecret {
        /// Algorithm of the secret.
        algorithm: Algorithm,
        /// Bytes it has.
        length: usize,
        /// Bytes it needs.
        least: usize,
    },
    /// With a public key as shared secret, everybody could sign.
    #[error(
        "the secret for {0} is a key file (PEM, DER or JWK), not a secret; name the algorithm that the key was made for"
    )]
    KeyAsSecret(Algorithm),
    /// A secret was given to an algorithm that needs a public key.
    #[error("{0} is verified with a public key, not with a secret; give the public key as PEM or JWK")]
    NeedsPublicKey(Algorithm),
    /// A public key was given to an algorithm that needs a secret.
    #[error("{0} is verified with a shared secret, not with a public key; give a secret")]
    NeedsSecret(Algorithm),
    /// A private key, which is not needed here.
    #[error("this is a private key; use only the public half (`openssl pkey -in KEY -pubout`)")]
    Private,
    /// Unreadable, or of another kind.
    #[error("this is not a public key for {0}; give `-----BEGIN PUBLIC KEY-----` PEM or one JSON Web Key of that kind")]
    Unfit(Algorithm),
    /// RSA below 2048 bits.
    #[error("the RSA key for {0} has less than 2048 bits; make a larger one")]
    SmallRsa(Algorithm),
    /// The JWK's own `alg`, `use` or `key_ops` excludes this use.
    #[error("the JSON Web Key's `{member}` does not allow to verify {algorithm}")]
    NotForThis {
        /// That member.
        member: &'static str,
        /// The intended algorithm.
        algorithm: Algorithm,
    },
    /// The key must be hexadecimal.
    #[error("the key is not an even number of hexadecimal digits; copy it from the CDN's console")]
    NotHex,
    /// The key must be base64url (RFC 4648 §5).
    #[error("the key is not base64url text of at least 16 bytes; copy it from the CDN's key set")]
    NotBase64,
    /// The key ring is empty.
    #[error("the play sessions need at least one key")]
    EmptyRing,
    /// Two keys of the ring have one id.
    #[error("two keys for play sessions have the id {0}; give each key its own id")]
    DuplicateId(u8),
    /// A secret of the ring is too short.
    #[error(
        "the key {id} for play sessions has {length} bytes and needs at least 32; make one with `openssl rand -hex 32`"
    )]
    ShortRingSecret {
        /// The key's id.
        id: u8,
        /// Bytes it has.
        length: usize,
    },
}
