//! The viewer's request, as described by a forward-auth call.
//!
//! Viewers can send the same fields, and proxies forward fields that they do not set. The gateway cannot distinguish a
//! proxy's field from a viewer's: so all fields that describe the same thing must agree, in all their lines.

use http::header::{HOST, HeaderMap, HeaderName};
use http::request::Parts;
use http::{HeaderValue, Method, Uri};

use super::problem::Problem;
use super::request_view::ClientInfo;
use crate::identity::client::{Forwarding, TrustedHops};

/// The path of forward-auth calls. The viewer's path may follow it.
pub(crate) const PATH: &str = "/authz";

static URIS: [HeaderName; 3] = [
    HeaderName::from_static("x-original-uri"),
    HeaderName::from_static("x-original-url"),
    HeaderName::from_static("x-forwarded-uri"),
];
static METHODS: [HeaderName; 2] =
    [HeaderName::from_static("x-original-method"), HeaderName::from_static("x-forwarded-method")];
static HOSTS: [HeaderName; 2] =
    [HeaderName::from_static("x-original-host"), HeaderName::from_static("x-forwarded-host")];
const SCHEME: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Sources that may contradict each other, for the operator.
const URI: &str = "the URI (X-Original-URI, X-Original-URL, X-Forwarded-Uri, the path after /authz)";
const METHOD: &str = "the method (X-Original-Method, X-Forwarded-Method, the call's own if a path follows /authz)";
const HOSTNAME: &str = "the host (X-Original-Host, X-Forwarded-Host, X-Original-URL, Host if a path follows /authz)";
const SCHEMES: &str = "the scheme (X-Forwarded-Proto, X-Original-URL)";

/// Replaces a forward-auth call with the viewer's request, and returns that request's client.
///
/// # Errors
/// The call has no URI or a wrong method, or its fields contradict each other or are malformed.
pub(super) fn original(parts: &mut Parts, hops: Option<&TrustedHops>) -> Result<ClientInfo, Box<Problem>> {
    let headers = &parts.headers;
    let whole = parts.uri.path_and_query().map_or(PATH, http::uri::PathAndQuery::as_str);
    let in_path = whole.strip_prefix(PATH).filter(|rest| rest.starts_with('/'));
    let mut told = ForwardedRequest { target: Agreed(in_path), ..ForwardedRequest::default() };
    if in_path.is_some() {
        // The call has the viewer's method and host.
        told.method = Agreed(Some(parts.method.as_str()));
        told.host = Agreed(headers.get(HOST).and_then(|host| host.to_str().ok()));
    } else if ![Method::GET, Method::HEAD].contains(&parts.method) {
        return Err(Problem::method());
    }
    for value in lines(headers, &URIS) {
        told.uri(text(value)?)?;
    }
    // Each of several proxies may have added an entry.
    for line in lines(headers, &METHODS) {
        for method in text(line)?.split(',') {
            told.method.is(method.trim(), str::eq, METHOD)?;
        }
    }
    for line in lines(headers, &HOSTS) {
        for host in text(line)?.split(',') {
            told.host.is(host.trim(), str::eq_ignore_ascii_case, HOSTNAME)?;
        }
    }
    for value in headers.get_all(SCHEME) {
        // The first entry is the viewer's scheme. Later ones may differ.
        let first = text(value)?.split(',').next().unwrap_or_default().trim();
        told.scheme.is(first, str::eq_ignore_ascii_case, SCHEMES)?;
    }
    let ForwardedRequest { target: Agreed(target), method: Agreed(method), host: Agreed(host), scheme: Agreed(scheme) } =
        told;
    let uri = Uri::try_from(target.ok_or_else(Problem::authz_no_request)?).map_err(|_| Problem::malformed())?;
    let method = method.map(|method| Method::from_bytes(method.as_bytes())).transpose();
    let method = method.map_err(|_| Problem::malformed())?.unwrap_or(Method::GET);
    let host = host.filter(|_| in_path.is_none()).map(HeaderValue::from_str).transpose();
    let host = host.map_err(|_| Problem::malformed())?;
    let address = match hops {
        Some(hops) => hops.client_behind(headers),
        None => TrustedHops::new(Vec::new(), Forwarding::XForwardedFor).client_behind(headers),
    };
    let secure = scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"));
    (parts.uri, parts.method) = (uri, method);
    if let Some(host) = host {
        parts.headers.insert(HOST, host);
    }
    Ok(ClientInfo { address, secure, forwarded: true })
}

/// What the fields read so far say.
#[derive(Default)]
struct ForwardedRequest<'a> {
    /// Path and query.
    target: Agreed<'a>,
    method: Agreed<'a>,
    host: Agreed<'a>,
    scheme: Agreed<'a>,
}

impl<'a> ForwardedRequest<'a> {
    /// `/live/a.m3u8?x=y`, or a whole URL.
    fn uri(&mut self, uri: &'a str) -> Result<(), Box<Problem>> {
        let mut target = uri;
        if !uri.starts_with('/') {
            let (scheme, rest) = uri.split_once("://").ok_or_else(Problem::malformed)?;
            let at = rest.find('/').ok_or_else(Problem::malformed)?;
            let (host, path) = rest.split_at(at);
            if host.contains(['@', '?', '#']) {
                return Err(Problem::malformed());
            }
            self.scheme.is(scheme, str::eq_ignore_ascii_case, SCHEMES)?;
            self.host.is(host, str::eq_ignore_ascii_case, HOSTNAME)?;
            target = path;
        }
        if target.contains('#') {
            // A fragment would be ignored here, but perhaps not by the server.
            return Err(Problem::malformed());
        }
        self.target.is(target, str::eq, URI)
    }
}

/// A value on which all sources so far agree.
#[derive(Default)]
struct Agreed<'a>(Option<&'a str>);

impl<'a> Agreed<'a> {
    fn is(&mut self, told: &'a str, same: impl Fn(&str, &str) -> bool, who: &str) -> Result<(), Box<Problem>> {
        match self.0 {
            Some(known) if !same(known, told) => Err(Problem::authz_conflict(who)),
            Some(_) => Ok(()),
            None => {
                self.0 = Some(told);
                Ok(())
            }
        }
    }
}

fn lines<'a>(headers: &'a HeaderMap, names: &'a [HeaderName]) -> impl Iterator<Item = &'a HeaderValue> {
    names.iter().flat_map(|name| headers.get_all(name))
}

fn text(value: &HeaderValue) -> Result<&str, Box<Problem>> {
    std::str::from_utf8(value.as_bytes()).map_err(|_| Problem::malformed())
}

#[cfg(test)]
mod tests;
