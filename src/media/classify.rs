//! Classifies a request by its path, its query and the head of the response.
//!
//! There are three kinds of names. Media is decided before the request goes to the origin. Harmless names are certainly
//! not media: a page, a script, a style, a font, an image. For unknown names the response decides: anything not known
//! to be harmless is media (see [`super::answer`]).

use std::borrow::Cow;

use super::percent::PercentDecoded;

/// Kind of the requested content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// HLS playlist, multivariant or media; known after reading it.
    Playlist,
    /// DASH manifest. A Smooth Streaming manifest has the same names and passes unchanged.
    Mpd,
    /// DASH patch document.
    MpdPatch,
    /// Media segment, or a whole media file.
    Segment,
    /// Partial segment of low-latency HLS.
    Part,
    /// Initialisation segment.
    Init,
    /// Decryption key or licence.
    Key,
    /// Subtitles and captions.
    Subtitle,
    /// Thumbnails and other images.
    Thumbnail,
    /// Certainly not media: a page, a script, a style, a font, application data.
    Other,
    /// Unknown. The response may show that it is harmless; otherwise it is media.
    Unknown,
}

/// How a request counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Signal {
    /// Start of a stream.
    Intent,
    /// A heartbeat without playback.
    Presence,
    /// A heartbeat with playback.
    Playback,
    /// Neither starts a stream nor counts as a heartbeat.
    Neutral,
    /// Never affects a stream.
    Never,
}

impl Kind {
    /// Every kind, in the order of their labels in metrics.
    pub const ALL: [Self; 11] = [
        Self::Playlist,
        Self::Mpd,
        Self::MpdPatch,
        Self::Segment,
        Self::Part,
        Self::Init,
        Self::Key,
        Self::Subtitle,
        Self::Thumbnail,
        Self::Other,
        Self::Unknown,
    ];

    /// The name in metrics and logs, from a closed set.
    pub fn label(self) -> &'static str {
        match self {
            Self::Playlist => "playlist",
            Self::Mpd => "mpd",
            Self::MpdPatch => "mpd_patch",
            Self::Segment => "segment",
            Self::Part => "part",
            Self::Init => "init",
            Self::Key => "key",
            Self::Subtitle => "subtitle",
            Self::Thumbnail => "thumbnail",
            Self::Other => "other",
            Self::Unknown => "unknown",
        }
    }

    /// True if the response may contain references that need the prefix.
    pub fn is_manifest(self) -> bool {
        matches!(self, Self::Playlist | Self::Mpd | Self::MpdPatch)
    }

    /// True if a play may begin with it: an HLS playlist or an MPD.
    pub fn is_entry(self) -> bool {
        matches!(self, Self::Playlist | Self::Mpd)
    }

    /// True if it belongs to a stream and therefore needs an identity.
    pub fn is_media(self) -> bool {
        !matches!(self, Self::Thumbnail | Self::Other | Self::Unknown)
    }

    /// True if it is known not to be media.
    pub fn is_harmless(self) -> bool {
        matches!(self, Self::Thumbnail | Self::Other)
    }

    /// True if it holds no slot, unless a manifest lists it as a segment.
    pub fn is_uncounted(self) -> bool {
        matches!(self, Self::Thumbnail | Self::Other | Self::Key | Self::Init)
    }

    /// How a request of this kind counts. A manifest is presence here; the gateway detects entry manifests, which are
    /// intent.
    pub fn signal(self) -> Signal {
        match self {
            Self::Playlist | Self::Mpd | Self::MpdPatch | Self::Subtitle => Signal::Presence,
            Self::Segment | Self::Part => Signal::Playback,
            Self::Init => Signal::Neutral,
            Self::Key => Signal::Intent,
            Self::Thumbnail | Self::Other | Self::Unknown => Signal::Never,
        }
    }
}

