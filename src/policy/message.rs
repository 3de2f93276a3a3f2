//! Viewer messages of rules, in the viewer's language.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::language::{chosen, is_tag};

/// Maximum characters of a text.
const MAX_TEXT: usize = 500;

/// Maximum characters of a value that are shown. Values come from tokens and viewers.
const MAX_VALUE: usize = 100;

/// The key of the default text among texts by language.
const DEFAULT: &str = "default";

/// A viewer message in one or more languages, with placeholders: `{limit}`, `{count}`, `{policy}`, `{rule}` and the
/// names of fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Texts by language tag (RFC 5646), in lower case. The empty tag means that the language is not given.
    texts: BTreeMap<Box<str>, Template>,
    /// The tag of the default text.
    fallback: Box<str>,
}

/// A text and its placeholders.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    Place(Arc<str>),
}

/// An error in a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct MessageError {
    /// The key of the text with the error, as configured; `None` if there is only one text, or none.
    pub language: Option<Box<str>>,
    /// What is wrong, and what to write instead.
    pub message: String,
}

impl Message {
    /// A text without a language.
    ///
    /// # Errors
    /// It is empty or too long, or a brace in it does not form a placeholder.
    pub fn one(text: &str) -> Result<Self, MessageError> {
        let template = Template::read(text).map_err(|message| MessageError { language: None, message })?;
        Ok(Self { texts: BTreeMap::from([("".into(), template)]), fallback: "".into() })
    }

    /// Texts by language tag. The default is the text under `default`, else English (`en`), else the first tag in
    /// order.
    ///
    /// # Errors
    /// There is none, a key is not a language tag, or a text is invalid as in [`one`](Self::one).
    pub fn in_languages(texts: &BTreeMap<String, String>) -> Result<Self, MessageError> {
        let mut read = BTreeMap::new();
        for (key, text) in texts {
            let error = |message| MessageError { language: Some(key.as_str().into()), message };
            let tag: Box<str> = if key == DEFAULT { "".into() } else { key.to_ascii_lowercase().into() };
            if key != DEFAULT && !is_tag(&tag) {
                let instead = key.replace('_', "-");
                return Err(error(if is_tag(&instead.to_ascii_lowercase()) {
                    format!("`{key}` is not a language tag: write `{instead}`")
                } else {
                    format!("`{key}` is not a language tag: write one such as `en` or `pt-BR`, or `{DEFAULT}`")
                }));
            }
            let template = Template::read(text).map_err(error)?;
            if read.insert(tag, template).is_some() {
                return Err(error(format!("`{key}` is repeated with different case: remove one of the two")));
            }
        }
        let fallback = ["", "en"].into_iter().find(|tag| read.contains_key(*tag)).map(Box::from);
        if let Some(fallback) = fallback.or_else(|| read.keys().next().cloned()) {
            return Ok(Self { texts: read, fallback });
        }
        let message = format!("no text is given: write one such as `{DEFAULT}: Too many streams`");
        Err(MessageError { language: None, message })
    }

    /// The names of its placeholders in all languages, with repetitions.
    pub fn places(&self) -> impl Iterator<Item = &str> {
        let parts = self.texts.values().flat_map(|Template(parts)| parts);
        parts.filter_map(|part| if let Part::Place(name) = part { Some(&**name) } else { None })
    }

    /// True if there is only one text, so that answers do not vary by `Accept-Language`.
    pub fn is_one_language(&self) -> bool {
        self.texts.len() == 1
    }

    /// Renders the text that suits `accept_language` (RFC 9110 section 12.5.4) best. Returns it with its language tag,
    /// if known. A placeholder without a value shows `Unknown`.
    pub fn render<'v>(
        &self,
        accept_language: Option<&str>,
        value: &dyn Fn(&str) -> Option<Cow<'v, str>>,
    ) -> (Option<&str>, String) {
        let tags = self.texts.keys().map(|tag| &**tag).filter(|tag| !tag.is_empty()).collect::<Vec<_>>();
        let tag = match accept_language {
            Some(header) if !self.is_one_language() => chosen(header, &tags, &self.fallback),
            _ => &self.fallback,
        };
        let mut text = String::new();
        for part in self.texts.get(tag).iter().flat_map(|Template(parts)| parts) {
            match part {
                Part::Text(words) => text.push_str(words),
                Part::Place(name) => match value(name) {
                    Some(value) => text.extend(value.chars().filter(|c| is_shown(*c)).take(MAX_VALUE)),
                    None => text.push_str("Unknown"),
                },
            }
        }
        (Some(tag).filter(|tag| !tag.is_empty()), text)
    }
}

impl Template {
    /// Parses a text. Surrounding white space is removed: YAML block texts end with a line break.
    fn read(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.is_empty() {
            return Err("the text is empty: write the text for the viewer, or remove the key".to_owned());
        }
        if text.chars().count() > MAX_TEXT {
            return Err(format!("the text is longer than {MAX_TEXT} characters: shorten it"));
        }
        if let Some(control) = text.chars().find(|c| !is_shown(*c)) {
            let control = control.escape_unicode();
            return Err(format!(
                "the text contains a control character or a line break ({control}): write it in one line"
            ));
        }
        let mut parts = Vec::new();
        let mut words = String::new();
        let mut rest = text;
        while let Some(brace) = rest.find(['{', '}']) {
            let (before, at) = rest.split_at(brace);
            words.push_str(before);
            // A doubled brace is a literal brace.
            if let Some(twice) = ["{{", "}}"].into_iter().find(|twice| at.starts_with(twice)) {
                words.push_str(&twice[1..]);
                rest = &at[2..];
                continue;
            }
            if at.starts_with('}') {
                return Err("a `}` closes nothing: write `}}` for a literal brace".to_owned());
            }
            let inside = &at[1..];
            let Some(end) = inside.find(['{', '}']).filter(|end| inside[*end..].starts_with('}')) else {
                return Err("a `{` is never closed: write `}` after the name, or `{{` for a literal brace".to_owned());
            };
            let name = &inside[..end];
            if name.trim().is_empty() {
                return Err(
                    "`{}` has no name: write a name in it such as `{limit}`, or `{{}}` for literal braces".to_owned()
                );
            }
            if name.contains(char::is_whitespace) {
                let instead: String = name.split_whitespace().collect();
                return Err(format!(
                    "`{{{name}}}` has white space in it: write `{{{instead}}}`, or `{{{{` for a literal brace"
                ));
            }
            if !words.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut words).into()));
            }
            parts.push(Part::Place(name.into()));
            rest = &inside[end + 1..];
        }
        words.push_str(rest);
        if !words.is_empty() {
            parts.push(Part::Text(words.into()));
        }
        Ok(Self(parts))
    }
}

/// True if a character may be shown to viewers. Excludes terminal controls, line breaks, and changes of text direction.
fn is_shown(character: char) -> bool {
    !character.is_control() && !matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests;
