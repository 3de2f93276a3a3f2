//! The door for token formats.

use crate::model::Millis;

use super::claims::Claims;
use super::error::TokenError;
use super::source::RequestFacts;

/// Bytes of the longest token that is looked at.
pub const TOKEN_MAX: usize = 8 * 1024;

/// One way to write, sign and verify a token.
///
/// The order of checks is: size, syntax, algorithm, key, signature, time, then what the token says about the request.
pub trait Format: Send + Sync {
    /// Verifies `token`, as it stands in the request, at `now`.
    ///
    /// # Errors
    /// The first check that fails. The token is refused when it is longer than [`TOKEN_MAX`] bytes.
    fn verify(&self, token: &[u8], request: &RequestFacts<'_>, now: Millis) -> Result<Claims, TokenError>;
}
