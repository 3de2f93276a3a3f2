//! Sources of values: a claim, a part of the request, a manifest, or the configuration.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use http::header::{COOKIE, HeaderName};
use regex::Regex;

use super::attribute_source;
use super::claims::Claims;
use super::cmcd;
use super::matching::MAX_REGEX;
use super::percent::{form_decoded, percent_decoded_text};
use super::request::RequestFacts;

mod unknown;

/// Maximum bytes of a value from a request; longer ones are ignored.
const MAX_VALUE: usize = 1024;

/// Source of a value. Written `claim:PATH`, `header:NAME`, `query:NAME`, `cookie:NAME`, `cmcd:KEY`, `path:REGEX`,
/// `manifest:live`, or as the value itself. `text:VALUE` is a literal that starts with a word and a colon: any other
/// word before a colon is an error, so that a misspelled source is never taken for a literal.
///
/// Viewers control everything except claims and literals, unless a proxy in front sets it. Such a value has at most 1
/// KiB of UTF-8 and no control characters; others are ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueSource {
    /// The same for every token.
    Literal(Arc<str>),
    /// A claim, by name or by a path with dots (see [`Claims::text`]); `accounts[0].id` is read as `accounts.0.id`.
    Claim(Box<str>),
    /// A header: its first non-empty line.
    Header(HeaderName),
    /// A query parameter, by its raw name: the first non-empty one, percent-decoded once, with `+` as a space.
    Query(Box<str>),
    /// A cookie: the first non-empty one of the name.
    Cookie(Box<str>),
    /// A key of the Common Media Client Data (see [`cmcd::find`]).
    Cmcd(Box<str>),
    /// The match of a regular expression in the path at the origin, percent-decoded once: two spellings of one path
    /// must not be two accounts.
    Path(Pattern),
    /// `live` or `vod`. Known only from the media playlist or MPD, so it has no value at a request.
    ManifestLive,
}

/// The text is not a valid source.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueSourceError {
    /// Empty, or `text:` without a value.
    #[error("a value is missing; write claim:NAME, another source such as query:NAME, or the value itself")]
    Empty,
    /// A source with a missing or invalid name.
    #[error("`{text}` is not a valid source; write {example}, or text:{text} for the literal text")]
    Name {
        /// What was written.
        text: Box<str>,
        /// A valid example.
        example: &'static str,
    },
    /// The word before the colon is not a source.
    #[error(
        "`{text}` has the unknown source `{word}:`; {} `text:{text}` for the literal text",
        unknown::remedy(.near.as_deref())
    )]
    Unknown {
        /// What was written.
        text: Box<str>,
        /// The word before the colon.
        word: Box<str>,
        /// A suggestion.
        near: Option<Box<str>>,
    },
    /// The expression of `path:`.
    #[error(transparent)]
    Pattern(#[from] PatternError),
}

impl FromStr for ValueSource {
    type Err = ValueSourceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = |example| ValueSourceError::Name { text: text.into(), example };
        // Raw names: a percent sign or a plus is part of them.
        let plain = |name: &str, reserved: &str, example| {
            let fits = |c: char| c.is_ascii_graphic() && !reserved.contains(c);
            (!name.is_empty() && name.chars().all(fits)).then(|| Box::from(name)).ok_or_else(|| wrong(example))
        };
        match text.split_once(':') {
            Some(("claim", path)) if path.is_empty() || path.trim() != path => Err(wrong("claim:sub")),
            Some(("claim", path)) => Ok(Self::Claim(with_dots(path).into())),
            Some(("header", name)) => {
                let name = HeaderName::from_str(name).map_err(|_| wrong("header:x-device"))?;
                if name == COOKIE { Err(wrong("cookie:NAME")) } else { Ok(Self::Header(name)) }
            }
            Some(("query", name)) => plain(name, "&=#", "query:device").map(Self::Query),
            Some(("cookie", name)) => plain(name, "=;,\"", "cookie:device").map(Self::Cookie),
            Some(("cmcd", key)) if cmcd::is_key(key) => Ok(Self::Cmcd(key.into())),
            Some(("cmcd", _)) => Err(wrong("cmcd:sid")),
            Some(("path", pattern)) => Ok(Self::Path(pattern.parse()?)),
            Some(("manifest", "live")) => Ok(Self::ManifestLive),
            Some(("manifest", _)) => Err(wrong("manifest:live")),
            Some(("text", "")) => Err(ValueSourceError::Empty),
            Some(("text", literal)) => Ok(Self::Literal(literal.into())),
            _ if text.is_empty() => Err(ValueSourceError::Empty),
            _ => unknown::fault(text).map_or_else(|| Ok(Self::Literal(text.into())), Err),
        }
    }
}

