//! The viewer behind a token.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::header::{HeaderMap, USER_AGENT};

use crate::model::{Account, AccountKey, ApplicationId, Device, Millis, StreamId};

use super::bounds::fingerprint;
use super::cache::TokenCache;
use super::error::TokenError;
use super::format::{Format, TOKEN_MAX};
use super::mapping::{self, StreamSource, ValueSource};
use super::source::{self, RequestFacts, Source};

/// Bytes of a user agent that count for a device hint.
const USER_AGENT_MAX: usize = 512;

/// Who asks, as a token proves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Viewer {
    /// The account.
    pub account: Account,
    /// The account's key, computed once.
    pub key: AccountKey,
    /// The device: named by the token, or a hint made of this request's network and user agent.
    pub device: Device,
    /// The stream, where the token names it.
    pub session: Option<StreamId>,
    /// The first moment at which the token is no longer accepted.
    pub expires: Millis,
}

/// How an application knows its viewers.
pub struct Settings {
    /// Where a token may be, in order.
    pub sources: Vec<Source>,
    /// How a token is written and signed.
    pub format: Arc<dyn Format>,
    /// The account's identity provider.
    pub idp: ValueSource,
    /// The account within it.
    pub subject: ValueSource,
    /// The device's name, where tokens have one.
    pub device: Option<ValueSource>,
    /// Where a stream's id comes from.
    pub stream: StreamSource,
}

/// The viewers of one application.
pub struct Identity {
    application: ApplicationId,
    settings: Settings,
    verified: TokenCache<Viewer>,
}

impl Identity {
    /// The viewers of `application`.
    pub fn new(application: ApplicationId, settings: Settings) -> Self {
        Self { application, settings, verified: TokenCache::new() }
    }

    /// Where a token may be, in order.
    pub fn sources(&self) -> &[Source] {
        &self.settings.sources
    }

    /// The viewer that the request's token proves; `None` when the request has no token.
    ///
    /// The first source that has a token decides: when that token is bad, no other is tried. A token is verified once and
    /// its result kept, under the token's SHA-256, until it expires and an hour at most; a refusal is kept for 5 s.
    ///
    /// # Errors
    /// Why the token proves nothing.
    pub fn identify(&self, request: &RequestFacts<'_>, now: Millis) -> Option<Result<Arc<Viewer>, TokenError>> {
        source::find(&self.settings.sources, request).map(|token| self.viewer(token.as_bytes(), request, now))
    }

    fn viewer(&self, token: &[u8], request: &RequestFacts<'_>, now: Millis) -> Result<Arc<Viewer>, TokenError> {
        if token.len() > TOKEN_MAX {
            return Err(TokenError::TooLong); // before it is hashed
        }
        let hash = TokenCache::<Viewer>::hash(token);
        if let Some(known) = self.verified.get(&hash, now) {
            return known.map(|viewer| seen_from(viewer, request));
        }
        match self.verify(token, request, now) {
            Ok(viewer) => {
                let viewer = Arc::new(viewer);
                self.verified.accept(hash, &viewer, viewer.expires, now);
                Ok(viewer)
            }
            Err(error) => {
                self.verified.refuse(hash, error, now);
                Err(error)
            }
        }
    }

    fn verify(&self, token: &[u8], request: &RequestFacts<'_>, now: Millis) -> Result<Viewer, TokenError> {
        let Settings { format, idp, subject, device, stream, .. } = &self.settings;
        let claims = format.verify(token, request, now)?;
        let account = mapping::account(idp, subject, &claims)?;
        let key = account.key();
        let session = mapping::stream(stream, &self.application, key, &claims)?;
        let named = device.as_ref().and_then(|source| mapping::device(source, &claims));
        let device = named.map_or_else(|| hint(request), Device::Named);
        Ok(Viewer { account, key, device, session, expires: claims.expires() })
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings { sources, .. } = &self.settings;
        f.debug_struct("Identity")
            .field("application", &self.application)
            .field("sources", sources)
            .finish_non_exhaustive()
    }
}

/// The viewer of a remembered token, with the device hint of this request: one token may serve several devices.
fn seen_from(viewer: Arc<Viewer>, request: &RequestFacts<'_>) -> Arc<Viewer> {
    if viewer.device.name().is_some() {
        return viewer;
    }
    let device = hint(request);
    // Nearly always the device that was seen first: nothing to copy then.
    if viewer.device == device { viewer } else { Arc::new(Viewer { device, ..Viewer::clone(&viewer) }) }
}

/// A hint made of the client's network (an IPv6 address counts by its /64, which one household has to itself) and its
/// user agent.
fn hint(request: &RequestFacts<'_>) -> Device {
    let network: u128 = match request.client.map(|address| address.to_canonical()) {
        None => 0,
        Some(IpAddr::V4(address)) => address.to_bits().into(),
        Some(IpAddr::V6(address)) => address.to_bits() >> 64 << 64,
    };
    let print = fingerprint(&[&network.to_be_bytes(), user_agent(request.headers)]);
    Device::Hint(u64::from_be_bytes(print.first_chunk().copied().unwrap_or_default()))
}

fn user_agent(headers: &HeaderMap) -> &[u8] {
    let agent = headers.get(USER_AGENT).map_or(&[][..], |agent| agent.as_bytes());
    agent.get(..USER_AGENT_MAX).unwrap_or(agent)
}

#[cfg(test)]
mod tests;
