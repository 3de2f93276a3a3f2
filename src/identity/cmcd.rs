//! Common Media Client Data (CTA-5004 and CTA-5004-A), in the query parameter `CMCD` or in four headers.
//!
//! Similar to a dictionary of structured fields (RFC 8941 §3.2), but players write keys in capitals, numbers with
//! sixteen decimals and keys in the wrong header. So invalid members are skipped, and no request fails because of them.
//! All data is unverified.

use std::borrow::Cow;

use http::header::{HeaderMap, HeaderName};

use super::attribute_source;
use super::percent::form_decoded;
use super::request::RequestFacts;

/// Maximum bytes: of the parameter before percent-decoding, and of all headers together.
const MAX_TEXT: usize = 8 * 1024;

/// The query parameter.
const PARAMETER: &str = "CMCD";

/// The headers, in search order.
const HEADERS: [&str; 4] = ["cmcd-object", "cmcd-request", "cmcd-session", "cmcd-status"];

/// Maximum characters of a `sid`: in version 1, and later.
const MAX_SID: (usize, usize) = (64, 128);

/// A value with its parameters (RFC 8941 §3.1.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item<'a> {
    /// The value.
    pub value: Data<'a>,
    /// Names and values of the parameters, in order. No value is a list.
    pub params: Vec<(&'a str, Data<'a>)>,
}

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data<'a> {
    /// A key without a value is true.
    Bool(bool),
    /// A number, as written.
    Number(&'a str),
    /// A bare word.
    Token(&'a str),
    /// A string, without its quotes and escapes.
    Text(Cow<'a, str>),
    /// An inner list. No item of it is a list.
    List(Vec<Item<'a>>),
}

impl<'a> Data<'a> {
    /// The value as text; for a list, its first item.
    fn into_text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Bool(true) => Some("true".into()),
            Self::Bool(false) => Some("false".into()),
            Self::Number(text) | Self::Token(text) => Some(text.into()),
            Self::Text(text) => Some(text),
            Self::List(items) => items.into_iter().next().and_then(|item| item.value.into_text()),
        }
    }
}

/// The value of this key in the request: a string without quotes, words and numbers as written, `true` or `false`, and
/// the first item of a list. The query precedes the headers; of duplicate keys in one of them the last counts (RFC 8941
/// §3.2).
///
/// A `sid` is printable ASCII, at most 64 characters in version 1 and 128 later; others are ignored.
pub fn find<'a>(request: &RequestFacts<'a>, key: &str) -> Option<Cow<'a, str>> {
    let value = lookup(request, key)?;
    if key != "sid" {
        return Some(value);
    }
    let first_version = lookup(request, "v").is_none_or(|version| version == "1");
    let most = if first_version { MAX_SID.0 } else { MAX_SID.1 };
    let fits = (1..=most).contains(&value.len()) && value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    fits.then_some(value)
}

/// Every key and its value. Of duplicate keys the last value counts, at the first position. Empty for a text longer
/// than 8 KiB.
pub fn parse(text: &str) -> Vec<(&str, Item<'_>)> {
    let mut found: Vec<(&str, Item<'_>)> = Vec::new();
    for (key, item) in members(text) {
        match found.iter_mut().find(|(known, _)| *known == key) {
            Some((_, known)) => *known = item,
            None => found.push((key, item)),
        }
    }
    found
}

/// The query without the parameter `CMCD`, otherwise unchanged. Empty if nothing is left.
pub fn strip_query(query: &str) -> Cow<'_, str> {
    let goes = |parameter: &&str| parameter.split_once('=').map_or(*parameter, |(name, _)| name) == PARAMETER;
    if !query.split('&').any(|parameter| goes(&parameter)) {
        return Cow::Borrowed(query);
    }
    let kept: Vec<&str> = query.split('&').filter(|parameter| !goes(parameter)).collect();
    Cow::Owned(kept.join("&"))
}

/// True if a header contains only Common Media Client Data.
pub fn is_header(name: &HeaderName) -> bool {
    HEADERS.contains(&name.as_str())
}

/// True if a text is a valid key: standard or custom.
pub(super) fn is_key(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_of_key)
}

fn lookup<'a>(request: &RequestFacts<'a>, key: &str) -> Option<Cow<'a, str>> {
    in_query(request.raw_query, key).or_else(|| in_headers(request.headers, key))
}

fn in_query<'a>(query: Option<&'a str>, key: &str) -> Option<Cow<'a, str>> {
    let (_, raw) = attribute_source::query_value(query?, PARAMETER, &attribute_source::plain)?;
    if raw.len() > MAX_TEXT {
        return None;
    }
    match form_decoded(raw)? {
        Cow::Borrowed(text) => last(members(text), key),
        Cow::Owned(text) => last(members(&text), key).map(|value| Cow::Owned(value.into_owned())),
    }
}

