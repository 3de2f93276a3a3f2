//! Paths as origins interpret them.
//!
//! One file has many paths: origins decode percent-encoding once (RFC 3986 §2.4). Some merge doubled slashes (nginx),
//! others keep them as separate names (object stores). Routes and the scopes of tokens and play sessions are checked
//! against every reading of a path. Paths whose readings are in different folders have [`Ambiguities`]: they are
//! refused unless the configuration allows them.

use std::borrow::Cow;

use super::percent::first_byte;

/// Represents an encoded slash that an origin reads as part of a name. No path has a NUL: it is an ambiguity.
const NAMED_SLASH: u8 = 0;

/// A path spelling that origins interpret differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ambiguity {
    /// `.` or `..`, also percent-encoded and with parameters (`..;a=b`): most origins go to another folder, some do
    /// not.
    DotSegments,
    /// `%2F`: a slash to some origins, a part of a name to others.
    EncodedSlashes,
    /// A backslash, also percent-encoded: a slash to some origins.
    Backslashes,
    /// `%00`: the end of the path to some origins.
    Nul,
}

impl Ambiguity {
    fn bit(self) -> u8 {
        match self {
            Self::DotSegments => 1,
            Self::EncodedSlashes => 2,
            Self::Backslashes => 4,
            Self::Nul => 8,
        }
    }
}

/// The ambiguities of a path, or those that a route allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ambiguities(u8);

impl Ambiguities {
    /// True if there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// True if this one is included.
    pub fn has(self, ambiguity: Ambiguity) -> bool {
        self.0 & ambiguity.bit() != 0
    }

    /// Those that `others` does not include.
    #[must_use]
    pub fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    fn add(&mut self, ambiguity: Ambiguity, is_there: bool) {
        self.0 |= if is_there { ambiguity.bit() } else { 0 };
    }
}

impl FromIterator<Ambiguity> for Ambiguities {
    fn from_iter<I: IntoIterator<Item = Ambiguity>>(ambiguities: I) -> Self {
        Self(ambiguities.into_iter().fold(0, |all, one| all | one.bit()))
    }
}

/// One way in which an origin may read a path. All of them decode percent-encoding once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading(u8);

impl Reading {
    /// Merges doubled slashes.
    const MERGES: u8 = 1;
    /// Resolves dot segments.
    const RESOLVES: u8 = 2;
    /// Reads a backslash as a slash.
    const TAKES_BACKSLASHES: u8 = 4;
    /// Reads an encoded slash as part of a name.
    const NAMES_SLASHES: u8 = 8;
    /// The reading that merges and resolves everything.
    const FULL: Self = Self(Self::MERGES | Self::RESOLVES | Self::TAKES_BACKSLASHES);

    fn does(self, what: u8) -> bool {
        self.0 & what != 0
    }

    /// True if doubled slashes are merged.
    pub fn merges_slashes(self) -> bool {
        self.does(Self::MERGES)
    }

    /// The first byte of `text` (a path, or a pattern for one) in this reading, and its length in the text.
    pub fn first_byte(self, text: &[u8]) -> Option<(u8, usize)> {
        let (byte, length) = first_byte(text)?;
        let byte = match byte {
            b'/' if length > 1 && self.does(Self::NAMES_SLASHES) => NAMED_SLASH,
            b'\\' if self.does(Self::TAKES_BACKSLASHES) => b'/',
            byte => byte,
        };
        Some((byte, length))
    }

    fn decode(self, path: &str) -> Vec<u8> {
        let mut read = Vec::with_capacity(path.len());
        let mut rest = path.as_bytes();
        while let Some((byte, length)) = self.first_byte(rest) {
            if byte != b'/' || !self.merges_slashes() || read.last() != Some(&b'/') {
                read.push(byte);
            }
            rest = rest.get(length..).unwrap_or_default();
        }
        if self.does(Self::RESOLVES) { without_dot_segments(&read) } else { read }
    }
}

/// The path of a request, without play session and token.
#[derive(Clone, Copy, Debug)]
pub struct RequestPath<'a> {
    raw: &'a str,
    ambiguities: Ambiguities,
    /// Aspects in which its readings may differ.
    choices: u8,
    /// True if every reading equals the raw path.
    is_plain: bool,
}

