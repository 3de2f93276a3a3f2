//! When players ask for what, as reference players do: the rhythm of live and recorded content, paused or not.

use std::time::Duration;

use streamgate::streams::{Cadence, Signal};

use super::random::Random;

/// What is played, and by what kind of player.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Content {
    /// A multivariant playlist, then a media playlist every segment and each new segment.
    HlsLive { segment: u64 },
    /// The same where the media playlist is the entry: it is asked for again with the token.
    BareLive { segment: u64 },
    /// An MPD that is refreshed, sound and picture apart.
    DashLive { segment: u64, refresh: u64 },
    /// Segments alone; the player fills its buffer to `high` and asks again when it has drained to `low`, in milliseconds.
    Recorded { segment: u64, segments: u32, low: u64, high: u64, tracks: u32 },
}

impl Content {
    /// What one of thirty viewers may choose.
    pub(crate) fn any(random: &mut Random) -> Self {
        let segment = random.one_of(&[2_000, 4_000, 6_000]);
        match random.between(0, 10) {
            0..=2 => Self::HlsLive { segment },
            3 => Self::BareLive { segment },
            4 => Self::DashLive { segment, refresh: random.one_of(&[2_000, 4_000, 6_000]) },
            _ => Self::recorded(segment, random),
        }
    }

    fn recorded(segment: u64, random: &mut Random) -> Self {
        // Steady players ask once a segment. Others fill and drain, up to 35 s apart; a few even longer.
        let (low, high) = match random.between(0, 10) {
            0..=3 => (30_000 - segment, 30_000),
            4 => (120_000 - segment, 120_000),
            5 | 6 => (10_000, 30_000),
            7 | 8 => (15_000, 50_000),
            _ => (10_000, 60_000),
        };
        let length = random.between(300, 3_600) * 1_000;
        let segments = u32::try_from(length / segment).expect("few segments");
        Self::Recorded { segment, segments, low, high, tracks: random.one_of(&[1, 2]) }
    }

    pub(crate) fn is_live(&self) -> bool {
        !matches!(self, Self::Recorded { .. })
    }

    pub(crate) fn segment(&self) -> u64 {
        match *self {
            Self::HlsLive { segment }
            | Self::BareLive { segment }
            | Self::DashLive { segment, .. }
            | Self::Recorded { segment, .. } => segment,
        }
    }

    /// What its manifest says.
    pub(crate) fn cadence(&self) -> Cadence {
        let segment = Some(Duration::from_millis(self.segment()));
        Cadence {
            live: self.is_live(),
            segment,
            longest: segment,
            refresh: matches!(self, Self::BareLive { .. }).then_some(Duration::from_millis(self.segment())),
            ..Cadence::default()
        }
    }

    /// Whether its entry manifest is the one that says it.
    pub(crate) fn is_told_at_entry(&self) -> bool {
        matches!(self, Self::BareLive { .. } | Self::DashLive { .. } | Self::Recorded { tracks: 2, .. })
    }

    fn tracks(&self) -> u32 {
        match *self {
            Self::Recorded { tracks, .. } => tracks,
            Self::DashLive { .. } => 2,
            _ => 1,
        }
    }
}

/// What a player does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// It asks after so many milliseconds, and the answer takes so many.
    Ask { after: u64, what: Wants, takes: u64 },
    /// Nothing until it goes on after a pause.
    Silent,
    /// It has everything, and has played it after so many milliseconds.
    Ends { after: u64 },
}

/// What for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wants {
    /// A playlist or an MPD.
    Manifest,
    /// The entry manifest again, with the token.
    Entry,
    /// Media.
    Media,
}

impl Wants {
    pub(crate) fn signal(self) -> Signal {
        if self == Self::Media { Signal::Playback } else { Signal::Presence }
    }
}

