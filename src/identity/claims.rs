//! Claims of a verified token.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::model::Millis;

use super::condition::Condition;
use super::error::TokenError;
use super::request::RequestFacts;

/// Maximum leeway for clock differences.
const MAX_LEEWAY: Duration = Duration::from_mins(1);

/// The claims of a token whose signature and times have been checked.
#[derive(Clone, Debug)]
pub struct Claims {
    members: Map<String, Value>,
    expires: Millis,
    conditions: Vec<Condition>,
    /// The token, if its format renews it.
    token: Option<Arc<[u8]>>,
}

impl Claims {
    /// Creates claims; `expires` is exclusive and includes the leeway.
    pub fn new(members: Map<String, Value>, expires: Millis) -> Self {
        Self { members, expires, conditions: Vec::new(), token: None }
    }

    /// The same claims, with conditions on requests.
    #[must_use]
    pub fn under(self, conditions: Vec<Condition>) -> Self {
        Self { conditions, ..self }
    }

    /// The same claims, with a further condition.
    #[must_use]
    pub(super) fn and_under(mut self, condition: Condition) -> Self {
        self.conditions.push(condition);
        self
    }

    /// The same claims, with the token, for a format that renews it.
    #[must_use]
    pub(super) fn with_token(self, token: &[u8]) -> Self {
        Self { token: Some(token.into()), ..self }
    }

    /// The token, if its format renews it.
    pub(super) fn token(&self) -> Option<&[u8]> {
        self.token.as_deref()
    }

    /// The conditions on requests.
    pub(super) fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    /// Size in bytes, approximately: a regular expression takes tens of kilobytes.
    pub(super) fn weight(&self) -> usize {
        1024 + self.conditions.iter().map(Condition::weight).sum::<usize>()
    }

    /// True if a condition looks at the query.
    pub(super) fn looks_at_query(&self) -> bool {
        self.conditions.iter().any(Condition::looks_at_query)
    }

    /// Checks the conditions against a request (without its token).
    ///
    /// # Errors
    /// The first condition that fails.
    pub fn permits(&self, request: &RequestFacts<'_>) -> Result<(), TokenError> {
        self.conditions.iter().try_for_each(|condition| condition.check(request))
    }

    /// The claim as text: a string as it is, a number as in JSON. `None` for objects, lists, booleans and null.
    ///
    /// `name` is the name of a member or, if there is none, a dotted path of names in nested objects and of indexes in
    /// lists, from 0 (`ext.accounts.0.id`).
    pub fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        match self.value(name)? {
            Value::String(text) => Some(Cow::Borrowed(text)),
            Value::Number(number) => Some(Cow::Owned(number.to_string())),
            _ => None,
        }
    }

    /// Expiry, exclusive, including the leeway.
    pub fn expires(&self) -> Millis {
        self.expires
    }

    /// Every claim.
    pub fn members(&self) -> &Map<String, Value> {
        &self.members
    }

    /// The claim of that name or path, of any type.
    pub(super) fn value(&self, name: &str) -> Option<&Value> {
        // Names such as "https://example.com/account" contain dots and are not paths.
        if let Some(value) = self.members.get(name) {
            return Some(value);
        }
        // In "https://example.com/claims.account" the longest prefix that is a member is one name.
        name.rmatch_indices('.').find_map(|(at, _)| {
            let first = self.members.get(name.get(..at)?)?;
            name.get(at + 1..)?.split('.').try_fold(first, |value, name| match value {
                Value::Object(members) => members.get(name),
                Value::Array(items) => items.get(name.parse::<usize>().ok()?),
                _ => None,
            })
        })
    }
}

/// The times of a token.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Times {
    pub(super) expires: Option<Millis>,
    pub(super) not_before: Option<Millis>,
}

impl Times {
    /// `exp` and `nbf` of a JSON token (RFC 7519 §4.1.4 and §4.1.5).
    pub(super) fn parse(members: &Map<String, Value>) -> Result<Self, TokenError> {
        Ok(Self { expires: time(members, "exp")?, not_before: time(members, "nbf")? })
    }

    /// Checks the times and returns the expiry.
    ///
    /// `leeway` applies to both times, at most a minute. `exp` is exclusive.
    ///
    /// # Errors
    /// `NoExpiry`, `Expired`, `NotYet`.
    pub(super) fn check(self, leeway: Duration, now: Millis) -> Result<Millis, TokenError> {
        let leeway = leeway.min(MAX_LEEWAY);
        let expires = self.expires.ok_or(TokenError::NoExpiry)? + leeway;
        if now >= expires {
            return Err(TokenError::Expired);
        }
        if self.not_before.is_some_and(|not_before| now < not_before - leeway) {
            return Err(TokenError::NotYet);
        }
        Ok(expires)
    }
}

/// A `NumericDate` (RFC 7519 §2). Fractions are truncated; a number in a string is refused.
fn time(members: &Map<String, Value>, name: &str) -> Result<Option<Millis>, TokenError> {
    let Some(value) = members.get(name) else { return Ok(None) };
    let seconds = match value.as_u64() {
        Some(seconds) => seconds,
        None => whole(value.as_f64().ok_or(TokenError::Malformed)?),
    };
    Ok(Some(Millis(seconds.saturating_mul(1000))))
}

/// Floor, limited to the range from 1970 to the largest value.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the conversion saturates, as intended")]
pub(super) fn whole(seconds: f64) -> u64 {
    seconds.floor() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims() -> Claims {
        let text = r#"{"sub":"alice","n":2041,"ext":{"account":{"id":"H-1"}},"https://a.example/sub":"b","list":["x"],"yes":true,
            "https://a.example/claims":{"account":"c"}}"#;
        Claims::new(serde_json::from_str(text).unwrap_or_default(), Millis(1))
    }

    #[test]
    fn strings_and_numbers_are_text_and_everything_else_is_not() {
        let claims = claims();
        assert_eq!(claims.text("sub").as_deref(), Some("alice"));
        assert_eq!(claims.text("n").as_deref(), Some("2041"));
        for name in ["list", "yes", "ext", "absent", ""] {
            assert_eq!(claims.text(name), None, "{name}");
        }
    }

    #[test]
    fn a_name_with_dots_is_a_member_first_and_a_path_second() {
        let claims = claims();
        assert_eq!(claims.text("https://a.example/sub").as_deref(), Some("b"));
        assert_eq!(claims.text("https://a.example/claims.account").as_deref(), Some("c"));
        assert_eq!(claims.text("https://a.example/claims.other"), None);
        assert_eq!(claims.text("ext.account.id").as_deref(), Some("H-1"));
        assert_eq!(claims.text("ext.account.id.more"), None);
        assert_eq!(claims.text("list.0").as_deref(), Some("x"));
        assert_eq!(claims.text("list.1"), None);
        assert_eq!(claims.text("list.-1"), None);
    }
}