impl<'a> RequestPath<'a> {
    /// Analyzes a path. One without escapes, backslashes, doubled slashes and dots after a slash costs two scans.
    pub fn new(raw: &'a str) -> Self {
        let bytes = raw.as_bytes();
        let is_odd = memchr::memchr2(b'%', b'\\', bytes).is_some();
        if !is_odd && !memchr::memchr_iter(b'/', bytes).any(|at| matches!(bytes.get(at + 1), Some(b'/' | b'.'))) {
            return Self { raw, ambiguities: Ambiguities::default(), choices: 0, is_plain: true };
        }
        let mut ambiguities = Ambiguities::default();
        let (mut read, mut rest) = (Vec::with_capacity(bytes.len()), bytes);
        while let Some((byte, length)) = first_byte(rest) {
            ambiguities.add(Ambiguity::Nul, byte == 0);
            ambiguities.add(Ambiguity::Backslashes, byte == b'\\');
            ambiguities.add(Ambiguity::EncodedSlashes, byte == b'/' && length > 1);
            read.push(if byte == b'\\' { b'/' } else { byte });
            rest = rest.get(length..).unwrap_or_default();
        }
        let mut segments = read.split(|byte| *byte == b'/');
        ambiguities.add(Ambiguity::DotSegments, segments.any(|segment| dots(segment).is_some()));
        let doubled = memchr::memmem::find(&read, b"//").is_some();
        let choice = |ambiguity, reading| if ambiguities.has(ambiguity) { reading } else { 0 };
        let choices = if doubled { Reading::MERGES } else { 0 }
            | choice(Ambiguity::DotSegments, Reading::RESOLVES)
            | choice(Ambiguity::Backslashes, Reading::TAKES_BACKSLASHES)
            | choice(Ambiguity::EncodedSlashes, Reading::NAMES_SLASHES);
        Self { raw, ambiguities, choices, is_plain: choices == 0 && !is_odd }
    }

    /// The ambiguities of the path.
    pub fn ambiguities(&self) -> Ambiguities {
        self.ambiguities
    }

    /// The fully merged and resolved path, for routing.
    pub fn resolved(&self) -> Cow<'a, [u8]> {
        self.read(Reading::FULL)
    }

    /// True if `holds` is true for every reading of the path.
    pub fn in_every_reading(&self, mut holds: impl FnMut(Reading, &[u8]) -> bool) -> bool {
        let mut reading = self.choices;
        loop {
            if !holds(Reading(reading), &self.read(Reading(reading))) {
                return false;
            }
            if reading == 0 {
                return true;
            }
            // Every subset of the choices, largest first.
            reading = (reading - 1) & self.choices;
        }
    }

    fn read(&self, reading: Reading) -> Cow<'a, [u8]> {
        if self.is_plain { Cow::Borrowed(self.raw.as_bytes()) } else { Cow::Owned(reading.decode(self.raw)) }
    }
}

/// Number of dots in a dot segment. Ignores its parameters, as some origins remove them before they resolve it.
fn dots(segment: &[u8]) -> Option<usize> {
    let name = segment.split(|byte| *byte == b';').next().unwrap_or_default();
    matches!(name, b"." | b"..").then_some(name.len())
}

/// RFC 3986 §5.2.4. Never leads above the root.
fn without_dot_segments(path: &[u8]) -> Vec<u8> {
    let mut kept: Vec<&[u8]> = Vec::new();
    let mut ends_in_folder = false;
    for segment in path.strip_prefix(b"/").unwrap_or(path).split(|byte| *byte == b'/') {
        let dots = dots(segment);
        ends_in_folder = dots.is_some();
        match dots {
            None => kept.push(segment),
            Some(1) => {}
            Some(_) => drop(kept.pop()),
        }
    }
    if ends_in_folder {
        kept.push(b"");
    }
    let mut resolved = Vec::with_capacity(path.len());
    for segment in kept {
        resolved.push(b'/');
        resolved.extend_from_slice(segment);
    }
    resolved
}

#[cfg(test)]
mod tests;
