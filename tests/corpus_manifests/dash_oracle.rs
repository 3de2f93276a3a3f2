//! MPDs as a walk of their own sees them: every reference, resolved through the chain of bases.

use std::time::Duration;

use dash_mpd_core::{AdaptationSet, MPD, SegmentList, SegmentTemplate};
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use streamgate::media::Facts;
use url::Url;

use super::support::seen_by_viewer;

/// A reference, resolved from every alternative base.
pub(crate) struct Reference {
    /// Element, or element and attribute.
    pub(crate) place: String,
    pub(crate) urls: Vec<Url>,
}

struct Frame {
    name: String,
    outer: Vec<Url>,
    own: Vec<Url>,
    text: String,
}

impl Frame {
    fn bases(&self) -> &[Url] {
        if self.own.is_empty() { &self.outer } else { &self.own }
    }
}

fn is_resolved_from_the_document(place: &str) -> bool {
    matches!(place, "Location" | "PatchLocation" | "ContentSteering") || place.ends_with("@xlink:href")
}

fn is_reference(place: &str) -> bool {
    const TEXTS: [&str; 5] = ["BaseURL", "Location", "PatchLocation", "ContentSteering", "ImportedMPD"];
    const ATTRIBUTES: [&str; 13] = [
        "SegmentTemplate@media",
        "SegmentTemplate@initialization",
        "SegmentTemplate@index",
        "SegmentTemplate@bitstreamSwitching",
        "SegmentURL@media",
        "SegmentURL@index",
        "Initialization@sourceURL",
        "RepresentationIndex@sourceURL",
        "BitstreamSwitching@sourceURL",
        "ReplacePresentation@url",
        "ReplacePresentation@uri",
        "InsertPresentation@url",
        "InsertPresentation@uri",
    ];
    TEXTS.contains(&place) || ATTRIBUTES.contains(&place) || place.ends_with("@xlink:href")
}

fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap()
}

fn join(bases: &[Url], reference: &str) -> Vec<Url> {
    bases.iter().filter_map(|base| base.join(reference.trim()).ok()).collect()
}

/// Every reference of a document, in its order.
pub(crate) fn references(xml: &str, document: &Url) -> Vec<Reference> {
    let mut reader = Reader::from_str(xml.trim_start_matches('\u{FEFF}'));
    let mut frames: Vec<Frame> = Vec::new();
    let mut found = Vec::new();
    loop {
        // A corpus file that is not well-formed has no references from there on.
        let Ok(event) = reader.read_event() else { return found };
        match event {
            Event::Start(tag) => {
                open(&tag, &mut frames, document, &mut found);
            }
            Event::Empty(tag) => {
                open(&tag, &mut frames, document, &mut found);
                frames.pop();
            }
            Event::Text(text) => frames.iter_mut().last().into_iter().for_each(|frame| frame.text += &text),
            Event::CData(text) => frames.iter_mut().last().into_iter().for_each(|frame| frame.text += &text),
            Event::GeneralRef(entity) => {
                let escaped = format!("&{};", &*entity);
                let meaning = quick_xml::escape::unescape(&escaped).unwrap().into_owned();
                frames.iter_mut().last().into_iter().for_each(|frame| frame.text += &meaning);
            }
            Event::End(_) => {
                let frame = frames.pop().unwrap();
                if is_reference(&frame.name) {
                    close(frame, &mut frames, document, &mut found);
                }
            }
            Event::Eof => return found,
            _ => {}
        }
    }
}

fn open(tag: &BytesStart<'_>, frames: &mut Vec<Frame>, document: &Url, found: &mut Vec<Reference>) {
    let name = local(tag.name().as_ref()).to_owned();
    let outer = frames.last().map_or_else(|| vec![document.clone()], |frame| frame.bases().to_vec());
    for attribute in tag.attributes() {
        let attribute = attribute.unwrap();
        let place = format!("{name}@{}", attribute.key.as_ref());
        if is_reference(&place) {
            let value = attribute.normalized_value(XmlVersion::Explicit1_0).unwrap();
            let document = std::slice::from_ref(document);
            let bases = if is_resolved_from_the_document(&place) { document } else { &*outer };
            found.push(Reference { place, urls: join(bases, &value) });
        }
    }
    frames.push(Frame { name, outer, own: Vec::new(), text: String::new() });
}

