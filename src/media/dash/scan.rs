//! Scans an MPD or a patch document for its references and facts.

use std::ops::Range;

use memchr::memmem;
use quick_xml::Reader;
use quick_xml::events::Event;

use super::attributes::Attributes;
use super::levels::{Level, Levels};
use super::names::{self, Role, local};
use super::text::decode;
use crate::media::facts::{Facts, Form, Unparsable, iso_duration};

/// A reference: its range, its base, and its level.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) range: Range<usize>,
    pub(super) role: Role,
    pub(super) level: usize,
}

/// Result of a scan. All positions are bytes of the document.
#[derive(Debug)]
pub(super) struct Scan<'d> {
    pub(super) facts: Facts,
    /// In document order.
    pub(super) sites: Vec<Site>,
    pub(super) levels: Levels,
    /// Texts that should be references but contain comments or elements.
    pub(super) unreadable: u32,
    /// The namespace prefix of the root element with its colon, or nothing.
    pub(super) namespace: &'d [u8],
    /// Where the schema requires a `BaseURL` and a `Location` of the MPD. `None` if the root element is empty.
    pub(super) base_at: Option<usize>,
    pub(super) location_at: Option<usize>,
    pub(super) has_location: bool,
}

/// Scans a document.
pub(super) fn scan(text: &str) -> Result<Scan<'_>, Unparsable> {
    let mut reader = Reader::from_str(text);
    // They occur in titles, and players accept them.
    reader.config_mut().allow_dangling_amp = true;
    let mut walk = Walk::new(text.as_bytes());
    loop {
        let start = position(reader.buffer_position());
        let event = reader.read_event();
        let end = position(reader.buffer_position());
        match event.map_err(|_| Unparsable::Malformed(position(reader.error_position())))? {
            Event::Start(_) => walk.open(start..end, false)?,
            Event::Empty(_) => {
                walk.open(start..end, true)?;
                walk.close(end..end, end)?;
            }
            Event::End(_) => walk.close(start..end, end)?,
            Event::DocType(declaration) if memmem::find(declaration.as_bytes(), b"<!ENTITY").is_some() => {
                return Err(Unparsable::Entities);
            }
            // Elsewhere, its meaning is irrelevant.
            Event::GeneralRef(_) if walk.is_in_reference() && decode(walk.document, start..end).is_none() => {
                return Err(Unparsable::Entities);
            }
            Event::Text(text) if walk.frames.is_empty() && !text.trim_ascii().is_empty() => {
                return Err(walk.outside(start));
            }
            Event::GeneralRef(_) | Event::CData(_) if walk.frames.is_empty() => return Err(walk.outside(start)),
            Event::Comment(_) | Event::PI(_) => walk.mixed(),
            Event::Eof => return walk.finish(),
            _ => {}
        }
    }
}

fn position(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// An open element.
struct Frame<'d> {
    name: &'d [u8],
    level: usize,
    opaque: bool,
    /// The text is a reference and begins here.
    text: Option<(Role, usize)>,
    mixed: bool,
}

struct Walk<'d> {
    document: &'d [u8],
    frames: Vec<Frame<'d>>,
    /// The document has an attribute `…:href`.
    xlinks: bool,
    /// So far the root has no children but `ProgramInformation`.
    at_head: bool,
    scan: Scan<'d>,
}

impl<'d> Walk<'d> {
    fn new(document: &'d [u8]) -> Self {
        Self {
            document,
            frames: Vec::new(),
            xlinks: memmem::find(document, b":href").is_some(),
            at_head: true,
            scan: Scan {
                facts: Facts::new(Form::Mpd),
                sites: Vec::new(),
                levels: Levels::default(),
                unreadable: 0,
                namespace: b"",
                base_at: None,
                location_at: None,
                has_location: false,
            },
        }
    }

    /// The error for content outside the root element.
    fn outside(&self, at: usize) -> Unparsable {
        if self.scan.levels.is_empty() { Unparsable::NotAnMpd } else { Unparsable::Malformed(at) }
    }

    /// True inside the text of a reference.
    fn is_in_reference(&self) -> bool {
        self.frames.last().is_some_and(|frame| frame.text.is_some())
    }

    fn mixed(&mut self) {
        if let Some(frame) = self.frames.last_mut() {
            frame.mixed = true;
        }
    }

    fn open(&mut self, tag: Range<usize>, empty: bool) -> Result<(), Unparsable> {
        let inner = self.document.get(tag.start + 1..tag.end.saturating_sub(1)).unwrap_or_default();
        let length = inner.iter().position(|byte| byte.is_ascii_whitespace() || *byte == b'/').unwrap_or(inner.len());
        let qualified = inner.get(..length).unwrap_or_default();
        let name = local(qualified);
        let parent = self.frames.last().map(|frame| (frame.level, frame.opaque));
        let Some((above, opaque)) = parent else { return self.open_root(qualified, tag, empty) };
        self.mixed();
        if self.frames.len() == 1 {
            self.at_head &= name == b"ProgramInformation";
            self.scan.has_location |= name == b"Location";
        }
        let level = if names::is_level(name) { self.scan.levels.push(Level::below(above)) } else { above };
        if !opaque || names::is_alternative(name) {
            self.read(name, &tag, level)?;
        }
        let text = if empty || opaque { None } else { self.text_role(name, &tag) };
        let opaque = opaque || names::is_opaque(name);
        self.frames.push(Frame { name, level, opaque, text: text.map(|role| (role, tag.end)), mixed: false });
        Ok(())
    }

