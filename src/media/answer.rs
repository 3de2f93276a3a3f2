//! What an answer shows of a request whose name does not tell what it asks for.
//!
//! Names lie: films are called `seg1.jpg`, `page.html` or nothing at all, because somebody wants them past a filter or because
//! a packager has its own ways. So a name alone never makes a request harmless. Its answer has to agree: by its content type,
//! and by its first bytes where they can be seen ([`Claim`]). An answer of no type or one that says nothing
//! (`application/octet-stream`) leaves a harmless name its word, which the first bytes have to bear out, and makes media of a
//! name that says nothing.

use super::classify::{Kind, harmless_extension};

/// Bytes of an answer without a type that are a key (16 for AES-128), and no segment.
const MAX_KEY: u64 = 64;
/// Bytes of the largest initialisation segment; what is larger under such a name is a film.
const MAX_INIT: u64 = 512 * 1024;
/// Bytes of the largest licence.
const MAX_LICENCE: u64 = 128 * 1024;

/// Corrects a guess by the `Content-Type` of the response, where that says something: a path that says nothing becomes what
/// the type says, a manifest another manifest, and anything that does not count as playback becomes a segment where sound or
/// pictures are sent.
pub fn classify_response(guess: Kind, content_type: Option<&str>) -> Kind {
    if matches!(guess, Kind::Segment | Kind::Part | Kind::Init) {
        return guess;
    }
    let Some(essence) = content_type.map(essence) else { return guess };
    let is = |names: &[&str]| names.iter().any(|name| essence.eq_ignore_ascii_case(name));
    if is(&["application/vnd.apple.mpegurl", "application/x-mpegurl", "audio/mpegurl", "audio/x-mpegurl"]) {
        Kind::Playlist
    } else if is(&["application/dash+xml", "video/vnd.mpeg.dash.mpd"]) {
        Kind::Mpd
    } else if is(&["application/dash-patch+xml"]) {
        Kind::MpdPatch
    } else if starts(essence, "video/") || starts(essence, "audio/") || is(&MEDIA_TYPES) {
        Kind::Segment
    } else if guess != Kind::Unknown {
        guess
    } else if is(&["text/vtt", "application/ttml+xml", "application/x-subrip", "text/srt"]) {
        Kind::Subtitle
    } else if starts(essence, "image/") {
        Kind::Thumbnail
    } else if is_page(essence) {
        Kind::Other
    } else {
        Kind::Unknown
    }
}

/// Whether a type is one that lists of channels come with as well as playlists of HLS.
pub fn may_list_channels(content_type: Option<&str>) -> bool {
    let is = |name: &str| content_type.map(essence).is_some_and(|essence| essence.eq_ignore_ascii_case(name));
    is("audio/mpegurl") || is("audio/x-mpegurl")
}

/// What is under a name and a content type that say nothing, by the bytes of the whole: media, unless there are none or no more
/// than a key has. A licence is asked for by POST.
pub fn classify_unknown(length: Option<u64>, is_post: bool) -> Kind {
    match length {
        Some(0) => Kind::Other,
        Some(1..=MAX_KEY) => Kind::Key,
        _ if is_post => Kind::Key,
        _ => Kind::Segment,
    }
}

/// Whether an initialisation segment, or a key, of so many bytes is a film under its name.
pub fn is_too_large(kind: Kind, length: Option<u64>) -> bool {
    let most = match kind {
        Kind::Init => MAX_INIT,
        Kind::Key => MAX_LICENCE,
        _ => return false,
    };
    length.is_some_and(|length| length > most)
}

/// Types of media beside `video/*` and `audio/*`. Of several ranges nobody can see what is inside.
const MEDIA_TYPES: [&str; 9] = [
    "application/mp4",
    "application/ogg",
    "application/x-matroska",
    "application/mxf",
    "application/vnd.rn-realmedia",
    "application/vnd.ms-asf",
    "application/x-mpegts",
    "application/mp2t",
    "multipart/byteranges",
];

fn essence(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

fn starts(essence: &str, with: &str) -> bool {
    essence.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with))
}

