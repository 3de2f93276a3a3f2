//! URI Signing for CDN interconnection: RFC 9246, a profile of JSON Web Tokens.

use std::net::IpAddr;
use std::time::Duration;

use aws_lc_rs::digest::SHA256_OUTPUT_LEN;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{HeaderValue, SET_COOKIE};
use ipnet::IpNet;
use serde_json::{Map, Value, json};

use crate::model::Millis;

use super::attribute_source;
use super::claim_members::Members;
use super::claims::{Claims, Times};
use super::condition::Condition;
use super::error::TokenError;
use super::format::{Format, MAX_TOKEN};
use super::issuer::Issuers;
use super::jws::{self, Jws};
use super::matching::Match;
use super::renewal::Renewed;
use super::request::RequestFacts;

mod jwe;

pub use self::jwe::{ContentKey, ContentKeyError, decrypt};
pub use super::url::{normal_form, remove_dot_segments};

/// Name of the query parameter, path parameter and cookie (§2), and always of the cookie with a renewed token (§3.3).
pub const PACKAGE: &str = "URISigningPackage";

/// Claim that keeps the encrypted form of decrypted claims, as a renewed token must repeat them. Tokens have no claim
/// of this name.
const SEALED: &str = "streamgate: claims as they were encrypted";

/// How tokens of RFC 9246 are verified.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is one demand of the RFC, and they go together in any way")]
pub struct Settings {
    /// Their issuers. An issuer with a name requires the `iss`, which is optional in the RFC.
    pub issuers: Issuers,
    /// Leeway of `exp` and `nbf`, at most 60 s. The RFC allows none (§2.1.4).
    pub leeway: Duration,
    /// Require `exp`, which is optional in the RFC.
    pub expiry_required: bool,
    /// Require `cdniuc`, which is mandatory in the RFC.
    pub uri_required: bool,
    /// How much of the URI a `regex:` must match.
    pub regex: Coverage,
    /// Renew tokens on request by a cookie (§3). Requires a shared secret of their issuer.
    pub renew: bool,
    /// Keys that decrypt `sub` and `cdniip`.
    pub decrypt: Vec<ContentKey>,
    /// Refuse tokens that the RFC forbids but that are common in practice: those with a `jti`, as used tokens are not
    /// recorded (§2.1.8), and those with an unencrypted `sub` (§2.1.2).
    pub to_the_letter: bool,
}

impl Settings {
    /// The strict reading: no leeway, `exp` and `cdniuc` required, whole URIs, no renewal.
    pub fn strict(issuers: Issuers) -> Self {
        Self {
            issuers,
            leeway: Duration::ZERO,
            expiry_required: true,
            uri_required: true,
            regex: Coverage::Whole,
            renew: false,
            decrypt: Vec::new(),
            to_the_letter: false,
        }
    }
}

/// How much of a URI a regular expression must match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Coverage {
    /// All of it, even without anchors.
    #[default]
    Whole,
    /// Any part, as in POSIX (and Apache Traffic Server): `regex:http://a.example/live/*` allows all below `/live`, but
    /// also `http://b.example/?http://a.example/live/`.
    Part,
}

impl Coverage {
    /// Compiles the expression; `None` if it is invalid or too costly.
    pub fn compile(self, pattern: &str) -> Option<Match> {
        match self {
            Self::Whole => Match::regex(pattern),
            Self::Part => Match::regex(&format!("(?s:.*)(?:{pattern})(?s:.*)")),
        }
    }
}

/// Verifies, and renews, tokens of RFC 9246.
///
/// A token id (`jti`) is accepted although used tokens are not recorded: it identifies the stream over many requests.
/// So is an unencrypted `sub`. [`Settings::to_the_letter`] refuses both.
#[derive(Debug)]
pub struct UriSigning {
    settings: Settings,
}

impl UriSigning {
    /// Creates a verifier.
    pub fn new(settings: Settings) -> Self {
        Self { settings }
    }

