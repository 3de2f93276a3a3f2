//! The client of a request, from its connection and trusted proxies.

use std::net::IpAddr;

use http::header::{FORWARDED, HeaderName};
use http::request::Parts;
use pingora::http::RequestHeader;
use pingora::proxy::Session;

use crate::admission::{ClientInfo, host, is_forwarded_tls, is_host_and_port};
use crate::config::Settings;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// Other fields that proxies set about the viewer. Not trustworthy from an untrusted peer.
const HEARSAY: [HeaderName; 4] = [
    FORWARDED,
    HeaderName::from_static("x-forwarded-port"),
    HeaderName::from_static("x-forwarded-server"),
    HeaderName::from_static("x-real-ip"),
];

/// The viewer, connected directly or through a trusted proxy.
pub(super) fn client_info(session: &Session, settings: &Settings) -> ClientInfo {
    let peer = peer(session);
    let secure = session.digest().is_some_and(|digest| digest.ssl_digest.is_some())
        || settings.assume_https && is_behind_tls(session, settings);
    let hops = settings.trusted_proxies.as_ref();
    let Some(hops) = hops.filter(|hops| peer.is_some_and(|peer| hops.trusts(peer))) else {
        return ClientInfo { address: peer, secure, forwarded: false };
    };
    let headers = &session.req_header().headers;
    ClientInfo {
        address: hops.client(peer, headers),
        secure: is_forwarded_tls(headers).unwrap_or(secure),
        forwarded: true,
    }
}

/// The scheme and the host that the viewer requests, as `https://tv.example`; empty if the host is unknown.
///
/// `X-Forwarded-Proto` is accepted from any peer: a forged one only breaks the URLs in the sender's own manifest.
/// `X-Forwarded-Host` is not: URLs with a play session lead there.
pub(super) fn site(request: &Parts, client: ClientInfo) -> String {
    let first = |value: &http::HeaderValue| Some(value.to_str().ok()?.split(',').next()?.trim().to_owned());
    let forwarded = request.headers.get(X_FORWARDED_HOST).filter(|_| client.forwarded).and_then(first);
    let forwarded = forwarded.filter(|host| is_host_and_port(host.as_bytes()));
    let Some(host) = forwarded.as_deref().or_else(|| host(request)) else { return String::new() };
    let secure = client.secure || !client.forwarded && is_forwarded_tls(&request.headers) == Some(true);
    format!("{}://{host}", if secure { "https" } else { "http" })
}

/// Adds the viewer's address, scheme and host to the origin's request, as the gateway determined them. Never forwards
/// these fields from an untrusted peer.
///
/// # Errors
/// A field could not be written. Does not happen for addresses and hosts.
pub(super) fn forward(session: &Session, upstream: &mut RequestHeader, client: ClientInfo) -> pingora::Result<()> {
    let peer = peer(session);
    match (client.address.or(peer), peer) {
        (Some(client), Some(peer)) if client.to_canonical() != peer.to_canonical() => {
            upstream.insert_header(X_FORWARDED_FOR, format!("{}, {}", client.to_canonical(), peer.to_canonical()))?;
        }
        (Some(client), _) => upstream.insert_header(X_FORWARDED_FOR, client.to_canonical().to_string())?,
        (None, _) => drop(upstream.remove_header(&X_FORWARDED_FOR)),
    }
    upstream.insert_header(X_FORWARDED_PROTO, if client.secure { "https" } else { "http" })?;
    if !client.forwarded || !upstream.headers.contains_key(X_FORWARDED_HOST) {
        match host(session.req_header()) {
            Some(host) => upstream.insert_header(X_FORWARDED_HOST, host.to_owned())?,
            None => drop(upstream.remove_header(&X_FORWARDED_HOST)),
        }
    }
    if !client.forwarded {
        for name in &HEARSAY {
            upstream.remove_header(name);
        }
    }
    Ok(())
}

fn peer(session: &Session) -> Option<IpAddr> {
    session.client_addr().and_then(|address| address.as_inet()).map(std::net::SocketAddr::ip)
}

/// True if `assume_https` is set for this listener.
fn is_behind_tls(session: &Session, settings: &Settings) -> bool {
    let local = session.server_addr().and_then(|address| address.as_inet()).copied();
    settings.listeners.iter().any(|listener| listener.assume_https && local.is_some_and(|local| listener.takes(local)))
}
