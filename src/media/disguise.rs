//! Segments with names that do not count, such as `seg1.jpg` or `keynote/1.bin`.
//!
//! Their bytes may be encrypted, so the manifest's list is recorded: not each name, as a live channel has unlimited
//! ones, but the folders and extensions. This takes a few entries per stream, and other spellings of a path do not
//! avoid them.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::classify::uncounted_extension;
use super::location::path_of;
use super::percent::PercentDecoded;
use super::reference::{Judge, Place};

/// Maximum folders per manifest; with more, the extension counts as segments in all folders.
const MAX_FOLDERS: usize = 8;

/// Folders and extensions of disguised segments.
#[derive(Debug, Default)]
pub struct Disguised {
    found: Vec<(Vec<u8>, String)>,
}

impl Disguised {
    /// Records a segment if its name does not count. `from` is the base of its reference.
    pub(super) fn note(&mut self, reference: &[u8], judge: &Judge, from: &Place) {
        let Ok(text) = std::str::from_utf8(reference) else { return };
        // A template variable in a folder may be any folder.
        let Some(extension) = uncounted_extension(path_of(text)) else { return };
        let place = judge.follow(reference, from);
        if place.foreign {
            return;
        }
        let path = place.path.as_deref().unwrap_or(b"/$");
        let fixed = memchr::memchr(b'$', path).and_then(|at| path.get(..at)).unwrap_or(path);
        let mut folder = decoded_folder(fixed);
        if fixed.len() < path.len() && memchr::memchr(b'/', path.get(fixed.len()..).unwrap_or_default()).is_some() {
            folder.push(b'$');
        } else if place.path.is_none() {
            folder = b"/$".to_vec();
        }
        if self.found.iter().any(|(known, of)| *known == folder && *of == extension) {
            return;
        }
        let same = self.found.iter().filter(|(_, of)| *of == extension).count();
        if same >= MAX_FOLDERS {
            self.found.retain(|(_, of)| *of != extension);
            folder = b"/$".to_vec();
        }
        if !self.found.iter().any(|(known, of)| known.as_slice() == b"/$" && *of == extension) {
            self.found.push((folder, extension));
        }
    }

    /// One hash for each folder and extension, within an application.
    pub fn marks(&self, application: &str) -> impl Iterator<Item = u64> {
        self.found.iter().map(move |(folder, extension)| mark(application, folder, extension))
    }
}

/// The hashes of a path if it were a listed segment; none if its name counts.
pub fn marks_of(application: &str, path: &str) -> Vec<u64> {
    let Some(extension) = uncounted_extension(path) else { return Vec::new() };
    let folder = decoded_folder(path.trim_end_matches('/').as_bytes());
    let mut marks = vec![mark(application, &folder, &extension)];
    for end in memchr::memchr_iter(b'/', &folder) {
        let below = [folder.get(..=end).unwrap_or_default(), b"$"].concat();
        marks.push(mark(application, &below, &extension));
    }
    marks
}

fn mark(application: &str, folder: &[u8], extension: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (application, folder, extension).hash(&mut hasher);
    hasher.finish()
}

/// The path up to its last slash, as the origin reads it: decoded, without empty segments.
fn decoded_folder(path: &[u8]) -> Vec<u8> {
    let path = memchr::memrchr(b'/', path).and_then(|at| path.get(..=at)).unwrap_or(b"/");
    let mut folder: Vec<u8> = Vec::with_capacity(path.len());
    for byte in PercentDecoded::new(path) {
        if byte != b'/' || folder.last() != Some(&b'/') {
            folder.push(byte);
        }
    }
    folder
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Target;

    fn is_listed(references: &[&str], path: &str) -> bool {
        let target = Target {
            prefix: "/~s/X",
            document: "/live/a.m3u8",
            query: None,
            inherited: true,
            authority: "tv.example",
            site: "",
            origin: None,
        };
        let (judge, mut disguised) = (Judge::new(&target), Disguised::default());
        let from = Place { foreign: false, path: Some(target.document.as_bytes().into()) };
        for reference in references {
            disguised.note(reference.as_bytes(), &judge, &from);
        }
        let of = marks_of("tv", path);
        disguised.marks("tv").any(|mark| of.contains(&mark))
    }

    #[test]
    fn what_is_listed_is_known_by_folder_and_extension_however_it_is_written() {
        for (reference, path) in [
            ("seg1.jpg", "/live/seg2.jpg"),
            ("seg1.key", "/live/seg2.key"),
            ("init-1.mp4", "/live/init-2.mp4"),
            ("/keynote/1.bin", "/keynote/2.bin"),
            ("seg1.jpg", "/live/seg2.JPG;v=1"),
            ("seg1.jpg", "/l%69ve//seg2.jp%67"),
            ("seg1.jpg?x=/y.ts", "/live/seg1.jpg"),
            ("/~s/X/other/seg.html", "/other/seg.html"),
            ("https://tv.example/cdn/seg.css", "/cdn/seg.css"),
            ("../a.png", "/a.png"),
            ("$RepresentationID$/$Number$.jpg", "/live/720p/17.jpg"),
            ("v-$Number$.jpg", "/live/v-17.jpg"),
        ] {
            assert!(is_listed(&[reference], path), "{reference} {path}");
        }
    }

    #[test]
    fn neither_another_folder_nor_another_extension_nor_what_is_no_harmless_name_is_listed() {
        for (reference, path) in [
            ("seg1.jpg", "/live/poster.png"),
            ("seg1.jpg", "/live/thumbs/1.jpg"),
            ("seg1.jpg", "/posters/1.jpg"),
            ("https://cdn.example/seg1.jpg", "/seg1.jpg"),
            ("seg1.ts", "/live/seg1.ts"),
            ("seg1.mp4", "/live/init.mp4"),
            ("seg1", "/live/page"),
        ] {
            assert!(!is_listed(&[reference], path), "{reference} {path}");
        }
    }

    #[test]
    fn a_manifest_with_a_folder_for_each_segment_costs_one_entry() {
        let references: Vec<String> = (0..1000).map(|nth| format!("{nth}/seg.jpg")).collect();
        let references: Vec<&str> = references.iter().map(String::as_str).collect();
        assert!(is_listed(&references, "/live/2000/seg.jpg"));
        assert!(!is_listed(&references, "/live/2000/seg.png"));
    }
}
