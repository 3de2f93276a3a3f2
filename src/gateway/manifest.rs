//! Rewrites manifests on their way to the viewer. Other bodies pass unchanged.

use bytes::Bytes;

use crate::media::{self, Disguised, Facts, Form, Kind, Target, Unparsable, dash, hls, json};
use crate::streams::Cadence;
use crate::telemetry::ManifestResult;

/// The location of a manifest and the prefix for its references. Owned, because the body outlives the request's header.
#[derive(Debug)]
pub(super) struct RewriteContext {
    pub(super) prefix: String,
    pub(super) document: String,
    pub(super) query: Option<String>,
    pub(super) inherited: bool,
    pub(super) authority: String,
    pub(super) site: String,
    pub(super) origin: Option<String>,
}

impl RewriteContext {
    pub(super) fn target(&self) -> Target<'_> {
        Target {
            prefix: &self.prefix,
            document: &self.document,
            query: self.query.as_deref().filter(|query| !query.is_empty()),
            inherited: self.inherited,
            authority: &self.authority,
            site: &self.site,
            origin: self.origin.as_deref(),
        }
    }
}

/// Rewrites a response's body.
pub(super) enum BodyRewriter {
    /// Passes it unchanged.
    Untouched,
    /// A manifest of which nothing has been sent yet, and its first bytes.
    Expected(Kind, Box<RewriteContext>, Vec<u8>),
    /// An HLS playlist, rewritten line by line as it arrives.
    Playlist(Box<Playlist>),
    /// An MPD, collected because it is rewritten as a whole.
    Mpd(Vec<u8>, Box<RewriteContext>),
    /// JSON, collected because it may be an asset list or a steering manifest.
    Json(Vec<u8>, Box<RewriteContext>),
}

/// Maximum bytes of an asset list or a steering manifest. Larger JSON passes unchanged.
const MAX_JSON: usize = 256 * 1024;

/// The result of rewriting a manifest.
pub(super) struct RewriteSummary {
    pub(super) result: ManifestResult,
    pub(super) foreign: u32,
    pub(super) facts: Option<Facts>,
    pub(super) disguised: Disguised,
    /// It is a list of channels and no start.
    pub(super) lists_channels: bool,
}

impl RewriteSummary {
    fn untouched(result: ManifestResult) -> Self {
        Self { result, foreign: 0, facts: None, disguised: Disguised::default(), lists_channels: false }
    }

    fn from_outcome(outcome: Result<media::Outcome, Unparsable>, disguised: Disguised) -> Self {
        match outcome {
            Ok(media::Outcome { facts, rewritten, foreign, .. }) => {
                let result = if rewritten > 0 { ManifestResult::Rewritten } else { ManifestResult::Unchanged };
                Self { result, foreign, facts: Some(facts), disguised, lists_channels: false }
            }
            Err(_) => Self { disguised, ..Self::untouched(ManifestResult::Unparsable) },
        }
    }

    fn of_json(json::References { rewritten, foreign }: json::References) -> Self {
        let result = if rewritten > 0 { ManifestResult::Rewritten } else { ManifestResult::Unchanged };
        Self { foreign, ..Self::untouched(result) }
    }
}

/// Bytes of a playlist between two checks of its growth.
const SLICE: usize = 16 * 1024;

/// A playlist being rewritten.
pub(super) struct Playlist {
    scanner: hls::Scanner,
    /// Bytes read.
    read: usize,
    /// Bytes written.
    written: usize,
    /// It has grown too much: the rest passes unchanged.
    is_oversized: bool,
}

impl Playlist {
    fn new(target: &Target<'_>) -> Self {
        Self { scanner: hls::Scanner::new(target), read: 0, written: 0, is_oversized: false }
    }

    /// Rewrites a piece until `most` bytes have been added to the playlist. One slice may exceed that.
    fn push(&mut self, piece: &[u8], out: &mut Vec<u8>, most: usize) {
        out.reserve(piece.len() + piece.len() / 4);
        for slice in piece.chunks(SLICE) {
            if !self.is_oversized && self.written > self.read.saturating_add(most) {
                self.is_oversized = true;
                self.scanner.stop();
            }
            let before = out.len();
            self.scanner.push(slice, out);
            self.read = self.read.saturating_add(slice.len());
            self.written = self.written.saturating_add(out.len() - before);
        }
    }

    fn finish(self, out: &mut Vec<u8>) -> RewriteSummary {
        let (outcome, disguised) = self.scanner.finish_and_note(out);
        let passed = RewriteSummary::from_outcome(outcome, disguised);
        if self.is_oversized { RewriteSummary { result: ManifestResult::Oversized, ..passed } } else { passed }
    }
}

