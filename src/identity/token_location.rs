//! Token locations in a request.

use std::fmt;
use std::str::FromStr;

use http::header::{COOKIE, HeaderName};

/// A token location. Written `query:NAME`, `header:NAME`, `cookie:NAME`, `segment:NAME`, `segment:NUMBER` or
/// `param:NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A parameter of the query, by its raw name.
    Query(Box<str>),
    /// A header. In `authorization`, the scheme `Bearer` is removed and other schemes are ignored.
    Header(HeaderName),
    /// A cookie.
    Cookie(Box<str>),
    /// A path segment that starts with the name and `=`: `/URISigningPackage=TOKEN/live/a.m3u8`. If the name ends with
    /// `/`, the segment after that of the name: `/package/TOKEN/live/a.m3u8`.
    Segment(Box<str>),
    /// The path segment with this number, from 1, if it looks like a token: `/TOKEN/manifest/video.m3u8`.
    Nth(usize),
    /// A parameter of the path (RFC 3986 §3.3): `/live/a.m3u8;URISigningPackage=TOKEN`.
    Param(Box<str>),
}

/// The text is not a token location.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a token location; write query:NAME, header:NAME, cookie:NAME, segment:NAME, segment:NUMBER or \
     param:NAME, for example query:token"
)]
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
            Some(("segment", number)) if number.bytes().all(|byte| byte.is_ascii_digit()) && !number.is_empty() => {
                number.parse().ok().filter(|number| (1..=16).contains(number)).map(Self::Nth)
            }
            Some(("segment", name)) => {
                plain(name.strip_suffix('/').unwrap_or(name), "/;=?#%").map(|_| Self::Segment(name.into()))
            }
            Some(("param", name)) => plain(name, "/;=?#%").map(Self::Param),
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
            Self::Segment(name) => write!(f, "segment:{name}"),
            Self::Nth(number) => write!(f, "segment:{number}"),
            Self::Param(name) => write!(f, "param:{name}"),
        }
    }
}