fn ends(essence: &str, with: &str) -> bool {
    let at = essence.len().checked_sub(with.len());
    at.and_then(|at| essence.get(at..)).is_some_and(|end| end.eq_ignore_ascii_case(with))
}

/// Whether a type is that of a page or what belongs to one.
fn is_page(essence: &str) -> bool {
    is_text(essence) || is_binary(essence) || is_data(essence)
}

fn is_text(essence: &str) -> bool {
    let is = |names: &[&str]| names.iter().any(|name| essence.eq_ignore_ascii_case(name));
    starts(essence, "text/")
        || ends(essence, "+json")
        || ends(essence, "+xml")
        || ends(essence, "+json-seq")
        || ends(essence, "+jwt")
        || is(&[
            "application/javascript",
            "application/x-javascript",
            "application/ecmascript",
            "application/json",
            "application/xml",
            "application/x-subrip",
            "application/yaml",
            "application/ndjson",
            "application/x-ndjson",
            "application/jsonl",
            "application/x-jsonl",
            "application/jsonlines",
            "application/json-seq",
            "application/jwt",
            "application/jose",
            "application/x-www-form-urlencoded",
            "application/vnd.apple.steering-list",
        ])
}

fn is_binary(essence: &str) -> bool {
    let is = |names: &[&str]| names.iter().any(|name| essence.eq_ignore_ascii_case(name));
    starts(essence, "font/")
        || starts(essence, "application/font-")
        || starts(essence, "application/x-font-")
        || starts(essence, "application/vnd.openxmlformats-officedocument.")
        || starts(essence, "application/vnd.oasis.opendocument.")
        || is(&[
            "application/vnd.ms-fontobject",
            "application/wasm",
            "application/pdf",
            "application/msword",
            "application/vnd.ms-excel",
            "application/vnd.ms-powerpoint",
            "application/zip",
            "application/gzip",
            "application/vnd.android.package-archive",
        ])
}

/// Whether a type is one in which applications talk to their servers.
fn is_data(essence: &str) -> bool {
    let is = |names: &[&str]| names.iter().any(|name| essence.eq_ignore_ascii_case(name));
    starts(essence, "application/grpc")
        || is(&[
            "application/protobuf",
            "application/x-protobuf",
            "application/vnd.google.protobuf",
            "application/msgpack",
            "application/x-msgpack",
            "application/vnd.msgpack",
            "application/cbor",
            "multipart/mixed",
        ])
}

/// What an answer that passes as harmless says it is; its first bytes have to bear it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// A picture.
    Image,
    /// A page, a script, a style, data in words.
    Text,
    /// A font, a program, a document, an archive.
    Binary,
    /// What an application and its server tell each other.
    Data,
    /// Nothing: it is media, or the manifest that its first bytes show.
    Nothing,
}

impl Claim {
    /// What an answer of this kind says it is: by its type, or where that says nothing by the name that was asked for.
    pub fn new(kind: Kind, path: &str, content_type: Option<&str>) -> Self {
        match kind {
            Kind::Subtitle => return Self::Text,
            // A key looks like anything but media.
            Kind::Key => return Self::Data,
            _ => {}
        }
        let essence = content_type.map(essence).unwrap_or_default();
        if starts(essence, "image/svg") || is_text(essence) {
            return Self::Text;
        }
        if starts(essence, "image/") {
            return Self::Image;
        }
        if is_binary(essence) {
            return Self::Binary;
        }
        if is_data(essence) {
            return Self::Data;
        }
        match harmless_extension(path).as_deref() {
            Some("woff" | "woff2" | "ttf" | "otf" | "eot" | "wasm" | "pdf") => Self::Binary,
            Some(
                "jpg" | "jpeg" | "png" | "webp" | "bif" | "gif" | "ico" | "avif" | "bmp" | "heic" | "heif" | "jfif"
                | "pjpeg" | "apng" | "tif" | "tiff" | "jxl" | "cur",
            ) => Self::Image,
            _ => Self::Text,
        }
    }
}

#[cfg(test)]
mod tests;
