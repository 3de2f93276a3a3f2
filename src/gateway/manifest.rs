//! Bodies on their way to the viewer: manifests are rewritten, all else passes.

use bytes::Bytes;

use crate::media::{self, Disguised, Facts, Form, Kind, Target, Unparsable, dash, hls, json};
use crate::streams::Cadence;
use crate::telemetry::ManifestResult;

/// Where a manifest stands and what its references have to carry; owned, because the body outlives the request's header.
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

/// What is done to a response's body.
pub(super) enum BodyRewriter {
    /// Nothing.
    Untouched,
    /// A manifest of which nothing has passed yet, and its first bytes.
    Expected(Kind, Box<RewriteContext>, Vec<u8>),
    /// An HLS playlist, rewritten line by line as it comes.
    Playlist(Box<Playlist>),
    /// An MPD, collected because it is rewritten as a whole.
    Mpd(Vec<u8>, Box<RewriteContext>),
    /// JSON, collected because it may be an asset list or a steering manifest.
    Json(Vec<u8>, Box<RewriteContext>),
}

/// Bytes of the largest asset list or steering manifest; what is larger is none.
const MAX_JSON: usize = 256 * 1024;

/// What is known when a manifest has passed.
pub(super) struct RewriteSummary {
    pub(super) result: ManifestResult,
    pub(super) foreign: u32,
    pub(super) facts: Option<Facts>,
    pub(super) disguised: Disguised,
    /// It lists channels, and is no start of one.
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

/// Bytes of a playlist after which it is looked at how much was added.
const SLICE: usize = 16 * 1024;

/// A playlist on its way.
pub(super) struct Playlist {
    scanner: hls::Scanner,
    /// Bytes that have come in.
    read: usize,
    /// Bytes that have gone out.
    written: usize,
    /// It has grown too much: its rest passes as it is.
    is_oversized: bool,
}

impl Playlist {
    fn new(target: &Target<'_>) -> Self {
        Self { scanner: hls::Scanner::new(target), read: 0, written: 0, is_oversized: false }
    }

    /// Rewrites a piece until `most` bytes have been added to the playlist, and what one slice adds to that.
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
    /// Takes the next piece of the body and leaves in its place what the viewer gets. `most` bounds what is collected of
    /// an MPD, and what rewriting adds to a manifest. Returns what is known, once, when the manifest is complete.
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
                        // A broken manifest is the origin's to answer for; a cut one would be ours.
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

    /// Ends the rewriting of an answer that turns out to be media: what was collected goes on in front of the next piece.
    pub(super) fn release(&mut self, piece: &mut Option<Bytes>) {
        if let Self::Json(mut collected, _) = std::mem::replace(self, Self::Untouched)
            && !collected.is_empty()
        {
            collected.extend_from_slice(piece.as_deref().unwrap_or_default());
            *piece = Some(collected.into());
        }
    }

    /// Decides from the first bytes what kind of manifest this is; names and content types lie. What has waited is put in front of
    /// the piece.
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

/// What the first bytes of a manifest have shown.
enum Begun {
    /// Nothing yet.
    Waits,
    /// A list of channels, which passes as it is.
    ListsChannels,
    /// What it is.
    Yes,
}

/// Whether JSON that begins so may be an object, white space and a byte order mark aside.
fn may_be_object(head: &[u8]) -> bool {
    let text = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head).trim_ascii_start();
    text.first().is_none_or(|byte| *byte == b'{')
}

/// The rhythm that a manifest's facts imply. `None` where it says nothing of rhythm, as a multivariant playlist. Only an
/// entry manifest says that the entry manifest is what players refresh.
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