impl BodyRewriter {
    /// Replaces the next piece of the body with what the viewer gets. `most` limits the collected bytes of an MPD, and
    /// the bytes that rewriting adds to a manifest. Returns the summary once, when the manifest is complete.
    pub(super) fn filter(&mut self, piece: &mut Option<Bytes>, end: bool, most: usize) -> Option<RewriteSummary> {
        match self {
            Self::Untouched => return None,
            Self::Expected(..) => match self.begin(piece, end) {
                Begun::Waits => return None,
                Begun::ListsChannels => {
                    return Some(RewriteSummary {
                        lists_channels: true,
                        ..RewriteSummary::untouched(ManifestResult::Unchanged)
                    });
                }
                Begun::Yes => {}
            },
            Self::Json(collected, _)
                if collected.is_empty() && !may_be_object(piece.as_deref().unwrap_or_default()) =>
            {
                *self = Self::Untouched;
                return None;
            }
            Self::Playlist(_) | Self::Mpd(..) | Self::Json(..) => {}
        }
        let mut out = Vec::new();
        let passed = match self {
            Self::Playlist(playlist) => {
                if let Some(piece) = piece.as_deref() {
                    playlist.push(piece, &mut out, most);
                }
                if end && let Self::Playlist(playlist) = std::mem::replace(self, Self::Untouched) {
                    Some(playlist.finish(&mut out))
                } else {
                    None
                }
            }
            Self::Mpd(collected, place) => {
                collected.extend_from_slice(piece.as_deref().unwrap_or_default());
                if collected.len() > most {
                    out = std::mem::take(collected);
                    *self = Self::Untouched;
                    Some(RewriteSummary::untouched(ManifestResult::Oversized))
                } else if end {
                    let mut disguised = Disguised::default();
                    let outcome = dash::rewrite_and_note(collected, &place.target(), &mut out, &mut disguised);
                    let is_oversized = out.len() > collected.len().saturating_add(most);
                    if outcome.is_err() || is_oversized {
                        // A broken manifest is the origin's fault and passes; a truncated one would be the gateway's.
                        out = std::mem::take(collected);
                    }
                    *self = Self::Untouched;
                    let passed = RewriteSummary::from_outcome(outcome, disguised);
                    Some(if is_oversized {
                        RewriteSummary { result: ManifestResult::Oversized, ..passed }
                    } else {
                        passed
                    })
                } else {
                    None
                }
            }
            Self::Json(collected, place) => {
                collected.extend_from_slice(piece.as_deref().unwrap_or_default());
                if collected.len() <= most.min(MAX_JSON) && !end {
                    *piece = None;
                    return None;
                }
                let whole = std::mem::take(collected);
                let outcome = if end { json::rewrite(&whole, &place.target(), &mut out) } else { None };
                *self = Self::Untouched;
                let is_oversized = out.len() > whole.len().saturating_add(most);
                if outcome.is_none() || is_oversized {
                    out = whole;
                }
                let result = outcome.map(RewriteSummary::of_json);
                if is_oversized { Some(RewriteSummary::untouched(ManifestResult::Oversized)) } else { result }
            }
            Self::Untouched | Self::Expected(..) => return None,
        };
        *piece = (!out.is_empty()).then(|| Bytes::from(out));
        passed
    }

    /// Stops rewriting an answer that turns out to be media. Puts the collected bytes before the next piece.
    pub(super) fn release(&mut self, piece: &mut Option<Bytes>) {
        if let Self::Json(mut collected, _) = std::mem::replace(self, Self::Untouched)
            && !collected.is_empty()
        {
            collected.extend_from_slice(piece.as_deref().unwrap_or_default());
            *piece = Some(collected.into());
        }
    }

    /// Determines the kind of a manifest from its first bytes, because names and content types can be wrong. Puts held
    /// bytes before the piece.
    fn begin(&mut self, piece: &mut Option<Bytes>, end: bool) -> Begun {
        let Self::Expected(guess, place, mut head) = std::mem::replace(self, Self::Untouched) else {
            return Begun::Yes;
        };
        if !head.is_empty() {
            head.extend_from_slice(piece.as_deref().unwrap_or_default());
            *piece = Some(std::mem::take(&mut head).into());
        }
        let bytes = piece.as_deref().unwrap_or_default();
        let is_last = end || bytes.len() >= media::HEAD;
        let sniffed = media::sniff(bytes);
        let kind = sniffed.unwrap_or(guess);
        let lists_channels = match sniffed {
            Some(Kind::Playlist) => media::is_channel_list(bytes, is_last),
            None if !is_last && b"#EXTM3U".starts_with(bytes) => None,
            _ => Some(false),
        };
        if bytes.is_empty() && !end || lists_channels.is_none() {
            *self = Self::Expected(guess, place, piece.take().unwrap_or_default().into());
            return Begun::Waits;
        }
        if lists_channels == Some(true) {
            return Begun::ListsChannels;
        }
        *self = if kind == Kind::Playlist {
            Self::Playlist(Box::new(Playlist::new(&place.target())))
        } else {
            Self::Mpd(Vec::new(), place)
        };
        Begun::Yes
    }
}

/// What the first bytes of a manifest show.
enum Begun {
    /// More bytes are needed.
    Waits,
    /// A list of channels, which passes unchanged.
    ListsChannels,
    /// A manifest of a known kind.
    Yes,
}

/// True if JSON with this beginning may be an object. Ignores white space and a byte order mark.
fn may_be_object(head: &[u8]) -> bool {
    let text = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head).trim_ascii_start();
    text.first().is_none_or(|byte| *byte == b'{')
}

/// The cadence that a manifest's facts imply. `None` if it shows none, as a multivariant playlist. Only an entry
/// manifest shows that players refresh the entry manifest.
pub(super) fn cadence(facts: &Facts, entry: bool) -> Option<Cadence> {
    if matches!(facts.form, Form::Multivariant | Form::MpdPatch) {
        return None;
    }
    Some(Cadence {
        live: facts.live,
        low_latency: facts.part_target.is_some(),
        segment: facts.target_duration.max(facts.longest_segment),
        longest: facts.longest_segment,
        refresh: facts.refresh.filter(|_| entry && facts.live),
    })
}
