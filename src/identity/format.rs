//! The door for token formats.

use crate::model::Millis;

use super::callback_request::CallbackRequest;
use super::claims::Claims;
use super::error::TokenError;
use super::renewal::Renewed;
use super::request::RequestFacts;

/// Bytes of the longest token that is looked at.
pub const MAX_TOKEN: usize = 8 * 1024;

/// One way to write, sign and verify a token.
///
/// The order of checks is: size, syntax, algorithm, key, signature, time, issuer and audience, then what the token demands
/// of the request.
pub trait Format: Send + Sync {
    /// Verifies `token`, as it stands in the request, at `now`; all but what it demands of the request, which stands in the
    /// claims. The request comes without its token.
    ///
    /// # Errors
    /// The first check that fails. The token is refused when it is longer than [`MAX_TOKEN`] bytes.
    fn verify(&self, token: &[u8], request: &RequestFacts<'_>, now: Millis) -> Result<Claims, TokenError>;

    /// Rises whenever keys are replaced: results of before are forgotten then.
    fn keys_version(&self) -> u64 {
        0
    }

    /// Whether the signature of this token covers parts of the request, so that the result holds for this request alone.
    fn covers_request(&self, _token: &[u8]) -> bool {
        false
    }

    /// How many bytes of `rest`, which begins with the token's value, are the value. Up to the next `end` (`&` in a query, `/`
    /// in a path), unless the format allows that character in its values.
    fn extent(&self, rest: &str, end: char) -> usize {
        rest.find(end).unwrap_or(rest.len())
    }

    /// Whether a parameter of the query may begin behind this character.
    fn opens(&self, before: char) -> bool {
        before == '&'
    }

    /// Whether a segment of the path, without a name in front of it, looks like a token.
    fn resembles(&self, _segment: &str) -> bool {
        true
    }

    /// A claim of the token as one plain segment of a path, before anything is verified; what is not verified later goes
    /// nowhere.
    fn unverified(&self, _token: &[u8], _claim: &str) -> Option<String> {
        None
    }

    /// Names of other query parameters and cookies that belong to the token and leave the request with it.
    fn companions(&self) -> &'static [&'static str] {
        &[]
    }

    /// What the operator's authorization service has to be asked where [`verify`](Self::verify) says `Unasked`.
    fn question(&self, _token: &[u8], _request: &RequestFacts<'_>) -> Option<CallbackRequest> {
        None
    }

    /// Whether [`renew`](Self::renew) may ever give a successor.
    fn renews(&self) -> bool {
        false
    }

    /// A successor of the token, where it asks for one and its time has come.
    fn renew(&self, _claims: &Claims, _request: &RequestFacts<'_>, _now: Millis) -> Option<Renewed> {
        None
    }

    /// [`verify`](Self::verify), and then what the token demands of the request.
    ///
    /// # Errors
    /// The first check that fails.
    fn accept(&self, token: &[u8], request: &RequestFacts<'_>, now: Millis) -> Result<Claims, TokenError> {
        let claims = self.verify(token, request, now)?;
        claims.permits(request)?;
        Ok(claims)
    }
}
