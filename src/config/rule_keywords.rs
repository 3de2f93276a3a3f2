//! Rule keywords with an argument in parentheses.

use std::str::FromStr;

use crate::identity::MAX_ATTRIBUTE;

/// What a rule counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CountWord {
    /// `streams`
    Streams,
    /// `distinct(ATTRIBUTE)`
    Distinct(Box<str>),
}

impl FromStr for CountWord {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match (text, inside(text, "distinct")) {
            ("streams", _) => Ok(Self::Streams),
            (_, Some((_, name))) if is_name(name.trim()) => Ok(Self::Distinct(name.trim().into())),
            _ => Err(()),
        }
    }
}

/// Action when a rule is exceeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ExceededWord {
    DenyNewest,
    TerminateOldest,
    TerminateIdlest,
    /// `terminate_first(EXPRESSION)`
    TerminateFirst {
        /// Byte offset of the expression.
        at: usize,
        expression: Box<str>,
    },
}

impl ExceededWord {
    /// True if the action terminates playing streams.
    pub(super) fn terminates(&self) -> bool {
        *self != Self::DenyNewest
    }
}

impl FromStr for ExceededWord {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match (text, inside(text, "terminate_first")) {
            ("deny_newest", _) => Ok(Self::DenyNewest),
            ("terminate_oldest", _) => Ok(Self::TerminateOldest),
            ("terminate_idlest", _) => Ok(Self::TerminateIdlest),
            (_, Some((at, expression))) if !expression.trim().is_empty() => {
                Ok(Self::TerminateFirst { at, expression: expression.into() })
            }
            _ => Err(()),
        }
    }
}

/// What happens if an attribute is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum MissingWord {
    Refuse,
    IgnoreRule,
    /// `treat_as("TEXT")`
    TreatAs(Box<str>),
}

impl FromStr for MissingWord {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match (text, inside(text, "treat_as")) {
            ("refuse", _) => Ok(Self::Refuse),
            ("ignore_rule", _) => Ok(Self::IgnoreRule),
            (_, Some((_, quoted))) => unquoted(quoted.trim()).map(|text| Self::TreatAs(text.into())).ok_or(()),
            _ => Err(()),
        }
    }
}

/// The argument of `word(…)`, and its byte offset.
fn inside<'a>(text: &'a str, word: &str) -> Option<(usize, &'a str)> {
    let inside = text.strip_prefix(word)?.strip_prefix('(')?.strip_suffix(')')?;
    Some((word.len() + 1, inside))
}

/// True if `identity.attributes` accepts the name.
fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    name.len() <= 64 && name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(fits)
}

/// A possible attribute value, without its quotation marks.
fn unquoted(text: &str) -> Option<&str> {
    let of = |mark: char| text.strip_prefix(mark)?.strip_suffix(mark).filter(|inside| !inside.contains(mark));
    let fits = |text: &&str| (1..=MAX_ATTRIBUTE).contains(&text.len()) && !text.chars().any(char::is_control);
    of('"').or_else(|| of('\'')).filter(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_takes_what_is_in_its_brackets_and_nothing_else() {
        assert_eq!("distinct( deviceId )".parse(), Ok(CountWord::Distinct("deviceId".into())));
        assert_eq!("streams".parse(), Ok(CountWord::Streams));
        for text in ["", "distinct", "distinct()", "distinct(a b)", "distinct(a", "distinct(-)", "Streams"] {
            assert_eq!(text.parse::<CountWord>(), Err(()), "{text}");
        }
        let expected = ExceededWord::TerminateFirst { at: 16, expression: "(duration)".into() };
        assert_eq!("terminate_first((duration))".parse(), Ok(expected));
        for text in ["terminate_first", "terminate_first()", "terminate_first( )", "deny_newest()", "deny-newest"] {
            assert_eq!(text.parse::<ExceededWord>(), Err(()), "{text}");
        }
    }

    #[test]
    fn what_is_missing_is_treated_as_a_text_that_an_attribute_can_have() {
        assert_eq!("treat_as(\"Unknown\")".parse(), Ok(MissingWord::TreatAs("Unknown".into())));
        assert_eq!("treat_as( 'a \"b\"' )".parse(), Ok(MissingWord::TreatAs("a \"b\"".into())));
        let long = format!("treat_as(\"{}\")", "x".repeat(MAX_ATTRIBUTE + 1));
        for text in ["treat_as()", "treat_as(Unknown)", "treat_as(\"\")", "treat_as(\"a\"b\")", "treat_as(\")", &long] {
            assert_eq!(text.parse::<MissingWord>(), Err(()), "{text}");
        }
    }
}
