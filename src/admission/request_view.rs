//! What a request says of itself, before anybody judges it.

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

/// How a request stands to the count of streams.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeartbeatKind {
    /// It is a heartbeat, and may start a stream.
    Counts(Signal),
    /// It has to belong to a stream that has not been terminated, and is no sign of life.
    Checked,
    /// It passes.
    Never,
}

impl HeartbeatKind {
    pub(crate) fn from_request(kind: Kind, request: &Parts) -> Self {
        // A POST that is answered with media has been given media.
        let counts = request.method != Method::HEAD;
        match kind.signal() {
            media::Signal::Never => Self::Never,
            media::Signal::Playback if counts => Self::Counts(Signal::Playback),
            media::Signal::Presence if counts => Self::Counts(Signal::Presence),
            _ => Self::Checked,
        }
    }
}

/// Who sent a request.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ClientInfo {
    /// The viewer's address: that of the connection, or what a trusted hop says of it.
    pub(crate) address: Option<IpAddr>,
    /// Whether the viewer speaks TLS, with us or with a trusted hop.
    pub(crate) secure: bool,
    /// Whether a trusted hop stands in front, whose fields tell what the viewer asked for.
    pub(crate) forwarded: bool,
}

/// Whether the machine in front says that the viewer speaks TLS; `None` where it says nothing.
pub(crate) fn is_forwarded_tls(headers: &HeaderMap) -> Option<bool> {
    // A list, where there are several hops: the first is what the viewer speaks.
    let first = |proto: &HeaderValue| {
        let first = proto.as_bytes().split(|byte| *byte == b',').next().unwrap_or_default();
        first.trim_ascii().eq_ignore_ascii_case(b"https")
    };
    headers.get("x-forwarded-proto").map(first)
}

/// The way in which a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ingress {
    /// Through the gateway, which passes its answer on and sees the manifests.
    Proxy,
    /// Another proxy answers it, and asks about it.
    ForwardAuth,
}

/// When and how a request came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    /// Names the request in logs and refusals.
    pub(crate) id: u64,
    pub(crate) ingress: Ingress,
    /// When its header had been read. Tokens, blocks and the age of play sessions are judged by its wall time.
    pub(crate) moment: Moment,
    pub(crate) client: ClientInfo,
}

/// One request, taken apart once: all that a decision about it rests on.
pub(crate) struct RequestView<'a> {
    pub(crate) arrival: Arrival,
    /// What was in force when it came.
    pub(crate) config: &'a RuntimeConfig,
    /// When it is decided about: later than its arrival where the origin's answer showed what it is.
    pub(crate) now: Millis,
    pub(crate) request: &'a Parts,
    /// The path at the origin.
    pub(crate) path: &'a str,
    /// The play session that the path carries.
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
        // A path of the prefix alone is given a slash that it has not.
        let prefix_length = whole.strip_suffix(rest).map_or(whole.len(), str::len);
        let path = stripped_path.map_or(rest, |stripped| &stripped.path);
        let (now, cached) = (arrival.moment.now, None);
        Self { arrival, config, now, request, path, sealed, prefix_length, cached, stripped_path }
    }

    /// The configuration that was in force when the request came.
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

    /// The client as far as it can be told from others: its network and its user agent.
    pub(crate) fn client(&self) -> Client {
        Client::new(network(self.arrival.client.address), user_agent(&self.request.headers))
    }

    /// What the request shows of its client besides the device; `token` and `issued` are its token's, zero where there is none.
    pub(crate) fn evidence(&self, token: u32, issued: u32) -> ClientEvidence {
        let has_agent = !user_agent(&self.request.headers).is_empty();
        self.client().evidence(self.arrival.client.address.is_some(), has_agent, token, issued)
    }

    /// What stands for the media that is asked for.
    ///
    /// Not its query, in which players report of themselves and clients can write what they like.
    pub(crate) fn media(&self) -> u32 {
        let range = self.request.headers.get(RANGE).map_or(&[][..], HeaderValue::as_bytes);
        media_hash(&[self.path.as_bytes(), range])
    }
}

/// The path at the origin: without play session, whose prefix has `prefix_length` bytes, and token.
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

/// The path for the log, without what a nested prefix has sealed. Where no route was found, its tokens are
/// still in it: those that any application would find are taken out.
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

/// The path without a token that it carries, where the request's application takes tokens from paths.
pub(crate) fn strip_path_token(settings: &Settings, request: &Parts) -> Option<Arc<StrippedPath>> {
    settings.path_tokens.iter().find_map(|application| {
        let whole = request.uri.path();
        let (fresh, path) = path::split(whole).map_or((true, whole), |(_, rest)| (false, rest));
        let bare = application.identity.as_ref()?.take_from_path(path, fresh)?;
        let route = settings.routes.find(host(request), &bare.path)?;
        (route.application.id == application.id).then(|| Arc::new(bare))
    })
}

/// The host that a request names, without judging it.
pub(crate) fn host(request: &Parts) -> Option<&str> {
    let field = request.headers.get(HOST).and_then(|host| host.to_str().ok());
    field.or_else(|| request.uri.authority().map(http::uri::Authority::as_str)).filter(|host| !host.is_empty())
}

/// Whether a browser asks ahead of its viewer (Fetch standard, `Sec-Purpose`).
pub(crate) fn is_speculative(request: &Parts) -> bool {
    ["sec-purpose", "purpose"].iter().any(|name| {
        let purpose = request.headers.get(*name).map(http::HeaderValue::as_bytes);
        purpose.is_some_and(|value| value.starts_with(b"prefetch"))
    })
}

/// Checks what the framework lets pass: no host or something that is none, a header of any size up to 1 MiB.
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
