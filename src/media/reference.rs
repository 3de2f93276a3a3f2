//! Decides whether a reference is ours, and where the prefix goes.
//!
//! The rules are those of RFC 3986 §5 as players follow them. A reference that keeps the prefix by itself is left
//! alone; the rest get it where the path of the URL begins. A reference is never normalised, only put together anew
//! when its dot segments would climb out of the prefix.

use std::borrow::Cow;
use std::sync::Arc;

use memchr::{memchr3, memmem, memrchr};

use super::path::{climbs, depth, directory, has_parent, path_end, resolve};

/// Facts about the request for the manifest.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// Prefix of all later requests: `/~s/<sealed>`, without a slash at the end. Empty: rewrite nothing.
    pub prefix: &'a str,
    /// Raw path of the manifest at the origin: without the prefix and the query, with its first slash.
    pub document: &'a str,
    /// The query that later refreshes must keep; the token is no longer in it.
    pub query: Option<&'a str>,
    /// True if the viewer fetched the manifest under the prefix, so that relative references inherit it.
    pub inherited: bool,
    /// `Host` of the request. References to it by http or https are ours; all other hosts are foreign.
    pub authority: &'a str,
    /// The viewer's scheme and host, as `https://tv.example`; also ours where `authority` is another name. Where it is
    /// known, bases and locations of MPDs are written as whole URLs. Empty: as paths.
    pub site: &'a str,
    /// The name that the origin is asked by where that is another one. A reference to it by http or https would lead
    /// round us; it is written as a path of ours.
    pub origin: Option<&'a str>,
}

/// Where a reference is resolved from. The path is that of the base at the origin, without the prefix.
#[derive(Clone, Copy, Debug)]
pub(super) enum Base<'p> {
    /// The player knows the base with the prefix: relative references inherit it.
    Inherited(&'p [u8]),
    /// The player knows the base without the prefix: relative references must be given it.
    Bare(&'p [u8]),
    /// A base of ours whose path is not known here: relative references stay.
    Unknown,
    /// A base on another host.
    Foreign,
}

/// How to change one reference.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change<'s> {
    /// Nothing.
    Keep,
    /// Nothing: it points to another host.
    Foreign,
    /// Write `reference[..keep]`, the prefix, `middle`, `reference[rest..]`.
    Splice { keep: usize, middle: Cow<'s, [u8]>, rest: usize },
}

/// A reference that has no scheme and does not climb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plain {
    /// `x`: needs the prefix only where its base lacks it.
    Relative,
    /// `/x`: needs the prefix.
    Rooted,
}

/// Target of a base, or of several alternative ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// At least one of them is on another host.
    pub(super) foreign: bool,
    /// The path at the origin, where all of them agree on it and it is not too long.
    pub(super) path: Option<Arc<[u8]>>,
}

impl Place {
    /// This place or that one.
    pub(super) fn or(self, other: &Self) -> Self {
        let path = self.path.filter(|path| Some(path) == other.path.as_ref());
        Self { foreign: self.foreign || other.foreign, path }
    }

    /// The place as a base that the player knows with the prefix.
    pub(super) fn base(&self) -> Base<'_> {
        match (self.foreign, &self.path) {
            (true, _) => Base::Foreign,
            (false, Some(path)) => Base::Inherited(path),
            (false, None) => Base::Unknown,
        }
    }
}

/// A base can be as long as its document, and every level of the document has one: longer paths are not remembered.
const MAX_PLACE: usize = 1024;

fn place_path(path: &[u8]) -> Option<Arc<[u8]>> {
    (path.len() <= MAX_PLACE).then(|| path.into())
}

/// Decides on references for one [`Target`].
#[derive(Debug)]
pub(super) struct Judge {
    prefix: Box<[u8]>,
    /// Lower case, without a default port.
    authority: Box<[u8]>,
    site: Box<[u8]>,
    /// The same of the viewer's site, and of the origin's own name; empty where there is none.
    site_authority: Box<[u8]>,
    origin: Box<[u8]>,
}

impl Judge {
    pub(super) fn new(target: &Target<'_>) -> Self {
        let known = |name: &str| without_port(name.to_ascii_lowercase().as_bytes(), &["80", "443"]).into();
        Self {
            prefix: target.prefix.as_bytes().into(),
            authority: known(target.authority),
            site: target.site.as_bytes().into(),
            site_authority: known(target.site.split_once("//").map_or("", |(_, authority)| authority)),
            origin: known(target.origin.unwrap_or_default()),
        }
    }

    pub(super) fn prefix(&self) -> &[u8] {
        &self.prefix
    }

    /// The viewer's scheme and host; empty where they are not known.
    pub(super) fn site(&self) -> &[u8] {
        &self.site
    }

    /// Nothing is to be rewritten.
    pub(super) fn is_idle(&self) -> bool {
        self.prefix.is_empty()
    }

