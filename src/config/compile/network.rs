//! Listeners, the control port and origins.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use http::uri::Authority;

use crate::config::origin::Origin;
use crate::config::pointer::Pointer;
use crate::config::raw;
use crate::config::secret::read_file;
use crate::config::settings::{Listener, TlsFiles};

use crate::identity::TrustedHops;

use super::context::Context;
use super::times::{self, TIMEOUT, bounded};

/// Maximum size of a PEM file, in bytes.
const MAX_PEM: u64 = 1 << 20;

/// Checks that listeners and origins exist if a route needs them.
pub(super) fn present(context: &mut Context<'_>, raw: &raw::Config) {
    let root = Pointer::default();
    let mut routes = raw.applications.values().flat_map(|application| &application.routes);
    if !routes.any(|route| route.origin.is_some()) {
        if !raw.listeners.is_empty() {
            let message =
                "no route has an origin, so nothing is served here: remove them, or write `origin:` in a route";
            context.warn(&root.key("listeners"), message);
        }
        return;
    }
    // Invalid parts have been reported.
    let listens = !raw.listeners.is_empty() || context.lost_list(&root.key("listeners"));
    let leads_somewhere = !context.origins.is_empty() || context.document.lost(&root.key("origins"));
    for (name, is_there, inside) in [
        ("listeners", listens, "a list (`[…]`, or lines with `-`), each item with `address: IP:PORT`"),
        ("origins", leads_somewhere, "an entry `NAME: { servers: [HOST:PORT] }` for each"),
    ] {
        let at = root.key(name);
        if is_there {
            continue;
        }
        if context.has(&at) {
            context.say(&at, format!("this is empty, but a route has an origin: write {inside}"));
        } else {
            let message = format!("`{name}` is missing, but a route has an origin: write `{name}:` with {inside}");
            context.say_at_key(&root, message);
        }
    }
}

pub(super) fn listeners(context: &mut Context<'_>, raw: &[raw::Listener], control: &raw::Control) -> Vec<Listener> {
    let root = Pointer::default();
    let at = |nth: usize| root.key("listeners").item(nth);
    let mut taken: Vec<SocketAddr> = Vec::new();
    let mut compiled = Vec::new();
    for (nth, listener) in raw.iter().enumerate() {
        unique(context, &at(nth).key("address"), listener.address.value, &mut taken);
        let tls = listener.tls.as_ref().map(|tls| tls_files(context, &at(nth).key("tls"), tls));
        compiled.push(Listener {
            address: listener.address.value,
            tls,
            proxy_protocol: listener.proxy_protocol,
            assume_https: listener.assume_https,
        });
    }
    unique(context, &root.key("control").key("address"), control.address.value, &mut taken);
    compiled
}

/// Proxies whose headers give the viewer's address.
pub(super) fn hops(
    listeners: &[raw::Listener],
    raw: Option<&raw::TrustedProxies>,
    context: &mut Context<'_>,
) -> Option<TrustedHops> {
    let root = Pointer::default();
    if let (None, Some(nth)) = (raw, listeners.iter().position(|listener| listener.proxy_protocol)) {
        let at = root.key("listeners").item(nth).key("proxy_protocol");
        if !context.has(&root.key("trusted_proxies")) {
            let message = "no network may send the PROXY protocol: write `trusted_proxies:` with `networks:`";
            context.say(&at, message);
        }
    }
    let raw = raw?;
    let trusted = raw.networks.iter().map(|network| network.value).collect();
    Some(TrustedHops::new(trusted, raw.header.value.clone()))
}

fn unique(context: &mut Context<'_>, at: &Pointer, address: SocketAddr, taken: &mut Vec<SocketAddr>) {
    // `0.0.0.0` covers every IPv4 address, and `[::]` every address.
    let covers = |one: SocketAddr, other: SocketAddr| {
        one.ip() == other.ip() || one.ip().is_unspecified() && (one.is_ipv6() || other.is_ipv4())
    };
    let clashes = |other: &&SocketAddr| {
        // Port 0 is a different port each time.
        let same_port = address.port() != 0 && other.port() == address.port();
        same_port && (covers(address, **other) || covers(**other, address))
    };
    if let Some(other) = taken.iter().find(clashes) {
        context.say(at, format!("`{address}` conflicts with the listener on `{other}`: use another port"));
    }
    taken.push(address);
}

fn tls_files(context: &mut Context<'_>, at: &Pointer, raw: &raw::Tls) -> TlsFiles {
    TlsFiles {
        certificate: pem(context, &at.key("certificate"), &raw.certificate, "CERTIFICATE-----"),
        key: pem(context, &at.key("key"), &raw.key, "PRIVATE KEY-----"),
    }
}

/// The path of an existing PEM file with a block whose type ends in `label`.
pub(super) fn pem(context: &mut Context<'_>, at: &Pointer, path: &std::path::Path, label: &str) -> PathBuf {
    let path = context.path(path);
    match read_file(&path, MAX_PEM) {
        Err(error) => context.say_unread(at, &error),
        Ok(bytes) if String::from_utf8_lossy(&bytes).contains(label) => context.sections.add(at, &bytes),
        Ok(_) => {
            let what = label.trim_end_matches('-').to_lowercase();
            context.say(
                at,
                format!("`{}` contains no {what} in PEM format: write the path of a file that does", path.display()),
            );
        }
    }
    path
}

pub(super) fn origins(
    context: &mut Context<'_>,
    raw: &BTreeMap<String, raw::Origin>,
) -> BTreeMap<Arc<str>, Arc<Origin>> {
    let compiled = raw.iter().map(|(name, origin)| {
        let name: Arc<str> = name.as_str().into();
        (Arc::clone(&name), Arc::new(self::origin(context, name, origin)))
    });
    compiled.collect()
}

fn origin(context: &mut Context<'_>, name: Arc<str>, raw: &raw::Origin) -> Origin {
    let at = Pointer::default().key("origins").key(&name);
    let mut servers = Vec::new();
    for (nth, server) in raw.servers.iter().enumerate() {
        if servers.contains(&server.value) {
            context.say(&at.key("servers").item(nth), format!("`{}` is listed twice: remove one", server.value));
        }
        servers.push(server.value.clone());
    }
    if let Some(host) = &raw.host_header
        && !is_authority(host)
    {
        context.say(
            &at.key("host_header"),
            format!("`{host}` is not a host name: write one such as `origin.example.com`"),
        );
    }
    let mut time = |key, written| bounded(context, &at.key(key), written, TIMEOUT);
    let (connect_timeout, read_timeout) =
        (time("connect_timeout", &raw.connect_timeout), time("read_timeout", &raw.read_timeout));
    let (write_timeout, idle_timeout) =
        (time("write_timeout", &raw.write_timeout), time("idle_timeout", &raw.idle_timeout));
    let resolve_every = bounded(context, &at.key("resolve_every"), &raw.resolve_every, times::RESOLVE);
    Origin {
        name,
        servers,
        tls: raw.tls,
        host_header: raw.host_header.clone(),
        verify_certificate: raw.verify_certificate,
        connect_timeout,
        read_timeout,
        write_timeout,
        idle_timeout,
        max_connections: raw.max_connections,
        consecutive_5xx: raw.consecutive_5xx,
        resolve_every,
    }
}

/// A host with or without a port, as it may stand in `Host` (RFC 9110 §7.2).
pub(super) fn is_authority(text: &str) -> bool {
    text.parse::<Authority>().is_ok_and(|authority| !authority.host().is_empty()) && !text.contains('@')
}