impl fmt::Display for ValueSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // A literal that looks like a source needs the prefix to be parsed again.
            Self::Literal(value) if !matches!(value.parse(), Ok(Self::Literal(_))) => write!(f, "text:{value}"),
            Self::Literal(value) if value.starts_with("text:") => write!(f, "text:{value}"),
            Self::Literal(value) => f.write_str(value),
            Self::Claim(path) => write!(f, "claim:{path}"),
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Query(name) => write!(f, "query:{name}"),
            Self::Cookie(name) => write!(f, "cookie:{name}"),
            Self::Cmcd(key) => write!(f, "cmcd:{key}"),
            Self::Path(pattern) => write!(f, "path:{pattern}"),
            Self::ManifestLive => f.write_str("manifest:live"),
        }
    }
}

impl ValueSource {
    fn find<'a>(&'a self, claims: &'a Claims, request: &RequestFacts<'a>) -> Option<Cow<'a, str>> {
        let value = match self {
            Self::Literal(value) => return Some(Cow::Borrowed(value)),
            Self::Claim(path) => return claims.text(path),
            Self::ManifestLive => None,
            Self::Header(name) => {
                let mut lines = request.headers.get_all(name).iter().map(|line| line.as_bytes().trim_ascii());
                let line = lines.find(|line| !line.is_empty())?;
                std::str::from_utf8(line).ok().map(Cow::Borrowed)
            }
            Self::Query(name) => {
                let (_, raw) = attribute_source::query_value(request.raw_query?, name, &attribute_source::plain)?;
                decoded(raw, form_decoded)
            }
            Self::Cookie(name) => attribute_source::cookie(request.headers, name).map(Cow::Borrowed),
            Self::Cmcd(key) => cmcd::find(request, key),
            Self::Path(pattern) => decoded(pattern.find(request.path)?, percent_decoded_text),
        };
        value.filter(|value| value.len() <= MAX_VALUE && !value.chars().any(char::is_control))
    }

    /// True if a manifest supplies it, after the request.
    pub fn is_of_manifest(&self) -> bool {
        matches!(self, Self::ManifestLive)
    }

    fn is_of_request(&self) -> bool {
        !matches!(self, Self::Literal(_) | Self::Claim(_) | Self::ManifestLive)
    }
}

/// Converts `a[0].b` to `a.0.b`. Brackets around anything but a number are part of a name.
fn with_dots(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((name, after)) = rest.split_once('[') {
        out.push_str(name);
        let index = after.split_once(']').filter(|(index, behind)| {
            let digits = !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit());
            digits && !out.is_empty() && (behind.is_empty() || behind.starts_with(['.', '[']))
        });
        let (separator, index, behind) = index.map_or(('[', "", after), |(index, behind)| ('.', index, behind));
        out.push(separator);
        out.push_str(index);
        rest = behind;
    }
    out + rest
}

/// Decodes the value, unless it is too long: encoding triples the length at most.
fn decoded<'a>(raw: &'a str, decode: impl FnOnce(&'a str) -> Option<Cow<'a, str>>) -> Option<Cow<'a, str>> {
    if raw.len() > 3 * MAX_VALUE { None } else { decode(raw) }
}

/// A regular expression that finds a part of a text: its first matched group, or the whole match without groups. Not
/// anchored. The engine takes linear time.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

