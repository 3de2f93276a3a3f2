//! Tokens: locations, formats and keys.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::scalar_formats::{HeaderField, Written, seconds};
use crate::identity::Source;
use crate::identity::jwt::Algorithm;

use super::material::Material;

/// One kind of token: its locations, and exactly one of the formats below.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Token {
    /// Locations, in order: the first with a token decides.
    #[serde(rename = "in")]
    #[schemars(length(min = 1))]
    pub(in crate::config) places: Vec<Written<Source>>,
    /// Forward the token to the origin, for example for a CDN behind the gateway.
    #[serde(default)]
    pub(in crate::config) forward: bool,
    /// With `segment:NUMBER`: the claim that replaces the token in the path to the origin.
    #[schemars(length(min = 1, max = 128))]
    pub(in crate::config) replaced_by: Option<String>,
    /// JSON Web Token (RFC 7519).
    pub(in crate::config) jwt: Option<Jwt>,
    /// Common Access Token (CTA-5007).
    pub(in crate::config) cat: Option<Cat>,
    /// Akamai EdgeAuth 2.0 token.
    pub(in crate::config) edge_auth: Option<EdgeAuth>,
    /// Google Media CDN token.
    pub(in crate::config) media_cdn: Option<MediaCdn>,
    /// Signed URI (RFC 9246).
    pub(in crate::config) uri_signing: Option<UriSigning>,
    /// CloudFront signed URL or signed cookies.
    pub(in crate::config) cloud_front: Option<CloudFront>,
    /// Your own service verifies the token.
    pub(in crate::config) callback: Option<Callback>,
}

/// JSON Web Tokens (RFC 7519).
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Jwt {
    /// Keys that verify it, each for one algorithm.
    #[serde(default)]
    #[schemars(length(min = 1), extend("default" = null))]
    pub(in crate::config) keys: Vec<Key>,
    /// JSON Web Key Set with more keys.
    pub(in crate::config) jwks: Option<Jwks>,
    /// Required `iss`. Default: not checked.
    #[schemars(length(min = 1))]
    pub(in crate::config) issuer: Option<String>,
    /// One of these must be in `aud`. Default: not checked.
    #[serde(default)]
    #[schemars(extend("default" = null))]
    pub(in crate::config) audience: Vec<String>,
    /// Instead of the four above: several issuers. The keys of one never verify tokens of another.
    #[serde(default)]
    #[schemars(length(min = 1), extend("default" = null))]
    pub(in crate::config) issuers: Vec<Issuer>,
    /// Strict conformance: no leeway for clock differences.
    #[serde(default)]
    pub(in crate::config) strict: bool,
}

/// One issuer of tokens.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(clippy::struct_field_names, reason = "`issuer` is what the configuration says")]
pub(in crate::config) struct Issuer {
    /// `iss` of its tokens.
    #[schemars(length(min = 1))]
    pub(in crate::config) issuer: String,
    /// One of these must be in `aud`. Default: not checked.
    #[serde(default)]
    #[schemars(extend("default" = null))]
    pub(in crate::config) audience: Vec<String>,
    /// Keys that verify its tokens.
    #[serde(default)]
    #[schemars(length(min = 1), extend("default" = null))]
    pub(in crate::config) keys: Vec<Key>,
    /// JSON Web Key Set with more keys.
    pub(in crate::config) jwks: Option<Jwks>,
}

/// One key.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(clippy::struct_field_names, reason = "`public_key` is what the configuration says")]
pub(in crate::config) struct Key {
    /// The signature algorithm.
    pub(in crate::config) alg: Written<Algorithm>,
    /// Key id in tokens. Default: that of the JWK, if any.
    #[schemars(length(min = 1))]
    pub(in crate::config) kid: Option<String>,
    /// For HS256, HS384 and HS512: the secret, raw bytes.
    pub(in crate::config) secret: Option<Material>,
    /// For all other algorithms: the public key, as PEM or as one JWK.
    pub(in crate::config) public_key: Option<Material>,
}

