//! What identity needs to know of a request.

use std::net::IpAddr;

use http::Method;
use http::header::HeaderMap;

use super::token_location::Source;

/// A request, as far as identity looks at it.
#[derive(Clone, Copy, Debug)]
pub struct RequestFacts<'a> {
    /// The method.
    pub method: &'a Method,
    /// `http` or `https`, as the viewer sees it.
    pub scheme: &'a str,
    /// The host that the viewer names, with its port where one was written; empty where none was.
    pub host: &'a str,
    /// The raw path at the origin: without play session, and without a token that the path carries.
    pub path: &'a str,
    /// The token that the path carried, if it did.
    pub in_path: Option<InPath<'a>>,
    /// The raw query, without its `?`. For a format: without the token.
    pub query: Option<&'a str>,
    /// The raw query as it came.
    pub raw_query: Option<&'a str>,
    /// The request's headers.
    pub headers: &'a HeaderMap,
    /// The viewer's address, where it is known.
    pub client: Option<IpAddr>,
    /// The protocol's ALPN name (RFC 7301): `http/1.1`, `h2`.
    pub alpn: &'a str,
}

/// A token that was taken out of the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InPath<'a> {
    /// The place where it was.
    pub source: &'a Source,
    /// The token.
    pub token: &'a str,
    /// The raw path in front of it, with the `/` behind which it (or its name) begins.
    pub before: &'a str,
    /// The path that its claim is good for, where one took its place.
    pub scope: Option<&'a str>,
}

impl<'a> RequestFacts<'a> {
    /// A plain `GET` of `path` and `query` with `headers`, from nowhere.
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

    /// The URL as the viewer wrote it, without play session and token.
    pub fn url(&self) -> String {
        let Self { scheme, host, path, .. } = self;
        match self.query {
            Some(query) if !query.is_empty() => format!("{scheme}://{host}{path}?{query}"),
            _ => format!("{scheme}://{host}{path}"),
        }
    }
}
