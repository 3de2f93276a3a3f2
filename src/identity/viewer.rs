//! The viewer of a token.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::fmt;
use std::hash::{DefaultHasher, Hasher};
use std::ops::Range;
use std::sync::Arc;

use http::header::{COOKIE, HeaderMap, HeaderName, USER_AGENT};

use crate::model::{Account, ApplicationId, Attributes, Device, Millis, StreamId};

use super::attribute_source::{self, Spot};
use super::cache::TokenCache;
use super::callback_request::CallbackRequest;
use super::claims::Claims;
use super::client::network;
use super::error::TokenError;
use super::format::{Format, MAX_TOKEN};
use super::keyring::KeyRing;
use super::limits::fingerprint;
use super::mapping::Mapping;
use super::renewal::Renewed;
use super::request::{InPath, RequestFacts};
use super::scope::Scope;
use super::session::PlaySession;
use super::token_id::TokenId;
use super::token_location::Source;

/// Maximum further tokens that are removed from a path.
const MORE_IN_PATH: usize = 4;
/// Bytes of a user agent used for a device hint.
const MAX_USER_AGENT: usize = 512;

/// Further cookies of one name that are tried if the first has expired.
const MAX_OTHER_COOKIES: usize = 3;

/// A viewer, as proved by a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Viewer {
    /// The account.
    pub account: Account,
    /// The device: the token's device id, or a hint from this request's network and user agent.
    pub device: Device,
    /// The stream, if the request identifies it.
    pub session: Option<StreamId>,
    /// Attributes for policies.
    pub attributes: Attributes,
    /// The token's own id, if it has one.
    pub token: Option<TokenId>,
    /// A hash of the token, byte for byte. Never zero.
    pub fingerprint: u32,
    /// Issue time of the token, in seconds since the epoch; zero if unknown.
    pub issued: u32,
    /// Path prefixes; every manifest of the stream must have one of them. Empty: any path.
    pub scope: Scope,
    /// Expiry of the token, exclusive.
    pub expires: Millis,
}

impl Viewer {
    /// The play session of a stream of this viewer that starts now.
    pub fn play_session(&self, stream: StreamId, application: &ApplicationId, asset: &str, now: Millis) -> PlaySession {
        PlaySession {
            stream,
            account: self.account.clone(),
            application: application.clone(),
            device: self.device.clone(),
            asset: PlaySession::asset_name(asset),
            started: now,
            attributes: self.attributes.clone(),
            token: self.token,
            scope: self.scope.clone(),
        }
    }
}

/// One kind of token that an application accepts.
pub struct Token {
    /// Its locations, in order.
    pub sources: Vec<Source>,
    /// Its format.
    pub format: Arc<dyn Format>,
    /// Forward it to the origin.
    pub forward: bool,
    /// The claim that replaces the token in the path, if it is a path segment.
    pub replaced_by: Option<Box<str>>,
}

/// How an application identifies viewers.
pub struct Settings {
    /// Accepted tokens; the first that is present decides.
    pub tokens: Vec<Token>,
    /// Mapping of their claims.
    pub mapping: Mapping,
    /// Issues the ids of declared streams, if the application declares any.
    pub declared: Option<Arc<KeyRing>>,
}

/// The result of identification.
#[derive(Clone, Debug)]
pub struct Identified {
    /// The viewer.
    pub viewer: Arc<Viewer>,
    /// A new token for the viewer, if the old one requests renewal.
    pub renewed: Option<Renewed>,
    /// True if every request of the stream has the token by itself, as with headers and cookies. A query is only in the
    /// first request, and a token in the path only in relative references.
    pub reaches_all: bool,
}

/// A path without its token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StrippedPath {
    /// The path at the origin.
    pub path: String,
    /// The path of the claim that replaced the token.
    scope: Option<String>,
    source: Source,
    token: String,
    before: String,
}

impl Identified {
    /// Adds facts from the token's location.
    fn from(mut self, source: &Source, request: &RequestFacts<'_>) -> Self {
        self.reaches_all = matches!(source, Source::Header(_) | Source::Cookie(_));
        if let Some(scope) = request.in_path.filter(|found| found.source == source).and_then(|found| found.scope) {
            Arc::make_mut(&mut self.viewer).scope = Scope::from(scope);
        }
        self
    }
}

impl StrippedPath {
    /// The removed token.
    pub fn in_path(&self) -> InPath<'_> {
        InPath { source: &self.source, token: &self.token, before: &self.before, scope: self.scope.as_deref() }
    }
}