/// Classifies a request by raw path and raw query: by well-known path patterns, by extension, and otherwise by the
/// object type of CMCD (CTA-5004 `ot`).
///
/// CMCD is unverified, so it is used only to make a request count: never against the path, and never for an
/// initialisation segment or a key, which do not count.
pub fn classify(path: &str, query: Option<&str>) -> Kind {
    match by_path(path) {
        Kind::Unknown => query.and_then(object_type).filter(|said| counts(*said)).unwrap_or(Kind::Unknown),
        guess => guess,
    }
}

fn counts(kind: Kind) -> bool {
    matches!(kind.signal(), Signal::Presence | Signal::Playback)
}

/// The extension of a path if it is harmless; in lower case, as the origin reads it.
pub(super) fn harmless_extension(path: &str) -> Option<String> {
    extension(path, Kind::is_harmless)
}

/// The extension of a path that would not count by its name: something harmless, a key, an initialisation segment.
pub(super) fn uncounted_extension(path: &str) -> Option<String> {
    extension(path, Kind::is_uncounted)
}

fn extension(path: &str, is: impl Fn(Kind) -> bool) -> Option<String> {
    let name = name(path);
    let (stem, extension) = name.rsplit_once('.')?;
    is(by_extension(path, stem, extension)).then(|| extension.to_ascii_lowercase())
}

/// True if a playlist is an IPTV channel list (`#EXTM3U`, `#EXTINF:-1 tvg-id="…",News`, a URL), which plays nothing. An
/// HLS playlist has another HLS tag, or a duration, before its first URI. `None`: more bytes are needed.
pub fn is_channel_list(head: &[u8], end: bool) -> Option<bool> {
    let text = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head);
    let mut lines = text.split(|byte| matches!(byte, b'\n' | b'\r')).peekable();
    while let Some(line) = lines.next() {
        // The last line may be incomplete.
        let is_whole = end || lines.peek().is_some();
        if line.starts_with(b"#EXT-X-") || is_whole && has_length(line) {
            return Some(false);
        }
        if is_whole && !line.trim_ascii().is_empty() && !line.starts_with(b"#") {
            return Some(true);
        }
    }
    end.then_some(false)
}

/// True if a line has the duration of a segment. Channels have a duration of -1 or 0, followed by attributes.
fn has_length(line: &[u8]) -> bool {
    let Some(text) = line.strip_prefix(b"#EXTINF:") else { return false };
    let length = text.split(|byte| matches!(byte, b',' | b' ')).next().unwrap_or_default();
    !length.starts_with(b"-") && length.iter().any(|byte| matches!(byte, b'1'..=b'9'))
}

/// Recognizes a manifest by the first bytes of its body; a kilobyte is enough unless it starts with a long comment.
pub fn sniff(head: &[u8]) -> Option<Kind> {
    let text = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head);
    if let Some(rest) = text.strip_prefix(b"#EXTM3U") {
        return rest.first().is_none_or(u8::is_ascii_whitespace).then_some(Kind::Playlist);
    }
    let mut rest = text.trim_ascii_start();
    loop {
        // Content allowed before the root element (XML 1.0 §2.8).
        let end: &[u8] = match rest {
            [b'<', b'?', ..] => b"?>",
            [b'<', b'!', b'-', b'-', ..] => b"-->",
            [b'<', b'!', ..] => b">",
            _ => break,
        };
        let at = memchr::memmem::find(rest, end)?;
        rest = rest.get(at + end.len()..)?.trim_ascii_start();
    }
    let name = rest.strip_prefix(b"<")?;
    let length = name.iter().position(|byte| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/'))?;
    match name.get(..length)?.rsplit(|byte| *byte == b':').next()? {
        b"MPD" => Some(Kind::Mpd),
        b"Patch" => Some(Kind::MpdPatch),
        _ => None,
    }
}

fn by_path(path: &str) -> Kind {
    let name = name(path);
    let by_extension =
        name.rsplit_once('.').map_or(Kind::Unknown, |(stem, extension)| by_extension(path, stem, extension));
    match by_extension {
        Kind::Unknown if name.eq_ignore_ascii_case("license") || name.eq_ignore_ascii_case("licence") => Kind::Key,
        Kind::Unknown => smooth(path, &name).unwrap_or(Kind::Unknown),
        kind => kind,
    }
}

