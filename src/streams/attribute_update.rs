//! Attributes of a stream, and what a token may change.

use std::time::Duration;

use crate::model::{Attributes, Millis};
use crate::policy::{Content, RequiredLimits};

/// Attributes that a viewer cannot change once set: they define the right to watch (concurrency-monitoring
/// documentation, "Metadata on heartbeat").
pub const IMMUTABLE_ATTRIBUTES: [&str; 9] =
    ["assetId", "channel", "hba", "hba_status", "idp", "mobileDevice", "mvpd", "package", "platform"];

/// Minimum interval between attribute changes by tokens.
pub(super) const LEARNED_AGAIN: Duration = Duration::from_secs(5);

/// Inputs of policies, and their results.
#[derive(Debug, Default)]
pub(super) struct Inputs {
    pub(super) attributes: Attributes,
    /// When a token last changed attributes.
    pub(super) learned: Millis,
    /// The content type at the last evaluation.
    pub(super) content: Content,
    /// Most streams have none.
    pub(super) ranks: Option<Box<RequiredLimits>>,
}

/// The effect of new attributes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttributeUpdate {
    /// All attributes afterwards; `None` if nothing changes.
    pub attributes: Option<Attributes>,
    /// New values that were rejected because the attribute is immutable.
    pub frozen: Vec<&'static str>,
}

impl AttributeUpdate {
    /// Combines `known` and `news`. For another play under the same id nothing is immutable.
    pub(super) fn compute(known: &Attributes, news: &Attributes, is_another: bool) -> Self {
        // Runs for every request with its own token; nearly none changes anything.
        if known.is_same_list(news) || news.iter().all(|(name, value)| known.get(name) == Some(value)) {
            return Self::default();
        }
        let is_frozen = |name: &str, value: &str| {
            !is_another && IMMUTABLE_ATTRIBUTES.contains(&name) && known.get(name).is_some_and(|stands| stands != value)
        };
        let (frozen, accepted): (Vec<_>, Vec<_>) = news.iter().partition(|(name, value)| is_frozen(name, value));
        let is_new = |(name, value): &(&str, &str)| known.get(name) != Some(*value);
        let attributes = accepted.iter().any(is_new).then(|| {
            // Of a repeated name the first value counts.
            accepted.iter().copied().chain(known.iter()).map(|(name, value)| (name.into(), value.into())).collect()
        });
        let frozen =
            frozen.into_iter().filter_map(|(name, _)| IMMUTABLE_ATTRIBUTES.into_iter().find(|known| *known == name));
        Self { attributes, frozen: frozen.collect() }
    }
}
