//! Finds the token in a request, and removes it before the request goes upstream.

use std::borrow::Cow;
use std::ops::Range;

use http::header::{AUTHORIZATION, COOKIE, HeaderMap};

use super::request::RequestFacts;
use super::token_location::Source;

/// Bytes of cookies that are searched for a token.
const MAX_COOKIES: usize = 16 * 1024;

/// RFC 3986 §2.2.
pub(super) const SUB_DELIMITERS: [char; 11] = ['!', '$', '&', '\'', '(', ')', '*', '+', ',', ';', '='];

/// Length of the token's value at the start of a text. The character ends it unless the format defines the end.
pub(super) type Extent<'a> = &'a dyn Fn(&str, char) -> usize;

impl Source {
    /// The token at this location, as received (possibly percent-encoded).
    pub(super) fn find<'a>(&self, request: &RequestFacts<'a>, opens: Opens<'_>, extent: Extent<'_>) -> Option<&'a str> {
        match self {
            Self::Query(name) => first_value(request.raw_query?, name, opens, extent).map(|(_, value)| value),
            Self::Header(name) => request.headers.get_all(name).iter().find_map(|value| {
                let value = value.as_bytes().trim_ascii();
                let value = if *name == AUTHORIZATION { bearer(value)? } else { value };
                text(value).filter(|value| !value.is_empty())
            }),
            Self::Cookie(name) => cookie(request.headers, name),
            Self::Segment(_) | Self::Nth(_) | Self::Param(_) => {
                request.in_path.filter(|found| found.source == self).map(|found| found.token)
            }
        }
    }

    /// Position of the token in `path`: that of its separator and name, and that of its value.
    pub(super) fn in_path(&self, path: &str, extent: Extent<'_>, resembles: &dyn Fn(&str) -> bool) -> Option<Spot> {
        let (opening, skip) = match self {
            Self::Segment(name) if name.ends_with('/') => (format!("/{name}"), 0),
            Self::Segment(name) => (format!("/{name}="), 0),
            Self::Param(name) => (format!(";{name}="), 0),
            Self::Nth(number) => ("/".to_owned(), number - 1),
            Self::Query(_) | Self::Header(_) | Self::Cookie(_) => return None,
        };
        let (start, _) = path.match_indices(&opening).nth(skip)?;
        let value = start + opening.len();
        let rest = path.get(value..)?;
        let mut length = extent(rest, '/').min(rest.len());
        if let Self::Param(_) = self {
            length = length.min(extent(rest, ';'));
        }
        let token = rest.get(..length).filter(|token| !token.is_empty())?;
        let fits = !matches!(self, Self::Nth(_)) || resembles(token);
        fits.then_some(Spot { start, value, end: value + length })
    }
}

/// Position of a token in a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    /// Start of the separator before it.
    pub(super) start: usize,
    /// Start of its value.
    pub(super) value: usize,
    /// End of the token, exclusive.
    pub(super) end: usize,
}

/// The first non-empty cookie of that name.
pub(super) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    cookies_of(headers, name).next()
}

/// Every non-empty cookie of that name: a browser keeps one for each path, and sends all that match.
pub(super) fn cookies_of<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = &'a str> {
    cookies(headers).filter_map(move |cookie| value_of(cookie, name, b"\"")).filter_map(text)
}

/// True for characters after which a query parameter may start.
pub(super) type Opens<'a> = &'a dyn Fn(char) -> bool;

/// The first parameter of that raw name with a non-empty value: its start, and its raw value.
pub(super) fn query_value<'a>(query: &'a str, name: &str, extent: Extent<'_>) -> Option<(usize, &'a str)> {
    first_value(query, name, &|before| before == '&', extent)
}

/// As [`query_value`], for parameters that may start after other characters.
pub(super) fn first_value<'a>(
    query: &'a str,
    name: &str,
    opens: Opens<'_>,
    extent: Extent<'_>,
) -> Option<(usize, &'a str)> {
    let mut values = query_values(query, name, opens, extent);
    values.find(|(_, value)| !value.is_empty()).map(|(place, value)| (place.start, value))
}

