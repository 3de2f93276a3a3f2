//! What a policy sees of a stream.

use std::sync::Arc;
use std::time::Duration;

use crate::model::{ApplicationId, Attributes, Millis, StreamId};

use super::required_limit::RequiredLimits;

/// A stream that holds a slot, or the candidate for one.
#[derive(Clone, Debug)]
pub struct StreamView<'a> {
    /// Which stream.
    pub stream: StreamId,
    /// The application that started it.
    pub application: &'a ApplicationId,
    /// The device, where something names it.
    pub device: Option<&'a str>,
    /// What is played.
    pub asset: &'a str,
    /// What is known of it.
    pub attributes: Attributes,
    /// What the manifest said.
    pub content: Content,
    /// When it started; this orders the streams of an account.
    pub started: Millis,
    /// Since when it has held its slot; what minimum tenure is measured from.
    pub tenure: Millis,
    /// When it was last heard of.
    pub seen: Millis,
    /// The limits under which its start would have been admitted.
    pub ranks: RequiredLimits,
}

/// Whether a manifest said that the content is live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Content {
    /// It is.
    Live,
    /// It is not.
    Vod,
    /// It has not come yet: the stream has only just started.
    #[default]
    Pending,
    /// Media is played, and no manifest has said.
    Unknown,
}

/// What is the same for all streams of one decision.
#[derive(Clone, Copy, Debug)]
pub struct EvalContext<'a> {
    /// The account's identity provider.
    pub idp: &'a str,
    /// The time.
    pub now: Millis,
    /// How long a stream holds its slot before a policy may terminate it.
    pub min_tenure: Duration,
}

/// An application that carries a policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApplicationBinding {
    /// Who owns it.
    pub tenant: Arc<str>,
    /// The attributes that it takes from the manifest: each is `live` or `vod`.
    pub from_manifest: Vec<Arc<str>>,
}
