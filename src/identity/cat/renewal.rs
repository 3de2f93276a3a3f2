//! `catr`: token renewal (CTA-5007).

use http::header::{HeaderName, HeaderValue, SET_COOKIE};
use serde_json::{Map, Value as Json};

use crate::identity::attribute_source;
use crate::identity::claims::whole;
use crate::identity::renewal::Renewed;
use crate::identity::request::RequestFacts;

/// Default name.
const NAME: &str = "cta-common-access-token";
/// Default time before expiry at which a token is renewed, in seconds.
const DEADLINE: u64 = 60;
/// Maximum bytes of a name or parameter.
const MAX_TEXT: usize = 256;

/// Headers, or prefixes of their names, with another meaning for clients and proxies.
const RESERVED: [&str; 30] = [
    "accept-",
    "access-control-",
    "age",
    "alt-svc",
    "authorization",
    "cache-control",
    "clear-site-data",
    "connection",
    "content-",
    "cookie",
    "cross-origin-",
    "date",
    "etag",
    "expires",
    "host",
    "keep-alive",
    "last-modified",
    "link",
    "location",
    "proxy-",
    "refresh",
    "retry-after",
    "sec-",
    "server",
    "set-cookie",
    "strict-transport-security",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The renewal that a token requests.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// The successor's `exp`, in Unix seconds.
    pub(super) expires: u64,
    way: Way,
}

#[derive(Debug, PartialEq, Eq)]
enum Way {
    /// Its name, and the parameters as they follow the value.
    Cookie(String, String),
    /// Likewise.
    Header(HeaderName, String),
}

impl Plan {
    /// The renewal for a token that expires at `exp`, if it is due; times in Unix seconds. Not supported: renewal by
    /// redirect, and names or parameters that do not fit into a header.
    pub(super) fn parse(catr: &Map<String, Json>, exp: u64, request: &RequestFacts<'_>, now: u64) -> Option<Self> {
        let number = |label: &str| catr.get(label).and_then(Json::as_f64).map(whole);
        let deadline = number("2").unwrap_or(DEADLINE);
        // From now and not from `exp`, so that lifetime does not accumulate.
        let expires = now.saturating_add(number("1")?);
        if now < exp.saturating_sub(deadline) || expires <= exp {
            return None;
        }
        let name = |label: &str| match catr.get(label) {
            None => Some(NAME),
            Some(name) => name.as_str().filter(|name| is_token(name)),
        };
        let cookie = || {
            let (name, parameters) = (name("3")?, parameters(catr.get("5"))?);
            let has_path = parameters.split(';').any(|one| one.trim().to_ascii_lowercase().starts_with("path="));
            // Without a path the cookie would apply only to this folder, and the old one everywhere else.
            let path = if has_path { "" } else { "; Path=/" };
            Some(Way::Cookie(name.to_owned(), parameters + path))
        };
        let header = || {
            let name = HeaderName::from_bytes(name("4")?.as_bytes()).ok().filter(is_free)?;
            Some(Way::Header(name, parameters(catr.get("6"))?))
        };
        let way = match catr.get("0").and_then(Json::as_u64)? {
            0 => header()
                .filter(|way| way.is_used_by(request))
                .or_else(|| cookie().filter(|way| way.is_used_by(request)))?,
            1 => cookie()?,
            2 => header()?,
            _ => return None,
        };
        Some(Self { expires, way })
    }

    /// The response header with the new token.
    pub(super) fn carry(self, token: &str) -> Option<Renewed> {
        let (name, value) = match self.way {
            Way::Cookie(name, parameters) => (SET_COOKIE, format!("{name}={token}{parameters}")),
            Way::Header(name, parameters) => (name, format!("{token}{parameters}")),
        };
        Some(Renewed { name, value: HeaderValue::try_from(value).ok()? })
    }
}

impl Way {
    /// True if the request has a token there.
    fn is_used_by(&self, request: &RequestFacts<'_>) -> bool {
        match self {
            Self::Cookie(name, _) => attribute_source::cookie(request.headers, name).is_some(),
            Self::Header(name, _) => request.headers.contains_key(name),
        }
    }
}

/// True if that header may carry a token.
fn is_free(name: &HeaderName) -> bool {
    let name = name.as_str();
    !RESERVED.iter().any(|reserved| name == *reserved || (reserved.ends_with('-') && name.starts_with(reserved)))
}

/// The parameters, each prefixed with `; `; `None` if one is invalid.
fn parameters(value: Option<&Json>) -> Option<String> {
    let one = |value: &Json| value.as_str().filter(|text| is_parameter(text)).map(|text| format!("; {text}"));
    match value {
        None => Some(String::new()),
        Some(Json::Array(list)) => list.iter().map(one).collect(),
        Some(text) => one(text),
    }
}

/// `NAME` or `NAME=VALUE`, the value without control characters and `;` (RFC 6265 §4.1.1).
fn is_parameter(text: &str) -> bool {
    let name = text.split_once('=').map_or(text, |(name, _)| name);
    is_token(name) && text.len() <= MAX_TEXT && text.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b';')
}

/// RFC 9110 §5.6.2.
fn is_token(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.len() <= MAX_TEXT && text.bytes().all(fits)
}
