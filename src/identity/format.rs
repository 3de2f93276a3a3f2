//! The interface of token formats.

use crate::model::Millis;

use super::callback_request::CallbackRequest;
use super::claims::Claims;
use super::error::TokenError;
use super::renewal::Renewed;
use super::request::RequestFacts;

/// Maximum bytes of a token.
pub const MAX_TOKEN: usize = 8 * 1024;

/// One token format.
///
/// The order of checks is: size, syntax, algorithm, key, signature, time, issuer and audience, then conditions on the
/// request.
pub trait Format: Send + Sync {
    /// Verifies `token`, as received, at `now`, except its conditions on the request, which are in the claims. The
    /// request is without its token.
    ///
    /// # Errors
    /// The first check that fails. The token is refused when it is longer than [`MAX_TOKEN`] bytes.
    fn verify(&self, token: &[u8], request: &RequestFacts<'_>, now: Millis) -> Result<Claims, TokenError>;

    /// Increases whenever keys are replaced, which invalidates cached results.
    fn keys_version(&self) -> u64 {
        0
    }

    /// True if the signature covers parts of the request, so that the result applies only to this request.
    fn covers_request(&self, _token: &[u8]) -> bool {
        false
    }

    /// Length of the token's value at the start of `rest`. Up to the next `end` (`&` in a query, `/` in a path), unless
    /// the format allows that character in values.
    fn extent(&self, rest: &str, end: char) -> usize {
        rest.find(end).unwrap_or(rest.len())
    }

    /// True if a query parameter may start after this character.
    fn opens(&self, before: char) -> bool {
        before == '&'
    }

    /// True if a path segment without a name looks like a token.
    fn resembles(&self, _segment: &str) -> bool {
        true
    }

    /// A claim of the unverified token as one plain path segment. Used only if the token is verified later.
    fn unverified(&self, _token: &[u8], _claim: &str) -> Option<String> {
        None
    }

    /// Names of other query parameters and cookies that belong to the token and are removed with it.
    fn companions(&self) -> &'static [&'static str] {
        &[]
    }

    /// The request to the operator's authorization service if [`verify`](Self::verify) returns `NotCached`.
    fn question(&self, _token: &[u8], _request: &RequestFacts<'_>) -> Option<CallbackRequest> {
        None
    }

    /// True if [`renew`](Self::renew) may return a new token.
    fn renews(&self) -> bool {
        false
    }

    /// A new token, if the old one requests renewal and it is due.
    fn renew(&self, _claims: &Claims, _request: &RequestFacts<'_>, _now: Millis) -> Option<Renewed> {
        None
    }

    /// [`verify`](Self::verify), and then the token's conditions on the request.
    ///
    /// # Errors
    /// The first check that fails.
    fn accept(&self, token: &[u8], request: &RequestFacts<'_>, now: Millis) -> Result<Claims, TokenError> {
        let claims = self.verify(token, request, now)?;
        claims.permits(request)?;
        Ok(claims)
    }
}