/// The file name of a path, as origins read it: decoded once, without segment parameters (RFC 3986 §3.3), and without
/// trailing slashes, dots, blanks and empty segments, which file systems and servers drop.
fn name(path: &str) -> Cow<'_, str> {
    for segment in path.rsplit('/') {
        let segment = segment.split(';').next().unwrap_or_default();
        let name = if segment.contains('%') {
            let decoded: Vec<u8> = PercentDecoded::new(segment.as_bytes()).collect();
            let decoded = String::from_utf8_lossy(&decoded);
            let whole = decoded.trim_end_matches(is_dropped);
            Cow::Owned(whole.rsplit(['/', '\\']).next().unwrap_or_default().to_owned())
        } else {
            Cow::Borrowed(segment.trim_end_matches(is_dropped))
        };
        if !name.is_empty() {
            return name;
        }
    }
    Cow::Borrowed("")
}

fn is_dropped(c: char) -> bool {
    matches!(c, '/' | '\\' | '.') || c.is_whitespace() || c.is_control()
}

fn by_extension(path: &str, stem: &str, written: &str) -> Kind {
    if let Some(kind) = harmless(written) {
        return kind;
    }
    // Characters after an extension that cannot be part of it, such as a broken percent code, are ignored.
    let length = written.bytes().position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(written.len());
    let (extension, rest) = written.split_at_checked(length).unwrap_or((written, ""));
    if rest.starts_with(['-', '_', '(', '@']) {
        return Kind::Unknown;
    }
    let is = |names: &[&str]| names.iter().any(|name| extension.eq_ignore_ascii_case(name));
    if is(&["ts", "m4s", "mp4", "aac"]) || is(&MORE_SEGMENTS) {
        if is_init(stem) {
            Kind::Init
        } else if is_partial(stem) {
            Kind::Part
        } else {
            Kind::Segment
        }
    } else if is(&["m3u8"]) {
        Kind::Playlist
    } else if is(&["mpd"]) {
        Kind::Mpd
    } else if is(&["mpp"]) {
        Kind::MpdPatch
    } else if is(&["vtt", "webvtt", "ttml", "dfxp", "cmft", "srt", "stpp"]) {
        Kind::Subtitle
    } else if is(&["key"]) || (is(&["bin"]) && find_ignore_case(path, "key").is_some()) {
        Kind::Key
    } else {
        Kind::Unknown
    }
}

/// The kind of a harmless extension. Programs (`php`, `cgi`) are excluded, as they may return anything.
fn harmless(extension: &str) -> Option<Kind> {
    let is = |names: &[&str]| names.iter().any(|name| extension.eq_ignore_ascii_case(name));
    if is(&IMAGES) {
        Some(Kind::Thumbnail)
    } else if is(&PAGES) {
        Some(Kind::Other)
    } else {
        None
    }
}

const IMAGES: [&str; 19] = [
    "jpg", "jpeg", "png", "webp", "bif", "gif", "svg", "ico", "avif", "bmp", "heic", "heif", "jfif", "pjpeg", "apng",
    "tif", "tiff", "jxl", "cur",
];

const PAGES: [&str; 31] = [
    "html",
    "htm",
    "xhtml",
    "css",
    "js",
    "mjs",
    "cjs",
    "json",
    "map",
    "webmanifest",
    "xml",
    "xsl",
    "txt",
    "text",
    "csv",
    "md",
    "rss",
    "atom",
    "ics",
    "yaml",
    "yml",
    "woff",
    "woff2",
    "ttf",
    "otf",
    "eot",
    "wasm",
    "pdf",
    "dcsm",
    "vmap",
    "vast",
];

