//! Rewrites the references of one line of a playlist.

use super::attributes::Attributes;
use super::gather::Gathered;
use super::variables::{self, Variables};
use crate::media::disguise::Disguised;
use crate::media::facts::Outcome;
use crate::media::path::directory;
use crate::media::reference::{Base, Change, Judge, Place, Plain, Target, authority_end, is_calm, trim};

/// Copies a source with splices, in as few and as long runs as possible.
pub(super) struct Copier<'c> {
    source: &'c [u8],
    from: usize,
    /// See [`is_calm`].
    calm: bool,
    out: &'c mut Vec<u8>,
}

impl<'c> Copier<'c> {
    pub(super) fn new(source: &'c [u8], out: &'c mut Vec<u8>) -> Self {
        Self { source, from: 0, calm: is_calm(source), out }
    }

    /// Writes the source up to `keep`, then `parts`, and continues at `rest`.
    fn splice(&mut self, keep: usize, parts: &[&[u8]], rest: usize) {
        self.copy_to(keep);
        for part in parts {
            self.out.extend_from_slice(part);
        }
        self.from = rest;
    }

    /// Writes the source up to `end`.
    pub(super) fn copy_to(&mut self, end: usize) {
        self.out.extend_from_slice(self.source.get(self.from..end).unwrap_or_default());
        self.from = end;
    }
}

/// State across lines.
#[derive(Debug)]
pub(super) struct Lines {
    judge: Judge,
    document: Box<[u8]>,
    query: Box<[u8]>,
    inherited: bool,
    variables: Variables,
    gathered: Gathered,
    /// Rewriting has stopped.
    is_stopped: bool,
    pub(super) disguised: Disguised,
    rewritten: u32,
    foreign: u32,
    undefined: u32,
}

impl Lines {
    pub(super) fn new(target: &Target<'_>) -> Self {
        Self {
            judge: Judge::new(target),
            document: quotable(target.document),
            query: target.query.unwrap_or_default().as_bytes().into(),
            inherited: target.inherited,
            variables: Variables::default(),
            gathered: Gathered::default(),
            is_stopped: false,
            disguised: Disguised::default(),
            rewritten: 0,
            foreign: 0,
            undefined: 0,
        }
    }

    pub(super) fn stop(&mut self) {
        self.is_stopped = true;
    }

    pub(super) fn outcome(&self) -> Outcome {
        Outcome {
            facts: self.gathered.facts(),
            rewritten: self.rewritten,
            foreign: self.foreign,
            undefined: self.undefined,
        }
    }

    /// One line without its end, which begins at `at` in the copier's source.
    pub(super) fn line(&mut self, line: &[u8], at: usize, copier: &mut Copier<'_>) {
        match line.first() {
            None => {}
            Some(b'#') => self.tag(line, at, copier),
            Some(_) => self.uri_line(line, at, copier),
        }
    }

    fn uri_line(&mut self, line: &[u8], at: usize, copier: &mut Copier<'_>) {
        if self.judge.is_idle() {
            return;
        }
        self.lists(line);
        if self.is_stopped {
            return;
        }
        let plain = if copier.calm { self.judge.glance(line) } else { None };
        match plain {
            None => self.reference(line, at, self.inherited, copier),
            Some(Plain::Relative) if self.inherited => {}
            Some(plain) => {
                let directory = if plain == Plain::Rooted { b"" } else { directory(&self.document) };
                copier.splice(at, &[self.judge.prefix(), directory], at);
                self.rewritten += 1;
            }
        }
    }