fn close(frame: Frame, frames: &mut [Frame], document: &Url, found: &mut Vec<Reference>) {
    let urls = if is_resolved_from_the_document(&frame.name) {
        join(std::slice::from_ref(document), &frame.text)
    } else if frame.name == "BaseURL" {
        frames.last().map(|level| join(&level.outer, &frame.text)).unwrap_or_default()
    } else {
        join(&frame.outer, &frame.text)
    };
    if frame.name == "BaseURL"
        && let Some(level) = frames.last_mut()
    {
        level.own.extend(urls.clone());
    }
    found.push(Reference { place: frame.name, urls });
}

/// As for playlists. An element that was put in is no reference of the original.
pub(crate) fn compare(before: &str, after: &str, origin: &Url, viewer: &Url, authority: &str, context: &str) -> usize {
    let before = references(before, origin);
    let mut after = references(after, viewer);
    for place in ["BaseURL", "Location"] {
        let count = |list: &[Reference]| list.iter().filter(|it| it.place == place).count();
        if viewer == origin && count(&after) == count(&before) + 1 {
            let inserted = after.iter().position(|it| it.place == place).unwrap();
            after.remove(inserted);
        }
    }
    assert_eq!(before.len(), after.len(), "{context}");
    for (original, written) in before.iter().zip(&after) {
        let expected: Vec<_> = original.urls.iter().map(|url| seen_by_viewer(url, authority)).collect();
        assert_eq!(original.place, written.place, "{context}");
        assert_eq!(written.urls, expected, "{context}: {}", original.place);
    }
    before.len()
}

/// Compares what was learnt while rewriting with the typed MPD.
pub(crate) fn check_facts(mpd: &MPD, facts: &Facts, path: &str) {
    let live = mpd.mpdtype.as_deref() == Some("dynamic");
    assert_eq!(facts.live, live, "{path}");
    assert_eq!(facts.target_duration, mpd.maxSegmentDuration, "{path}");
    assert_eq!(facts.duration, mpd.mediaPresentationDuration, "{path}");
    assert_eq!(facts.refresh, mpd.minimumUpdatePeriod.filter(|_| live), "{path}");
    assert_eq!((facts.part_target, facts.blocking_reload), (None, false), "{path}");
    let longest = mpd.periods.iter().flat_map(|period| {
        let above = (period.SegmentTemplate.as_ref(), period.SegmentList.as_ref());
        let sets = period.adaptations.iter().filter(|set| !is_image(set));
        std::iter::once(level(above, &[])).chain(sets.flat_map(move |set| {
            let middle = (set.SegmentTemplate.as_ref(), set.SegmentList.as_ref());
            let below = set
                .representations
                .iter()
                .map(move |it| level((it.SegmentTemplate.as_ref(), it.SegmentList.as_ref()), &[middle, above]));
            std::iter::once(level(middle, &[above])).chain(below)
        }))
    });
    let longest = longest.fold(0.0, f64::max);
    let found = facts.longest_segment.as_ref().map_or(0.0, Duration::as_secs_f64);
    assert!((found - longest).abs() < 1e-3, "{path}: {found} and not {longest}");
}

fn is_image(set: &AdaptationSet) -> bool {
    let images = |kind: &Option<String>| kind.as_deref().is_some_and(|kind| kind.starts_with("image"));
    images(&set.mimeType) || images(&set.contentType) || set.representations.iter().any(|it| images(&it.mimeType))
}

type Segments<'m> = (Option<&'m SegmentTemplate>, Option<&'m SegmentList>);

#[allow(clippy::cast_precision_loss, reason = "milliseconds are compared")]
fn level(own: Segments<'_>, above: &[Segments<'_>]) -> f64 {
    let timescale = |(template, list): &Segments<'_>| {
        template.and_then(|it| it.timescale).or_else(|| list.and_then(|it| it.timescale))
    };
    let timescale = std::iter::once(&own).chain(above).find_map(timescale).unwrap_or(1) as f64;
    let (template, list) = own;
    let said = [template.and_then(|it| it.duration), list.and_then(|it| it.duration).map(|it| it as f64)];
    let timelines =
        [template.and_then(|it| it.SegmentTimeline.as_ref()), list.and_then(|it| it.SegmentTimeline.as_ref())];
    let listed = timelines.into_iter().flatten().flat_map(|it| it.segments.iter()).map(|segment| segment.d as f64);
    said.into_iter().flatten().chain(listed).fold(0.0, f64::max) / timescale
}
