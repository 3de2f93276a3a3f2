//! The request to the origin: what is forwarded and what is removed.

use std::borrow::Cow;

use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONNECTION, COOKIE, HeaderName, HeaderValue, LOCATION, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, REFERER, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{Method, Uri};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::{Error, ErrorType};

use super::context::Context;
use crate::admission::host;
use crate::identity::{Identity, path};
use crate::media::{self, Kind, Target};

/// True if the name shows no kind (`/live`, `/video.php`) and the request has an identity: it may be for a manifest.
pub(super) fn is_nameless(request: &RequestHeader, ctx: &Context) -> bool {
    ctx.subject.kind == Kind::Unknown
        && request.method != Method::OPTIONS
        && (ctx.subject.play.is_some() || ctx.stripped_path.is_some() || query_tokens(request, ctx).is_some())
}

/// How the request's application identifies viewers.
pub(super) fn identity(ctx: &Context) -> Option<&Identity> {
    ctx.subject.application.as_ref()?.identity.as_ref()
}

/// The query parameters that carry tokens, verbatim.
fn query_tokens(request: &RequestHeader, ctx: &Context) -> Option<String> {
    identity(ctx)?.query_tokens(request.uri.query()?)
}

/// The query for the origin.
pub(super) fn bare_query<'a>(uri: &'a Uri, identity: Option<&Identity>) -> Option<Cow<'a, str>> {
    let query = uri.query()?;
    Some(identity.map_or(Cow::Borrowed(query), |identity| identity.strip_query(query)))
}

/// Puts the token back into a redirect to the gateway without a play session: the origin has not seen the token.
pub(super) fn give_token_back(
    request: &RequestHeader,
    location: &str,
    target: &Target<'_>,
    response: &mut ResponseHeader,
    ctx: &Context,
) -> pingora::Result<()> {
    let tokens = query_tokens(request, ctx);
    if tokens.is_none() && ctx.stripped_path.is_none() || media::is_elsewhere(location, target) {
        return Ok(());
    }
    let (rest, hash) = location.find('#').map_or((location, ""), |at| location.split_at(at));
    let (address, query) = rest.find('?').map_or((rest, ""), |at| rest.split_at(at));
    let path = media::path_of(address);
    let server = address.strip_suffix(path).unwrap_or_default();
    // The origin's own name would bypass the gateway.
    let ours = server.split_once("//").is_some_and(|(_, name)| host(request) == Some(name));
    let server = if ours { server } else { "" };
    let path = if path.is_empty() && server.is_empty() && address.contains("//") { "/" } else { path };
    let put_back = ctx.stripped_path.as_ref().and_then(|bare| bare.put_back(path));
    let path = put_back.as_deref().unwrap_or(path);
    let joint = match &tokens {
        None => "",
        Some(_) if query.is_empty() => "?",
        Some(_) => "&",
    };
    let tokens = tokens.unwrap_or_default();
    response.insert_header(LOCATION, format!("{server}{path}{query}{joint}{tokens}{hash}"))?;
    response.insert_header(CACHE_CONTROL, "private, no-store")
}

/// Removes a `Referer` that contains a token or a play session.
pub(super) fn strip_referer(request: &mut RequestHeader, identity: Option<&Identity>) {
    let tells = |referer: &[u8]| {
        let text = String::from_utf8_lossy(referer);
        let query = text.split_once('?').map_or("", |(_, query)| query);
        let path = text.split_once("://").and_then(|(_, rest)| rest.find('/').and_then(|at| rest.get(at..)));
        path.is_some_and(|path| path::find(path).is_some())
            || identity.is_some_and(|identity| {
                identity.strip_query(query).len() != query.len()
                    || path.is_some_and(|path| identity.take_from_path(path, true).is_some())
            })
    };
    if request.headers.get_all(REFERER).iter().any(|referer| tells(referer.as_bytes())) {
        request.remove_header(&REFERER);
    }
}

/// True if the target is a path or an absolute URL (RFC 9112 §3.2). For others, the framework has no path but forwards
/// the target: the decision would be about something else than what is served.
pub(super) fn has_path(request: &RequestHeader) -> bool {
    let target = request.raw_path();
    let is_url = |scheme: &[u8]| target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    match target {
        [b'/', ..] => true,
        b"*" => request.method == Method::OPTIONS,
        _ => request.method != Method::CONNECT && (is_url(b"http://") || is_url(b"https://")),
    }
}

/// Replaces an absolute URL with its path, as origins expect (RFC 9112 §3.2.1).
pub(super) fn in_origin_form(request: &mut RequestHeader) {
    if !matches!(request.raw_path(), [b'/', ..] | b"*") {
        request.set_uri(request.uri.clone());
    }
}

