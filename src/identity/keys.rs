//! The keys that verify JSON tokens.

use std::sync::Arc;

use super::algorithm::Algorithm;
use super::error::TokenError;
use super::key::Key;
use super::rotating::Rotating;

/// The keys of one issuer. What comes from a file or a URL replaces its part of them when it changes.
#[derive(Debug, Default)]
pub struct Keys(Rotating<Key>);

impl Keys {
    /// These keys.
    pub fn new(keys: impl IntoIterator<Item = Key>) -> Self {
        Self(Rotating::new(keys))
    }

    /// These keys and no others, from now on.
    pub fn replace(&self, keys: Vec<Arc<Key>>) {
        self.0.replace(keys);
    }

    /// Rises whenever the keys are replaced: what was verified before is verified again.
    pub fn version(&self) -> u64 {
        self.0.version()
    }

    /// Whether one of the keys verifies `signature` over `signed`.
    ///
    /// The algorithm is the key's; the token's must agree. A `kid` that is in the set selects its keys; without one, or
    /// with a foreign one, every key of the algorithm is tried.
    ///
    /// # Errors
    /// `AlgorithmRefused` when no key serves the algorithm, or not the one that is named; `UnknownKey` when the token names
    /// a key that is not in the set and no other fits; else `BadSignature`.
    pub fn check(
        &self,
        algorithm: Option<Algorithm>,
        kid: Option<&str>,
        signed: &[u8],
        signature: &[u8],
    ) -> Result<(), TokenError> {
        let algorithm = algorithm.ok_or(TokenError::AlgorithmRefused)?;
        let list = self.0.load();
        let named = |key: &&Arc<Key>| kid.is_some() && key.kid() == kid;
        let known = list.iter().any(|key| named(&key));
        let served = list.iter().any(|key| key.algorithm() == algorithm);
        if !served {
            // Perhaps the next set has such a key, or the first one that is fetched.
            return Err(if list.is_empty() || kid.is_some() && !known {
                TokenError::UnknownKey
            } else {
                TokenError::AlgorithmRefused
            });
        }
        let mut keys = list.iter().filter(|key| !known || named(key)).filter(|key| key.algorithm() == algorithm);
        if known && keys.clone().next().is_none() {
            return Err(TokenError::AlgorithmRefused);
        }
        if keys.any(|key| key.verifies(signed, signature)) {
            Ok(())
        } else if kid.is_some() && !known {
            Err(TokenError::UnknownKey)
        } else {
            Err(TokenError::BadSignature)
        }
    }

    /// The key of that id.
    pub(super) fn named(&self, kid: &str) -> Option<Arc<Key>> {
        self.0.load().iter().find(|key| key.kid() == Some(kid)).cloned()
    }

    /// A key of the algorithm that can sign: shared secrets only.
    pub(super) fn signing(&self, kid: Option<&str>) -> Option<Arc<Key>> {
        let list = self.0.load();
        let can = |key: &&Arc<Key>| key.is_secret();
        list.iter().filter(can).find(|key| kid.is_none() || key.kid() == kid).or_else(|| list.iter().find(can)).cloned()
    }
}
