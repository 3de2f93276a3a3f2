//! Attributes of a stream: the inputs of policies.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Named values, sorted by name, without duplicates. An absent one is unknown; no value is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Attributes(Arc<[(Arc<str>, Arc<str>)]>);

impl Attributes {
    /// The value of that name.
    pub fn get(&self, name: &str) -> Option<&str> {
        // There are few, and most differ in length: a linear search takes a tenth of the time of a binary one.
        self.0.iter().find(|(known, _)| **known == *name).map(|(_, value)| &**value)
    }

    /// Every name and value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Number of attributes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if both are the same list in memory: a quick test for equality.
    pub fn is_same_list(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(Arc<str>, Arc<str>)> for Attributes {
    /// The first value of a duplicate name counts; empty values are dropped.
    fn from_iter<I: IntoIterator<Item = (Arc<str>, Arc<str>)>>(pairs: I) -> Self {
        let mut pairs: Vec<_> = pairs.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        pairs.sort_by(|(one, _), (other, _)| one.cmp(other));
        pairs.dedup_by(|(later, _), (first, _)| later == first);
        // Most streams have none, and an empty list needs no allocation.
        if pairs.is_empty() { Self::default() } else { Self(pairs.into()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_once_and_is_found() {
        let pairs = [("platform", "tv"), ("contractType", "premium"), ("platform", "web"), ("country", "")];
        let attributes: Attributes = pairs.map(|(name, value)| (name.into(), value.into())).into_iter().collect();
        assert_eq!(attributes.iter().collect::<Vec<_>>(), [("contractType", "premium"), ("platform", "tv")]);
        assert_eq!(attributes.get("platform"), Some("tv"));
        assert_eq!(attributes.get("country"), None);
        assert!(Attributes::default().is_empty());
    }
}