    /// The token's conditions: version, extensions, client and URI.
    fn conditions(&self, members: &mut Map<String, Value>) -> Result<Vec<Condition>, TokenError> {
        if members.get("cdniv").is_some_and(|version| version.as_u64() != Some(1)) {
            return Err(TokenError::Critical);
        }
        if self.settings.to_the_letter {
            let is_plain = |sub: &Value| !sub.as_str().is_some_and(jwe::is_encrypted);
            if members.contains_key("jti") || members.get("sub").is_some_and(is_plain) {
                return Err(TokenError::Critical);
            }
        }
        // A list of extensions that must be supported (§2.1.9); none is.
        if members.contains_key("cdnicrit") {
            return Err(TokenError::Critical);
        }
        let mut conditions = Vec::new();
        if let Some(address) = self.open(members, "cdniip")? {
            conditions.push(Condition::Network(vec![network(&address).ok_or(TokenError::Malformed)?]));
        }
        match text(members, "cdniuc")? {
            Some(container) => conditions.push(Condition::NormalUrl(self.container(container)?)),
            None if self.settings.uri_required => return Err(TokenError::Malformed),
            None => {}
        }
        Ok(conditions)
    }

    /// The URI container (§2.1.15).
    fn container(&self, container: &str) -> Result<Match, TokenError> {
        if let Some(pattern) = container.strip_prefix("regex:") {
            return self.settings.regex.compile(pattern).ok_or(TokenError::Malformed);
        }
        // Algorithm and value form a segment of RFC 6920 §5; truncated hashes have other names.
        let hash = container.strip_prefix("hash:").ok_or(TokenError::Critical)?;
        let hash = hash.strip_prefix("sha-256;").ok_or(TokenError::Critical)?;
        let hash = URL_SAFE_NO_PAD.decode(hash).map_err(|_| TokenError::Malformed)?;
        Ok(Match::Sha256(<[u8; SHA256_OUTPUT_LEN]>::try_from(hash).map_err(|_| TokenError::Malformed)?))
    }

    /// Decrypts a claim that must be encrypted (§2.1.10) and replaces it by the plain text. Fails if that is
    /// impossible.
    fn open(&self, members: &mut Map<String, Value>, name: &str) -> Result<Option<String>, TokenError> {
        let Some(sealed) = text(members, name)? else { return Ok(None) };
        if !jwe::is_encrypted(sealed) || self.settings.decrypt.is_empty() {
            return Err(TokenError::Critical);
        }
        let plain = decrypt(&self.settings.decrypt, sealed)?;
        put(members, name, Some(&plain));
        Ok(Some(plain))
    }

    /// Decrypts `sub` (§2.1.2), or removes it if no key fits: the cipher text differs in every token and would make
    /// each a separate account.
    fn open_subject(&self, members: &mut Map<String, Value>) {
        let sealed = members.get("sub").and_then(Value::as_str).filter(|sub| jwe::is_encrypted(sub));
        if let Some(plain) = sealed.map(|sealed| decrypt(&self.settings.decrypt, sealed).ok()) {
            put(members, "sub", plain.as_deref());
        }
    }
}

impl Format for UriSigning {
    fn verify(&self, token: &[u8], _request: &RequestFacts<'_>, now: Millis) -> Result<Claims, TokenError> {
        let Settings { issuers, leeway, expiry_required, .. } = &self.settings;
        let jws = Jws::read(token)?;
        let Members(mut members) = Members::read(&jws.payload)?;
        jws.check(issuers.keys_of(&members)?)?;
        let times = Times::parse(&members)?;
        let expires = if times.expires.is_none() && !expiry_required {
            Times { expires: Some(Millis(u64::MAX)), ..times }.check(*leeway, now)?
        } else {
            times.check(*leeway, now)?
        };
        issuers.check(&members)?;
        Renewal::parse(&members)?;
        members.remove(SEALED);
        let conditions = self.conditions(&mut members)?;
        self.open_subject(&mut members);
        Ok(Claims::new(members, expires).under(conditions))
    }

    fn keys_version(&self) -> u64 {
        self.settings.issuers.keys_version()
    }

    /// The value ends at the next reserved character (RFC 3986 §2.2).
    fn extent(&self, rest: &str, _end: char) -> usize {
        rest.find(is_reserved).unwrap_or(rest.len())
    }

    /// The name may follow any reserved character (§2.1.15).
    fn opens(&self, before: char) -> bool {
        is_reserved(before)
    }

    fn resembles(&self, segment: &str) -> bool {
        segment.starts_with("ey")
    }

    fn renews(&self) -> bool {
        self.settings.renew
    }