/// A player that was given its entry manifest.
#[derive(Clone, Debug)]
pub(crate) struct Player {
    content: Content,
    /// Whether its live player goes on polling while it is paused.
    polls_when_paused: bool,
    /// How many times faster than it plays it loads.
    speed: u64,
    /// Media that it has ahead, in milliseconds, at `at`.
    ahead: u64,
    at: u64,
    fills: bool,
    paused: bool,
    /// What is to be asked for before the rhythm begins: the media playlist, then a first few segments.
    before: u32,
    /// Tracks of the current segment that are still to come.
    tracks: u32,
    left: u32,
    /// When it last polled.
    polled: u64,
    /// When it last had a whole segment.
    fetched: u64,
}

impl Player {
    pub(crate) fn new(content: Content, random: &mut Random, at: u64) -> Self {
        let left = if let Content::Recorded { segments, .. } = content { segments } else { u32::MAX };
        Self {
            content,
            polls_when_paused: random.percent(80),
            speed: random.between(4, 20),
            ahead: 0,
            at,
            fills: true,
            paused: false,
            before: if content.is_told_at_entry() { 3 } else { 4 },
            tracks: content.tracks(),
            left,
            polled: at,
            fetched: at,
        }
    }

    /// The viewer presses pause, or play again.
    pub(crate) fn pause(&mut self, paused: bool, now: u64) {
        self.drain(now);
        self.paused = paused;
        if !paused && self.content.is_live() {
            // Back to the live edge.
            (self.ahead, self.before) = (0, 3);
        }
    }

    /// The viewer jumps to another place of something recorded.
    pub(crate) fn seek(&mut self, now: u64) {
        self.drain(now);
        (self.ahead, self.fills) = (0, true);
    }

    fn drain(&mut self, now: u64) {
        if !self.paused {
            self.ahead = self.ahead.saturating_sub(now - self.at);
        }
        self.at = now;
    }

    /// Media was answered at `now`.
    pub(crate) fn got(&mut self, what: Wants, now: u64) {
        self.drain(now);
        match what {
            Wants::Manifest | Wants::Entry => self.polled = now,
            Wants::Media => {
                self.tracks -= 1;
                if self.tracks == 0 {
                    self.ahead += self.content.segment();
                    self.left -= 1;
                    self.before = self.before.saturating_sub(1);
                    self.tracks = self.content.tracks();
                    self.fetched = now;
                }
            }
        }
        if what == Wants::Manifest && self.before == 4 {
            self.before = 3;
        }
    }

    /// What it does next, after it was answered at `now`, or went on after a pause.
    pub(crate) fn next(&mut self, random: &mut Random, now: u64) -> Next {
        self.drain(now);
        let segment = self.content.segment();
        let load = segment / self.speed / 2 + random.between(20, 120);
        let media = |after| Next::Ask { after, what: Wants::Media, takes: load };
        if self.before == 4 {
            return Next::Ask { after: random.between(20, 150), what: Wants::Manifest, takes: 30 };
        }
        match self.content {
            Content::Recorded { low, high, .. } => {
                if self.left == 0 {
                    return if self.paused { Next::Silent } else { Next::Ends { after: self.ahead } };
                }
                if self.ahead >= high {
                    self.fills = false;
                }
                if self.fills {
                    return media(random.between(5, 40));
                }
                if self.paused {
                    return Next::Silent;
                }
                self.fills = true;
                media(self.ahead.saturating_sub(low))
            }
            _ if self.paused && !self.polls_when_paused => Next::Silent,
            _ => {
                // The buffer of a paused player is soon full.
                let wants_media = !self.paused || self.ahead < 30_000;
                let has_part = self.tracks < self.content.tracks();
                let is_new = self.polled == now && now - self.fetched + 500 >= segment;
                if wants_media && (self.before > 0 || has_part || is_new) {
                    return media(random.between(10, 80));
                }
                let (period, what) = match self.content {
                    Content::DashLive { refresh, .. } => (refresh.min(segment), Wants::Manifest),
                    Content::BareLive { .. } => (segment, Wants::Entry),
                    _ => (segment, Wants::Manifest),
                };
                let due = (self.polled + period).saturating_sub(now) + random.between(0, 150);
                Next::Ask { after: due, what, takes: 20 }
            }
        }
    }
}
