//! Conditions of a token on requests. Checked at every request, unlike the signature.

use std::net::IpAddr;

use http::Method;
use http::header::HeaderName;
use ipnet::IpNet;

use crate::model::RequestPath;

use super::error::TokenError;
use super::matching::Match;
use super::path_match::{Form, PathMatch, holds_raw};
use super::request::RequestFacts;
use super::url;

/// A part of the URL (CTA-5007 `catu`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names of the standard say it all")]
pub enum Part {
    Scheme,
    Host,
    /// In digits. The scheme's default port also matches the empty text.
    Port,
    Path,
    /// Without `?`; empty if there is none.
    Query,
    /// The path up to the last `/`, exclusive.
    ParentPath,
    /// The part after the last `/`.
    FileName,
    /// The file name before its last or its first dot: issuers differ.
    Stem,
    /// The file name from its last or its first dot; empty if it has none.
    Extension,
}

/// One condition of a token. All must hold. Conditions on paths must hold in every reading of the path (see
/// [`RequestPath`](crate::model::RequestPath)).
#[derive(Clone, Debug)]
pub enum Condition {
    /// One of these methods. Browsers send preflights without a token.
    Method(Vec<Method>),
    /// A part of the URL.
    Part(Part, Match),
    /// One of the header's values; the header must be present.
    Header(HeaderName, Match),
    /// One of these protocols, by ALPN name.
    Alpn(Vec<Box<str>>),
    /// An address in one of these networks.
    Network(Vec<IpNet>),
    /// The path is covered by one of these globs.
    Globs(Vec<Box<str>>),
    /// The whole URL.
    Url(Match),
    /// The whole URL in the normal form of RFC 9246 §2.1.15.
    NormalUrl(Match),
    /// The whole URL is covered by this glob (CloudFront).
    UrlGlob(Box<str>),
}

impl Condition {
    /// Size in bytes, approximately.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Part(_, Match::Regex(_))
            | Self::Header(_, Match::Regex(_))
            | Self::Url(Match::Regex(_))
            | Self::NormalUrl(Match::Regex(_)) => 48 << 10,
            Self::Globs(globs) => globs.iter().map(|glob| glob.len() + 16).sum(),
            _ => 256,
        }
    }

    /// True if it looks at the query, which must then have no token.
    pub(super) fn looks_at_query(&self) -> bool {
        matches!(self, Self::Part(Part::Query, _) | Self::Url(_) | Self::NormalUrl(_) | Self::UrlGlob(_))
    }

    /// Checks a request (without its token).
    ///
    /// # Errors
    /// `WrongUrl`, `WrongClient` or `WrongRequest`, by the kind of condition.
    pub fn check(&self, request: &RequestFacts<'_>) -> Result<(), TokenError> {
        let (holds, error) = match self {
            Self::Method(methods) => (methods.contains(request.method), TokenError::WrongRequest),
            Self::Part(Part::Path, wanted) => {
                let holds = PathMatch::compile(wanted).map(|wanted| wanted.holds(request.path));
                (holds.unwrap_or_else(|| holds_raw(wanted, request.path)), TokenError::WrongUrl)
            }
            Self::Part(Part::ParentPath, wanted) => {
                let holds = PathMatch::compile(wanted).map(|wanted| wanted.holds_for_parent(request.path));
                let raw = || holds_raw(wanted, &Part::ParentPath.value_in(request));
                (holds.unwrap_or_else(raw), TokenError::WrongUrl)
            }
            Self::Part(part, wanted) => {
                let also = || part.also(request).is_some_and(|text| wanted.holds(text));
                (wanted.holds(&part.value_in(request)) || also(), TokenError::WrongUrl)
            }
            Self::Header(name, wanted) => {
                let values = request.headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
                (values.into_iter().any(|value| wanted.holds(value)), TokenError::WrongRequest)
            }
            Self::Alpn(names) => (names.iter().any(|name| **name == *request.alpn), TokenError::WrongRequest),
            Self::Network(networks) => (is_within(request.client, networks), TokenError::WrongClient),
            Self::Globs(globs) => (is_covered(globs, request.path), TokenError::WrongUrl),
            Self::Url(wanted) => {
                let holds = PathMatch::compile(wanted).map(|wanted| wanted.holds_for_url(request));
                (holds.unwrap_or_else(|| holds_raw(wanted, &request.url())), TokenError::WrongUrl)
            }
            Self::NormalUrl(wanted) => {
                (url::normal_form(&request.url()).is_some_and(|url| wanted.holds(&url)), TokenError::WrongUrl)
            }
            Self::UrlGlob(pattern) => {
                (PathMatch::new(Form::Glob, pattern).holds_for_url(request), TokenError::WrongUrl)
            }
        };
        if holds { Ok(()) } else { Err(error) }
    }
}

/// True if one of the globs covers every reading of the path.
fn is_covered(globs: &[Box<str>], path: &str) -> bool {
    RequestPath::new(path).in_every_reading(|reading, text| {
        globs.iter().any(|glob| PathMatch::new(Form::Glob, glob).fits(reading, text, text.len()))
    })
}

/// True if the address is known and in one of the networks. An IPv4-mapped IPv6 address counts as IPv4.
pub(super) fn is_within(client: Option<IpAddr>, networks: &[IpNet]) -> bool {
    client.is_some_and(|client| networks.iter().any(|network| network.contains(&client.to_canonical())))
}

impl Part {
    fn value_in(self, request: &RequestFacts<'_>) -> String {
        let (parent, file) = request.path.rsplit_once('/').unwrap_or(("", request.path));
        let dot = file.rfind('.');
        let (host, port) = url::host_and_port(request.host);
        let text = match self {
            Self::Scheme => request.scheme,
            Self::Host => return host.to_ascii_lowercase(),
            Self::Port => port.unwrap_or(if request.scheme == "http" { "80" } else { "443" }),
            Self::Path => request.path,
            Self::Query => request.query.unwrap_or_default(),
            Self::ParentPath => parent,
            Self::FileName => file,
            Self::Stem => dot.and_then(|at| file.get(..at)).unwrap_or(file),
            Self::Extension => dot.and_then(|at| file.get(at..)).unwrap_or_default(),
        };
        text.to_owned()
    }

    /// The second reading, if there is one.
    fn also<'a>(self, request: &RequestFacts<'a>) -> Option<&'a str> {
        let file = request.path.rsplit_once('/').map_or(request.path, |(_, file)| file);
        match self {
            Self::Port => {
                let own = if request.scheme == "http" { "80" } else { "443" };
                url::host_and_port(request.host).1.is_none_or(|port| port == own).then_some("")
            }
            Self::Stem => file.split_once('.').map(|(stem, _)| stem),
            Self::Extension => file.find('.').and_then(|at| file.get(at..)),
            _ => None,
        }
    }
}