/// Identifies the viewers of one application.
pub struct Identity {
    application: ApplicationId,
    kinds: Vec<Kind>,
    mapping: Mapping,
    declared: Option<Arc<KeyRing>>,
}

/// A kind of token, and its cached results.
struct Kind {
    token: Token,
    verified: TokenCache<VerifiedToken>,
}

/// A verified token.
#[derive(Debug)]
struct VerifiedToken {
    claims: Claims,
    /// The viewer, if it depends only on the token.
    viewer: Option<Arc<Viewer>>,
}

impl Identity {
    /// Creates the identity of `application`.
    pub fn new(application: ApplicationId, settings: Settings) -> Self {
        let kinds = settings.tokens.into_iter().map(|token| Kind { token, verified: TokenCache::new() }).collect();
        Self { application, kinds, mapping: settings.mapping, declared: settings.declared }
    }

    /// The mapping of claims.
    pub fn mapping(&self) -> &Mapping {
        &self.mapping
    }

    /// The viewer of the request's token; `None` if the request has no token.
    ///
    /// The first kind that is present, at its first location, decides: if that token is invalid, no other is tried. A
    /// token is verified once and the result cached by SHA-256 until it expires, at most an hour; a refusal for 5 s.
    /// Conditions on requests are checked every time.
    ///
    /// # Errors
    /// Why the token is invalid.
    pub fn identify(&self, request: &RequestFacts<'_>, now: Millis) -> Option<Result<Identified, TokenError>> {
        let (kind, source, token) = self.find(request)?;
        let result = self.identified(kind, token.as_bytes(), request, now);
        let (Err(TokenError::Expired), Source::Cookie(name)) = (&result, source) else {
            return Some(result.map(|identified| identified.from(source, request)));
        };
        // A browser keeps cookies of one name for several paths. An expired one must not hide a newer one.
        let others = attribute_source::cookies_of(request.headers, name).skip(1).take(MAX_OTHER_COOKIES);
        let mut others = others.map(|token| self.identified(kind, token.as_bytes(), request, now));
        Some(others.find(|other| !matches!(other, Err(TokenError::Expired))).unwrap_or(result))
    }

    /// The request to an authorization service about this request's token.
    pub fn question(&self, request: &RequestFacts<'_>) -> Option<CallbackRequest> {
        let (kind, _, token) = self.find(request)?;
        let query = request.raw_query.map(|query| self.without(query, |_| true));
        kind.token.format.question(token.as_bytes(), &RequestFacts { query: query.as_deref(), ..*request })
    }