fn in_headers<'a>(headers: &'a HeaderMap, key: &str) -> Option<Cow<'a, str>> {
    let mut searched = 0;
    HEADERS.iter().find_map(|name| {
        let lines = headers.get_all(*name).iter().filter_map(|line| {
            searched += line.len();
            std::str::from_utf8(line.as_bytes()).ok().filter(|_| searched <= MAX_TEXT)
        });
        last(lines.flat_map(members), key)
    })
}

fn last<'a>(members: impl Iterator<Item = (&'a str, Item<'a>)>, key: &str) -> Option<Cow<'a, str>> {
    let (_, item) = members.filter(|(name, _)| *name == key).last()?;
    item.value.into_text()
}

fn members(text: &str) -> Members<'_> {
    Members { rest: if text.len() <= MAX_TEXT { text } else { "" } }
}

/// The valid members, in order.
struct Members<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, Item<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.rest = self.rest.trim_start_matches([' ', '\t', ',']);
            if self.rest.is_empty() {
                return None;
            }
            let member = self.member();
            self.run(is_blank);
            if let Some(member) = member
                && (self.rest.is_empty() || self.rest.starts_with(','))
            {
                return Some(member);
            }
            self.pass_over();
        }
    }
}

impl<'a> Members<'a> {
    fn member(&mut self) -> Option<(&'a str, Item<'a>)> {
        let key = self.key()?;
        let value = if !self.eat('=') {
            Data::Bool(true)
        } else if self.eat('(') {
            self.list()?
        } else {
            self.data()?
        };
        Some((key, Item { value, params: self.params()? }))
    }

    /// The items up to the closing bracket.
    fn list(&mut self) -> Option<Data<'a>> {
        let mut items = Vec::new();
        loop {
            self.run(is_blank);
            if self.eat(')') {
                return Some(Data::List(items));
            }
            items.push(Item { value: self.data()?, params: self.params()? });
        }
    }

    fn params(&mut self) -> Option<Vec<(&'a str, Data<'a>)>> {
        let mut params = Vec::new();
        while self.eat(';') {
            self.run(is_blank);
            let name = self.key()?;
            let value = if self.eat('=') { self.data()? } else { Data::Bool(true) };
            params.push((name, value));
        }
        Some(params)
    }

    fn key(&mut self) -> Option<&'a str> {
        Some(self.run(is_of_key)).filter(|key| !key.is_empty())
    }

    /// One value that is not a list.
    fn data(&mut self) -> Option<Data<'a>> {
        if self.eat('"') {
            return self.string().map(Data::Text);
        }
        let word = self.run(|c| c.is_ascii_graphic() && !matches!(c, ',' | ';' | '(' | ')' | '"'));
        match word {
            "" => None,
            "?1" => Some(Data::Bool(true)),
            "?0" => Some(Data::Bool(false)),
            _ if is_number(word) => Some(Data::Number(word)),
            _ => Some(Data::Token(word)),
        }
    }

    /// The text up to the closing quotation mark. A backslash escapes the next character.
    fn string(&mut self) -> Option<Cow<'a, str>> {
        let mut text = Cow::Borrowed("");
        loop {
            let plain = self.run(|c| c != '"' && c != '\\');
            if text.is_empty() {
                text = Cow::Borrowed(plain);
            } else {
                text.to_mut().push_str(plain);
            }
            if self.eat('"') {
                return Some(text);
            }
            let mut rest = self.rest.strip_prefix('\\')?.chars();
            text.to_mut().push(rest.next()?);
            self.rest = rest.as_str();
        }
    }

    /// Skips to the next comma outside a string.
    fn pass_over(&mut self) {
        let mut quoted = false;
        let mut escaped = false;
        let end = self.rest.find(|c| {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = quoted,
                '"' => quoted = !quoted,
                _ => return c == ',' && !quoted,
            }
            false
        });
        self.rest = end.and_then(|end| self.rest.get(end..)).unwrap_or_default();
    }

    /// The longest prefix of characters of this kind.
    fn run(&mut self, is: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !is(c)).unwrap_or(self.rest.len());
        let (run, rest) = self.rest.split_at_checked(end).unwrap_or_default();
        self.rest = rest;
        run
    }

    fn eat(&mut self, wanted: char) -> bool {
        let rest = self.rest.strip_prefix(wanted);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }
}

fn is_of_key(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '*')
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

fn is_number(word: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let word = word.strip_prefix('-').unwrap_or(word);
    match word.split_once('.') {
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => digits(word),
    }
}

#[cfg(test)]
mod tests;
