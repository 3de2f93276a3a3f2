//! Amazon `CloudFront` signed URLs and signed cookies. They contain no account: that comes from another source.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::signature::{ECDSA_P256_SHA1_ASN1, ECDSA_P256_SHA256_ASN1, VerificationAlgorithm};
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256};
use base64::Engine as _;
use base64::alphabet::Alphabet;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};
use ipnet::IpNet;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::model::Millis;

use super::algorithm::Algorithm;
use super::attribute_source;
use super::claims::{Claims, Times};
use super::condition::Condition;
use super::error::TokenError;
use super::format::{Format, MAX_TOKEN};
use super::key::Key;
use super::keys::Keys;
use super::percent::percent_decoded;
use super::request::RequestFacts;

/// Parameters of a signed URL; the cookies have the prefix `CloudFront-`. The first is the token, the others belong to
/// it.
const NAMES: [&str; 5] = ["Signature", "Expires", "Policy", "Key-Pair-Id", "Hash-Algorithm"];
const COOKIES: [&str; 5] = [
    "CloudFront-Signature",
    "CloudFront-Expires",
    "CloudFront-Policy",
    "CloudFront-Key-Pair-Id",
    "CloudFront-Hash-Algorithm",
];
const COMPANIONS: [&str; 10] = [
    "Signature",
    "Expires",
    "Policy",
    "Key-Pair-Id",
    "Hash-Algorithm",
    "CloudFront-Signature",
    "CloudFront-Expires",
    "CloudFront-Policy",
    "CloudFront-Key-Pair-Id",
    "CloudFront-Hash-Algorithm",
];

/// How signed URLs and cookies are verified.
#[derive(Debug)]
pub struct Settings {
    /// Public keys for RS256 (RSA) and ES256 (ECDSA on P-256), with their key pair ids for `kid`. Each also verifies
    /// signatures over SHA-1, which is `CloudFront`'s default for both.
    pub keys: Arc<Keys>,
    /// Accept signed URLs.
    pub in_query: bool,
    /// Accept signed cookies.
    pub in_cookies: bool,
    /// Check a policy's `IpAddress`. Viewers change networks.
    pub check_ip: bool,
    /// Leeway of both times, at most 60 s.
    pub leeway: Duration,
}

/// Verifies signed URLs and cookies. The token is the signature: `query:Signature` and `cookie:CloudFront-Signature`.
///
/// Claims are `Key-Pair-Id`, `Resource` if present, and `Expires` in seconds.
#[derive(Debug)]
pub struct CloudFront {
    settings: Settings,
}

/// The other parameters, percent-decoded.
#[derive(Default)]
struct Parts {
    expires: Option<Vec<u8>>,
    policy: Option<Vec<u8>>,
    key_pair: Option<Vec<u8>>,
    hash: Option<Vec<u8>>,
}

