//! Where the token is in a request, and how it leaves the request before that goes upstream.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use http::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderName};

/// Bytes of cookies that are searched; a token behind them is not found.
const COOKIES_MAX: usize = 16 * 1024;

/// What identity needs to know of a request.
#[derive(Clone, Copy, Debug)]
pub struct RequestFacts<'a> {
    /// The raw path.
    pub path: &'a str,
    /// The raw query, without its `?`.
    pub query: Option<&'a str>,
    /// The request's headers.
    pub headers: &'a HeaderMap,
    /// The viewer's address, where it is known.
    pub client: Option<IpAddr>,
}

/// A place where a token may be. Written `query:NAME`, `header:NAME` or `cookie:NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A parameter of the query, by its raw name.
    Query(Box<str>),
    /// A header. In `authorization` the scheme `Bearer` is taken off and other schemes are no tokens.
    Header(HeaderName),
    /// A cookie.
    Cookie(Box<str>),
}

/// The text names no place for a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no place for a token; write query:NAME, header:NAME or cookie:NAME, for example query:token")]
pub struct SourceError(Box<str>);

impl FromStr for Source {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |name: &str, reserved: &str| {
            let fits = |c: char| c.is_ascii_graphic() && !reserved.contains(c);
            (!name.is_empty() && name.chars().all(fits)).then(|| Box::from(name))
        };
        let source = match text.split_once(':') {
            Some(("query", name)) => plain(name, "&=#%+").map(Self::Query),
            Some(("cookie", name)) => plain(name, "=;,\"").map(Self::Cookie),
            Some(("header", name)) => HeaderName::from_str(name).ok().filter(|name| *name != COOKIE).map(Self::Header),
            _ => None,
        };
        source.ok_or_else(|| SourceError(text.into()))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Query(name) => write!(f, "query:{name}"),
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Cookie(name) => write!(f, "cookie:{name}"),
        }
    }
}

impl Source {
    fn find<'a>(&self, request: &RequestFacts<'a>) -> Option<&'a str> {
        match self {
            Self::Query(name) => {
                request.query?.split('&').find_map(|parameter| value_of(parameter.as_bytes(), name, b"")).and_then(text)
            }
            Self::Header(name) => request.headers.get_all(name).iter().find_map(|value| {
                let value = value.as_bytes().trim_ascii();
                let value = if *name == AUTHORIZATION { bearer(value)? } else { value };
                text(value).filter(|value| !value.is_empty())
            }),
            Self::Cookie(name) => {
                cookies(request.headers).find_map(|cookie| value_of(cookie, name, b"\"")).and_then(text)
            }
        }
    }
}

/// The token of a request: of the first source that is present and not empty, as it stands there (still percent-encoded
/// if the client did so).
pub fn find<'a>(sources: &[Source], request: &RequestFacts<'a>) -> Option<&'a str> {
    sources.iter().find_map(|source| source.find(request))
}

/// The query without the parameters that carry tokens; all other bytes and their order stay. Empty when nothing is left.
pub fn strip_query<'a>(query: &'a str, sources: &[Source]) -> Cow<'a, str> {
    let carries_token = |parameter: &str| {
        let name = parameter.split_once('=').map_or(parameter, |(name, _)| name);
        sources.iter().any(|source| matches!(source, Source::Query(token) if **token == *name))
    };
    without(query, '&', "&", carries_token)
}

/// The value of a `Cookie` header without the cookies that carry tokens; `None` when nothing is left and the header is
/// to be dropped.
pub fn strip_cookie<'a>(value: &'a str, sources: &[Source]) -> Option<Cow<'a, str>> {
    let carries_token = |cookie: &str| {
        let name = cookie.split_once('=').map_or(cookie, |(name, _)| name).trim();
        sources.iter().any(|source| matches!(source, Source::Cookie(token) if **token == *name))
    };
    let rest = without(value, ';', "; ", carries_token);
    (!rest.trim_matches([' ', ';']).is_empty()).then_some(rest)
}

/// Whether a header carries a token and is to be dropped before the request goes upstream.
pub fn is_token_header(name: &HeaderName, sources: &[Source]) -> bool {
    sources.iter().any(|source| matches!(source, Source::Header(token) if token == name))
}

/// `list` without the items that are to `go`.
fn without<'a>(list: &'a str, separator: char, joint: &str, go: impl Fn(&str) -> bool) -> Cow<'a, str> {
    if !list.split(separator).any(&go) {
        return Cow::Borrowed(list);
    }
    let mut rest = list.split(separator).filter(|item| !go(item)).map(|item| item.trim_start_matches(' '));
    let Some(first) = rest.next() else { return Cow::Borrowed("") };
    Cow::Owned(rest.fold(first.to_owned(), |kept, item| kept + joint + item))
}

/// The value of `NAME=value` where the name is ours and the value is not empty; a pair of `quote`s around it goes.
fn value_of<'a>(pair: &'a [u8], name: &str, quote: &[u8]) -> Option<&'a [u8]> {
    let value = pair.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
    let unquoted = value.strip_prefix(quote).and_then(|value| value.strip_suffix(quote)).unwrap_or(value);
    (!unquoted.is_empty()).then_some(unquoted)
}

/// Every `NAME=value` of the cookie headers, up to the limit. Read as bytes: a foreign cookie in another encoding must
/// not hide ours.
fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let mut searched = 0_usize;
    headers
        .get_all(COOKIE)
        .iter()
        .flat_map(|header| header.as_bytes().split(|byte| *byte == b';'))
        .take_while(move |cookie| {
            searched = searched.saturating_add(cookie.len() + 1);
            searched <= COOKIES_MAX
        })
        .map(<[u8]>::trim_ascii)
}

/// The token of an `Authorization` value: after `Bearer` (RFC 6750 §2.1), or the whole value where no scheme stands
/// before it.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let Some(at) = value.iter().position(|byte| *byte == b' ') else {
        return (!value.eq_ignore_ascii_case(b"bearer")).then_some(value);
    };
    let (scheme, token) = value.split_at_checked(at)?;
    scheme.eq_ignore_ascii_case(b"bearer").then(|| token.trim_ascii())
}

fn text(value: &[u8]) -> Option<&str> {
    std::str::from_utf8(value).ok()
}

#[cfg(test)]
mod tests;