/// The request target at the origin: without play session and token. `None` if it equals the viewer's.
pub(super) fn origin_uri(uri: &Uri, ctx: &Context) -> Option<Uri> {
    let query = bare_query(uri, identity(ctx));
    let same_query = query.as_deref() == uri.query();
    let path = ctx.path_of(uri);
    if path == uri.path() && same_query && uri.authority().is_none() {
        return None;
    }
    let path = if path.is_empty() { "/" } else { path };
    let target = match query.as_deref() {
        Some(query) if !query.is_empty() || same_query => format!("{path}?{query}"),
        _ => path.to_owned(),
    };
    Uri::try_from(target).ok()
}

/// Fields of the viewer's connection (RFC 9110 §7.6.1), and those between proxies.
const HOP_BY_HOP: [HeaderName; 10] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("http2-settings"),
];
/// Fields that a viewer cannot remove by naming them in `Connection`.
const KEPT: [&str; 4] = ["host", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"];
/// From this number of fields in `Connection` on, a request is refused as an attack.
const MAX_NOMINATED: usize = 10;

/// Removes hop-by-hop fields, and those that `Connection` names.
///
/// # Errors
/// `Connection` is malformed, or names too many fields or a protected one.
pub(super) fn strip_hop_by_hop(request: &mut RequestHeader) -> pingora::Result<()> {
    let wrong = |what: &'static str| Error::explain(ErrorType::InvalidHTTPHeader, what);
    let mut nominated = Vec::new();
    for value in request.headers.get_all(CONNECTION) {
        for token in value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            if token.is_empty() {
                continue;
            }
            let is_token = token.iter().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte));
            let name = HeaderName::from_bytes(token).ok().filter(|_| is_token);
            let name = name.ok_or_else(|| wrong("Connection contains an invalid field name"))?;
            if KEPT.contains(&name.as_str()) {
                return Err(wrong("Connection names a protected field"));
            }
            nominated.push(name);
        }
    }
    if nominated.len() >= MAX_NOMINATED {
        return Err(wrong("Connection names too many fields"));
    }
    for name in nominated.iter().chain(&HOP_BY_HOP) {
        request.remove_header(name);
    }
    Ok(())
}

/// Joins the `Cookie` fields to one (RFC 9113 §8.2.3): HTTP/2 may send each cookie in its own field, and HTTP/1.1
/// origins read only the first.
pub(super) fn join_cookies(request: &mut RequestHeader) -> pingora::Result<()> {
    if request.headers.get_all(COOKIE).iter().nth(1).is_none() {
        return Ok(());
    }
    let crumbs: Vec<&[u8]> = request.headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    let joined = crumbs.join(&b"; "[..]);
    request.insert_header(COOKIE, joined)
}

/// Removes the fields and cookies that carry a token.
pub(super) fn strip_token_headers(request: &mut RequestHeader, identity: Option<&Identity>) -> pingora::Result<()> {
    let Some(identity) = identity else { return Ok(()) };
    let names: Vec<_> = request.headers.keys().filter(|name| identity.is_token_header(name)).cloned().collect();
    for name in names {
        if name == AUTHORIZATION {
            strip_authorization(request)?;
        } else {
            request.remove_header(&name);
        }
    }
    if !request.headers.contains_key(COOKIE) || !identity.reads_cookies() {
        return Ok(());
    }
    let fields: Vec<_> = request.headers.get_all(COOKIE).iter().cloned().collect();
    request.remove_header(&COOKIE);
    for field in fields {
        // Latin-1 and back keeps all bytes of the remaining cookies.
        let text: String = field.as_bytes().iter().map(|byte| char::from(*byte)).collect();
        if let Some(kept) = identity.strip_cookie(&text) {
            let bytes: Vec<u8> = kept.chars().filter_map(|c| u8::try_from(c).ok()).collect();
            request.append_header(COOKIE, bytes)?;
        }
    }
    Ok(())
}

/// Removes credentials that may be the token. Those of other schemes are for the origin.
fn strip_authorization(request: &mut RequestHeader) -> pingora::Result<()> {
    let foreign = |value: &&HeaderValue| {
        let bytes = value.as_bytes();
        let scheme = bytes.split(|byte| *byte == b' ').next().unwrap_or_default();
        bytes.contains(&b' ') && !scheme.eq_ignore_ascii_case(b"bearer")
    };
    let kept: Vec<_> = request.headers.get_all(AUTHORIZATION).iter().filter(foreign).cloned().collect();
    request.remove_header(&AUTHORIZATION);
    for value in kept {
        request.append_header(AUTHORIZATION, value)?;
    }
    Ok(())
}
