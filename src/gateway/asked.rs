//! What a request says of itself, before anybody judges it.

use std::net::IpAddr;

use http::header::HOST;
use http::{Method, Version};
use pingora::http::RequestHeader;

use super::respond::Problem;
use crate::identity::{RequestFacts, path};
use crate::media::{self, Kind};
use crate::streams::Signal;

/// How a request stands to the count of streams.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    /// It is a heartbeat, and may start a stream.
    Counts(Signal),
    /// It has to belong to a stream that has not been terminated, and is no sign of life.
    Checked,
    /// It passes.
    Never,
}

impl Weight {
    pub(super) fn of(kind: Kind, request: &RequestHeader) -> Self {
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

/// What a request says of itself, taken apart once.
pub(super) struct Asked<'a> {
    pub(super) request: &'a RequestHeader,
    /// The path at the origin.
    pub(super) path: &'a str,
    pub(super) sealed: Option<&'a str>,
    client: Option<IpAddr>,
}

impl<'a> Asked<'a> {
    pub(super) fn new(request: &'a RequestHeader, client: Option<IpAddr>) -> Self {
        let whole = request.uri.path();
        let (sealed, path) = path::split(whole).map_or((None, whole), |(sealed, rest)| (Some(sealed), rest));
        Self { request, path, sealed, client }
    }

    pub(super) fn facts(&self) -> RequestFacts<'a> {
        RequestFacts {
            path: self.path,
            query: self.request.uri.query(),
            headers: &self.request.headers,
            client: self.client,
        }
    }
}

/// The host that a request names, without judging it.
pub(super) fn host(request: &RequestHeader) -> Option<&str> {
    let field = request.headers.get(HOST).and_then(|host| host.to_str().ok());
    field.or_else(|| request.uri.authority().map(http::uri::Authority::as_str)).filter(|host| !host.is_empty())
}

/// Whether a browser asks ahead of its viewer (Fetch standard, `Sec-Purpose`).
pub(super) fn is_speculative(request: &RequestHeader) -> bool {
    ["sec-purpose", "purpose"].iter().any(|name| {
        let purpose = request.headers.get(*name).map(http::HeaderValue::as_bytes);
        purpose.is_some_and(|value| value.starts_with(b"prefetch"))
    })
}

/// Checks what the framework lets pass: no host, a header of any size up to 1 MiB.
pub(super) fn well_formed(request: &RequestHeader, most: usize) -> Result<(), Box<Problem>> {
    let fields: usize = request.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if fields + request.uri.path().len() + request.uri.query().map_or(0, str::len) > most {
        return Err(Problem::header_too_large());
    }
    if host(request).is_none() && request.version != Version::HTTP_10 {
        return Err(Problem::no_host());
    }
    Ok(())
}

/// Whether a path has `.` or `..` segments, written plainly, percent-encoded or with parameters, a backslash, or a NUL.
/// Origins resolve the ones, may take the other for a slash, and may stop at the last; what is served would be another thing
/// than what was decided about.
pub(super) fn is_ambiguous(path: &str) -> bool {
    let bytes = path.as_bytes();
    let suspicious = memchr::memchr2_iter(b'%', b'\\', bytes).any(|at| {
        let escape = bytes.get(at + 1..at + 3).unwrap_or_default();
        bytes.get(at) == Some(&b'\\') || escape == b"00" || escape.eq_ignore_ascii_case(b"5c")
    });
    if suspicious {
        return true;
    }
    if !path.contains("/.") && !path.contains("/%2") {
        return false;
    }
    path.split('/').any(|segment| {
        let mut rest = segment.split(';').next().unwrap_or_default();
        let mut dots = 0;
        while let Some(after) =
            rest.strip_prefix('.').or_else(|| rest.strip_prefix("%2e")).or_else(|| rest.strip_prefix("%2E"))
        {
            (rest, dots) = (after, dots + 1);
        }
        rest.is_empty() && (1..=2).contains(&dots)
    })
}

#[cfg(test)]
mod tests {
    use super::is_ambiguous;

    #[test]
    fn paths_that_could_mean_two_things_are_seen_however_they_are_written() {
        for path in [
            "/a/../b",
            "/..",
            "/a/.",
            "/a/%2e%2E/b",
            "/a/.%2e",
            "/./x",
            "/a.ts%00.jpg",
            "/a/..;x/b",
            "/a\\..\\b",
            "/a/..%5Cb",
        ] {
            assert!(is_ambiguous(path), "{path}");
        }
        for path in ["/a/...", "/.well-known/x", "/a/..b", "/a.m3u8", "/a/%2ex", "/", "/a/x;.."] {
            assert!(!is_ambiguous(path), "{path}");
        }
    }
}