    /// Records a reference to media.
    fn lists(&mut self, reference: &[u8]) {
        // Nearly all have usual names.
        let usual = [&b".ts"[..], b".m4s", b".mp4", b".aac"].iter().any(|extension| reference.ends_with(extension));
        let may_be_init = || {
            memchr::memchr2_iter(b'i', b'I', reference)
                .any(|at| reference.get(at..at + 4).is_some_and(|name| name.eq_ignore_ascii_case(b"init")))
        };
        if usual && !may_be_init() || !self.gathered.lists_media() {
            return;
        }
        let from = Place { foreign: false, path: Some((&*self.document).into()) };
        if variables::present(reference) {
            if let Some(expanded) = self.variables.expand(reference) {
                self.disguised.note(&expanded.text, &self.judge, &from);
            }
        } else {
            self.disguised.note(reference, &self.judge, &from);
        }
    }

    fn tag(&mut self, line: &[u8], at: usize, copier: &mut Copier<'_>) {
        if let Some(text) = line.strip_prefix(b"#EXTINF:") {
            return self.gathered.segment(text);
        }
        let Some(tag) = line.strip_prefix(b"#EXT-X-") else { return };
        let length = tag.iter().position(|byte| *byte == b':').unwrap_or(tag.len());
        let name = tag.get(..length).unwrap_or_default().trim_ascii_end();
        let tag = Tag { line, at, text: b"#EXT-X-".len() + length + 1 };
        match name {
            b"STREAM-INF" => self.gathered.rendition(),
            b"MEDIA" | b"I-FRAME-STREAM-INF" | b"IMAGE-STREAM-INF" | b"SESSION-DATA" | b"SESSION-KEY" => {
                self.gathered.rendition();
                self.attributes(&tag, &[b"URI"], self.inherited, copier);
            }
            b"CONTENT-STEERING" => {
                self.gathered.rendition();
                self.attributes(&tag, &[b"SERVER-URI"], self.inherited, copier);
            }
            b"KEY" => self.attributes(&tag, &[b"URI"], self.inherited, copier),
            b"MAP" | b"PART" | b"PRELOAD-HINT" => {
                let uri =
                    Attributes::new(line, tag.text).find(|attribute| attribute.quoted && attribute.name == b"URI");
                if let Some(uri) = uri.filter(|_| !self.judge.is_idle()) {
                    self.lists(uri.value);
                }
                self.attributes(&tag, &[b"URI"], self.inherited, copier);
            }
            // A player compares this URI with the one it loads the rendition from; a relative one must stay relative to
            // this playlist (draft-pantos-hls-rfc8216bis §4.4.5.4).
            b"RENDITION-REPORT" => self.attributes(&tag, &[b"URI"], true, copier),
            b"DATERANGE" => self.attributes(&tag, &[b"X-ASSET-URI", b"X-ASSET-LIST"], self.inherited, copier),
            b"PREFETCH" | b"TWITCH-PREFETCH" => {
                self.lists(line.get(tag.text..).unwrap_or_default());
                self.reference(line.get(tag.text..).unwrap_or_default(), at + tag.text, self.inherited, copier);
            }
            b"DEFINE" => self.define(&tag, copier),
            _ => self.gathered.tag(name, line, tag.text),
        }
    }

    fn attributes(&mut self, tag: &Tag<'_>, names: &[&[u8]], inherited: bool, copier: &mut Copier<'_>) {
        if self.judge.is_idle() || self.is_stopped {
            return;
        }
        for attribute in Attributes::new(tag.line, tag.text) {
            if attribute.quoted && names.contains(&attribute.name) {
                self.reference(attribute.value, tag.at + attribute.at, inherited, copier);
            }
        }
    }

