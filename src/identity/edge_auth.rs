//! Akamai's `EdgeAuth` (Auth Token 2.0): `ip= st= exp= acl= id= data= hmac=`, joined by `~`.
//!
//! The MAC covers the fields as received, then the URL and a salt that is not in the token. `id` and `data` are free
//! text, which may contain an account. Issuers that "escape early" write them form-encoded (a space as `+`, `%` with
//! lower-case digits), so both are available twice: `data` as received and `data_unescaped`.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ::hmac::{Hmac, Mac as _};
use aws_lc_rs::hmac::{self, HMAC_SHA1_FOR_LEGACY_USE_ONLY, HMAC_SHA256};
use ipnet::IpNet;
use md5::Md5;
use serde_json::Map;

use crate::identity::claims::Claims;
use crate::identity::condition::Condition;
use crate::identity::edge_auth_fields::{self, Fields, Grammar};
use crate::identity::error::{KeyError, TokenError};
use crate::identity::format::{Format, MAX_TOKEN};
use crate::identity::percent::{form_decoded, percent_decoded};
use crate::identity::request::RequestFacts;
use crate::identity::rotating::Rotating;
use crate::model::Millis;

const GRAMMAR: Grammar = Grammar {
    slots: &[&["ip"], &["st"], &["exp"], &["acl"], &["id"], &["data"]],
    ordered: true,
    signatures: &["hmac"],
};

/// How tokens are verified.
#[derive(Debug)]
pub struct Settings {
    /// The secrets; each is tried. The owner of the set may replace them.
    pub keys: Arc<Rotating<Key>>,
    /// The hash of the MAC.
    pub algorithm: Mac,
    /// Additional input of the MAC, known only to issuer and verifier.
    pub salt: Option<Box<[u8]>>,
    /// A token without `acl` is a URL token: its MAC covers `url=` and the path.
    pub bind_url: bool,
    /// Accept a token with `ip` only from that address.
    pub check_ip: bool,
    /// Leeway of `exp` and `st`, at most 60 s.
    pub leeway: Duration,
}

/// The hash of a MAC, set only by the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mac {
    /// HMAC-SHA-256.
    #[default]
    Sha256,
    /// HMAC-SHA-1.
    Sha1,
    /// HMAC-MD5, for old issuers.
    Md5,
}

/// A shared secret.
pub struct Key(Box<[u8]>);

impl Key {
    /// Parses a secret in Akamai's form: an even number of hexadecimal digits.
    ///
    /// # Errors
    /// Empty, or something else.
    pub fn from_hex(text: &str) -> Result<Self, KeyError> {
        let secret = edge_auth_fields::from_hex(text.trim_ascii()).filter(|secret| !secret.is_empty());
        secret.map(|secret| Self(secret.into())).ok_or(KeyError::NotHex)
    }

    /// Constant time.
    fn verifies(&self, algorithm: Mac, signed: &[u8], mac: &[u8]) -> bool {
        let hash = match algorithm {
            Mac::Sha256 => HMAC_SHA256,
            Mac::Sha1 => HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Mac::Md5 => {
                return Hmac::<Md5>::new_from_slice(&self.0)
                    .is_ok_and(|hmac| hmac.chain_update(signed).verify_slice(mac).is_ok());
            }
        };
        hmac::verify(&hmac::Key::new(hash, &self.0), signed, mac).is_ok()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

impl Mac {
    /// Length of the MAC in bytes.
    fn length(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha1 => 20,
            Self::Md5 => 16,
        }
    }
}

/// Verifies Akamai tokens.
#[derive(Debug)]
pub struct EdgeAuth {
    settings: Settings,
}

impl EdgeAuth {
    /// Creates a verifier.
    pub fn new(settings: Settings) -> Self {
        Self { settings }
    }

    fn check(&self, text: &str, request: &RequestFacts<'_>, now: Millis) -> Result<Claims, TokenError> {
        let fields = GRAMMAR.read(text, '~')?;
        self.check_mac(&fields, request)?;
        let expires = fields.times("exp", "st")?.check(self.settings.leeway, now)?;
        let mut conditions = Vec::new();
        if let Some(acl) = fields.get("acl") {
            conditions.push(Condition::Globs(acl.split('!').map(Into::into).collect()));
        }
        if let Some(ip) = fields.get("ip").filter(|_| self.settings.check_ip) {
            conditions.push(Condition::Network(vec![address(ip)?]));
        }
        let mut members = Map::new();
        for (name, value) in &fields.list {
            match (*name, value.ok_or(TokenError::Malformed)?) {
                ("id" | "data", value) => edge_auth_fields::insert_free(&mut members, name, value),
                (_, value) => drop(members.insert((*name).to_owned(), value.into())),
            }
        }
        Ok(Claims::new(members, expires).under(conditions))
    }

