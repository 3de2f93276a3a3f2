//! What is known of a stream besides who and where: the inputs of policies.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Named values, each name once, in the order of the names. What is absent is unknown; no value is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Attributes(Arc<[(Arc<str>, Arc<str>)]>);

impl Attributes {
    /// The value of that name.
    pub fn get(&self, name: &str) -> Option<&str> {
        // There are few, and most differ in length: going through them takes a tenth of a binary search.
        self.0.iter().find(|(known, _)| **known == *name).map(|(_, value)| &**value)
    }

    /// Every name and value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether both are one list in memory, which is a quick way to tell that they are equal.
    pub fn is_same_list(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(Arc<str>, Arc<str>)> for Attributes {
    /// Of a name that comes twice the first value counts; empty values are left out.
    fn from_iter<I: IntoIterator<Item = (Arc<str>, Arc<str>)>>(pairs: I) -> Self {
        let mut pairs: Vec<_> = pairs.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        pairs.sort_by(|(one, _), (other, _)| one.cmp(other));
        pairs.dedup_by(|(later, _), (first, _)| later == first);
        // Most streams have none, and an empty list takes no memory of its own.
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
