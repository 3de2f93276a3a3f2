//! What is known of a stream besides what it is, and what a token may change of that.

use std::time::Duration;

use crate::model::{Attributes, Millis};
use crate::policy::{Content, RequiredLimits};

/// Attributes that a viewer may not change once they are set: they say under which right something is watched
/// (concurrency-monitoring documentation, "Metadata on heartbeat").
pub const IMMUTABLE_ATTRIBUTES: [&str; 9] =
    ["assetId", "channel", "hba", "hba_status", "idp", "mobileDevice", "mvpd", "package", "platform"];

/// A token changes what is known of a stream at most once in this time.
pub(super) const LEARNED_AGAIN: Duration = Duration::from_secs(5);

/// What policies look at, and what they found.
#[derive(Debug, Default)]
pub(super) struct Inputs {
    pub(super) attributes: Attributes,
    /// When a token last told something new.
    pub(super) learned: Millis,
    /// The content by which it was last judged.
    pub(super) content: Content,
    /// Most streams have none.
    pub(super) ranks: Option<Box<RequiredLimits>>,
}

/// What news of a stream come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttributeUpdate {
    /// All that is known then; `None`: nothing changes.
    pub attributes: Option<Attributes>,
    /// Names of attributes among the news that differ from what is there and must not change it.
    pub frozen: Vec<&'static str>,
}

impl AttributeUpdate {
    /// What `news` add to what is `known`. Of another play under the same name nothing is frozen.
    pub(super) fn compute(known: &Attributes, news: &Attributes, is_another: bool) -> Self {
        // Every request with a token of its own comes here, and nearly none has news.
        if known.is_same_list(news) || news.iter().all(|(name, value)| known.get(name) == Some(value)) {
            return Self::default();
        }
        let is_frozen = |name: &str, value: &str| {
            !is_another && IMMUTABLE_ATTRIBUTES.contains(&name) && known.get(name).is_some_and(|stands| stands != value)
        };
        let (frozen, accepted): (Vec<_>, Vec<_>) = news.iter().partition(|(name, value)| is_frozen(name, value));
        let is_new = |(name, value): &(&str, &str)| known.get(name) != Some(*value);
        let attributes = accepted.iter().any(is_new).then(|| {
            // Of a name that comes twice the first value counts.
            accepted.iter().copied().chain(known.iter()).map(|(name, value)| (name.into(), value.into())).collect()
        });
        let frozen =
            frozen.into_iter().filter_map(|(name, _)| IMMUTABLE_ATTRIBUTES.into_iter().find(|known| *known == name));
        Self { attributes, frozen: frozen.collect() }
    }
}
