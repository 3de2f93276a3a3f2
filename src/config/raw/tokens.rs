//! Tokens: where they are, how they are written, and what verifies them.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::scalar_formats::{HeaderField, Written, seconds};
use crate::identity::Source;
use crate::identity::jwt::Algorithm;

use super::material::Material;

/// One kind of token: where it may be, and exactly one of the formats below.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Token {
    /// Places, in order: the first that has one decides.
    #[serde(rename = "in")]
    #[schemars(length(min = 1))]
    pub(in crate::config) places: Vec<Written<Source>>,
    /// Let the origin have the token as well, as a CDN behind may want.
    #[serde(default)]
    pub(in crate::config) forward: bool,
    /// With `segment:NUMBER`: the claim that takes the token's place in the path at the origin.
    #[schemars(length(min = 1, max = 128))]
    pub(in crate::config) replaced_by: Option<String>,
    /// It is a JSON Web Token (RFC 7519).
    pub(in crate::config) jwt: Option<Jwt>,
    /// It is a Common Access Token (CTA-5007).
    pub(in crate::config) cat: Option<Cat>,
    /// It is a token of Akamai EdgeAuth 2.0.
    pub(in crate::config) edge_auth: Option<EdgeAuth>,
    /// It is a token of Google Media CDN.
    pub(in crate::config) media_cdn: Option<MediaCdn>,
    /// It is a signed URI (RFC 9246).
    pub(in crate::config) uri_signing: Option<UriSigning>,
    /// It is a signed URL or signed cookies of CloudFront.
    pub(in crate::config) cloud_front: Option<CloudFront>,
    /// Your own service judges it.
    pub(in crate::config) callback: Option<Callback>,
}

/// JSON Web Tokens (RFC 7519).
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Jwt {
    /// The keys that verify it. A key serves its one algorithm only.
    #[serde(default)]
    #[schemars(length(min = 1), extend("default" = null))]
    pub(in crate::config) keys: Vec<Key>,
    /// A JSON Web Key Set with more keys.
    pub(in crate::config) jwks: Option<Jwks>,
    /// The `iss` that tokens must have. Left out: not looked at.
    #[schemars(length(min = 1))]
    pub(in crate::config) issuer: Option<String>,
    /// One of these must be in `aud`. Left out: not looked at.
    #[serde(default)]
    #[schemars(extend("default" = null))]
    pub(in crate::config) audience: Vec<String>,
    /// In place of the four above: several issuers, whose keys never verify each other's tokens.
    #[serde(default)]
    #[schemars(length(min = 1), extend("default" = null))]
    pub(in crate::config) issuers: Vec<Issuer>,
    /// Hold to the letter of the standard: no leeway for clocks that differ.
    #[serde(default)]
    pub(in crate::config) strict: bool,
}

/// One who signs tokens.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(clippy::struct_field_names, reason = "`issuer` is what the configuration says")]
pub(in crate::config) struct Issuer {
    /// The `iss` of its tokens.
    #[schemars(length(min = 1))]
    pub(in crate::config) issuer: String,
    /// One of these must be in `aud`. Left out: not looked at.
    #[serde(default)]
    #[schemars(extend("default" = null))]
    pub(in crate::config) audience: Vec<String>,
    /// The keys that verify its tokens.
    #[serde(default)]
    #[schemars(length(min = 1), extend("default" = null))]
    pub(in crate::config) keys: Vec<Key>,
    /// A JSON Web Key Set with more keys.
    pub(in crate::config) jwks: Option<Jwks>,
}

/// One key.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(clippy::struct_field_names, reason = "`public_key` is what the configuration says")]
pub(in crate::config) struct Key {
    /// The signature algorithm.
    pub(in crate::config) alg: Written<Algorithm>,
    /// The key's id, as tokens name it. Left out: that of the JWK, or none.
    #[schemars(length(min = 1))]
    pub(in crate::config) kid: Option<String>,
    /// With HS256, HS384 and HS512: the secret, raw bytes.
    pub(in crate::config) secret: Option<Material>,
    /// With every other algorithm: the public key, as PEM or as one JWK.
    pub(in crate::config) public_key: Option<Material>,
}