    /// Fast decision on a reference in a calm text; sufficient for most.
    pub(super) fn glance(&self, reference: &[u8]) -> Option<Plain> {
        match reference {
            [b'/', b'/', ..] => None,
            [b'/', second, ..] if *second > b' ' => (!reference.starts_with(&self.prefix)).then_some(Plain::Rooted),
            [first, ..] if *first > b' ' && !matches!(first, b'/' | b'?' | b'#') => {
                scheme(reference).is_none().then_some(Plain::Relative)
            }
            _ => None,
        }
    }

    /// Decides on one reference as in the manifest, including white space around it.
    pub(super) fn judge<'s>(&self, reference: &[u8], base: Base<'s>) -> Change<'s> {
        if self.is_idle() {
            return Change::Keep;
        }
        let (head, trimmed) = trim(reference);
        match shape(trimmed) {
            Shape::Nothing | Shape::OtherScheme => Change::Keep,
            Shape::Absolute { authority, ports } => {
                let host = trimmed.get(authority.0..authority.1).unwrap_or_default();
                let is_ours = self.is_ours(host, ports);
                if is_ours && !self.leaves_tls(trimmed) {
                    self.rooted(trimmed, authority.1, head)
                } else if is_ours || self.is_origins(host, ports) {
                    match self.rooted(trimmed, authority.1, head) {
                        // Scheme and name go, so that it is a path of whoever asked.
                        Change::Splice { middle, rest, .. } => Change::Splice { keep: head, middle, rest },
                        kept => kept,
                    }
                } else {
                    Change::Foreign
                }
            }
            Shape::Confusing => Change::Foreign,
            Shape::Rooted if matches!(base, Base::Foreign) => Change::Foreign,
            Shape::Rooted => self.rooted(trimmed, 0, head),
            Shape::QueryOnly => match base {
                Base::Bare(document) => Change::Splice { keep: head, middle: Cow::Borrowed(document), rest: head },
                _ => Change::Keep,
            },
            Shape::Relative => relative(trimmed, base, head),
        }
    }

    /// Where a reference leads from a place, which is what a base of a base means (RFC 3986 §5.1).
    pub(super) fn follow(&self, reference: &[u8], from: &Place) -> Place {
        let (_, reference) = trim(reference);
        let path_from = |at: usize| {
            let path = reference.get(at..path_end(reference, at)).unwrap_or_default();
            place_path(&resolve(b"/", self.without_prefix(path).unwrap_or(path)))
        };
        match shape(reference) {
            Shape::Absolute { authority, ports } => {
                let host = reference.get(authority.0..authority.1).unwrap_or_default();
                let foreign = !self.is_ours(host, ports) && !self.is_origins(host, ports);
                Place { foreign, path: path_from(authority.1) }
            }
            Shape::Confusing | Shape::OtherScheme => Place { foreign: true, path: None },
            Shape::Rooted => Place { foreign: from.foreign, path: path_from(0) },
            Shape::Relative => {
                let path = reference.get(..path_end(reference, 0)).unwrap_or_default();
                let path = from.path.as_ref().and_then(|from| place_path(&resolve(directory(from), path)));
                Place { foreign: from.foreign, path }
            }
            Shape::Nothing | Shape::QueryOnly => from.clone(),
        }
    }

    /// What follows the prefix in a path that has it.
    fn without_prefix<'r>(&self, path: &'r [u8]) -> Option<&'r [u8]> {
        path.strip_prefix(&*self.prefix).filter(|inner| inner.first().is_none_or(|byte| *byte == b'/'))
    }

    fn is_ours(&self, authority: &[u8], ports: &[&str]) -> bool {
        let authority = without_port(authority, ports);
        let is = |known: &[u8]| !known.is_empty() && authority.eq_ignore_ascii_case(known);
        is(&self.authority) || is(&self.site_authority)
    }

    /// True if a reference would lead a viewer out of TLS: an origin that is accessed over plain HTTP may assume that
    /// its viewers use it as well.
    fn leaves_tls(&self, reference: &[u8]) -> bool {
        let is = |of: &[u8], name: &[u8]| scheme(of).is_some_and(|scheme| scheme.eq_ignore_ascii_case(name));
        is(&self.site, b"https") && is(reference, b"http")
    }

    /// True if a host, possibly with a port, is the origin's own name.
    pub(super) fn is_of_origin(&self, authority: &[u8]) -> bool {
        self.is_origins(authority, &["80", "443"])
    }

    fn is_origins(&self, authority: &[u8], ports: &[&str]) -> bool {
        !self.origin.is_empty() && without_port(authority, ports).eq_ignore_ascii_case(&self.origin)
    }

    /// A reference whose path begins at `at` with a slash, or is empty because only an authority was named.
    fn rooted<'s>(&self, reference: &[u8], at: usize, head: usize) -> Change<'s> {
        let end = path_end(reference, at);
        let path = reference.get(at..end).unwrap_or_default();
        let inner = self.without_prefix(path);
        if climbs(0, inner.unwrap_or(path)) {
            let middle = Cow::Owned(resolve(b"/", inner.unwrap_or(path)));
            return Change::Splice { keep: head + at, middle, rest: head + end };
        }
        if inner.is_some() {
            return Change::Keep;
        }
        // `http://host` means `http://host/`; without the slash the prefix would be the last segment, and be replaced.
        let middle: &[u8] = if path.is_empty() { b"/" } else { b"" };
        Change::Splice { keep: head + at, middle: Cow::Borrowed(middle), rest: head + at }
    }
}