/// A JSON Web Key Set (RFC 7517) from a file or URL.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Jwks {
    /// A file, relative to the folder of the configuration; reloaded when it changes.
    #[schemars(length(min = 1))]
    pub(in crate::config) file: Option<String>,
    /// A URL; fetched at the start, every `refresh`, and when a token has an unknown key id.
    #[schemars(length(min = 1))]
    pub(in crate::config) url: Option<String>,
    /// Algorithm of RSA keys in the set that have no `alg`.
    #[serde(default = "rs256")]
    pub(in crate::config) rsa: Written<Algorithm>,
    /// Interval between fetches.
    #[serde(default = "ten_minutes")]
    pub(in crate::config) refresh: Written<Duration>,
    /// Time limit of a fetch.
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
    /// Keys that verify it: HS256, HS384, HS512, ES256 or PS256.
    #[serde(default)]
    #[schemars(length(min = 1), extend("default" = null))]
    pub(in crate::config) keys: Vec<Key>,
    /// JSON Web Key Set with more keys.
    pub(in crate::config) jwks: Option<Jwks>,
    /// Required `iss`. Default: not checked.
    #[schemars(length(min = 1))]
    pub(in crate::config) issuer: Option<String>,
    /// One of these must be in `aud`. Default: not checked.
    #[serde(default)]
    #[schemars(extend("default" = null))]
    pub(in crate::config) audience: Vec<String>,
    /// Claims to ignore, by name: for example `catnip` if viewers change networks.
    #[serde(default)]
    #[schemars(extend("default" = null))]
    pub(in crate::config) ignore: Vec<String>,
    /// Header from an edge in front with the viewer's country (ISO 3166), for `catgeoiso3166`.
    pub(in crate::config) country_header: Option<Written<HeaderField>>,
    /// Issue a new token if the old one requests it (`catr`, by cookie or header). Requires a shared secret.
    #[serde(default)]
    pub(in crate::config) renew: bool,
    /// Tokens with `catreplay: 1`: `per_play` accepts them, as one stream needs many requests (used tokens are not
    /// recorded); `refuse` refuses them.
    #[serde(default)]
    pub(in crate::config) replay: Replay,
    /// Strict conformance: no leeway for clock differences, and no tokens with `catreplay: 1`.
    #[serde(default)]
    pub(in crate::config) strict: bool,
}

/// What happens to a token with `catreplay: 1`.
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
    /// Keys in hexadecimal, as the vendor shows them; all are tried.
    #[schemars(length(min = 1))]
    pub(in crate::config) keys: Vec<Material>,
    /// Hash of the MAC.
    #[serde(default)]
    pub(in crate::config) algorithm: EdgeAuthHash,
    /// Salt, if the issuer uses one.
    pub(in crate::config) salt: Option<Material>,
    /// Each token is bound to one URL and has no `acl`.
    #[serde(default)]
    pub(in crate::config) url_tokens: bool,
    /// Accept a token with `ip` only from that address. Best left off, as viewers change networks.
    #[serde(default)]
    pub(in crate::config) check_ip: bool,
    /// Strict conformance: no leeway for clock differences, and `ip` is checked.
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
    /// Keys that verify it.
    #[schemars(length(min = 1))]
    pub(in crate::config) keys: Vec<MediaCdnKey>,
    /// Accept a token with `IPRanges` only from those. Best left off, as viewers change networks.
    #[serde(default)]
    pub(in crate::config) check_ip: bool,
    /// Strict conformance: no leeway for clock differences, and `IPRanges` is checked.
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
    /// Issuers, by `iss`.
    #[schemars(length(min = 1))]
    pub(in crate::config) issuers: Vec<Issuer>,
    /// Refuse tokens that are not bound to URIs (`cdniuc`).
    #[serde(default = "yes")]
    pub(in crate::config) uri_required: bool,
    /// Issue a new token if the old one requests it (`cdnistt`, by cookie). Requires a shared secret.
    #[serde(default)]
    pub(in crate::config) renew: bool,
    /// Keys that decrypt `sub` or `cdniip` (JWE, `dir` with A128GCM or A256GCM), raw bytes.
    #[serde(default)]
    #[schemars(extend("default" = null))]
    pub(in crate::config) decrypt: Vec<Material>,
    /// Strict conformance: no leeway for clock differences. Refuses tokens with a `jti` (used tokens are not recorded),
    /// with an unencrypted `sub`, or without `cdniuc`.
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
    /// Public keys, by key id.
    #[schemars(length(min = 1))]
    pub(in crate::config) keys: Vec<CloudFrontKey>,
    /// Check `IpAddress` of a policy. Best left off, as viewers change networks.
    #[serde(default)]
    pub(in crate::config) check_ip: bool,
    /// Strict conformance: no leeway for clock differences, and `IpAddress` is checked.
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

/// A service of yours that verifies tokens, like the authorization callbacks of media servers.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Callback {
    /// URL of the service.
    #[schemars(length(min = 1))]
    pub(in crate::config) url: String,
    /// GET with query parameters, or POST with a JSON object.
    #[serde(default)]
    pub(in crate::config) method: CallbackMethod,
    /// Time limit for a response.
    #[serde(default = "two_hundred_millis")]
    pub(in crate::config) timeout: Written<Duration>,
    /// How long a response without `X-AuthDuration` is valid.
    #[serde(default = "three_minutes")]
    pub(in crate::config) lifetime: Written<Duration>,
    /// What happens to viewers without a cached result while the service is unavailable.
    #[serde(default)]
    pub(in crate::config) on_error: FailureMode,
}

fn two_hundred_millis() -> Written<Duration> {
    Duration::from_millis(200).into()
}

fn three_minutes() -> Written<Duration> {
    seconds(180)
}

/// Method of a callback.
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

/// What happens to viewers while the callback service is unavailable.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum FailureMode {
    /// 403.
    #[default]
    Refuse,
    /// Viewers play; each token counts as a separate account.
    Admit,
}
