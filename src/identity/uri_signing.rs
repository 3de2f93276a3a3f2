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

/// The name of the query parameter, of the path's parameter and of the cookie (§2), and always of the cookie that carries
/// a renewed token (§3.3).
pub const PACKAGE: &str = "URISigningPackage";

/// Where the claims keep the encrypted form of those that were opened: a renewed token has to say the same as its
/// predecessor. Of a token's own claims none has this name.
const SEALED: &str = "streamgate: claims as they were encrypted";

/// How tokens of RFC 9246 are verified.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is one demand of the RFC, and they go together in any way")]
pub struct Settings {
    /// Who signs them. An issuer with a name requires the `iss` that the RFC leaves optional.
    pub issuers: Issuers,
    /// Given to `exp` and `nbf` for clocks that differ, 60 s at most. The RFC wants none (§2.1.4).
    pub leeway: Duration,
    /// Whether `exp`, which the RFC leaves optional, has to be there.
    pub expiry_required: bool,
    /// Whether `cdniuc`, which the RFC makes mandatory, has to be there.
    pub uri_required: bool,
    /// How much of the URI a `regex:` has to describe.
    pub regex: Coverage,
    /// Whether tokens that ask for it are renewed by a cookie (§3). It takes a shared secret of their issuer, to sign with.
    pub renew: bool,
    /// What opens encrypted `sub` and `cdniip`.
    pub decrypt: Vec<ContentKey>,
    /// Whether tokens are refused that the RFC has refused where practice does not: those with a `jti`, because no list of used
    /// ones is kept (§2.1.8), and those with a `sub` that is not encrypted (§2.1.2).
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

/// How much of a URI a regular expression has to describe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Coverage {
    /// All of it: an expression without anchors allows no more than it says.
    #[default]
    Whole,
    /// Any part, as POSIX (and Apache Traffic Server) searches: `regex:http://a.example/live/*` allows all below `/live`,
    /// and `http://b.example/?http://a.example/live/` too.
    Part,
}

impl Coverage {
    /// What the expression asks of a URI; `None` where it is none, or too costly.
    pub fn compile(self, pattern: &str) -> Option<Match> {
        match self {
            Self::Whole => Match::regex(pattern),
            Self::Part => Match::regex(&format!("(?s:.*)(?:{pattern})(?s:.*)")),
        }
    }
}

/// Verifies, and renews, tokens of RFC 9246.
///
/// A token id (`jti`) is accepted although nobody keeps a list of used ones: it names the stream, over many requests. So is a
/// `sub` in plain text. Both are refused [to the letter](Settings::to_the_letter).
#[derive(Debug)]
pub struct UriSigning {
    settings: Settings,
}

impl UriSigning {
    /// Tokens as the settings want them.
    pub fn new(settings: Settings) -> Self {
        Self { settings }
    }

    /// The token's own demands, of version, extensions, client and URI.
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
        // A list of extensions that must be understood (§2.1.9), and none is.
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
        // The algorithm's name and the value are a segment of RFC 6920 §5; truncated hashes have other names.
        let hash = container.strip_prefix("hash:").ok_or(TokenError::Critical)?;
        let hash = hash.strip_prefix("sha-256;").ok_or(TokenError::Critical)?;
        let hash = URL_SAFE_NO_PAD.decode(hash).map_err(|_| TokenError::Malformed)?;
        Ok(Match::Sha256(<[u8; SHA256_OUTPUT_LEN]>::try_from(hash).map_err(|_| TokenError::Malformed)?))
    }

    /// The text of a claim that may not be passed over and must be encrypted (§2.1.10). The plain text takes its place.
    fn open(&self, members: &mut Map<String, Value>, name: &str) -> Result<Option<String>, TokenError> {
        let Some(sealed) = text(members, name)? else { return Ok(None) };
        if !jwe::is_encrypted(sealed) || self.settings.decrypt.is_empty() {
            return Err(TokenError::Critical);
        }
        let plain = decrypt(&self.settings.decrypt, sealed)?;
        put(members, name, Some(&plain));
        Ok(Some(plain))
    }

    /// Opens an encrypted `sub` (§2.1.2). Where no key does, there is no `sub`: a cipher text is another one in every token
    /// and would make an account of each.
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

    /// The value ends at the next reserved character (RFC 3986 §2.2), whatever that is.
    fn extent(&self, rest: &str, _end: char) -> usize {
        rest.find(is_reserved).unwrap_or(rest.len())
    }

    /// The name stands behind any reserved character (§2.1.15).
    fn opens(&self, before: char) -> bool {
        is_reserved(before)
    }

    fn resembles(&self, segment: &str) -> bool {
        segment.starts_with("ey")
    }

    fn renews(&self) -> bool {
        self.settings.renew
    }

    /// The same token with `exp` counted from now, so that nobody banks lifetime, where the viewer's cookies do not have
    /// one that is good for at least half of `cdniets`. A fresh one at every request, as the RFC has it, would be no safer.
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
            return None; // nobody would read it
        }
        // Players on pages of other sites send it too, which browsers allow over TLS only.
        let reach = if request.scheme == "https" { "; Secure; SameSite=None" } else { "" };
        let lifetime = renewal.lifetime;
        let cookie = format!("{PACKAGE}={token}; Path={path}; Max-Age={lifetime}; HttpOnly{reach}");
        Some(Renewed { name: SET_COOKIE, value: HeaderValue::try_from(cookie).ok()? })
    }
}

/// What a token says of its successors (§2.1.12 to §2.1.14).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Renewal {
    /// `cdniets`: seconds that a successor lives.
    lifetime: u64,
    /// `cdnistd`: segments of the path that a successor is for; 0: all paths.
    depth: usize,
}

impl Renewal {
    /// `None` where the token wants no successor.
    fn parse(members: &Map<String, Value>) -> Result<Option<Self>, TokenError> {
        let number =
            |name: &str| members.get(name).map(|value| value.as_u64().ok_or(TokenError::Malformed)).transpose();
        let lifetime = number("cdniets")?;
        let depth = number("cdnistd")?.map_or(Ok(0), usize::try_from).map_err(|_| TokenError::Malformed)?;
        match (number("cdnistt")?, lifetime) {
            // 0 is none, and 2 would be by redirection to another domain, which does not happen here.
            (None, _) | (Some(0), Some(_)) => Ok(None),
            (Some(1), Some(lifetime)) if lifetime > 0 => Ok(Some(Self { lifetime, depth })),
            (Some(0 | 1), _) => Err(TokenError::Malformed),
            (Some(_), _) => Err(TokenError::Critical),
        }
    }

    /// The first segments of a path, for a cookie. `None` where it has fewer, or some that would be attributes of their own.
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

/// Whether the viewer has the very token already as a cookie, so that segments come with it.
fn has_in_cookie(request: &RequestFacts<'_>, members: &Map<String, Value>) -> bool {
    let is_this = |token: &str| Jws::read(token.as_bytes()).is_ok_and(|jws| is_text_of(members, &jws.payload));
    attribute_source::cookie(request.headers, PACKAGE).is_some_and(is_this)
}

fn is_text_of(members: &Map<String, Value>, payload: &[u8]) -> bool {
    Members::read(payload).is_ok_and(|Members(others)| others == *members)
}

/// Replaces an encrypted claim by its text, or takes it away, and keeps it aside.
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

/// A claim that has to be a string where it is there.
fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, TokenError> {
    members.get(name).map(|value| value.as_str().ok_or(TokenError::Malformed)).transpose()
}

/// An address or a network. The RFC's own example has brackets around it.
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