fn relative<'s>(reference: &[u8], base: Base<'s>, head: usize) -> Change<'s> {
    let end = path_end(reference, 0);
    let path = reference.get(..end).unwrap_or_default();
    let (resolved_from, anew) = match base {
        Base::Unknown | Base::Foreign => return Change::Keep,
        Base::Inherited(document) => {
            let from = directory(document);
            (from, has_parent(path) && climbs(depth(from), path))
        }
        Base::Bare(document) => (directory(document), has_parent(path)),
    };
    match (anew, base) {
        (true, _) => Change::Splice { keep: head, middle: Cow::Owned(resolve(resolved_from, path)), rest: head + end },
        (false, Base::Bare(_)) => Change::Splice { keep: head, middle: Cow::Borrowed(resolved_from), rest: head },
        (false, _) => Change::Keep,
    }
}

/// The reference without the blanks and control characters around it, and how many stand in front. Players drop them.
pub(super) fn trim(reference: &[u8]) -> (usize, &[u8]) {
    let start = reference.iter().position(|byte| *byte > b' ').unwrap_or(reference.len());
    let end = reference.iter().rposition(|byte| *byte > b' ').map_or(start, |at| at + 1);
    (start, reference.get(start..end).unwrap_or_default())
}

/// What a reference looks like (RFC 3986 §4.1, §4.2), white space around it removed.
enum Shape {
    /// Empty, or a fragment of the manifest itself.
    Nothing,
    /// `skd:`, `data:`, `urn:`, and http without an authority.
    OtherScheme,
    /// `http://host/x`, `//host/x`: the range of the authority, and the ports that may be left out with that scheme.
    Absolute { authority: (usize, usize), ports: &'static [&'static str] },
    /// `/\host/x`: browsers read a backslash as a slash and go to another host; others do not.
    Confusing,
    /// `/x`
    Rooted,
    /// `?x`
    QueryOnly,
    /// `x`, `./x`, `../x`
    Relative,
}

fn shape(reference: &[u8]) -> Shape {
    let authority_from = |from: usize, ports| {
        let rest = reference.get(from..).unwrap_or_default();
        let length = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
        Shape::Absolute { authority: (from, from + length), ports }
    };
    match reference {
        [] | [b'#', ..] => Shape::Nothing,
        [b'/', b'/', ..] => authority_from(2, &["80", "443"]),
        [b'/' | b'\\', b'/' | b'\\', ..] => Shape::Confusing,
        [b'/', ..] => Shape::Rooted,
        [b'?', ..] => Shape::QueryOnly,
        _ => match scheme(reference) {
            None => Shape::Relative,
            Some(name) => {
                let ports: &'static [&'static str] = if name.eq_ignore_ascii_case(b"http") {
                    &["80"]
                } else if name.eq_ignore_ascii_case(b"https") {
                    &["443"]
                } else {
                    return Shape::OtherScheme;
                };
                let after = name.len() + 1;
                if reference.get(after..).is_some_and(|rest| rest.starts_with(b"//")) {
                    authority_from(after + 2, ports)
                } else {
                    Shape::OtherScheme
                }
            }
        },
    }
}

/// True if a reference is a query alone: it keeps the last segment of its base's path (RFC 3986 §5.2.2).
pub(super) fn is_query_only(reference: &[u8]) -> bool {
    matches!(shape(trim(reference).1), Shape::QueryOnly)
}

/// The scheme of an absolute URI, without its colon (RFC 3986 §3.1).
fn scheme(reference: &[u8]) -> Option<&[u8]> {
    let length =
        reference.iter().position(|byte| !byte.is_ascii_alphanumeric() && !matches!(byte, b'+' | b'-' | b'.'))?;
    let (name, rest) = reference.split_at_checked(length)?;
    (rest.first() == Some(&b':') && name.first().is_some_and(u8::is_ascii_alphabetic)).then_some(name)
}

/// An authority without a port that its scheme implies, and without the colon of an empty port.
fn without_port<'a>(authority: &'a [u8], ports: &[&str]) -> &'a [u8] {
    let Some((host, port)) = memrchr(b':', authority).and_then(|at| authority.split_at_checked(at)) else {
        return authority;
    };
    let port = port.get(1..).unwrap_or_default();
    if port.is_empty() || ports.iter().any(|implied| implied.as_bytes() == port) { host } else { authority }
}

/// Where the authority of an absolute or network-path reference ends; zero for any other.
pub(super) fn authority_end(reference: &[u8]) -> usize {
    match shape(reference) {
        Shape::Absolute { authority, .. } => authority.1,
        _ => 0,
    }
}

/// True if a text has nothing that could make up a dot segment that climbs, a variable, or a backslash. True of most
/// manifests as a whole, and found out faster for the whole than line by line.
pub(super) fn is_calm(text: &[u8]) -> bool {
    memchr3(b'%', b'{', b'\\', text).is_none() && memmem::find(text, b"..").is_none()
}

#[cfg(test)]
mod tests;
