//! Bodies on their way to the viewer: manifests are rewritten, all else passes.

use bytes::Bytes;

use crate::media::{self, Disguised, Facts, Form, Kind, Target, Unparsable, dash, hls};
use crate::streams::Cadence;
use crate::telemetry::ManifestResult;

/// Where a manifest stands and what its references have to carry; owned, because the body outlives the request's header.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) prefix: String,
    pub(super) document: String,
    pub(super) query: Option<String>,
    pub(super) inherited: bool,
    pub(super) authority: String,
    pub(super) origin: Option<String>,
}

impl Place {
    pub(super) fn target(&self) -> Target<'_> {
        Target {
            prefix: &self.prefix,
            document: &self.document,
            query: self.query.as_deref().filter(|query| !query.is_empty()),
            inherited: self.inherited,
            authority: &self.authority,
            origin: self.origin.as_deref(),
        }
    }
}

/// What is done to a response's body.
pub(super) enum Body {
    /// Nothing.
    Untouched,
    /// A manifest of which nothing has come yet.
    Expected(Kind, Box<Place>),
    /// An HLS playlist, rewritten line by line as it comes.
    Playlist(Box<hls::Scanner>),
    /// An MPD, collected because it is rewritten as a whole.
    Mpd(Vec<u8>, Box<Place>),
}

/// What is known when a manifest has passed.
pub(super) struct Passed {
    pub(super) result: ManifestResult,
    pub(super) foreign: u32,
    pub(super) facts: Option<Facts>,
    pub(super) disguised: Disguised,
}

impl Passed {
    fn of(outcome: Result<media::Outcome, Unparsable>, disguised: Disguised) -> Self {
        match outcome {
            Ok(media::Outcome { facts, rewritten, foreign, .. }) => {
                let result = if rewritten > 0 { ManifestResult::Rewritten } else { ManifestResult::Unchanged };
                Self { result, foreign, facts: Some(facts), disguised }
            }
            Err(_) => Self { result: ManifestResult::Unparsable, foreign: 0, facts: None, disguised },
        }
    }
}

impl Body {
    /// Takes the next piece of the body and leaves in its place what the viewer gets. `most` bounds what is collected of
    /// an MPD. Returns what is known, once, when the manifest is complete.
    pub(super) fn filter(&mut self, piece: &mut Option<Bytes>, end: bool, most: usize) -> Option<Passed> {
        match self {
            Self::Untouched => return None,
            Self::Expected(..) => self.begin(piece.as_deref().unwrap_or_default(), end),
            Self::Playlist(_) | Self::Mpd(..) => {}
        }
        let mut out = Vec::new();
        let passed = match self {
            Self::Playlist(scanner) => {
                if let Some(piece) = piece.as_deref() {
                    out.reserve(piece.len() + piece.len() / 4);
                    scanner.push(piece, &mut out);
                }
                if end && let Self::Playlist(scanner) = std::mem::replace(self, Self::Untouched) {
                    let (outcome, disguised) = scanner.finish_and_note(&mut out);
                    Some(Passed::of(outcome, disguised))
                } else {
                    None
                }
            }
            Self::Mpd(collected, place) => {
                collected.extend_from_slice(piece.as_deref().unwrap_or_default());
                if collected.len() > most {
                    out = std::mem::take(collected);
                    *self = Self::Untouched;
                    let disguised = Disguised::default();
                    Some(Passed { result: ManifestResult::Oversized, foreign: 0, facts: None, disguised })
                } else if end {
                    let mut disguised = Disguised::default();
                    let outcome = dash::rewrite_and_note(collected, &place.target(), &mut out, &mut disguised);
                    if outcome.is_err() {
                        // A broken manifest is the origin's to answer for; a cut one would be ours.
                        out = std::mem::take(collected);
                    }
                    *self = Self::Untouched;
                    Some(Passed::of(outcome, disguised))
                } else {
                    None
                }
            }
            Self::Untouched | Self::Expected(..) => return None,
        };
        *piece = (!out.is_empty()).then(|| Bytes::from(out));
        passed
    }

    /// Decides from the first bytes what kind of manifest this is; names and content types lie.
    fn begin(&mut self, head: &[u8], end: bool) {
        if head.is_empty() && !end {
            return;
        }
        if let Self::Expected(guess, place) = std::mem::replace(self, Self::Untouched) {
            let kind = media::sniff(head).unwrap_or(guess);
            *self = if kind == Kind::Playlist {
                Self::Playlist(Box::new(hls::Scanner::new(&place.target())))
            } else {
                Self::Mpd(Vec::new(), place)
            };
        }
    }
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
