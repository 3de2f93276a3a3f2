//! A stream as seen by policies.

use std::sync::Arc;
use std::time::Duration;

use crate::model::{ApplicationId, Attributes, Millis, StreamId};

use super::required_limit::RequiredLimits;

/// A stream that holds a slot, or the candidate.
#[derive(Clone, Debug)]
pub struct StreamView<'a> {
    /// The stream.
    pub stream: StreamId,
    /// The application that started it.
    pub application: &'a ApplicationId,
    /// The device, if identified.
    pub device: Option<&'a str>,
    /// The asset.
    pub asset: &'a str,
    /// Its attributes.
    pub attributes: Attributes,
    /// Content type from the manifest.
    pub content: Content,
    /// When it started; defines the order of an account's streams.
    pub started: Millis,
    /// Since when it has held its slot; start of its tenure.
    pub tenure: Millis,
    /// Its last heartbeat.
    pub seen: Millis,
    /// The limits that would have admitted its start.
    pub ranks: RequiredLimits,
}

/// Content type from the manifest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Content {
    /// Live.
    Live,
    /// Not live.
    Vod,
    /// Not known yet: the stream has just started.
    #[default]
    Pending,
    /// Media is played, but no manifest was seen.
    Unknown,
}

/// Input that all streams of one decision share.
#[derive(Clone, Copy, Debug)]
pub struct EvalContext<'a> {
    /// The account's identity provider.
    pub idp: &'a str,
    /// Current time.
    pub now: Millis,
    /// Minimum tenure before a policy may terminate a stream.
    pub min_tenure: Duration,
}

/// An application to which a policy applies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApplicationBinding {
    /// The tenant that owns it.
    pub tenant: Arc<str>,
    /// The attributes that it takes from the manifest: each is `live` or `vod`.
    pub from_manifest: Vec<Arc<str>>,
}
