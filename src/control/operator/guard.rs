//! Authorization. Every handler takes one of these extractors.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use axum::extract::{ConnectInfo, FromRequestParts, Request};
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap};

use super::problem::Problem;
use crate::config::{ControlToken, Role};
use crate::control::Control;
use crate::telemetry::{LogLimit, LoginFailure};

/// Minimum interval between log lines about failed logins of one kind, so that token guessing cannot fill the disk.
const EVERY: Duration = Duration::from_secs(10);
static LOGINS: [LogLimit; LoginFailure::ALL.len()] = [const { LogLimit::new(EVERY) }; LoginFailure::ALL.len()];

/// A caller that may read.
#[derive(Debug)]
pub(super) struct Reader;

/// A caller that may make changes.
#[derive(Debug)]
pub(super) struct Operator {
    /// The name of its token.
    pub(super) name: Arc<str>,
}

impl FromRequestParts<Control> for Reader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, control: &Control) -> Result<Self, Problem> {
        let found = who(&parts.headers, &control.settings().control.tokens);
        found.map(|_| Self).map_err(|failure| failure.refused(control, &parts.extensions))
    }
}

impl FromRequestParts<Control> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, control: &Control) -> Result<Self, Problem> {
        let found = who(&parts.headers, &control.settings().control.tokens).and_then(|(name, role)| {
            if role < Role::Operate {
                Err(Failure::new(LoginFailure::WrongRole, Problem::only_reads()))
            } else {
                Ok(name)
            }
        });
        found.map(|name| Self { name }).map_err(|failure| failure.refused(control, &parts.extensions))
    }
}

/// Checks that the caller may read.
pub(super) fn admits(request: &Request, control: &Control) -> Result<(), Problem> {
    let found = who(request.headers(), &control.settings().control.tokens);
    found.map(drop).map_err(|failure| failure.refused(control, request.extensions()))
}

/// Why a caller is refused, and the answer.
struct Failure {
    reason: LoginFailure,
    told: Problem,
}

impl Failure {
    fn new(reason: LoginFailure, told: Problem) -> Self {
        Self { reason, told }
    }

    fn unauthorized(reason: LoginFailure) -> Self {
        Self::new(reason, Problem::unauthorized())
    }

    /// Counts and logs the failure. Credentials are never logged: they may be a token with a typo.
    fn refused(self, control: &Control, of: &Extensions) -> Problem {
        let Self { reason, told } = self;
        control.admission.metrics.login_failure(reason);
        // Limited per reason, so that requests without a token do not hide token guessing.
        let limit = LoginFailure::ALL.iter().position(|known| *known == reason).and_then(|nth| LOGINS.get(nth));
        if let Some(held_back) = limit.and_then(|limit| limit.admits(control.admission.clock.now())) {
            let client = of.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(client)| client.ip().to_canonical());
            tracing::warn!(
                client = client.map(tracing::field::display),
                reason = reason.label(),
                held_back,
                "operator API request refused"
            );
        }
        told
    }
}

fn who(headers: &HeaderMap, tokens: &[ControlToken]) -> Result<(Arc<str>, Role), Failure> {
    if tokens.is_empty() {
        return not_from_a_page(headers).map(|()| ("anybody".into(), Role::Operate));
    }
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let field = match (fields.next(), fields.next()) {
        (Some(field), None) => field,
        (None, _) => return Err(Failure::unauthorized(LoginFailure::NoToken)),
        (Some(_), Some(_)) => return Err(Failure::unauthorized(LoginFailure::Malformed)),
    };
    let given = field.as_bytes().split_at_checked(7).filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"bearer "));
    let Some((_, given)) = given else { return Err(Failure::unauthorized(LoginFailure::Malformed)) };
    // Compares digests of equal length against every token, so that timing reveals neither length nor match.
    let given = digest(&SHA256, given.trim_ascii());
    let mut found = None;
    for token in tokens {
        let known = digest(&SHA256, token.secret.expose());
        if verify_slices_are_equal(known.as_ref(), given.as_ref()).is_ok() {
            found = Some((token.name.clone(), token.role));
        }
    }
    found.ok_or_else(|| Failure::unauthorized(LoginFailure::WrongToken))
}

/// Without tokens, anyone who reaches the port may do everything, and so may any page in an operator's browser. Refuses
/// pages, from their own origin and through DNS rebinding.
fn not_from_a_page(headers: &HeaderMap) -> Result<(), Failure> {
    let refused = |told| Err(Failure::new(LoginFailure::FromAPage, Problem::from_a_page(told)));
    if headers.contains_key(ORIGIN) {
        return refused(
            "Requests from web pages (with `Origin`) are refused while no tokens are configured: configure \
             `control.tokens`.",
        );
    }
    let mut hosts = headers.get_all(HOST).iter();
    let (host, only) = (hosts.next().and_then(|host| host.to_str().ok()), hosts.next().is_none());
    if only && host.is_some_and(is_no_name) {
        return Ok(());
    }
    refused(
        "`Host` is neither an IP address nor localhost; refused as possible DNS rebinding. Use the IP address, or \
         configure `control.tokens`.",
    )
}

/// True if a `Host` is an IP address or `localhost`, with or without a port.
fn is_no_name(host: &str) -> bool {
    if let Some(rest) = host.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else { return false };
        return address.parse::<Ipv6Addr>().is_ok() && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port));
    }
    let (name, port) = host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port)));
    let is_here = name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok();
    is_here && port.is_none_or(is_port)
}

fn is_port(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_and_localhost_are_no_names() {
        for host in ["127.0.0.1", "127.0.0.1:9090", "[::1]", "[::1]:9090", "localhost", "LocalHost:1"] {
            assert!(is_no_name(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "evil.example:9090",
            "localhost.evil.example",
            "127.0.0.1.nip.io",
            "[::1",
            "[x]:1",
            "127.0.0.1:",
            "127.0.0.1:x",
            "::1",
            "localhost:1:2",
        ] {
            assert!(!is_no_name(host), "{host}");
        }
    }
}
