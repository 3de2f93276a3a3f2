//! What a rule tells the viewer, in the viewer's language.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::language::{chosen, is_tag};

/// Characters of a text.
const MAX_TEXT: usize = 500;

/// Characters of a value that are shown. Values come from tokens and viewers.
const MAX_VALUE: usize = 100;

/// The key of the text for everybody whose language is not there, among texts by language.
const DEFAULT: &str = "default";

/// A text for viewers, in one or more languages, with places for values: `{limit}`, `{count}`, `{policy}`, `{rule}` and the
/// names of fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Texts by language tag (RFC 5646), lower case. The empty tag is that of a text whose language was not said.
    texts: BTreeMap<Box<str>, Template>,
    /// The tag of the text for everybody else.
    fallback: Box<str>,
}

/// A text and the places in it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    Place(Arc<str>),
}

/// What is wrong with a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct MessageError {
    /// The key of the text that it speaks of, as it was written; `None` where there is but one, or none.
    pub language: Option<Box<str>>,
    /// What is wrong, and what to write instead.
    pub message: String,
}

impl Message {
    /// A text for all.
    ///
    /// # Errors
    /// It is empty or too long, or a brace in it does not make a place.
    pub fn one(text: &str) -> Result<Self, MessageError> {
        let template = Template::read(text).map_err(|message| MessageError { language: None, message })?;
        Ok(Self { texts: BTreeMap::from([("".into(), template)]), fallback: "".into() })
    }

    /// Texts by language tag. Who reads none of these languages gets the text under `default`, else the one in English (`en`),
    /// else the first by the order of the tags.
    ///
    /// # Errors
    /// There is none, a key is no language tag, or one of the texts is wrong as in [`one`](Self::one).
    pub fn in_languages(texts: &BTreeMap<String, String>) -> Result<Self, MessageError> {
        let mut read = BTreeMap::new();
        for (key, text) in texts {
            let error = |message| MessageError { language: Some(key.as_str().into()), message };
            let tag: Box<str> = if key == DEFAULT { "".into() } else { key.to_ascii_lowercase().into() };
            if key != DEFAULT && !is_tag(&tag) {
                let instead = key.replace('_', "-");
                return Err(error(if is_tag(&instead.to_ascii_lowercase()) {
                    format!("`{key}` is no language tag: write `{instead}`")
                } else {
                    format!("`{key}` is no language tag: write one such as `en` or `pt-BR`, or `{DEFAULT}`")
                }));
            }
            let template = Template::read(text).map_err(error)?;
            if read.insert(tag, template).is_some() {
                return Err(error(format!("`{key}` stands here twice, in other letters: remove one of the two")));
            }
        }
        let fallback = ["", "en"].into_iter().find(|tag| read.contains_key(*tag)).map(Box::from);
        if let Some(fallback) = fallback.or_else(|| read.keys().next().cloned()) {
            return Ok(Self { texts: read, fallback });
        }
        let message = format!("no text stands here: write one such as `{DEFAULT}: Too many streams`");
        Err(MessageError { language: None, message })
    }

    /// The names of its places, in all languages; one that comes more often is listed as often.
    pub fn places(&self) -> impl Iterator<Item = &str> {
        let parts = self.texts.values().flat_map(|Template(parts)| parts);
        parts.filter_map(|part| if let Part::Place(name) = part { Some(&**name) } else { None })
    }

    /// Whether everybody gets the same text, so that an answer does not vary by `Accept-Language`.
    pub fn is_one_language(&self) -> bool {
        self.texts.len() == 1
    }

    /// The text in the language that suits `accept_language` (RFC 9110 section 12.5.4) best, with its places filled in, behind
    /// the tag of that language, where it is known. A place without a value shows `Unknown`.
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
    /// Reads a text. White space around it is left out: block texts of YAML end with a line break.
    fn read(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.is_empty() {
            return Err("the text is empty: write what the viewer is to read, or remove the key".to_owned());
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
            // A brace that is written twice is one that is shown.
            if let Some(twice) = ["{{", "}}"].into_iter().find(|twice| at.starts_with(twice)) {
                words.push_str(&twice[1..]);
                rest = &at[2..];
                continue;
            }
            if at.starts_with('}') {
                return Err("a `}` closes nothing: write `}}` for a brace that is shown".to_owned());
            }
            let inside = &at[1..];
            let Some(end) = inside.find(['{', '}']).filter(|end| inside[*end..].starts_with('}')) else {
                return Err(
                    "a `{` is never closed: write `}` behind the name, or `{{` for a brace that is shown".to_owned()
                );
            };
            let name = &inside[..end];
            if name.trim().is_empty() {
                return Err(
                    "`{}` names nothing: write a name in it such as `{limit}`, or `{{}}` for braces that are shown"
                        .to_owned(),
                );
            }
            if name.contains(char::is_whitespace) {
                let instead: String = name.split_whitespace().collect();
                return Err(format!(
                    "`{{{name}}}` has white space in it: write `{{{instead}}}`, or `{{{{` for a brace that is shown"
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

/// Whether a character may stand in a text for viewers: none that controls a terminal, breaks the line, or turns the direction
/// of what follows.
fn is_shown(character: char) -> bool {
    !character.is_control() && !matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests;
