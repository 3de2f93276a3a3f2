//! Classification by the response, for requests whose name is not sufficient.
//!
//! Names can be wrong: films are called `seg1.jpg` or `page.html`, or have no extension, to bypass a filter or because
//! of a packager. So a name alone never makes a request harmless. The response must confirm it by its content type and,
//! if visible, its first bytes ([`Claim`]). Without a type, or with a generic one (`application/octet-stream`), a
//! harmless name must be confirmed by the first bytes, and an unknown name counts as media.

use super::classify::{Kind, harmless_extension};

/// Maximum bytes of a response without a type that counts as a key (16 for AES-128), not as a segment.
const MAX_KEY: u64 = 64;
/// Maximum bytes of an initialisation segment; anything larger under such a name is a film.
const MAX_INIT: u64 = 512 * 1024;
/// Maximum bytes of a licence.
const MAX_LICENCE: u64 = 128 * 1024;

/// Corrects a guess by the `Content-Type` of the response, if that is specific: an unknown kind becomes that of the
/// type, a manifest another manifest, and anything that does not count as playback becomes a segment if the type is
/// audio or video.
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

/// True if a type is used for channel lists as well as for HLS playlists.
pub fn may_list_channels(content_type: Option<&str>) -> bool {
    let is = |name: &str| content_type.map(essence).is_some_and(|essence| essence.eq_ignore_ascii_case(name));
    is("audio/mpegurl") || is("audio/x-mpegurl")
}

/// The kind for an unknown name and content type, by length: media, unless it is empty or not longer than a key.
/// Licences are requested by POST.
pub fn classify_unknown(length: Option<u64>, is_post: bool) -> Kind {
    match length {
        Some(0) => Kind::Other,
        Some(1..=MAX_KEY) => Kind::Key,
        _ if is_post => Kind::Key,
        _ => Kind::Segment,
    }
}

/// True if an initialisation segment or key of this length is actually a film.
pub fn is_too_large(kind: Kind, length: Option<u64>) -> bool {
    let most = match kind {
        Kind::Init => MAX_INIT,
        Kind::Key => MAX_LICENCE,
        _ => return false,
    };
    length.is_some_and(|length| length > most)
}

/// Media types besides `video/*` and `audio/*`. The content of multiple ranges is not visible.
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

/// True for types of pages and their parts.
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

/// True for types of application data.
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

/// The claimed content of a harmless response, which its first bytes must confirm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// An image.
    Image,
    /// A page, a script, a style, text data.
    Text,
    /// A font, a program, a document, an archive.
    Binary,
    /// Application data.
    Data,
    /// Nothing: it is media, or a manifest by its first bytes.
    Nothing,
}

impl Claim {
    /// The claim of a response of this kind: by its type or, if that is generic, by the requested name.
    pub fn new(kind: Kind, path: &str, content_type: Option<&str>) -> Self {
        match kind {
            Kind::Subtitle => return Self::Text,
            // A key has no recognizable form.
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