    /// `EXT-X-DEFINE`: records the value. A value that is a URL of the gateway with a path gets the prefix itself,
    /// because playlists that import the variable do not contain its value.
    fn define(&mut self, tag: &Tag<'_>, copier: &mut Copier<'_>) {
        let (mut name, mut value) = (None, None);
        for attribute in Attributes::new(tag.line, tag.text).filter(|attribute| attribute.quoted) {
            match attribute.name {
                b"NAME" => name = Some(attribute.value),
                b"VALUE" => value = Some(attribute),
                b"QUERYPARAM" => {
                    if let Some(parameter) = variables::query_parameter(&self.query, attribute.value) {
                        self.variables.define(attribute.value, &parameter);
                    }
                }
                _ => {}
            }
        }
        let (Some(name), Some(value)) = (name, value) else { return };
        let authority = authority_end(value.value);
        if authority > 0
            && !self.is_stopped
            && authority < value.value.len()
            && let Change::Splice { keep, middle, rest } = self.judge.judge(value.value, Base::Unknown)
        {
            let parts = [self.judge.prefix(), &*middle];
            let at = tag.at + value.at;
            copier.splice(at + keep, &parts, at + rest);
            self.rewritten += 1;
            self.variables.define(name, &spliced(value.value, keep, &parts, rest));
            return;
        }
        self.variables.define(name, value.value);
    }

    /// One reference, which begins at `at` in the source. `inherited`: a relative one needs no prefix.
    fn reference(&mut self, reference: &[u8], at: usize, inherited: bool, copier: &mut Copier<'_>) {
        if self.judge.is_idle() || self.is_stopped {
            return;
        }
        let (blanks, reference) = trim(reference);
        let base = if inherited { Base::Inherited(&self.document) } else { Base::Bare(&self.document) };
        match self.change(reference, at + blanks, base, copier) {
            Effect::Kept => {}
            Effect::Foreign => self.foreign += 1,
            Effect::Undefined => self.undefined += 1,
            Effect::Rewritten => self.rewritten += 1,
        }
    }

    fn change(&self, reference: &[u8], at: usize, base: Base<'_>, copier: &mut Copier<'_>) -> Effect {
        if variables::present(reference) {
            return self.change_expanded(reference, at, base, copier);
        }
        match self.judge.judge(reference, base) {
            Change::Keep => Effect::Kept,
            Change::Foreign => Effect::Foreign,
            Change::Splice { keep, middle, rest } => {
                copier.splice(at + keep, &[self.judge.prefix(), &middle], at + rest);
                Effect::Rewritten
            }
        }
    }

    /// A reference with variables: expanded to find its target, changed in its original form.
    fn change_expanded(&self, reference: &[u8], at: usize, base: Base<'_>, copier: &mut Copier<'_>) -> Effect {
        let Some(expanded) = self.variables.expand(reference) else { return Effect::Undefined };
        // What follows the start of the path does not affect the result.
        if expanded.undefined_at.is_some_and(|place| place <= authority_end(&expanded.text)) {
            return Effect::Undefined;
        }
        match self.judge.judge(&expanded.text, base) {
            Change::Keep => Effect::Kept,
            Change::Foreign => Effect::Foreign,
            Change::Splice { keep, middle, rest } => {
                let parts = [self.judge.prefix(), &*middle];
                if let (Some(keep), Some(rest)) = (expanded.place(keep), expanded.place(rest)) {
                    copier.splice(at + keep, &parts, at + rest);
                } else {
                    // The path begins inside a variable, which other references may use: write the expansion.
                    let written = spliced(&expanded.text, keep, &parts, rest);
                    copier.splice(at, &[&written], at + reference.len());
                }
                Effect::Rewritten
            }
        }
    }
}

/// A tag with an attribute list.
struct Tag<'l> {
    line: &'l [u8],
    /// Position of the line in the source.
    at: usize,
    /// Position in the line of the text after the colon.
    text: usize,
}

/// Result for a reference.
enum Effect {
    Kept,
    Foreign,
    Undefined,
    Rewritten,
}

fn spliced(text: &[u8], keep: usize, parts: &[&[u8]], rest: usize) -> Vec<u8> {
    [text.get(..keep).unwrap_or_default(), &parts.concat(), text.get(rest..).unwrap_or_default()].concat()
}

/// The path in a form that is valid in a quoted string and starts no variable.
fn quotable(path: &str) -> Box<[u8]> {
    path.replace('"', "%22").replace("{$", "%7B$").into_bytes().into()
}
