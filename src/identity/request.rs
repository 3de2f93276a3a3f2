//! The parts of a request that identity uses.

use std::net::IpAddr;

use http::Method;
use http::header::HeaderMap;

use super::token_location::Source;

/// The parts of a request that identity uses.
#[derive(Clone, Copy, Debug)]
pub struct RequestFacts<'a> {
    /// The method.
    pub method: &'a Method,
    /// `http` or `https`, as used by the viewer.
    pub scheme: &'a str,
    /// The requested host, with its port if present; empty if there is none.
    pub host: &'a str,
    /// The raw path at the origin: without play session and token.
    pub path: &'a str,
    /// The token from the path, if any.
    pub in_path: Option<InPath<'a>>,
    /// The raw query, without its `?`. For a format: without the token.
    pub query: Option<&'a str>,
    /// The raw query as received.
    pub raw_query: Option<&'a str>,
    /// The request's headers.
    pub headers: &'a HeaderMap,
    /// The viewer's address, if known.
    pub client: Option<IpAddr>,
    /// The protocol's ALPN name (RFC 7301): `http/1.1`, `h2`.
    pub alpn: &'a str,
}

/// A token from the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InPath<'a> {
    /// Its location.
    pub source: &'a Source,
    /// The token.
    pub token: &'a str,
    /// The raw path before it, including the `/` before it or its name.
    pub before: &'a str,
    /// The path of the claim that replaced it, if any.
    pub scope: Option<&'a str>,
}

impl<'a> RequestFacts<'a> {
    /// A plain `GET` of `path` and `query` with `headers`, without a client address.
    pub fn new(path: &'a str, query: Option<&'a str>, headers: &'a HeaderMap) -> Self {
        Self {
            method: &Method::GET,
            scheme: "https",
            host: "",
            path,
            in_path: None,
            query,
            raw_query: query,
            headers,
            client: None,
            alpn: "http/1.1",
        }
    }

    /// The URL as requested, without play session and token.
    pub fn url(&self) -> String {
        let Self { scheme, host, path, .. } = self;
        match self.query {
            Some(query) if !query.is_empty() => format!("{scheme}://{host}{path}?{query}"),
            _ => format!("{scheme}://{host}{path}"),
        }
    }
}