    fn find<'a>(&self, request: &RequestFacts<'a>) -> Option<(&Kind, &Source, &'a str)> {
        self.kinds.iter().find_map(|kind| {
            let Token { sources, format, .. } = &kind.token;
            let extent = |rest: &str, end: char| format.extent(rest, end);
            let opens = |before: char| format.opens(before);
            sources.iter().find_map(|source| Some((kind, source, source.find(request, &opens, &extent)?)))
        })
    }

    fn identified(
        &self,
        kind: &Kind,
        token: &[u8],
        request: &RequestFacts<'_>,
        now: Millis,
    ) -> Result<Identified, TokenError> {
        if token.len() > MAX_TOKEN {
            return Err(TokenError::TooLong); // before it is hashed
        }
        let format = &*kind.token.format;
        let version = (!format.covers_request(token)).then(|| format.keys_version());
        let known = match version.and_then(|version| kind.verified.get(token, version, now)) {
            Some(known) => Some(known?),
            None => None,
        };
        // Usually the token is cached and does not depend on the query: then the query is not parsed.
        let apart = known.as_ref().is_none_or(|proof| proof.claims.looks_at_query()) || format.renews();
        let query = request.raw_query.filter(|_| apart).map(|query| self.without(query, |_| true));
        let bare = RequestFacts { query: query.as_deref(), ..*request };
        let proof = if let Some(proof) = known {
            proof
        } else {
            let result = self.verify(format, token, &bare, now).map(Arc::new);
            if let Some(version) = version {
                let of = |proof: &VerifiedToken| (proof.claims.expires(), proof.claims.weight());
                kind.verified.remember(token, version, &result, now, of);
            }
            result?
        };
        proof.claims.permits(&bare)?;
        let viewer = match &proof.viewer {
            Some(viewer) => seen_from(viewer, request),
            None => Arc::new(self.viewer(token, &proof.claims, request)?),
        };
        Ok(Identified { viewer, renewed: format.renew(&proof.claims, &bare, now), reaches_all: true })
    }

    fn verify(
        &self,
        format: &dyn Format,
        token: &[u8],
        request: &RequestFacts<'_>,
        now: Millis,
    ) -> Result<VerifiedToken, TokenError> {
        let claims = format.verify(token, request, now)?;
        let viewer =
            self.mapping.is_of_token_alone().then(|| self.viewer(token, &claims, request).map(Arc::new)).transpose()?;
        Ok(VerifiedToken { claims, viewer })
    }

    fn viewer(&self, token: &[u8], claims: &Claims, request: &RequestFacts<'_>) -> Result<Viewer, TokenError> {
        let fingerprint = print(token);
        let issued = claims.value("iat").and_then(serde_json::Value::as_f64).map_or(0, whole_seconds);
        let account = self.mapping.account(claims, request)?;
        let key = account.key();
        let session = self.mapping.stream(&self.application, key, self.declared.as_deref(), claims, request)?;
        let device = self.mapping.device(claims, request).map_or_else(|| hint(request), Device::Named);
        let attributes = self.mapping.attributes(claims, request);
        let token = TokenId::from_claims(&self.application, claims);
        let scope = Scope::from_conditions(claims.conditions());
        Ok(Viewer {
            account,
            device,
            session,
            attributes,
            token,
            fingerprint,
            issued,
            scope,
            expires: claims.expires(),
        })
    }

    /// The path without its tokens, if it has any; the first counts. Players keep names and parameters in relative
    /// references, so tokens also occur under a play session. A segment by number is only a token in a path without
    /// play session (`fresh`), as any path has segments.
    pub fn take_from_path(&self, path: &str, fresh: bool) -> Option<StrippedPath> {
        let mut bare = self.take_one(path, fresh)?;
        for _ in 0..MORE_IN_PATH {
            let Some(next) = self.take_one(&bare.path, false) else { break };
            bare.path = next.path;
        }
        Some(bare)
    }

    fn take_one(&self, path: &str, fresh: bool) -> Option<StrippedPath> {
        self.kinds.iter().find_map(|kind| {
            let Token { sources, format, replaced_by, .. } = &kind.token;
            let extent = |rest: &str, end: char| format.extent(rest, end);
            sources.iter().filter(|source| fresh || !matches!(source, Source::Nth(_))).find_map(|source| {
                let resembles = |segment: &str| format.resembles(segment);
                let Spot { start, value, end } = source.in_path(path, &extent, &resembles)?;
                let (token, rest) = (path.get(value..end)?, path.get(end..)?);
                let head = path.get(..start)?;
                let instead = replaced_by.as_ref().and_then(|claim| format.unverified(token.as_bytes(), claim));
                let scope = instead.as_ref().map(|instead| format!("{head}/{instead}/"));
                let path = match instead {
                    Some(instead) => format!("{head}/{instead}{rest}"),
                    None if head.is_empty() && rest.is_empty() => "/".to_owned(),
                    // The token ends within its segment; the rest of that starts after the delimiter.
                    None if !matches!(source, Source::Param(_)) && !rest.is_empty() && !rest.starts_with('/') => {
                        format!("{head}/{}", rest.strip_prefix(attribute_source::SUB_DELIMITERS).unwrap_or(rest))
                    }
                    None => format!("{head}{rest}"),
                };
                let before = if matches!(source, Source::Param(_)) { head.to_owned() } else { format!("{head}/") };
                Some(StrippedPath { path, scope, source: source.clone(), token: token.to_owned(), before })
            })
        })
    }

    /// True if a token may be in the path.
    pub fn reads_paths(&self) -> bool {
        let in_path = |source: &Source| matches!(source, Source::Segment(_) | Source::Nth(_) | Source::Param(_));
        self.kinds.iter().flat_map(|kind| &kind.token.sources).any(in_path)
    }

    /// True if a token may be in a cookie.
    pub fn reads_cookies(&self) -> bool {
        let in_cookie = |source: &Source| matches!(source, Source::Cookie(_));
        self.kinds
            .iter()
            .any(|kind| kind.token.sources.iter().any(in_cookie) || !kind.token.format.companions().is_empty())
    }

    /// The raw query parameters with tokens and their companions, joined by `&`; `None` if there are none.
    pub fn query_tokens(&self, query: &str) -> Option<String> {
        let parts: Vec<&str> =
            self.token_places(query, |token| !token.forward).into_iter().filter_map(|place| query.get(place)).collect();
        (!parts.is_empty()).then(|| parts.join("&"))
    }

    /// The query without tokens, otherwise unchanged. Empty if nothing is left.
    pub fn strip_query<'a>(&self, query: &'a str) -> Cow<'a, str> {
        self.without(query, |token| !token.forward)
    }

    /// The query without the tokens for which `goes` is true.
    fn without<'a>(&self, query: &'a str, goes: impl Fn(&Token) -> bool) -> Cow<'a, str> {
        let places = self.token_places(query, goes);
        if places.is_empty() { Cow::Borrowed(query) } else { Cow::Owned(attribute_source::cut(query, &places)) }
    }

    fn token_places(&self, query: &str, goes: impl Fn(&Token) -> bool) -> Vec<Range<usize>> {
        let mut places = Vec::new();
        for token in self.kinds.iter().map(|kind| &kind.token).filter(|token| goes(token)) {
            let extent = |rest: &str, end: char| token.format.extent(rest, end);
            let opens = |before: char| token.format.opens(before);
            for name in token.query_names() {
                places.extend(attribute_source::query_values(query, name, &opens, &extent).map(|(place, _)| place));
            }
        }
        // Two formats may share a name: remove the longer value.
        places.sort_unstable_by_key(|place| (place.start, Reverse(place.end)));
        places
    }

    /// The value of a `Cookie` header without tokens; `None` if nothing is left and the header must be removed.
    pub fn strip_cookie<'a>(&self, value: &'a str) -> Option<Cow<'a, str>> {
        let goes = |name: &str| self.kinds.iter().any(|kind| !kind.token.forward && kind.token.is_cookie(name));
        attribute_source::strip_cookie(value, goes)
    }

    /// True if a header contains only a token and must be removed before the request goes upstream.
    pub fn is_token_header(&self, name: &HeaderName) -> bool {
        let is = |source: &Source| matches!(source, Source::Header(token) if token == name);
        *name != COOKIE && self.kinds.iter().any(|kind| !kind.token.forward && kind.token.sources.iter().any(is))
    }
}

