//! The keys that verify JSON tokens.

use std::sync::Arc;

use super::algorithm::Algorithm;
use super::error::TokenError;
use super::key::Key;
use super::rotating::Rotating;

/// The keys of one issuer. Changed files and URLs replace their part of them.
#[derive(Debug, Default)]
pub struct Keys(Rotating<Key>);

impl Keys {
    /// A set of these keys.
    pub fn new(keys: impl IntoIterator<Item = Key>) -> Self {
        Self(Rotating::new(keys))
    }

    /// Replaces all keys.
    pub fn replace(&self, keys: Vec<Arc<Key>>) {
        self.0.replace(keys);
    }

    /// Increases whenever the keys are replaced, so that tokens are verified again.
    pub fn version(&self) -> u64 {
        self.0.version()
    }

    /// Verifies `signature` over `signed` with one of the keys.
    ///
    /// The algorithm is the key's; the token's must agree. A `kid` of the set selects its keys; without one, or with an
    /// unknown one, every key of the algorithm is tried.
    ///
    /// # Errors
    /// `AlgorithmRefused` if no key serves the algorithm, or not the one of the `kid`; `UnknownKey` if the `kid` is unknown and no
    /// other key fits; else `BadSignature`.
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
            // The next or first fetched set may have such a key.
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