    fn check_mac(&self, fields: &Fields<'_>, request: &RequestFacts<'_>) -> Result<(), TokenError> {
        let Settings { keys, algorithm, salt, bind_url, .. } = &self.settings;
        let mac = edge_auth_fields::mac_from_hex(fields.signature.1)?;
        if mac.len() != algorithm.length() {
            return Err(TokenError::AlgorithmRefused);
        }
        let keys = keys.load();
        let verifies = |url: Option<&[u8]>| {
            let url = url.map_or([&[][..]; 2], |url| [b"~url=", url]);
            let salt = salt.as_deref().map_or([&[][..]; 2], |salt| [b"~salt=", salt]);
            let signed = [[fields.signed.as_bytes(), b""], url, salt].concat().concat();
            keys.iter().any(|key| key.verifies(*algorithm, &signed, &mac))
        };
        let good = if *bind_url && fields.get("acl").is_none() {
            // The issuer may have signed the path as sent or decoded, each of them escaped early or not.
            let path = request.path;
            let sent = is_of_uri(path).then_some(path.as_bytes());
            let forms = [sent.map(Cow::Borrowed), meant(path).map(Cow::Owned)];
            forms.into_iter().flatten().any(|url| verifies(Some(&url)) || verifies(Some(&escaped_early(&url))))
        } else {
            verifies(None)
        };
        if good { Ok(()) } else { Err(TokenError::BadSignature) }
    }
}

impl Format for EdgeAuth {
    /// `exp` is required and exclusive, plus leeway; `st` is checked. `acl` is a list of paths separated by `!`, in
    /// which `*` matches any characters (including `/`) and `?` any one; it applies to the raw path.
    fn verify(&self, token: &[u8], request: &RequestFacts<'_>, now: Millis) -> Result<Claims, TokenError> {
        if token.len() > MAX_TOKEN {
            return Err(TokenError::TooLong);
        }
        edge_auth_fields::as_received_or_decoded(token, |text| self.check(text, request, now))
    }

    fn keys_version(&self) -> u64 {
        self.settings.keys.version()
    }

    fn covers_request(&self, token: &[u8]) -> bool {
        // Percent-decoding does not remove an `acl`.
        self.settings.bind_url && memchr::memmem::find(token, b"acl=").is_none_or(|at| !begins_field(token, at))
    }

    fn extent(&self, rest: &str, end: char) -> usize {
        GRAMMAR.extent(rest, end)
    }

    fn resembles(&self, segment: &str) -> bool {
        GRAMMAR.read(segment, '~').is_ok()
    }
}

fn begins_field(token: &[u8], at: usize) -> bool {
    at.checked_sub(1).is_none_or(|before| token.get(before) == Some(&b'~'))
}

/// True if RFC 3986 §3.3 allows the byte unescaped in a path.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&byte)
}

/// True if a path is valid in a URI (RFC 3986 §2.1 and §3.3). Issuers sign only valid ones.
fn is_of_uri(path: &str) -> bool {
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        let mut digit = || bytes.next().is_some_and(|byte| byte.is_ascii_hexdigit());
        let is_escape = byte == b'%' && digit() && digit();
        if !is_escape && !is_plain(byte) {
            return false;
        }
    }
    true
}

/// The decoded form of a path in canonical escaping: only what must be escaped, in upper case. Another spelling is
/// another URL, which an origin may also read as another one. A decoded form that looks like a path as sent was signed
/// as sent.
fn meant(path: &str) -> Option<Vec<u8>> {
    let plain = percent_decoded(path.as_bytes());
    let is_sent = |url: &[u8]| {
        let meant = percent_decoded(url);
        let is_text = std::str::from_utf8(&meant).is_ok_and(|text| !text.chars().any(char::is_control));
        is_text && *meant != *url && escaped(&meant).as_bytes() == url
    };
    (*plain != *path.as_bytes() && escaped(&plain) == path && !is_sent(&plain)).then(|| plain.into_owned())
}

/// A path in which only the bytes that require it are escaped.
fn escaped(path: &[u8]) -> String {
    path.iter().fold(String::with_capacity(path.len()), |mut out, &byte| {
        match byte {
            _ if is_plain(byte) => out.push(char::from(byte)),
            // Writing to a string cannot fail.
            _ => drop(write!(out, "%{byte:02X}")),
        }
        out
    })
}

/// The token's address, possibly escaped.
fn address(ip: &str) -> Result<IpNet, TokenError> {
    let address = form_decoded(ip).and_then(|ip| ip.parse::<IpAddr>().ok()).ok_or(TokenError::Malformed)?;
    Ok(IpNet::from(address.to_canonical()))
}

/// Form-encoding of the vendor's library: letters, digits and `_.-~` are literal, a space is `+`, and every other byte
/// is `%` and two lower-case digits.
fn escaped_early(text: &[u8]) -> Vec<u8> {
    let digit = |value: u8| if value < 10 { b'0' + value } else { b'a' + value - 10 };
    let mut out = Vec::with_capacity(text.len());
    for &byte in text {
        match byte {
            b' ' => out.push(b'+'),
            b'_' | b'.' | b'-' | b'~' => out.push(byte),
            _ if byte.is_ascii_alphanumeric() => out.push(byte),
            _ => out.extend([b'%', digit(byte >> 4), digit(byte & 15)]),
        }
    }
    out
}

#[cfg(test)]
mod tests;
