//! DASH manifests and patch documents (ISO/IEC 23009-1): read as a whole; everything except rewritten references is
//! copied.
//!
//! Relative references inherit the prefix from the location of the document, through every relative `BaseURL`. A
//! document fetched without the prefix gets a `BaseURL` with it, so that the rest inherits it (and a dynamic one a
//! `Location`, as refreshes use the document's location).
//!
//! Bases and locations with the prefix are whole URLs with the viewer's scheme and host: ffmpeg does not resolve a
//! `BaseURL` of a Period or Representation against other bases, and video.js resolves a `Location` path against the
//! page's host.

mod attributes;
mod charset;
mod levels;
mod names;
mod scan;
mod text;

use std::borrow::Cow;
use std::ops::Range;

use self::charset::{Utf16, as_ascii, ascii_path};
use self::levels::Places;
use self::names::Role;
use self::scan::{Scan, Site, scan};
use self::text::{decode, encode};
use super::disguise::Disguised;
use super::facts::{Form, Outcome, Unparsable};
use super::path::directory;
use super::reference::{Base, Change, Judge, Place, Target, is_query_only, trim};

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Rewrites an MPD or a patch document.
///
/// # Errors
///
/// Any of [`Unparsable`] but `NotAPlaylist`. Nothing has been appended to `out` then; send the original bytes.
pub fn rewrite(input: &[u8], target: &Target<'_>, out: &mut Vec<u8>) -> Result<Outcome, Unparsable> {
    rewrite_and_note(input, target, out, &mut Disguised::default())
}

/// As [`rewrite`], and records segments with harmless names.
///
/// # Errors
///
/// As [`rewrite`].
pub fn rewrite_and_note(
    input: &[u8],
    target: &Target<'_>,
    out: &mut Vec<u8>,
    disguised: &mut Disguised,
) -> Result<Outcome, Unparsable> {
    let Some(wide) = Utf16::detect(input) else { return rewrite_text(input, target, out, disguised) };
    let text = wide.decode(input).ok_or(Unparsable::Encoding)?;
    let mut written = Vec::new();
    let outcome = rewrite_text(text.as_bytes(), target, &mut written, disguised)?;
    wide.encode(&String::from_utf8(written).map_err(|_| Unparsable::Encoding)?, out);
    Ok(outcome)
}

fn rewrite_text(
    input: &[u8],
    target: &Target<'_>,
    out: &mut Vec<u8>,
    disguised: &mut Disguised,
) -> Result<Outcome, Unparsable> {
    let mark = if input.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
    let body = input.get(mark..).unwrap_or_default();
    let text = as_ascii(body).ok_or(Unparsable::Encoding)?;
    let scan = scan(&text)?;
    let document = ascii_path(target.document);
    let target = &Target { document: &document, ..*target };
    let mut outcome = Outcome { facts: scan.facts, rewritten: 0, foreign: 0, undefined: 0 };
    let judge = Judge::new(target);
    let edits = if judge.is_idle() {
        Vec::new()
    } else {
        outcome.undefined = scan.unreadable;
        Rewrite { document: body, target, judge: &judge, scan: &scan }.edits(&mut outcome, disguised)
    };
    out.reserve(input.len() + edits.iter().map(|edit| edit.written.len()).sum::<usize>());
    out.extend_from_slice(input.get(..mark).unwrap_or_default());
    let mut from = 0;
    for edit in edits {
        out.extend_from_slice(body.get(from..edit.range.start).unwrap_or_default());
        out.extend_from_slice(&edit.written);
        from = edit.range.end;
    }
    out.extend_from_slice(body.get(from..).unwrap_or_default());
    Ok(outcome)
}

/// Bytes that replace a range of the document.
struct Edit {
    range: Range<usize>,
    written: Vec<u8>,
}

struct Rewrite<'r> {
    document: &'r [u8],
    target: &'r Target<'r>,
    judge: &'r Judge,
    scan: &'r Scan<'r>,
}