/// Every parameter of that raw name: its range, and its raw value, which may be empty.
pub(super) fn query_values<'a>(
    query: &'a str,
    name: &str,
    opens: Opens<'_>,
    extent: Extent<'_>,
) -> impl Iterator<Item = (Range<usize>, &'a str)> {
    query.match_indices(name).filter_map(move |(start, _)| {
        let end = start + name.len();
        let (before, rest) = (query.get(..start)?.chars().next_back(), query.get(end..)?);
        match rest.strip_prefix('=') {
            _ if !before.is_none_or(opens) => None,
            Some(value) => {
                let value = value.get(..extent(value, '&').min(value.len()))?;
                Some((start..end + 1 + value.len(), value))
            }
            None => rest.chars().next().is_none_or(|after| after == '&').then_some((start..end, "")),
        }
    })
}

/// Length up to `end`: a query parameter ends at `&`, a path segment at `/`.
pub(super) fn plain(rest: &str, end: char) -> usize {
    rest.find(end).unwrap_or(rest.len())
}

/// The query without these sorted parts. Removes with each the delimiter after it or, if there is none, the one before
/// it (RFC 9246 §2.1.15).
pub(super) fn cut(query: &str, parts: &[Range<usize>]) -> String {
    let mut kept = String::with_capacity(query.len());
    let mut from = 0;
    for &Range { start, end } in parts {
        // Skip a part inside a removed part.
        let Some(between) = query.get(from..start) else { continue };
        kept.push_str(between);
        let is_delimited = query.get(end..).is_some_and(|rest| rest.starts_with(SUB_DELIMITERS));
        from = if is_delimited { end + 1 } else { end };
        if !is_delimited {
            kept.pop();
        }
    }
    kept.push_str(query.get(from..).unwrap_or_default());
    kept
}

/// The value of a `Cookie` header without the cookies of these names; `None` if nothing is left and the header must be
/// removed.
pub(super) fn strip_cookie(value: &str, goes: impl Fn(&str) -> bool) -> Option<Cow<'_, str>> {
    let goes = |cookie: &str| goes(cookie.split_once('=').map_or(cookie, |(name, _)| name).trim());
    let rest = without(value, goes);
    (!rest.trim_matches([' ', ';']).is_empty()).then_some(rest)
}

/// Cookies without those for which `go` is true.
fn without(cookies: &str, go: impl Fn(&str) -> bool) -> Cow<'_, str> {
    if !cookies.split(';').any(&go) {
        return Cow::Borrowed(cookies);
    }
    let rest: Vec<&str> =
        cookies.split(';').filter(|cookie| !go(cookie)).map(|cookie| cookie.trim_start_matches(' ')).collect();
    Cow::Owned(rest.join("; "))
}

/// The value of `NAME=value` if the name matches and the value is not empty, without a pair of `quote`s around it.
fn value_of<'a>(pair: &'a [u8], name: &str, quote: &[u8]) -> Option<&'a [u8]> {
    let value = pair.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
    let unquoted = value.strip_prefix(quote).and_then(|value| value.strip_suffix(quote)).unwrap_or(value);
    (!unquoted.is_empty()).then_some(unquoted)
}

/// Every `NAME=value` of the cookie headers, up to the limit. Read as bytes: a foreign cookie in another encoding must
/// not hide the token.
fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let mut searched = 0_usize;
    headers
        .get_all(COOKIE)
        .iter()
        .flat_map(|header| header.as_bytes().split(|byte| *byte == b';'))
        .take_while(move |cookie| {
            searched = searched.saturating_add(cookie.len() + 1);
            searched <= MAX_COOKIES
        })
        .map(<[u8]>::trim_ascii)
}

/// The token of an `Authorization` value: after `Bearer` (RFC 6750 §2.1), or the whole value if it has no scheme.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let Some(at) = value.iter().position(|byte| *byte == b' ') else {
        return (!value.eq_ignore_ascii_case(b"bearer")).then_some(value);
    };
    let (scheme, token) = value.split_at_checked(at)?;
    scheme.eq_ignore_ascii_case(b"bearer").then(|| token.trim_ascii())
}

fn text(value: &[u8]) -> Option<&str> {
    std::str::from_utf8(value).ok()
}

#[cfg(test)]
mod tests;