/// A JSON Web Key Set (RFC 7517): from a file or from a URL.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Jwks {
    /// A file, sought from the folder of the configuration; read again when it changes.
    #[schemars(length(min = 1))]
    pub(in crate::config) file: Option<String>,
    /// A URL; fetched at the start and every `refresh`, and when a token names a key that is not in the set.
    #[schemars(length(min = 1))]
    pub(in crate::config) url: Option<String>,
    /// What RSA keys of the set are for that do not say so themselves.
    #[serde(default = "rs256")]
    pub(in crate::config) rsa: Written<Algorithm>,
    /// How often the URL is fetched again.
    #[serde(default = "ten_minutes")]
    pub(in crate::config) refresh: Written<Duration>,
    /// How long a fetch may take.
    #[serde(default = "five_seconds")]
    pub(in crate::config) timeout: Written<Duration>,
}

fn rs256() -> Written<Algorithm> {
    Written::preset("RS256", Algorithm::RS256)
}

fn ten_minutes() -> Written<Duration> {
    seconds(600)
}

fn five_seconds() -> Written<Duration> {
    seconds(5)
}

/// Common Access Tokens (CTA-5007).
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Cat {
    /// The keys that verify it: HS256, HS384, HS512, ES256 or PS256.
    #[serde(default)]
    #[schemars(length(min = 1), extend("default" = null))]
    pub(in crate::config) keys: Vec<Key>,
    /// A JSON Web Key Set with more keys.
    pub(in crate::config) jwks: Option<Jwks>,
    /// The `iss` that tokens must have. Left out: not looked at.
    #[schemars(length(min = 1))]
    pub(in crate::config) issuer: Option<String>,
    /// One of these must be in `aud`. Left out: not looked at.
    #[serde(default)]
    #[schemars(extend("default" = null))]
    pub(in crate::config) audience: Vec<String>,
    /// Claims that are passed over, by name: `catnip`, for example, where viewers change networks.
    #[serde(default)]
    #[schemars(extend("default" = null))]
    pub(in crate::config) ignore: Vec<String>,
    /// The header in which an edge in front writes the viewer's country (ISO 3166), for `catgeoiso3166`.
    pub(in crate::config) country_header: Option<Written<HeaderField>>,
    /// Hand the viewer a fresh token where the old one asks for it (`catr`, cookie or header). Needs a shared secret.
    #[serde(default)]
    pub(in crate::config) renew: bool,
    /// What becomes of tokens with `catreplay: 1`: `per_play` accepts them, for one play needs many requests (no list of used
    /// tokens is kept); `refuse` does not.
    #[serde(default)]
    pub(in crate::config) replay: Replay,
    /// Hold to the letter of the standard: no leeway for clocks that differ, and no token with `catreplay: 1`.
    #[serde(default)]
    pub(in crate::config) strict: bool,
}

/// What becomes of a token that may not be used twice.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Replay {
    /// Accepted.
    #[default]
    PerPlay,
    /// Not accepted.
    Refuse,
}

/// Tokens of Akamai EdgeAuth 2.0.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct EdgeAuth {
    /// The keys, in hexadecimal digits, as the vendor hands them out; all are tried.
    #[schemars(length(min = 1))]
    pub(in crate::config) keys: Vec<Material>,
    /// The hash of the MAC.
    #[serde(default)]
    pub(in crate::config) algorithm: EdgeAuthHash,
    /// The salt, where one is agreed upon.
    pub(in crate::config) salt: Option<Material>,
    /// Tokens bind one URL each and have no `acl`.
    #[serde(default)]
    pub(in crate::config) url_tokens: bool,
    /// Hold a token with `ip` to that address. Viewers change networks: best left off.
    #[serde(default)]
    pub(in crate::config) check_ip: bool,
    /// Hold to the letter of the standard: no leeway for clocks that differ, and a token with `ip` comes from that address.
    #[serde(default)]
    pub(in crate::config) strict: bool,
}

/// The hash of an EdgeAuth MAC.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum EdgeAuthHash {
    /// HMAC-SHA256.
    #[default]
    Sha256,
    /// HMAC-SHA1.
    Sha1,
    /// HMAC-MD5, for old issuers only.
    Md5,
}

/// Tokens of Google Media CDN: dual tokens, signed URLs and cookies.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct MediaCdn {
    /// The keys that verify it.
    #[schemars(length(min = 1))]
    pub(in crate::config) keys: Vec<MediaCdnKey>,
    /// Hold a token with `IPRanges` to them. Viewers change networks: best left off.
    #[serde(default)]
    pub(in crate::config) check_ip: bool,
    /// Hold to the letter of the standard: no leeway for clocks that differ, and a token with `IPRanges` comes from them.
    #[serde(default)]
    pub(in crate::config) strict: bool,
}