/// A custom policy with exactly one statement. Unknown members are refused, as they may be restrictions.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Policy {
    #[serde(rename = "Statement")]
    statement: [Statement; 1],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Statement {
    /// Absent: everything.
    #[serde(rename = "Resource")]
    resource: Option<String>,
    #[serde(rename = "Condition")]
    condition: Restrictions,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Restrictions {
    #[serde(rename = "DateLessThan")]
    until: Epoch,
    #[serde(rename = "DateGreaterThan")]
    from: Option<Epoch>,
    #[serde(rename = "IpAddress")]
    address: Option<SourceIp>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Epoch {
    #[serde(rename = "AWS:EpochTime")]
    seconds: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceIp {
    #[serde(rename = "AWS:SourceIp")]
    network: String,
}

impl CloudFront {
    /// Creates a verifier.
    pub fn new(settings: Settings) -> Self {
        Self { settings }
    }

    fn key(&self, id: &[u8]) -> Result<Arc<Key>, TokenError> {
        let id = std::str::from_utf8(id).map_err(|_| TokenError::Malformed)?;
        self.settings.keys.named(id).ok_or(TokenError::UnknownKey)
    }
}

impl Format for CloudFront {
    fn verify(&self, token: &[u8], request: &RequestFacts<'_>, now: Millis) -> Result<Claims, TokenError> {
        if token.len() > MAX_TOKEN {
            return Err(TokenError::TooLong);
        }
        let parts = Parts::parse(token, request)?;
        let signature = decode(&percent_decoded(token))?;
        let id = parts.key_pair.as_deref().ok_or(TokenError::Malformed)?;
        let (signed, canned) = match (&parts.expires, &parts.policy) {
            (Some(expires), None) => {
                let (url, seconds) = (url(request), seconds(expires)?);
                (canned(&url, seconds).into_bytes(), Some((url, seconds)))
            }
            (None, Some(policy)) => (decode(policy)?, None),
            _ => return Err(TokenError::Malformed),
        };
        let key = self.key(id)?;
        if !key.verifies_as(form(key.algorithm(), parts.hash.as_deref())?, &signed, &signature) {
            return Err(TokenError::BadSignature);
        }
        let statement = if let Some((url, seconds)) = canned {
            Statement::canned(url, seconds)
        } else {
            let policy: Policy = serde_json::from_slice(&signed).map_err(|_| TokenError::Malformed)?;
            let [statement] = policy.statement;
            statement
        };
        statement.claims(id, &self.settings, parts.policy.is_some(), now)
    }

    fn keys_version(&self) -> u64 {
        self.settings.keys.version()
    }

    fn covers_request(&self, _token: &[u8]) -> bool {
        true
    }

    fn companions(&self) -> &'static [&'static str] {
        // With cookies only, parameters in the query belong to the origin's own signed URLs.
        match (self.settings.in_query, self.settings.in_cookies) {
            (true, false) => &NAMES,
            (false, true) => &COOKIES,
            _ => &COMPANIONS,
        }
    }
}

impl Statement {
    fn canned(url: String, seconds: u64) -> Self {
        let condition = Restrictions { until: Epoch { seconds }, from: None, address: None };
        Self { resource: Some(url), condition }
    }

    /// `is_pattern`: the resource has the wildcards `*` and `?`; otherwise it is a URL that was already compared.
    fn claims(self, id: &[u8], settings: &Settings, is_pattern: bool, now: Millis) -> Result<Claims, TokenError> {
        let Restrictions { until, from, address } = self.condition;
        let time = |epoch: &Epoch| Millis(epoch.seconds.saturating_mul(1000));
        let times = Times { expires: Some(time(&until)), not_before: from.as_ref().map(time) };
        let expires = times.check(settings.leeway, now)?;
        let mut members = Map::new();
        members.insert("Key-Pair-Id".to_owned(), Value::from(String::from_utf8_lossy(id)));
        members.insert("Expires".to_owned(), json!(until.seconds));
        let mut conditions = Vec::new();
        if let Some(resource) = self.resource {
            if is_pattern {
                conditions.push(Condition::UrlGlob(resource.as_str().into()));
            }
            members.insert("Resource".to_owned(), Value::from(resource));
        }
        if let Some(SourceIp { network }) = address.filter(|_| settings.check_ip) {
            let network = self::network(&network).ok_or(TokenError::Malformed)?;
            // 0.0.0.0/0 means any address, including IPv6.
            if network.prefix_len() > 0 {
                conditions.push(Condition::Network(vec![network]));
            }
        }
        Ok(Claims::new(members, expires).under(conditions))
    }
}

impl Parts {
    /// Reads the parameters from the location of the signature.
    ///
    /// # Errors
    /// `Malformed` for a duplicate parameter, `TooLong`.
    fn parse(token: &[u8], request: &RequestFacts<'_>) -> Result<Self, TokenError> {
        let query = request.raw_query.unwrap_or_default();
        let in_query = parameters(query, NAMES[0]).any(|value| value.as_bytes() == token);
        let names = if in_query { NAMES } else { COOKIES };
        let [signature, expires, policy, key_pair, hash] = names.map(|name| {
            if !in_query {
                // The browser sends the one with the longest path first.
                return part(attribute_source::cookie(request.headers, name));
            }
            let mut values = parameters(query, name);
            let value = part(values.next());
            if values.next().is_some() { Err(TokenError::Malformed) } else { value }
        });
        signature?;
        Ok(Self { expires: expires?, policy: policy?, key_pair: key_pair?, hash: hash? })
    }
}

fn part(value: Option<&str>) -> Result<Option<Vec<u8>>, TokenError> {
    match value {
        Some(value) if value.len() > MAX_TOKEN => Err(TokenError::TooLong),
        value => Ok(value.map(|value| percent_decoded(value.as_bytes()).into_owned())),
    }
}

/// The values of every parameter of that name.
fn parameters<'a>(query: &'a str, name: &'static str) -> impl Iterator<Item = &'a str> {
    query
        .split('&')
        .filter_map(|parameter| parameter.split_once('='))
        .filter(move |(key, _)| *key == name)
        .map(|(_, v)| v)
}

/// The signed URL: without the parameters of `CloudFront`.
fn url(request: &RequestFacts<'_>) -> String {
    let is_ours = |parameter: &&str| NAMES.contains(&parameter.split('=').next().unwrap_or_default());
    let query = request.query.map(|query| query.split('&').filter(|part| !is_ours(part)).collect::<Vec<_>>().join("&"));
    RequestFacts { query: query.as_deref(), ..*request }.url()
}

/// The exact text of a canned policy. The URL is escaped as in JSON, so that it cannot inject policy members.
fn canned(url: &str, seconds: u64) -> String {
    let url = Value::from(url);
    format!(r#"{{"Statement":[{{"Resource":{url},"Condition":{{"DateLessThan":{{"AWS:EpochTime":{seconds}}}}}}}]}}"#)
}

/// The signature scheme of the key for that hash.
fn form(algorithm: Algorithm, hash: Option<&[u8]>) -> Result<&'static dyn VerificationAlgorithm, TokenError> {
    let is_sha1 = match hash {
        None => true,
        Some(hash) if hash.eq_ignore_ascii_case(b"SHA1") => true,
        Some(hash) if hash.eq_ignore_ascii_case(b"SHA256") => false,
        Some(_) => return Err(TokenError::AlgorithmRefused),
    };
    match (algorithm, is_sha1) {
        (Algorithm::RS256, true) => Ok(&RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY),
        (Algorithm::RS256, false) => Ok(&RSA_PKCS1_2048_8192_SHA256),
        (Algorithm::ES256, true) => Ok(&ECDSA_P256_SHA1_ASN1),
        (Algorithm::ES256, false) => Ok(&ECDSA_P256_SHA256_ASN1),
        _ => Err(TokenError::AlgorithmRefused),
    }
}

/// Base64 in which `+`, `=` and `/` are `-`, `_` and `~`.
fn decode(text: &[u8]) -> Result<Vec<u8>, TokenError> {
    const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-~";
    let end = text.iter().rposition(|byte| *byte != b'_').map_or(0, |last| last + 1);
    let alphabet = Alphabet::new(LETTERS).map_err(|_| TokenError::Malformed)?;
    let engine = GeneralPurpose::new(&alphabet, NO_PAD);
    engine.decode(text.get(..end).unwrap_or_default()).map_err(|_| TokenError::Malformed)
}

fn seconds(text: &[u8]) -> Result<u64, TokenError> {
    let text = std::str::from_utf8(text).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    text.and_then(|text| text.parse().ok()).ok_or(TokenError::Malformed)
}

fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

#[cfg(test)]
mod tests;