impl Token {
    fn query_names(&self) -> impl Iterator<Item = &str> {
        let in_query = self.sources.iter().filter_map(|source| match source {
            Source::Query(name) => Some(&**name),
            _ => None,
        });
        in_query.chain(self.format.companions().iter().copied())
    }

    fn is_cookie(&self, name: &str) -> bool {
        let is = |source: &Source| matches!(source, Source::Cookie(token) if **token == *name);
        self.sources.iter().any(is) || self.format.companions().contains(&name)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sources: Vec<_> = self.kinds.iter().map(|kind| &kind.token.sources).collect();
        f.debug_struct("Identity")
            .field("application", &self.application)
            .field("sources", &sources)
            .field("mapping", &self.mapping)
            .finish_non_exhaustive()
    }
}

/// The viewer of a cached token, with the device hint of this request: several devices may share a token.
fn seen_from(viewer: &Arc<Viewer>, request: &RequestFacts<'_>) -> Arc<Viewer> {
    if viewer.device.name().is_some() {
        return viewer.clone();
    }
    let device = hint(request);
    // Usually the device is the same: nothing to copy then.
    if viewer.device == device { viewer.clone() } else { Arc::new(Viewer { device, ..Viewer::clone(viewer) }) }
}

/// A hint from the client's network (the /64 of an IPv6 address, which is one household) and user agent.
fn hint(request: &RequestFacts<'_>) -> Device {
    let print = fingerprint(&[&network(request.client).to_be_bytes(), user_agent(request.headers)]);
    Device::Hint(u64::from_be_bytes(print.first_chunk().copied().unwrap_or_default()))
}

/// Distinguishes tokens of an account. A forged collision only reveals whether both are played.
fn print(token: &[u8]) -> u32 {
    let mut hasher = DefaultHasher::new();
    hasher.write(token);
    let hash = hasher.finish();
    #[allow(clippy::cast_possible_truncation, reason = "half of the bits are enough")]
    let half = hash as u32;
    half | 1
}

fn whole_seconds(seconds: f64) -> u32 {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast of floats saturates")]
    let whole = seconds as u32;
    whole
}

/// The user agent, shortened.
pub fn user_agent(headers: &HeaderMap) -> &[u8] {
    let agent = headers.get(USER_AGENT).map_or(&[][..], |agent| agent.as_bytes());
    agent.get(..MAX_USER_AGENT).unwrap_or(agent)
}

mod put_back;
#[cfg(test)]
mod tests;