const MORE_SEGMENTS: [&str; 67] = [
    // Streaming formats.
    "m4v", "m4a", "m4f", "m4i", "cmfv", "cmfa", "m2t", "mts", "ac3", "ec3", "mp3", "webm", "cmfm", "m2ts", "eac3",
    "ac4", "ismv", "isma", "f4f", "f4v", "weba", "opus", "trp", "mpegts", "mp2t",
    // Whole audio and video files.
    "mkv", "mk3d", "mka", "mov", "qt", "avi", "divx", "flv", "wmv", "wma", "asf", "mpg", "mpeg", "mpe", "m1v", "m2v",
    "mpv", "mp2", "mpa", "m2a", "m4b", "m4p", "m4r", "3gp", "3gpp", "3g2", "ogv", "ogg", "oga", "ogm", "flac", "wav",
    "aif", "aiff", "dts", "vob", "h264", "h265", "hevc", "rm", "rmvb", "mxf",
];

/// `x.ism/Manifest`, `x.ism/Manifest(format=m3u8-aapl)`, `x.ism/QualityLevels(1)/Fragments(video=2)`: Smooth Streaming
/// and packagers with the same paths.
fn smooth(path: &str, name: &str) -> Option<Kind> {
    if name.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("manifest")) {
        let options = name.get(8..).unwrap_or_default();
        return match options.chars().next() {
            Some('(') if find_ignore_case(options, "m3u8").is_some() => Some(Kind::Playlist),
            None | Some('(') => Some(Kind::Mpd),
            Some(_) => None,
        };
    }
    find_ignore_case(path, "/qualitylevels(").map(|_| Kind::Segment)
}

/// `init`, `init-0`, `video_init`, `video-init`, `video_dashinit`; not `initial` and not `reinit`.
fn is_init(stem: &str) -> bool {
    let is_letter = |byte: &u8| byte.is_ascii_alphabetic();
    if stem.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("init")) {
        return !stem.as_bytes().get(4).is_some_and(is_letter);
    }
    let bytes = stem.as_bytes();
    let before = |suffix: &str| {
        let at = bytes.len().checked_sub(suffix.len())?;
        let (head, tail) = bytes.split_at_checked(at)?;
        tail.eq_ignore_ascii_case(suffix.as_bytes()).then_some(head)?.last()
    };
    ["init", "dashinit"].iter().any(|suffix| before(suffix).is_some_and(|byte| !is_letter(byte)))
}

/// `seg12.part3`, `seg12_part3`, `seg12-part3`.
fn is_partial(stem: &str) -> bool {
    let Some(at) = find_ignore_case(stem, "part") else { return false };
    let around = (at.checked_sub(1).and_then(|at| stem.as_bytes().get(at)), stem.as_bytes().get(at + 4));
    matches!(around, (Some(b'.' | b'_' | b'-'), Some(b'0'..=b'9')))
}

fn find_ignore_case(text: &str, lower: &str) -> Option<usize> {
    text.as_bytes().windows(lower.len()).position(|window| window.eq_ignore_ascii_case(lower.as_bytes()))
}

/// The kind of CMCD's object type, from the query argument `CMCD` (CTA-5004 §3.1, `ot`).
fn object_type(query: &str) -> Option<Kind> {
    let data = query.split('&').find_map(|pair| pair.strip_prefix("CMCD="))?;
    let mut bytes = PercentDecoded::new(data.as_bytes());
    // Walks `key=value` pairs between commas without a buffer for the decoded text.
    let (mut quoted, mut pair, mut length) = (false, [0_u8; 5], 0_usize);
    loop {
        let byte = bytes.next();
        match byte {
            None => return object_type_of(pair.get(..length)?),
            Some(b',') if !quoted => {
                if let Some(kind) = object_type_of(pair.get(..length).unwrap_or_default()) {
                    return Some(kind);
                }
                length = 0;
            }
            Some(byte) => {
                quoted ^= byte == b'"';
                if let Some(slot) = pair.get_mut(length) {
                    *slot = byte;
                }
                length = length.saturating_add(1);
            }
        }
    }
}

fn object_type_of(pair: &[u8]) -> Option<Kind> {
    match pair {
        b"ot=m" => Some(Kind::Playlist),
        b"ot=a" | b"ot=v" | b"ot=av" => Some(Kind::Segment),
        b"ot=i" => Some(Kind::Init),
        b"ot=c" | b"ot=tt" => Some(Kind::Subtitle),
        b"ot=k" => Some(Kind::Key),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
