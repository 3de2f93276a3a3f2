//! What a request asks for, as far as its path, its query and the head of the response tell.
//!
//! A name can say three things. It names media, which is decided before the origin is asked. It names something that is
//! positively no media: a page, a script, a style, a font, an image. Or it says nothing, and then the answer decides: what is
//! not known to be harmless is media (see [`super::answer`]).

use std::borrow::Cow;

use super::percent::PercentDecoded;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// HLS playlist; whether it is a multivariant or a media playlist is known after reading it.
    Playlist,
    /// DASH manifest. A Smooth Streaming manifest is asked for in the same way and passes as it is.
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
    /// Positively something else: a page, a script, a style, a font, data of an application.
    Other,
    /// Nothing is known of it. Its answer may show that it is harmless; else it is media.
    Unknown,
}

/// What a request of a kind counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Signal {
    /// Someone is about to play.
    Intent,
    /// A heartbeat that shows a player, but not that it plays.
    Presence,
    /// A heartbeat that shows media being played.
    Playback,
    /// Neither starts a stream nor keeps one alive.
    Neutral,
    /// Must not touch a stream at all.
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

    /// Whether the response may hold references that need the prefix.
    pub fn is_manifest(self) -> bool {
        matches!(self, Self::Playlist | Self::Mpd | Self::MpdPatch)
    }

    /// True if a play may begin with it: an HLS playlist or an MPD.
    pub fn is_entry(self) -> bool {
        matches!(self, Self::Playlist | Self::Mpd)
    }

    /// Whether it is known to belong to a play and therefore needs an identity.
    pub fn is_media(self) -> bool {
        !matches!(self, Self::Thumbnail | Self::Other | Self::Unknown)
    }

    /// Whether it is known to be no media.
    pub fn is_harmless(self) -> bool {
        matches!(self, Self::Thumbnail | Self::Other)
    }

    /// Whether it holds no slot, unless a manifest lists it as a segment.
    pub fn is_uncounted(self) -> bool {
        matches!(self, Self::Thumbnail | Self::Other | Self::Key | Self::Init)
    }

    /// What a request of this kind counts as. A manifest is presence here; only the gateway knows whether it is an entry
    /// manifest, which is intent.
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

/// Names what a request asks for from its raw path and raw query: by well-known shapes of paths, by extension, and, where
/// the path says nothing, by the object type of CMCD (CTA-5004 `ot`).
///
/// A viewer writes CMCD, so it is believed only where it makes a request count: never against the path, and never that
/// something is an initialisation segment or a key, which count for nothing.
pub fn classify(path: &str, query: Option<&str>) -> Kind {
    match by_path(path) {
        Kind::Unknown => query.and_then(object_type).filter(|said| counts(*said)).unwrap_or(Kind::Unknown),
        guess => guess,
    }
}

fn counts(kind: Kind) -> bool {
    matches!(kind.signal(), Signal::Presence | Signal::Playback)
}

/// The extension that a path has, where it names something that is positively no media; without case, as the origin reads it.
pub(super) fn harmless_extension(path: &str) -> Option<String> {
    extension(path, Kind::is_harmless)
}

/// The extension of what would not count by its name, though media may be called so: something harmless, a key, an
/// initialisation segment.
pub(super) fn uncounted_extension(path: &str) -> Option<String> {
    extension(path, Kind::is_uncounted)
}

fn extension(path: &str, is: impl Fn(Kind) -> bool) -> Option<String> {
    let name = name(path);
    let (stem, extension) = name.rsplit_once('.')?;
    is(by_extension(path, stem, extension)).then(|| extension.to_ascii_lowercase())
}

/// Whether a playlist is a list of channels, as those of IPTV (`#EXTM3U`, `#EXTINF:-1 tvg-id="…",News`, a URL): it names what can be
/// played, and plays nothing. A playlist of HLS has another tag of HLS, or a length, in front of its first URI. `None`: the first bytes
/// do not tell yet.
pub fn is_channel_list(head: &[u8], end: bool) -> Option<bool> {
    let text = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head);
    let mut lines = text.split(|byte| matches!(byte, b'\n' | b'\r')).peekable();
    while let Some(line) = lines.next() {
        // The last line may go on.
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

/// Whether a line says how long a segment is. Channels have a length of -1 or 0, and attributes behind it.
fn has_length(line: &[u8]) -> bool {
    let Some(text) = line.strip_prefix(b"#EXTINF:") else { return false };
    let length = text.split(|byte| matches!(byte, b',' | b' ')).next().unwrap_or_default();
    !length.starts_with(b"-") && length.iter().any(|byte| matches!(byte, b'1'..=b'9'))
}

/// Recognises a manifest by the first bytes of its body; a kilobyte is enough unless a long comment stands in front.
pub fn sniff(head: &[u8]) -> Option<Kind> {
    let text = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head);
    if let Some(rest) = text.strip_prefix(b"#EXTM3U") {
        return rest.first().is_none_or(u8::is_ascii_whitespace).then_some(Kind::Playlist);
    }
    let mut rest = text.trim_ascii_start();
    loop {
        // What may stand before the root element (XML 1.0 §2.8).
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

/// The name of the file that a path asks for, as origins read it: decoded once, without parameters of the segment (RFC 3986
/// §3.3), and without the slashes, dots, blanks and empty segments behind it that file systems and servers drop.
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
    // What follows an extension and could not be part of one, such as a broken percent code, does not make it another.
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

/// What an extension names that is positively no media. Programs (`php`, `cgi`) are not among them: they answer with anything.
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
    // Of the formats that are streamed.
    "m4v", "m4a", "m4f", "m4i", "cmfv", "cmfa", "m2t", "mts", "ac3", "ec3", "mp3", "webm", "cmfm", "m2ts", "eac3",
    "ac4", "ismv", "isma", "f4f", "f4v", "weba", "opus", "trp", "mpegts", "mp2t",
    // Of films and sound that are sent whole.
    "mkv", "mk3d", "mka", "mov", "qt", "avi", "divx", "flv", "wmv", "wma", "asf", "mpg", "mpeg", "mpe", "m1v", "m2v",
    "mpv", "mp2", "mpa", "m2a", "m4b", "m4p", "m4r", "3gp", "3gpp", "3g2", "ogv", "ogg", "oga", "ogm", "flac", "wav",
    "aif", "aiff", "dts", "vob", "h264", "h265", "hevc", "rm", "rmvb", "mxf",
];

/// `x.ism/Manifest`, `x.ism/Manifest(format=m3u8-aapl)`, `x.ism/QualityLevels(1)/Fragments(video=2)`: Smooth Streaming and the
/// packagers that kept its paths.
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

/// The kind that CMCD's object type names, from the query argument `CMCD` (CTA-5004 §3.1, `ot`).
fn object_type(query: &str) -> Option<Kind> {
    let data = query.split('&').find_map(|pair| pair.strip_prefix("CMCD="))?;
    let mut bytes = PercentDecoded::new(data.as_bytes());
    // Walks `key=value` pairs between commas without putting the decoded text anywhere.
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
