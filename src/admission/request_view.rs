//! A request, parsed before the decision about it.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use http::header::{HOST, RANGE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Version};

use super::host::HostError;
use super::play_context::PlayContext;
use super::problem::Problem;
use super::runtime_config::RuntimeConfig;
use crate::config::Settings;
use crate::identity::client::network;
use crate::identity::{RequestFacts, StrippedPath, path, user_agent};
use crate::media::{self, Kind};
use crate::model::{ClientEvidence, Millis, Moment};
use crate::streams::{Client, Signal, media_hash};

/// How a request counts for streams.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeartbeatKind {
    /// A heartbeat, which may start a stream.
    Counts(Signal),
    /// No heartbeat, but refused if its stream was terminated.
    Checked,
    /// Passes without counting.
    Never,
}

impl HeartbeatKind {
    pub(crate) fn from_request(kind: Kind, request: &Parts) -> Self {
        // A POST counts, too, if it is answered with media.
        let counts = request.method != Method::HEAD;
        match kind.signal() {
            media::Signal::Never => Self::Never,
            media::Signal::Playback if counts => Self::Counts(Signal::Playback),
            media::Signal::Presence if counts => Self::Counts(Signal::Presence),
            _ => Self::Checked,
        }
    }
}

/// The client that sent a request.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ClientInfo {
    /// The viewer's address: from the connection, or from a trusted proxy.
    pub(crate) address: Option<IpAddr>,
    /// True if the viewer uses TLS, to the gateway or to a trusted proxy.
    pub(crate) secure: bool,
    /// True if a trusted proxy is in front, whose fields describe the viewer's request.
    pub(crate) forwarded: bool,
}

/// True if `X-Forwarded-Proto` says that the viewer uses TLS; `None` without the field.
pub(crate) fn is_forwarded_tls(headers: &HeaderMap) -> Option<bool> {
    // With several proxies, this is a list: the first entry is the viewer's scheme.
    let first = |proto: &HeaderValue| {
        let first = proto.as_bytes().split(|byte| *byte == b',').next().unwrap_or_default();
        first.trim_ascii().eq_ignore_ascii_case(b"https")
    };
    headers.get("x-forwarded-proto").map(first)
}

/// How a request arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ingress {
    /// Through the gateway, which relays the answer and sees the manifests.
    Proxy,
    /// In a forward-auth call of another proxy, which serves it.
    ForwardAuth,
}

/// When and how a request arrived.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    /// The request's id in logs and refusals.
    pub(crate) id: u64,
    pub(crate) ingress: Ingress,
    /// When its header had been read. Its wall time applies to tokens, blocks and the age of play sessions.
    pub(crate) moment: Moment,
    pub(crate) client: ClientInfo,
}

/// One request, parsed once: all that a decision is based on.
pub(crate) struct RequestView<'a> {
    pub(crate) arrival: Arrival,
    /// The configuration in effect when it arrived.
    pub(crate) config: &'a RuntimeConfig,
    /// The time of the decision: later than the arrival if the origin's answer was needed for it.
    pub(crate) now: Millis,
    pub(crate) request: &'a Parts,
    /// The path at the origin.
    pub(crate) path: &'a str,
    /// The play session in the path.
    pub(crate) sealed: Option<&'a str>,
    /// Bytes of the play session's prefix.
    pub(crate) prefix_length: usize,
    /// The play of the connection's last request.
    pub(crate) cached: Option<Arc<PlayContext>>,
    stripped_path: Option<&'a StrippedPath>,
}

impl<'a> RequestView<'a> {
    pub(crate) fn new(
        arrival: Arrival,
        config: &'a RuntimeConfig,
        request: &'a Parts,
        stripped_path: Option<&'a StrippedPath>,
    ) -> Self {
        let whole = request.uri.path();
        let (sealed, rest) = path::split(whole).map_or((None, whole), |(sealed, rest)| (Some(sealed), rest));
        // If the path is only the prefix, `rest` is a slash that the path does not have.
        let prefix_length = whole.strip_suffix(rest).map_or(whole.len(), str::len);
        let path = stripped_path.map_or(rest, |stripped| &stripped.path);
        let (now, cached) = (arrival.moment.now, None);
        Self { arrival, config, now, request, path, sealed, prefix_length, cached, stripped_path }
    }