/// One key of Media CDN: exactly one of `ed25519`, `hmac_sha256` and `hmac_sha1`, each in base64url.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct MediaCdnKey {
    /// Its `KeyName`, for signed URLs and cookies.
    #[schemars(length(min = 1))]
    pub(in crate::config) name: Option<String>,
    /// The public key.
    pub(in crate::config) ed25519: Option<Material>,
    /// The shared secret of HMAC-SHA256.
    pub(in crate::config) hmac_sha256: Option<Material>,
    /// The shared secret of HMAC-SHA1.
    pub(in crate::config) hmac_sha1: Option<Material>,
}

/// Signed URIs (RFC 9246).
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct UriSigning {
    /// Those who sign, by their `iss`.
    #[schemars(length(min = 1))]
    pub(in crate::config) issuers: Vec<Issuer>,
    /// Refuse tokens that are not bound to URIs (`cdniuc`).
    #[serde(default = "yes")]
    pub(in crate::config) uri_required: bool,
    /// Hand the viewer a fresh token where the old one asks for it (`cdnistt`, by cookie). Needs a shared secret.
    #[serde(default)]
    pub(in crate::config) renew: bool,
    /// Keys that open an encrypted `sub` or `cdniip` (JWE, `dir` with A128GCM or A256GCM), raw bytes.
    #[serde(default)]
    #[schemars(extend("default" = null))]
    pub(in crate::config) decrypt: Vec<Material>,
    /// Hold to the letter of the standard: no leeway for clocks that differ, no token with a `jti` (no list of used ones is kept), none with a
    /// `sub` that is not encrypted, and none without `cdniuc`.
    #[serde(default)]
    pub(in crate::config) strict: bool,
}

fn yes() -> bool {
    true
}

/// Signed URLs and cookies of CloudFront.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct CloudFront {
    /// The public keys, by the id that tokens name.
    #[schemars(length(min = 1))]
    pub(in crate::config) keys: Vec<CloudFrontKey>,
    /// Hold a policy with `IpAddress` to it. Viewers change networks: best left off.
    #[serde(default)]
    pub(in crate::config) check_ip: bool,
    /// Hold to the letter of the standard: no leeway for clocks that differ, and a policy with `IpAddress` is held to it.
    #[serde(default)]
    pub(in crate::config) strict: bool,
}

/// One key of CloudFront.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(clippy::struct_field_names, reason = "`public_key` is what the configuration says")]
pub(in crate::config) struct CloudFrontKey {
    /// `Key-Pair-Id`.
    #[schemars(length(min = 1))]
    pub(in crate::config) id: String,
    /// The public key, PEM: RSA, or ECDSA on P-256.
    pub(in crate::config) public_key: Material,
}

/// A service of yours that judges tokens, in the manner of media servers.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Callback {
    /// Where it is asked.
    #[schemars(length(min = 1))]
    pub(in crate::config) url: String,
    /// GET with query parameters, or POST with a JSON object.
    #[serde(default)]
    pub(in crate::config) method: CallbackMethod,
    /// How long an answer may take.
    #[serde(default = "two_hundred_millis")]
    pub(in crate::config) timeout: Written<Duration>,
    /// How long an answer is good that says nothing of that (`X-AuthDuration`).
    #[serde(default = "three_minutes")]
    pub(in crate::config) lifetime: Written<Duration>,
    /// What becomes of viewers whom the service has not judged yet while it is away.
    #[serde(default)]
    pub(in crate::config) on_error: FailureMode,
}

fn two_hundred_millis() -> Written<Duration> {
    Duration::from_millis(200).into()
}

fn three_minutes() -> Written<Duration> {
    seconds(180)
}

/// How a callback asks.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub(in crate::config) enum CallbackMethod {
    /// Query parameters.
    #[default]
    #[serde(rename = "GET")]
    Get,
    /// A JSON object.
    #[serde(rename = "POST")]
    Post,
}

/// What becomes of viewers while the callback's service is away.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum FailureMode {
    /// 403.
    #[default]
    Refuse,
    /// They play; each token counts as an account of its own.
    Admit,
}
