//! Links (HAL).

use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use axum::http::HeaderMap;
use axum::http::header::HOST;
use axum::http::request::Parts;
use serde::Serialize;
use utoipa::ToSchema;

use crate::config::Settings;

/// A link.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = v1::Link)]
pub(super) struct Link {
    /// The URL, or a URI template (RFC 6570).
    href: String,
    /// True if `href` is a template.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    templated: bool,
}

impl Link {
    pub(super) fn to(href: String) -> Self {
        Self { href, templated: false }
    }

    /// The template for a stream's heartbeats.
    pub(super) fn heartbeat(stream: &str) -> Self {
        Self { href: format!("{stream}{{?event}}"), templated: true }
    }
}

/// Link to the resource itself.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = v1::Links)]
pub(super) struct Links {
    #[serde(rename = "self")]
    pub(super) this: Link,
}

/// Scheme and host as the caller sees them. Trusted proxies may override them.
pub(super) fn base(settings: &Settings, head: &Parts) -> String {
    let peer = head.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip().to_canonical());
    let is_trusted = peer.is_some_and(|peer| settings.trusted_proxies.as_ref().is_some_and(|hops| hops.trusts(peer)));
    let forwarded = |name| first(&head.headers, name).filter(|_| is_trusted);
    let scheme = match forwarded("x-forwarded-proto") {
        Some(scheme) if scheme.eq_ignore_ascii_case("https") => "https",
        _ => "http",
    };
    let host = forwarded("x-forwarded-host").filter(|host| is_host(host));
    let host = host.or_else(|| first(&head.headers, HOST.as_str()).filter(|host| is_host(host)));
    match host {
        Some(host) => format!("{scheme}://{host}"),
        None => format!("{scheme}://{}", settings.control.address),
    }
}

/// The first of a list: each proxy appends its own.
fn first<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()?.split(',').next().map(str::trim)
}

fn is_host(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    !text.is_empty() && text.len() <= 255 && text.bytes().all(allowed)
}
