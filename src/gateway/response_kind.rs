//! Classifies a request by the head of the origin's answer.

use http::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, RANGE};
use http::{HeaderMap, Method, StatusCode};
use pingora::http::{RequestHeader, ResponseHeader};

use super::context::Context;
use super::upstream_request::is_nameless;
use crate::config::Anonymous;
use crate::media::{self, Claim, Kind, Signal};

/// The kind of a request, by the head of its answer.
pub(super) struct Shown {
    pub(super) kind: Kind,
    /// The claim that the answer's first bytes must confirm, if they can.
    pub(super) claim: Option<Claim>,
}

impl Shown {
    /// True if the request must be decided again, because its name showed less.
    pub(super) fn counts_more_than(&self, kind: Kind) -> bool {
        rank(self.kind) > rank(kind)
    }
}

fn rank(kind: Kind) -> u8 {
    match kind.signal() {
        Signal::Never => 0,
        Signal::Neutral | Signal::Intent => 1,
        Signal::Presence => 2,
        Signal::Playback => 3,
    }
}

pub(super) fn shown(request: &RequestHeader, response: &ResponseHeader, ctx: &Context) -> Shown {
    let named = ctx.subject.kind;
    if !response.status.is_success() || response.status == StatusCode::NO_CONTENT {
        return Shown { kind: named, claim: None };
    }
    let headers = &response.headers;
    if let Some(kind) = ctx.belied {
        return Shown { kind, claim: None };
    }
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let length = whole_length(headers);
    let mut kind = media::classify_response(named, content_type);
    let is_posted = request.method == Method::POST;
    if media::is_too_large(kind, length) && !(kind == Kind::Key && is_posted) {
        kind = Kind::Segment;
    }
    // The answer to a preflight is short or empty, often without a type.
    let may_be_text = request.method == Method::OPTIONS && length.is_none_or(|length| length < 512);
    let says_nothing = kind == Kind::Unknown;
    if says_nothing {
        kind = if may_be_text { Kind::Other } else { media::classify_unknown(length, is_posted) };
    }
    if kind == Kind::Subtitle && ctx.prefix_length == 0 {
        // Without a name or a play session that shows them, subtitles do not count.
        kind = named_or_other(named);
    }
    let is_small = kind == Kind::Subtitle || kind == Kind::Key && !is_posted && request.method == Method::GET;
    let passes = kind.is_harmless() || is_small;
    let concerns = is_looked_at(ctx);
    let from_the_start = response.status != StatusCode::PARTIAL_CONTENT || starts_at_zero(headers);
    if passes && concerns && named == Kind::Unknown && !from_the_start {
        // Neither its name nor its first bytes can confirm its claim.
        return Shown { kind: Kind::Segment, claim: None };
    }
    let may_be_a_list = named == Kind::Unknown && kind == Kind::Playlist && media::may_list_channels(content_type);
    if (says_nothing && kind == Kind::Segment || may_be_a_list)
        && from_the_start
        && request.method == Method::GET
        && (concerns || is_nameless(request, ctx))
    {
        // Neither name nor type distinguishes a manifest from media, or from a list of channels. Nothing is decided or
        // sent before the first bytes do.
        return Shown { kind: Kind::Unknown, claim: Some(Claim::Nothing) };
    }
    // Bytes in an unknown coding are inspected as they are: the coding was not requested, and the claim may be false.
    let claim = (passes && concerns && (from_the_start || is_small) && request.method != Method::HEAD)
        .then(|| Claim::new(kind, ctx.path_of(&request.uri), content_type));
    Shown { kind, claim }
}

/// True if the claims of answers are checked: in a play, and if the application refuses viewers without a token.
pub(super) fn is_looked_at(ctx: &Context) -> bool {
    ctx.prefix_length > 0
        || ctx.subject.application.as_ref().is_some_and(|application| application.anonymous == Anonymous::Refuse)
}

fn named_or_other(named: Kind) -> Kind {
    if named == Kind::Unknown { Kind::Other } else { named }
}

/// Bytes of the complete resource, also for a partial answer.
fn whole_length(headers: &HeaderMap) -> Option<u64> {
    let range = headers.get(CONTENT_RANGE).and_then(|range| range.to_str().ok());
    match range {
        Some(range) => range.rsplit('/').next()?.trim().parse().ok(),
        None => headers.get(CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok(),
    }
}

fn starts_at_zero(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_RANGE).is_some_and(|range| range.as_bytes().starts_with(b"bytes 0-"))
}

/// True if a request has a range other than one that starts at zero.
pub(super) fn begins_in_the_middle(request: &RequestHeader) -> bool {
    let one_from_zero = |range: &[u8]| range.starts_with(b"bytes=0-") && !range.contains(&b',');
    request.headers.get_all(RANGE).iter().any(|range| !one_from_zero(range.as_bytes()))
}