    /// The same token with `exp` counted from now, so that lifetime does not accumulate. Only if the viewer's cookies
    /// have none that is valid for at least half of `cdniets`: a new one at every request, as in the RFC, would not be
    /// safer.
    fn renew(&self, claims: &Claims, request: &RequestFacts<'_>, now: Millis) -> Option<Renewed> {
        if !self.settings.renew {
            return None;
        }
        let renewal = Renewal::parse(claims.members()).ok()??;
        let mut members = claims.members().clone();
        if let Some(Value::Object(sealed)) = members.remove(SEALED) {
            members.extend(sealed);
        }
        let expires = Times::parse(&members).ok()?.expires;
        let is_young = expires.is_none_or(|expires| expires.since(now).as_secs() >= renewal.lifetime.div_ceil(2));
        if is_young && has_in_cookie(request, &members) {
            return None;
        }
        let path = renewal.path(request.path)?;
        let keys = self.settings.issuers.keys_of(&members).ok()?;
        members.insert("exp".to_owned(), json!(now.seconds().saturating_add(renewal.lifetime)));
        let token = jws::sign(&*keys.signing(None)?, Value::Object(members).to_string().as_bytes())?;
        if token.len() > MAX_TOKEN {
            return None; // it would not be read
        }
        // Players on pages of other sites send it as well, which browsers allow only over TLS.
        let reach = if request.scheme == "https" { "; Secure; SameSite=None" } else { "" };
        let lifetime = renewal.lifetime;
        let cookie = format!("{PACKAGE}={token}; Path={path}; Max-Age={lifetime}; HttpOnly{reach}");
        Some(Renewed { name: SET_COOKIE, value: HeaderValue::try_from(cookie).ok()? })
    }
}

/// Renewal claims of a token (§2.1.12 to §2.1.14).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Renewal {
    /// `cdniets`: lifetime of a renewed token, in seconds.
    lifetime: u64,
    /// `cdnistd`: number of path segments that a renewed token covers; 0: all paths.
    depth: usize,
}

impl Renewal {
    /// `None` if the token requests no renewal.
    fn parse(members: &Map<String, Value>) -> Result<Option<Self>, TokenError> {
        let number =
            |name: &str| members.get(name).map(|value| value.as_u64().ok_or(TokenError::Malformed)).transpose();
        let lifetime = number("cdniets")?;
        let depth = number("cdnistd")?.map_or(Ok(0), usize::try_from).map_err(|_| TokenError::Malformed)?;
        match (number("cdnistt")?, lifetime) {
            // 0 is none; 2 is by redirection to another domain, which is not supported.
            (None, _) | (Some(0), Some(_)) => Ok(None),
            (Some(1), Some(lifetime)) if lifetime > 0 => Ok(Some(Self { lifetime, depth })),
            (Some(0 | 1), _) => Err(TokenError::Malformed),
            (Some(_), _) => Err(TokenError::Critical),
        }
    }

    /// The first segments of a path, for a cookie. `None` if it has fewer, or one that would break the cookie's
    /// attributes.
    fn path(self, path: &str) -> Option<&str> {
        let fits =
            |path: &&str| path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b';');
        if self.depth == 0 {
            return Some("/");
        }
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]).skip(1);
        path.get(..ends.into_iter().nth(self.depth - 1)?).filter(fits)
    }
}

/// True if the viewer already has this token as a cookie, so that segment requests include it.
fn has_in_cookie(request: &RequestFacts<'_>, members: &Map<String, Value>) -> bool {
    let is_this = |token: &str| Jws::read(token.as_bytes()).is_ok_and(|jws| is_text_of(members, &jws.payload));
    attribute_source::cookie(request.headers, PACKAGE).is_some_and(is_this)
}

fn is_text_of(members: &Map<String, Value>, payload: &[u8]) -> bool {
    Members::read(payload).is_ok_and(|Members(others)| others == *members)
}

/// Replaces an encrypted claim by its text, or removes it, and keeps the encrypted form.
fn put(members: &mut Map<String, Value>, name: &str, plain: Option<&str>) {
    let sealed = match plain {
        Some(plain) => members.insert(name.to_owned(), Value::from(plain)),
        None => members.remove(name),
    };
    let aside = members.entry(SEALED).or_insert_with(|| json!({}));
    if let (Value::Object(aside), Some(sealed)) = (aside, sealed) {
        aside.insert(name.to_owned(), sealed);
    }
}

/// An optional claim that must be a string.
fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, TokenError> {
    members.get(name).map(|value| value.as_str().ok_or(TokenError::Malformed)).transpose()
}

/// An address or a network. The RFC's example has brackets around it.
fn network(text: &str) -> Option<IpNet> {
    let text = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

/// RFC 3986 §2.2.
fn is_reserved(c: char) -> bool {
    ":/?#[]@!$&'()*+,;=".contains(c)
}

#[cfg(test)]
mod tests;
