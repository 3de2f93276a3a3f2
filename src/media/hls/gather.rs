//! Collects facts from the tags of a playlist.

use std::time::Duration;

use super::attributes::Attributes;
use crate::media::facts::{Facts, Form, nanos, seconds};

/// The facts of one playlist so far.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// The form shown by the tags; those of media playlists take precedence.
    form: Option<Form>,
    /// The playlist is final: `EXT-X-ENDLIST`, or type VOD.
    complete: bool,
    blocking_reload: bool,
    target_duration: Option<Duration>,
    part_target: Option<Duration>,
    longest_nanos: u64,
    total_nanos: u64,
    /// It lists thumbnails: `EXT-X-IMAGES-ONLY`, or the tiles of such playlists.
    of_images: bool,
}

impl Gathered {
    /// `EXTINF`: the text after the colon.
    pub(super) fn segment(&mut self, text: &[u8]) {
        self.form = Some(Form::MediaPlaylist);
        if let Some(length) = nanos(text) {
            self.longest_nanos = self.longest_nanos.max(length);
            self.total_nanos = self.total_nanos.saturating_add(length);
        }
    }

    /// True if it lists media from here on.
    pub(super) fn lists_media(&self) -> bool {
        self.form == Some(Form::MediaPlaylist) && !self.of_images
    }

    /// A tag of multivariant playlists only.
    pub(super) fn rendition(&mut self) {
        self.form.get_or_insert(Form::Multivariant);
    }

    /// Any other tag: the name after `#EXT-X-`, the whole line, and the start of the text after the colon.
    pub(super) fn tag(&mut self, name: &[u8], line: &[u8], at: usize) {
        let text = line.get(at..).unwrap_or_default();
        match name {
            b"TARGETDURATION" => {
                self.form = Some(Form::MediaPlaylist);
                self.target_duration = seconds(text);
            }
            b"ENDLIST" => self.complete = true,
            b"IMAGES-ONLY" | b"TILES" => self.of_images = true,
            b"PLAYLIST-TYPE" => self.complete |= text.trim_ascii() == b"VOD",
            b"PART-INF" => self.part_target = attribute(line, at, b"PART-TARGET").and_then(seconds),
            b"SERVER-CONTROL" => self.blocking_reload = attribute(line, at, b"CAN-BLOCK-RELOAD") == Some(b"YES"),
            _ => {}
        }
    }

    /// The facts, at the end of the playlist.
    pub(super) fn facts(&self) -> Facts {
        if self.form == Some(Form::Multivariant) {
            return Facts::new(Form::Multivariant);
        }
        let live = !self.complete;
        Facts {
            form: Form::MediaPlaylist,
            live,
            target_duration: self.target_duration,
            part_target: self.part_target,
            longest_segment: (self.longest_nanos > 0).then(|| Duration::from_nanos(self.longest_nanos)),
            refresh: self.target_duration.filter(|_| live),
            blocking_reload: self.blocking_reload,
            duration: (!live && self.total_nanos > 0).then(|| Duration::from_nanos(self.total_nanos)),
        }
    }
}

fn attribute<'l>(line: &'l [u8], at: usize, name: &[u8]) -> Option<&'l [u8]> {
    Attributes::new(line, at).find(|attribute| attribute.name == name).map(|attribute| attribute.value)
}