/// The regular expression is invalid or too costly.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{pattern}` is not a valid regular expression ({why}); write one such as ^/live/([^/]+)/")]
pub struct PatternError {
    pattern: Box<str>,
    why: Box<str>,
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = |why: &str| PatternError { pattern: text.into(), why: why.into() };
        if text.is_empty() {
            return Err(wrong("it is empty"));
        }
        match regex::RegexBuilder::new(text).size_limit(MAX_REGEX).build() {
            Ok(regex) => Ok(Self(regex)),
            Err(regex::Error::CompiledTooBig(_)) => Err(wrong("it is too large")),
            Err(error) => {
                // The last line of the library's message has the reason.
                let picture = error.to_string();
                let last = picture.lines().last().unwrap_or_default();
                Err(wrong(last.strip_prefix("error: ").unwrap_or(last)))
            }
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for Pattern {}

impl Pattern {
    fn find<'a>(&self, text: &'a str) -> Option<&'a str> {
        if self.0.captures_len() == 1 {
            return self.0.find(text).map(|found| found.as_str());
        }
        let captures = self.0.captures(text)?;
        captures.iter().skip(1).flatten().next().map(|found| found.as_str())
    }
}

/// The part of a value to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Take {
    /// A part of a composite value: in `account:device:profile`, split at `:`, part 2 is the device.
    Part {
        /// Separator of the parts.
        separator: Box<str>,
        /// Number of the part, from 1.
        number: usize,
    },
    /// The match of a regular expression.
    Capture(Pattern),
}

impl Take {
    /// Creates a capture.
    ///
    /// # Errors
    /// The regular expression is invalid or too costly.
    pub fn capture(pattern: &str) -> Result<Self, PatternError> {
        pattern.parse().map(Self::Capture)
    }

    fn apply<'a>(&self, value: &'a str) -> Option<&'a str> {
        match self {
            Self::Part { separator, number } => value.split(&**separator).nth(number.checked_sub(1)?),
            Self::Capture(pattern) => pattern.find(value),
        }
    }
}

/// One source of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The source.
    pub source: ValueSource,
    /// The part to use; `None`: all of it.
    pub take: Option<Take>,
}

impl From<ValueSource> for Choice {
    fn from(source: ValueSource) -> Self {
        Self { source, take: None }
    }
}

impl Choice {
    fn find<'a>(&'a self, claims: &'a Claims, request: &RequestFacts<'a>) -> Option<Cow<'a, str>> {
        let value = self.source.find(claims, request)?;
        let value = match (&self.take, value) {
            (None, value) => value,
            (Some(take), Cow::Borrowed(text)) => Cow::Borrowed(take.apply(text)?),
            (Some(take), Cow::Owned(text)) => Cow::Owned(take.apply(&text)?.to_owned()),
        };
        (!value.is_empty()).then_some(value)
    }
}

/// A list of sources. The first with a value is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    choices: Vec<Choice>,
}

impl From<ValueSource> for Value {
    fn from(source: ValueSource) -> Self {
        Self { choices: vec![source.into()] }
    }
}

impl Value {
    /// A value from these sources.
    pub fn new(choices: Vec<Choice>) -> Self {
        Self { choices }
    }

    /// The first non-empty value of the sources.
    pub fn find<'a>(&'a self, claims: &'a Claims, request: &RequestFacts<'a>) -> Option<Cow<'a, str>> {
        self.choices.iter().find_map(|choice| choice.find(claims, request))
    }

    /// The source, if there is only one and its whole value is used.
    pub fn only(&self) -> Option<&ValueSource> {
        match &*self.choices {
            [Choice { source, take: None }] => Some(source),
            _ => None,
        }
    }

    /// True if it is the same for every request of a token. A manifest's value is, as it is unknown here.
    pub fn is_of_token_alone(&self) -> bool {
        !self.choices.iter().any(|choice| choice.source.is_of_request())
    }

    /// True if a manifest may supply it, after the request.
    pub fn is_of_manifest(&self) -> bool {
        self.choices.iter().any(|choice| choice.source.is_of_manifest())
    }
}

#[cfg(test)]
mod tests;