    fn open_root(&mut self, qualified: &'d [u8], tag: Range<usize>, empty: bool) -> Result<(), Unparsable> {
        if !self.scan.levels.is_empty() {
            return Err(Unparsable::Malformed(tag.start));
        }
        let name = local(qualified);
        match name {
            b"MPD" => self.read_root(&tag),
            b"Patch" => {
                self.scan.facts = Facts { live: true, ..Facts::new(Form::MpdPatch) };
            }
            _ => return Err(Unparsable::NotAnMpd),
        }
        self.scan.namespace = qualified.get(..qualified.len() - name.len()).unwrap_or_default();
        self.scan.base_at = (!empty).then_some(tag.end);
        self.scan.location_at = self.scan.base_at;
        let level = self.scan.levels.push(Level::root());
        self.frames.push(Frame { name, level, opaque: false, text: None, mixed: false });
        Ok(())
    }

    fn close(&mut self, tag: Range<usize>, end: usize) -> Result<(), Unparsable> {
        let Some(frame) = self.frames.pop() else { return Err(Unparsable::Malformed(end)) };
        if let Some((role, start)) = frame.text {
            if frame.mixed {
                self.scan.unreadable += 1;
            } else {
                // A base applies to its own level, but is itself relative to the parent's.
                self.scan.sites.push(Site { range: start..tag.start, role, level: frame.level });
            }
        }
        if self.frames.len() == 1 {
            if frame.name == b"ProgramInformation" && self.at_head {
                self.scan.base_at = Some(end);
                self.scan.location_at = Some(end);
            } else if frame.name == b"BaseURL" {
                self.scan.location_at = Some(end);
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<Scan<'d>, Unparsable> {
        if self.scan.levels.is_empty() {
            return Err(Unparsable::NotAnMpd);
        }
        if !self.frames.is_empty() {
            return Err(Unparsable::Truncated);
        }
        let mut scan = self.scan;
        scan.facts.longest_segment = scan.levels.longest_segment(scan.facts.form == Form::Mpd);
        Ok(scan)
    }

    /// The role of an element's text. In a patch, it may depend on the operation's target.
    fn text_role(&self, name: &[u8], tag: &Range<usize>) -> Option<Role> {
        if self.scan.facts.form == Form::MpdPatch && matches!(name, b"add" | b"replace") {
            let (mut sel, mut type_) = (None, None);
            for (attribute, value) in Attributes::new(self.document, tag.clone()) {
                match attribute {
                    b"sel" => sel = self.text(value),
                    b"type" => type_ = self.text(value),
                    _ => {}
                }
            }
            return names::patched_role(&sel?, type_.as_deref());
        }
        names::text_role(name)
    }

    fn text(&self, value: Range<usize>) -> Option<String> {
        String::from_utf8(decode(self.document, value)?.text.into_owned()).ok()
    }

    /// The attributes of an element that is not the root.
    fn read(&mut self, name: &[u8], tag: &Range<usize>, level: usize) -> Result<(), Unparsable> {
        let timed = matches!(name, b"SegmentTemplate" | b"SegmentList" | b"SegmentBase" | b"S");
        let typed = matches!(name, b"AdaptationSet" | b"Representation");
        if !timed && !typed && !self.xlinks && !names::has_references(name) {
            return Ok(());
        }
        for (attribute, value) in Attributes::new(self.document, tag.clone()) {
            if let Some(role) = names::attribute_role(name, attribute) {
                // A reference with a custom entity cannot be resolved: the document declares none.
                decode(self.document, value.clone()).ok_or(Unparsable::Entities)?;
                self.scan.sites.push(Site { range: value, role, level });
            } else if timed || typed {
                let text = self.document.get(value).unwrap_or_default();
                self.scan.levels.attribute(level, name, attribute, text);
            }
        }
        Ok(())
    }

    /// The attributes of the MPD element (ISO/IEC 23009-1 §5.3.1.2).
    fn read_root(&mut self, tag: &Range<usize>) {
        let mut update = None;
        for (attribute, value) in Attributes::new(self.document, tag.clone()) {
            let text = std::str::from_utf8(self.document.get(value).unwrap_or_default()).unwrap_or_default().trim();
            match attribute {
                b"type" => self.scan.facts.live = text == "dynamic",
                b"minimumUpdatePeriod" => update = iso_duration(text),
                b"mediaPresentationDuration" => self.scan.facts.duration = iso_duration(text),
                b"maxSegmentDuration" => self.scan.facts.target_duration = iso_duration(text),
                _ => {}
            }
        }
        self.scan.facts.refresh = update.filter(|_| self.scan.facts.live);
    }
}