    /// The configuration in effect when the request arrived.
    pub(crate) fn settings(&self) -> &'a Settings {
        &self.config.settings
    }

    pub(crate) fn facts(&self) -> RequestFacts<'a> {
        let query = self.request.uri.query();
        RequestFacts {
            method: &self.request.method,
            scheme: if self.arrival.client.secure { "https" } else { "http" },
            host: host(self.request).unwrap_or_default(),
            path: self.path,
            in_path: self.stripped_path.map(StrippedPath::in_path),
            query,
            raw_query: query,
            headers: &self.request.headers,
            client: self.arrival.client.address,
            alpn: if self.request.version == Version::HTTP_2 { "h2" } else { "http/1.1" },
        }
    }

    /// What distinguishes the client from others: its network and its user agent.
    pub(crate) fn client(&self) -> Client {
        Client::new(network(self.arrival.client.address), user_agent(&self.request.headers))
    }

    /// Evidence of the client besides the device. `token` and `issued` are its token's, zero without one.
    pub(crate) fn evidence(&self, token: u32, issued: u32) -> ClientEvidence {
        let has_agent = !user_agent(&self.request.headers).is_empty();
        self.client().evidence(self.arrival.client.address.is_some(), has_agent, token, issued)
    }

    /// A hash of the requested path and range.
    ///
    /// Excludes the query, which contains players' reports and which clients can choose freely.
    pub(crate) fn media(&self) -> u32 {
        let range = self.request.headers.get(RANGE).map_or(&[][..], HeaderValue::as_bytes);
        media_hash(&[self.path.as_bytes(), range])
    }
}

/// The path at the origin: without the token, and without the play session's prefix of `prefix_length` bytes.
pub(crate) fn origin_path<'a>(
    stripped_path: Option<&'a StrippedPath>,
    prefix_length: usize,
    uri: &'a http::Uri,
) -> &'a str {
    match stripped_path {
        Some(stripped) => &stripped.path,
        None => uri.path().get(prefix_length..).filter(|path| !path.is_empty()).unwrap_or("/"),
    }
}

/// The path for the log, without sealed play sessions. If no route was found, the path still has its token: one that
/// any application would find is removed.
pub(crate) fn logged_path<'a>(
    settings: &Settings,
    is_routed: bool,
    stripped_path: Option<&'a StrippedPath>,
    prefix_length: usize,
    uri: &'a http::Uri,
) -> Cow<'a, str> {
    let path = origin_path(stripped_path, prefix_length, uri);
    let mut knowing = settings.path_tokens.iter().filter(|_| !is_routed);
    match knowing.find_map(|application| application.identity.as_ref()?.take_from_path(path, true)) {
        Some(stripped) => Cow::Owned(path::without_sealed(&stripped.path).into_owned()),
        None => path::without_sealed(path),
    }
}

/// The path without its token, if the request's application takes tokens from paths.
pub(crate) fn strip_path_token(settings: &Settings, request: &Parts) -> Option<Arc<StrippedPath>> {
    settings.path_tokens.iter().find_map(|application| {
        let whole = request.uri.path();
        let (fresh, path) = path::split(whole).map_or((true, whole), |(_, rest)| (false, rest));
        let bare = application.identity.as_ref()?.take_from_path(path, fresh)?;
        let route = settings.routes.find(host(request), &bare.path)?;
        (route.application.id == application.id).then(|| Arc::new(bare))
    })
}

/// The host that a request names, unchecked.
pub(crate) fn host(request: &Parts) -> Option<&str> {
    let field = request.headers.get(HOST).and_then(|host| host.to_str().ok());
    field.or_else(|| request.uri.authority().map(http::uri::Authority::as_str)).filter(|host| !host.is_empty())
}

/// True if a browser prefetches (Fetch standard, `Sec-Purpose`).
pub(crate) fn is_speculative(request: &Parts) -> bool {
    ["sec-purpose", "purpose"].iter().any(|name| {
        let purpose = request.headers.get(*name).map(http::HeaderValue::as_bytes);
        purpose.is_some_and(|value| value.starts_with(b"prefetch"))
    })
}

/// Checks what the framework does not: a missing or invalid host, and the header's size, which the framework allows up
/// to 1 MiB.
pub(crate) fn check_well_formed(request: &Parts, most: usize) -> Result<(), Box<Problem>> {
    let fields: usize = request.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if fields + request.uri.path().len() + request.uri.query().map_or(0, str::len) > most {
        return Err(Problem::header_too_large());
    }
    super::host::check(request).map_err(|error| match error {
        HostError::Missing => Problem::no_host(),
        HostError::Malformed => Problem::bad_host(),
    })
}
