//! What a verified token says.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::model::Millis;

/// The claims of a token whose signature and times have been checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Claims {
    members: Map<String, Value>,
    expires: Millis,
}

impl Claims {
    /// Claims, and the first moment at which the token is no longer accepted (leeway included).
    pub fn new(members: Map<String, Value>, expires: Millis) -> Self {
        Self { members, expires }
    }

    /// The claim as text: a string as it stands, a number as JSON writes it. Objects, lists, booleans and null are no text.
    ///
    /// `name` is the name of a member; where there is none of that name, a path of names with dots between them into
    /// nested objects (`ext.account.id`).
    pub fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        match self.value(name)? {
            Value::String(text) => Some(Cow::Borrowed(text)),
            Value::Number(number) => Some(Cow::Owned(number.to_string())),
            _ => None,
        }
    }

    /// The first moment at which the token is no longer accepted (leeway included).
    pub fn expires(&self) -> Millis {
        self.expires
    }

    /// Every claim.
    pub fn members(&self) -> &Map<String, Value> {
        &self.members
    }

    /// The claim of that name or path, whatever its type.
    pub(super) fn value(&self, name: &str) -> Option<&Value> {
        // Names such as "https://example.com/account" contain dots and are no paths.
        if let Some(value) = self.members.get(name) {
            return Some(value);
        }
        let mut names = name.split('.');
        let first = self.members.get(names.next()?)?;
        names.try_fold(first, |value, name| value.as_object()?.get(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims() -> Claims {
        let text = r#"{"sub":"alice","n":2041,"ext":{"account":{"id":"H-1"}},"https://a.example/sub":"b","list":["x"],"yes":true}"#;
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
        assert_eq!(claims.text("ext.account.id").as_deref(), Some("H-1"));
        assert_eq!(claims.text("ext.account.id.more"), None);
    }
}