impl Rewrite<'_> {
    /// Every edit, in document order.
    fn edits(&self, outcome: &mut Outcome, disguised: &mut Disguised) -> Vec<Edit> {
        let places = self.places();
        self.note(&places, disguised);
        let mut edits: Vec<Edit> =
            self.scan.sites.iter().filter_map(|site| self.edit(site, &places, outcome)).collect();
        if self.scan.facts.form == Form::Mpd && !self.target.inherited {
            let insertions = self.insertions(&places);
            outcome.rewritten += u32::try_from(insertions.len()).unwrap_or_default();
            edits.extend(insertions);
            edits.extend(self.scan.sites.iter().filter_map(|site| self.with_file_name(site, &places)));
        }
        edits.sort_by_key(|edit| edit.range.start);
        edits
    }

    /// Records media, media templates and files in a base. Image sets are not disguised.
    fn note(&self, places: &Places, disguised: &mut Disguised) {
        let document = Place { foreign: false, path: Some(self.target.document.as_bytes().into()) };
        let unknown = Place { foreign: false, path: None };
        for site in self.scan.sites.iter().filter(|site| matches!(site.role, Role::Media | Role::Base)) {
            let Some(decoded) = decode(self.document, site.range.clone()) else { continue };
            if self.scan.levels.is_image(site.level) || decoded.text.ends_with(b"/") {
                continue;
            }
            let from = match site.role {
                Role::Base if site.level == 0 => Some(&document),
                Role::Base => places.of_base(site.level),
                _ => places.of_media(site.level),
            };
            disguised.note(&decoded.text, self.judge, from.unwrap_or(&unknown));
        }
    }

    /// The target of each level's references. The MPD of a patch is unknown.
    fn places(&self) -> Places {
        let path = (self.scan.facts.form == Form::Mpd).then(|| self.target.document.as_bytes().into());
        let bases: Vec<_> = self
            .scan
            .sites
            .iter()
            .filter(|site| site.role == Role::Base)
            .filter_map(|site| Some((site.level, decode(self.document, site.range.clone())?.text.into_owned())))
            .collect();
        self.scan.levels.places(self.judge, &Place { foreign: false, path }, &bases)
    }

    fn edit(&self, site: &Site, places: &Places, outcome: &mut Outcome) -> Option<Edit> {
        let decoded = decode(self.document, site.range.clone())?;
        let change = self.judge.judge(&decoded.text, self.base(site, places));
        match change {
            Change::Keep => None,
            Change::Foreign => {
                outcome.foreign += 1;
                None
            }
            Change::Splice { keep, middle, rest } => {
                let ((start, in_cdata), (end, ends_in_cdata)) = (decoded.place(keep), decoded.place(rest));
                if in_cdata != ends_in_cdata {
                    // The section's mark would be lost.
                    outcome.undefined += 1;
                    return None;
                }
                outcome.rewritten += 1;
                let is_path = decoded.text.get(..keep).unwrap_or_default().trim_ascii().is_empty();
                let is_whole = is_path && matches!(site.role, Role::Base | Role::Document);
                let mut written = encode(if is_whole { self.judge.site() } else { b"" }, in_cdata);
                written.extend_from_slice(&encode(self.judge.prefix(), in_cdata));
                written.extend_from_slice(&encode(&middle, in_cdata));
                Some(Edit { range: start..end, written })
            }
        }
    }

    /// The base of a reference. In a document without the prefix, only references relative to its location lack it: the
    /// MPD's own bases do, and everything below inherits from them.
    fn base<'p>(&'p self, site: &Site, places: &'p Places) -> Base<'p> {
        let document = match (self.scan.facts.form, self.target.inherited) {
            (Form::Mpd, true) => Base::Inherited(self.target.document.as_bytes()),
            (Form::Mpd, false) => Base::Bare(self.target.document.as_bytes()),
            _ => Base::Unknown,
        };
        let place = match site.role {
            Role::Document => return document,
            Role::Base if site.level == 0 => return document,
            Role::Base => places.of_base(site.level),
            Role::Remote | Role::Media => places.of_media(site.level),
        };
        match place.map_or(Base::Unknown, Place::base) {
            Base::Inherited(_) | Base::Unknown if site.role == Role::Remote => document,
            base => base,
        }
    }

    /// The elements that add the prefix to a document without it.
    fn insertions(&self, places: &Places) -> Vec<Edit> {
        let url = |path: &str| {
            let site = String::from_utf8_lossy(self.judge.site());
            encode(format!("{site}{}{path}", self.target.prefix).as_bytes(), false)
        };
        let element = |at: usize, name: &str, path: &str| {
            let namespace = String::from_utf8_lossy(self.scan.namespace);
            let (open, close) = (format!("<{namespace}{name}>"), format!("</{namespace}{name}>"));
            Edit { range: at..at, written: [open.as_bytes(), &url(path), close.as_bytes()].concat() }
        };
        let document = if self.target.document.starts_with('/') { self.target.document } else { "/" };
        let mut insertions = Vec::new();
        let mut bases = self.scan.sites.iter().filter(|site| site.role == Role::Base && site.level == 0);
        let is_empty = |site: &&Site| self.text_of(site).is_none_or(|text| text.trim_ascii().is_empty());
        if bases.clone().all(|base| is_empty(&base)) {
            let base = if self.keeps_file_name(places) {
                document.into()
            } else {
                String::from_utf8_lossy(directory(document.as_bytes()))
            };
            // An empty base would be an alternative without the prefix.
            match (bases.next(), self.scan.base_at) {
                (Some(empty), _) => insertions.push(Edit { range: empty.range.clone(), written: url(&base) }),
                (None, Some(at)) => insertions.push(element(at, "BaseURL", &base)),
                (None, None) => {}
            }
        }
        if let Some(at) = self.scan.location_at.filter(|_| self.scan.facts.live && !self.scan.has_location) {
            let query = self.target.query.filter(|query| !query.is_empty());
            let reference = query.map_or_else(|| document.to_owned(), |query| format!("{document}?{query}"));
            insertions.push(element(at, "Location", &reference));
        }
        insertions
    }

    /// True if the inserted base must end with the document's file name, like the location: if a reference is only a
    /// query and the levels that inherit it have different bases. Otherwise it ends with the directory, as ffmpeg and
    /// VLC take every base for one.
    fn keeps_file_name(&self, places: &Places) -> bool {
        self.scan.sites.iter().any(|site| {
            let from = place_of(site, places).filter(|from| from.path.is_none());
            from.is_some() && self.text_of(site).is_some_and(|text| is_query_only(&text))
        })
    }

    /// A reference that is only a query keeps the last segment of its base's path (RFC 3986 §5.2.2). As the inserted
    /// base ends with a directory, the reference gets the document's file name.
    fn with_file_name(&self, site: &Site, places: &Places) -> Option<Edit> {
        let document = self.target.document.as_bytes();
        let from = place_of(site, places)?;
        let decoded = decode(self.document, site.range.clone())?;
        if from.foreign || from.path.as_deref() != Some(document) || !is_query_only(&decoded.text) {
            return None;
        }
        let name = document.get(directory(document).len()..)?;
        // Text before a colon would be a scheme.
        let current: &[u8] = if name.contains(&b':') { b"./" } else { b"" };
        let (at, in_cdata) = decoded.place(trim(&decoded.text).0);
        Some(Edit { range: at..at, written: encode(&[current, name].concat(), in_cdata) })
    }

    fn text_of(&self, site: &Site) -> Option<Cow<'_, [u8]>> {
        Some(decode(self.document, site.range.clone())?.text)
    }
}

/// The base of a reference below the MPD's own bases.
fn place_of<'p>(site: &Site, places: &'p Places) -> Option<&'p Place> {
    match site.role {
        Role::Base if site.level > 0 => places.of_base(site.level),
        Role::Media => places.of_media(site.level),
        Role::Base | Role::Document | Role::Remote => None,
    }
}
