//! Playlists as `quick-m3u8` reads them.

use quick_m3u8::config::ParsingOptions;
use quick_m3u8::tag::{HlsPlaylistType, KnownTag, hls};
use quick_m3u8::{HlsLine, Reader};
use streamgate::media::{Facts, Form};
use url::Url;

use super::support::seen_by_viewer;

const ASSETS: [&str; 2] = ["X-ASSET-URI", "X-ASSET-LIST"];

fn lines(text: &str) -> Vec<HlsLine<'_>> {
    let mut reader = Reader::from_str(text, ParsingOptions::default());
    let mut lines = Vec::new();
    loop {
        match reader.read_line() {
            Ok(Some(line)) => lines.push(line),
            Ok(None) => return lines,
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// The name of a place and the reference that stands there, in the order of the playlist.
pub(crate) fn references(text: &str) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    for line in lines(text) {
        let tag = match line {
            HlsLine::Uri(uri) => {
                // Players drop blanks around a line, and a line of nothing else.
                if !uri.trim().is_empty() && !uri.trim().starts_with('#') {
                    found.push(("line", uri.trim().to_owned()));
                }
                continue;
            }
            HlsLine::KnownTag(KnownTag::Hls(tag)) => tag,
            _ => continue,
        };
        let (place, reference) = match &tag {
            hls::Tag::Key(tag) => ("key", tag.uri().map(str::to_owned)),
            hls::Tag::SessionKey(tag) => ("session key", Some(tag.uri().to_owned())),
            hls::Tag::Map(tag) => ("map", Some(tag.uri().to_owned())),
            hls::Tag::Media(tag) => ("media", tag.uri().map(str::to_owned)),
            hls::Tag::IFrameStreamInf(tag) => ("i-frames", Some(tag.uri().to_owned())),
            hls::Tag::Part(tag) => ("part", Some(tag.uri().to_owned())),
            hls::Tag::PreloadHint(tag) => ("hint", Some(tag.uri().to_owned())),
            hls::Tag::RenditionReport(tag) => ("report", Some(tag.uri().to_owned())),
            hls::Tag::SessionData(tag) => ("session data", tag.uri().map(str::to_owned)),
            hls::Tag::ContentSteering(tag) => ("steering", Some(tag.server_uri().to_owned())),
            hls::Tag::Daterange(tag) => {
                for name in ASSETS {
                    if let Some(hls::ExtensionAttributeValue::QuotedString(uri)) = tag.extension_attribute(name) {
                        found.push(("asset", uri.into_owned()));
                    }
                }
                continue;
            }
            _ => continue,
        };
        found.extend(reference.map(|reference| (place, reference)));
    }
    found
}

/// The lines with every reference replaced by the same word.
pub(crate) fn blanked(text: &str) -> Vec<HlsLine<'_>> {
    let mut lines = lines(text);
    for line in &mut lines {
        let tag = match line {
            HlsLine::Uri(uri) => {
                *uri = "blank".into();
                continue;
            }
            HlsLine::KnownTag(KnownTag::Hls(tag)) => tag,
            _ => continue,
        };
        match tag {
            hls::Tag::Key(tag) if tag.uri().is_some() => tag.set_uri("blank"),
            hls::Tag::SessionKey(tag) => tag.set_uri("blank"),
            hls::Tag::Map(tag) => tag.set_uri("blank"),
            hls::Tag::Media(tag) if tag.uri().is_some() => tag.set_uri("blank"),
            hls::Tag::IFrameStreamInf(tag) => tag.set_uri("blank"),
            hls::Tag::Part(tag) => tag.set_uri("blank"),
            hls::Tag::PreloadHint(tag) => tag.set_uri("blank"),
            hls::Tag::RenditionReport(tag) => tag.set_uri("blank"),
            hls::Tag::SessionData(tag) if tag.uri().is_some() => tag.set_uri("blank"),
            hls::Tag::ContentSteering(tag) => tag.set_server_uri("blank"),
            hls::Tag::Daterange(tag) => ASSETS.into_iter().for_each(|name| tag.unset_extension_attribute(name)),
            _ => {}
        }
    }
    lines
}

/// Every reference of `after`, resolved where the viewer has the playlist, must be what the viewer should see of the one of
/// `before`, resolved at the origin. Says how many there were.
pub(crate) fn compare(before: &str, after: &str, origin: &Url, viewer: &Url, authority: &str, context: &str) -> usize {
    let (before, after) = (references(before), references(after));
    assert_eq!(before.len(), after.len(), "{context}");
    for ((place, original), (_, written)) in before.iter().zip(&after) {
        let Ok(resolved) = origin.join(original) else { continue };
        let stays_relative = *place == "report" && viewer == origin && !original.contains("//");
        let expected = if stays_relative { resolved } else { seen_by_viewer(&resolved, authority) };
        assert_eq!(viewer.join(written).ok(), Some(expected), "{context}: {place} {original} became {written}");
    }
    before.len()
}

/// Compares what was learnt while rewriting with what the tags say.
pub(crate) fn check_facts(text: &str, facts: &Facts, path: &str) {
    let mut longest = 0.0_f64;
    let mut total = 0.0_f64;
    let (mut target, mut part, mut blocking) = (None, None, false);
    let (mut complete, mut multivariant) = (false, false);
    for line in lines(text) {
        let tag = match line {
            HlsLine::KnownTag(KnownTag::Hls(tag)) => tag,
            // Blanks between attributes make a tag unknown to this parser.
            HlsLine::UnknownTag(tag) if tag.name().ends_with("-X-STREAM-INF") => {
                multivariant = true;
                continue;
            }
            _ => continue,
        };
        match tag {
            hls::Tag::Inf(tag) => {
                longest = longest.max(tag.duration());
                total += tag.duration();
            }
            hls::Tag::Targetduration(tag) => target = Some(tag.target_duration()),
            hls::Tag::PartInf(tag) => part = Some(tag.part_target()),
            hls::Tag::ServerControl(tag) => blocking = tag.can_block_reload(),
            hls::Tag::Endlist(_) => complete = true,
            hls::Tag::PlaylistType(tag) => complete |= tag.playlist_type() == HlsPlaylistType::Vod,
            hls::Tag::StreamInf(_) | hls::Tag::Media(_) | hls::Tag::IFrameStreamInf(_) => multivariant = true,
            _ => {}
        }
    }
    assert_eq!(facts.form == Form::Multivariant, multivariant, "{path}");
    assert_eq!(facts.live, !multivariant && !complete, "{path}");
    assert_eq!(facts.target_duration.map(|it| it.as_secs()), target, "{path}");
    assert_eq!(facts.refresh, facts.target_duration.filter(|_| facts.live), "{path}");
    assert_eq!(facts.blocking_reload, blocking, "{path}");
    let near =
        |found: Option<std::time::Duration>, said: f64| (found.unwrap_or_default().as_secs_f64() - said).abs() < 1e-4;
    assert!(near(facts.part_target, part.unwrap_or_default()), "{path}: {facts:?}");
    assert!(near(facts.longest_segment, longest), "{path}: {longest} {facts:?}");
    assert!(near(facts.duration, if complete { total } else { 0.0 }), "{path}: {total} {facts:?}");
}
