//! Who sent a request, as its connection and trusted hops say it.

use pingora::proxy::Session;

use crate::config::Settings;
use crate::questions::{From, is_forwarded_tls};

/// The viewer, where it connects itself or a trusted hop stands in front.
pub(super) fn from(session: &Session, settings: &Settings) -> From {
    let peer = session.client_addr().and_then(|address| address.as_inet()).map(std::net::SocketAddr::ip);
    let secure = session.digest().is_some_and(|digest| digest.ssl_digest.is_some())
        || settings.behind_tls && is_behind_tls(session, settings);
    let hops = settings.hops.as_ref();
    let Some(hops) = hops.filter(|hops| peer.is_some_and(|peer| hops.trusts(peer))) else {
        return From { client: peer, secure };
    };
    let headers = &session.req_header().headers;
    From { client: hops.client(peer, headers), secure: is_forwarded_tls(headers).unwrap_or(secure) }
}

/// Whether viewers speak TLS with what stands in front of this listener.
fn is_behind_tls(session: &Session, settings: &Settings) -> bool {
    let local = session.server_addr().and_then(|address| address.as_inet()).copied();
    settings.listeners.iter().any(|listener| listener.behind_tls && local.is_some_and(|local| listener.takes(local)))
}
