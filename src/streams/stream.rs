//! One play of one asset, and the clocks that its heartbeats move.

use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU32, AtomicU64,
    Ordering::{Relaxed, SeqCst},
};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;

use super::admission_request::{AdmissionRequest, Signal, State};
use super::attribute_update::Inputs;
use super::download_rate::Pace;
use super::request_intervals::Rhythm;
use super::sharing::Sharing;
use super::{Cadence, SUPERSEDE_GRACE, Settings};
use crate::model::{ApplicationId, ClientEvidence, Device, Millis, StreamId};
use crate::policy::Violation;

const RESERVED: u8 = 0;
const PLAYING: u8 = 1;
const IDLE: u8 = 2;
const SUPERSEDED: u8 = 3;
const ENDED: u8 = 4;

/// One stream of an account.
///
/// What it *is* never changes; what is known of it may (`judged`). Its clocks are atomics, moved by heartbeats without any
/// lock; its phase changes only under the lock of the account's record, with one exception: the first media turns RESERVED
/// into PLAYING.
///
/// The race between a heartbeat and a decision that takes the stream for silent is settled by order: the heartbeat
/// stores its time and *then* reads the phase, the decision stores IDLE and *then* reads the time again. Whichever
/// comes second sees the other (both sides are sequentially consistent), so a slot is never counted as free while
/// its holder believes that it has it.
#[derive(Debug)]
pub struct Stream {
    /// The stream's name.
    pub id: StreamId,
    /// When it started, milliseconds since the epoch. It orders the streams of an account: one that starts does so after all
    /// others, and be it a few milliseconds later than the clock says.
    pub started: Millis,
    /// Which application started it.
    pub application: ApplicationId,
    /// On which device.
    pub device: Device,
    /// What is played.
    pub asset: Arc<str>,
    /// What its start showed of its client.
    pub client: ClientEvidence,
    /// When the current phase began; for RESERVED and PLAYING since when the slot has been held.
    since: AtomicU64,
    presence: AtomicU64,
    playback: AtomicU64,
    /// When the entry manifest was last asked for.
    entry: AtomicU64,
    /// When it was last heard of through the session API; zero where it never was.
    declared: AtomicU64,
    /// Whether its application has been told of its end.
    told: AtomicBool,
    /// Requests that are being answered.
    open: AtomicU32,
    idle_ms: AtomicU32,
    /// Zero where the content is not live.
    paused_after_ms: AtomicU32,
    entry_window_ms: AtomicU32,
    /// Zero where no manifest has said it.
    segment_ms: AtomicU32,
    phase: AtomicU8,
    /// The player refreshes the entry manifest itself, as those of a live MPD do.
    refreshes_entry: AtomicBool,
    /// What it exceeded when it last took its slot, of policies that annotate.
    annotations: ArcSwapOption<Vec<Violation>>,
    /// What policies look at, and what they found. Looked at where something is decided, never on the hot path.
    inputs: Mutex<Inputs>,
    /// Why it may have to be judged again, as bits.
    pending: AtomicU8,
    /// What a manifest said: nothing yet, live, VOD.
    content: AtomicU8,
    sharing: Sharing,
    pace: Pace,
    rhythm: Rhythm,
}

mod declared;
mod policy_state;
mod silence;
mod usage;

impl Stream {
    /// A stream that has just been admitted.
    pub fn reserve(candidate: &AdmissionRequest, settings: &Settings, now: Millis) -> Self {
        let unknown = Cadence::default();
        Self {
            id: candidate.stream,
            started: candidate.started,
            application: candidate.application.clone(),
            device: candidate.device.clone(),
            asset: candidate.asset.clone(),
            client: candidate.client,
            since: AtomicU64::new(now.0),
            presence: AtomicU64::new(0),
            playback: AtomicU64::new(0),
            entry: AtomicU64::new(now.0),
            declared: AtomicU64::new(0),
            told: AtomicBool::new(false),
            open: AtomicU32::new(0),
            idle_ms: AtomicU32::new(millis(unknown.idle(settings))),
            paused_after_ms: AtomicU32::new(0),
            entry_window_ms: AtomicU32::new(millis(unknown.entry_window())),
            segment_ms: AtomicU32::new(0),
            phase: AtomicU8::new(RESERVED),
            refreshes_entry: AtomicBool::new(false),
            annotations: ArcSwapOption::const_empty(),
            inputs: Mutex::new(Inputs { attributes: candidate.attributes.clone(), ..Inputs::default() }),
            pending: AtomicU8::new(0),
            content: AtomicU8::new(0),
            sharing: Sharing::default(),
            pace: Pace::default(),
            rhythm: Rhythm::default(),
        }
    }

    /// A stream that returns with its play session: it plays, and has held its slot since it started.
    pub fn resumed(candidate: &AdmissionRequest, settings: &Settings, now: Millis) -> Self {
        let stream = Self::reserve(candidate, settings, now);
        stream.playback.store(now.0, SeqCst);
        // Its play session may come from a clock that was ahead.
        stream.since.store(candidate.started.min(now).0, SeqCst);
        stream.entry.store(0, SeqCst);
        stream.phase.store(PLAYING, SeqCst);
        stream
    }

    /// A stream that a snapshot has kept: in phase since `since`, last heard of at `seen`; it holds its slot if it is given
    /// a time from which to count its silence.
    pub fn restored(
        candidate: &AdmissionRequest,
        settings: &Settings,
        since: Millis,
        seen: Millis,
        holds_from: Option<Millis>,
    ) -> Self {
        let stream = Self::resumed(candidate, settings, holds_from.unwrap_or(seen));
        stream.since.store(since.0, SeqCst);
        if holds_from.is_none() {
            stream.phase.store(IDLE, SeqCst);
        }
        stream
    }

    /// A heartbeat. Returns whether the stream holds its slot; if not, it has to compete before the request may pass.
    ///
    /// This is the hot path: one store, one load.
    pub fn heartbeat(&self, signal: Signal, now: Millis) -> bool {
        let (own, other) = match signal {
            Signal::Playback => (&self.playback, &self.presence),
            Signal::Presence => (&self.presence, &self.playback),
        };
        let last = own.swap(now.0, SeqCst).max(other.load(Relaxed));
        if last != 0 {
            let live = self.paused_after_ms.load(Relaxed) != 0;
            let pause = now.0.saturating_sub(last);
            self.rhythm.note(pause, signal == Signal::Playback, self.segment_ms.load(Relaxed), live);
        }
        match self.phase.load(SeqCst) {
            PLAYING => true,
            RESERVED => {
                if signal == Signal::Playback {
                    // Losing this exchange means that somebody else moved it on; the load below says where to.
                    let _ = self.phase.compare_exchange(RESERVED, PLAYING, SeqCst, SeqCst);
                }
                self.phase.load(SeqCst) <= PLAYING
            }
            _ => false,
        }
    }

    /// A request of the stream begins to be answered; as long as it is open the stream is not silent.
    pub fn opened(&self) {
        self.open.fetch_add(1, SeqCst);
    }

    /// The request has been answered or given up: the last sign of life of that kind.
    pub fn closed(&self, signal: Signal, now: Millis) {
        match signal {
            Signal::Playback => self.playback.store(now.0, SeqCst),
            Signal::Presence => self.presence.store(now.0, SeqCst),
        }
        self.open.fetch_sub(1, SeqCst);
    }

    /// The request came to nothing, and its end is no sign of life.
    pub fn abandoned(&self) {
        self.open.fetch_sub(1, SeqCst);
    }

    /// Takes over what a manifest of the stream says about its rhythm. Returns whether that was news.
    pub fn learn(&self, cadence: &Cadence, settings: &Settings) -> bool {
        self.set_content(cadence.live);
        let idle = self.idle_ms.swap(millis(cadence.idle(settings)), SeqCst);
        let paused = self.paused_after_ms.swap(cadence.paused_after().map_or(0, millis), SeqCst);
        self.entry_window_ms.fetch_max(millis(cadence.entry_window()), SeqCst);
        // A target duration may be far above what segments have; that would make a ripper of everybody.
        if let Some(segment) = cadence.longest.or(cadence.segment) {
            self.segment_ms.store(millis(segment), SeqCst);
        }
        if cadence.refresh.is_some() {
            self.refreshes_entry.store(true, SeqCst);
        }
        idle != self.idle_ms.load(SeqCst) || paused != self.paused_after_ms.load(SeqCst)
    }

    /// Whether a manifest said that it is live.
    pub fn is_live(&self) -> bool {
        self.paused_after_ms.load(SeqCst) != 0
    }

    /// The last sign of life of any kind.
    pub fn last_seen(&self) -> Millis {
        self.last_request().max(Millis(self.declared.load(SeqCst)))
    }

    /// When its player last asked for anything. What its application says comes from no network of the player's.
    fn last_request(&self) -> Millis {
        let heard = self.presence.load(SeqCst).max(self.playback.load(SeqCst));
        Millis(heard.max(self.entry.load(SeqCst)))
    }

    /// Since when the stream has been in its phase; for a stream that holds a slot: since when it has held it.
    pub fn since(&self) -> Millis {
        Millis(self.since.load(SeqCst))
    }

    /// Whether the player has shown that it got its manifest, or more.
    pub fn was_followed(&self) -> bool {
        self.presence.load(SeqCst) != 0 || self.playback.load(SeqCst) != 0
    }

    /// Whether the same device, asking for the same entry manifest now, goes on with this stream.
    pub fn continues_from_entry(&self, now: Millis) -> bool {
        let window = Duration::from_millis(u64::from(self.entry_window_ms.load(SeqCst)));
        now.since(Millis(self.entry.load(SeqCst))) < window
    }

    /// Notes that the entry manifest was asked for again.
    pub fn entered(&self, now: Millis) {
        self.entry.store(now.0, SeqCst);
    }

    /// Whether its player comes back to the entry manifest by itself.
    pub fn refreshes_entry(&self) -> bool {
        self.refreshes_entry.load(SeqCst)
    }

    /// Notes that its player came back to the entry manifest, where no manifest could say that it would.
    pub fn returned_to_entry(&self) {
        if !self.refreshes_entry() {
            self.refreshes_entry.store(true, SeqCst);
        }
    }

    /// Until when the stream holds its slot if nothing more is heard of it. `None`: it holds none.
    pub fn slot_until(&self, settings: &Settings, now: Millis) -> Option<Millis> {
        let phase = self.phase.load(SeqCst);
        (phase <= PLAYING).then(|| self.silent_from(phase, settings, now))
    }

    /// When a stream in `phase` counts as silent, going by the clocks as they stand. Either sign of life keeps it: requests
    /// of its player, and the word of its application.
    fn silent_from(&self, phase: u8, settings: &Settings, now: Millis) -> Millis {
        let by_traffic = self.without_requests_from(phase, settings, now);
        match self.declared() {
            None => by_traffic,
            Some(declared) => by_traffic.max(declared + settings.interval + settings.grace),
        }
    }

    fn without_requests_from(&self, phase: u8, settings: &Settings, now: Millis) -> Millis {
        let idle = Duration::from_millis(u64::from(self.idle_ms.load(SeqCst)));
        if self.open.load(SeqCst) > 0 {
            return now + idle;
        }
        if phase == RESERVED {
            return self.since() + settings.reserve;
        }
        let playback = Millis(self.playback.load(SeqCst));
        let presence = Millis(self.presence.load(SeqCst));
        let by_presence = match self.paused_after_ms.load(SeqCst) {
            0 => presence + idle,
            paused_after => {
                let paused_from = playback + Duration::from_millis(u64::from(paused_after));
                (presence + idle).min(paused_from + settings.paused_timeout)
            }
        };
        by_presence.max(playback + idle)
    }

    /// Whether it is in the phase of playing, as nearly every stream is that is asked.
    pub fn is_playing(&self) -> bool {
        self.phase.load(SeqCst) == PLAYING
    }

    /// Whether the stream has a slot that settling has not taken from it. In a settled record this is the truth, whatever
    /// a heartbeat or another gateway's windows would make of its clocks.
    pub(super) fn has_slot(&self) -> bool {
        self.phase.load(SeqCst) <= PLAYING
    }

    /// Whether a live player has asked for no media since its slot was freed, nor its application for the slot.
    pub(super) fn is_idle_without_media(&self) -> bool {
        let wanted = self.playback.load(SeqCst).max(self.declared.load(SeqCst));
        self.phase.load(SeqCst) == IDLE && self.is_live() && wanted < self.since.load(SeqCst)
    }

    /// Whether the stream holds a slot now.
    pub fn holds(&self, settings: &Settings, now: Millis) -> bool {
        self.slot_until(settings, now).is_some_and(|until| now < until)
    }

    /// The state as a person would name it.
    pub fn state(&self, settings: &Settings, now: Millis) -> State {
        match self.phase.load(SeqCst) {
            RESERVED | PLAYING if !self.holds(settings, now) => State::Idle,
            RESERVED => State::Reserved,
            PLAYING => {
                let paused_after = self.paused_after_ms.load(SeqCst);
                let silent = now.since(Millis(self.playback.load(SeqCst)));
                let paused = paused_after != 0
                    && silent > Duration::from_millis(u64::from(paused_after))
                    && self.presence.load(SeqCst) > self.playback.load(SeqCst)
                    && self.open.load(SeqCst) == 0
                    && !self.is_declared();
                if paused { State::Paused } else { State::Playing }
            }
            IDLE => State::Idle,
            SUPERSEDED => State::Superseded,
            _ => State::Ended,
        }
    }

    /// Frees the slot if the stream has fallen silent. Returns whether it did so now.
    pub(super) fn expire(&self, settings: &Settings, now: Millis) -> bool {
        let before = self.phase.load(SeqCst);
        if before > PLAYING || self.holds(settings, now) {
            return false;
        }
        self.phase.store(IDLE, SeqCst);
        // A heartbeat that came between the look and the store read the old phase; its time is visible here, and media
        // or an application's word among it would have moved RESERVED on.
        let reserved = before == RESERVED && self.playback.load(SeqCst) == 0 && !self.is_declared();
        let phase = if reserved { RESERVED } else { PLAYING };
        if now < self.silent_from(phase, settings, now) {
            self.phase.store(phase, SeqCst);
            return false;
        }
        self.since.store(now.0, SeqCst);
        true
    }

    /// The stream has competed again and won.
    pub(super) fn resume(&self, now: Millis) {
        self.since.store(now.0, SeqCst);
        // Where its application has just said that it plays, nothing is known of media.
        if self.declared.load(SeqCst) != now.0 {
            self.playback.store(now.0, SeqCst);
        }
        self.phase.store(PLAYING, SeqCst);
    }

    pub(super) fn supersede(&self, now: Millis) {
        self.since.store(now.0, SeqCst);
        self.phase.store(SUPERSEDED, SeqCst);
    }

    /// Back to where it was: the start that its device left it for has come to nothing.
    pub(super) fn restore(&self) {
        let followed = self.playback.load(SeqCst) != 0 || self.is_declared();
        self.since.store(self.started.0, SeqCst);
        self.phase.store(if followed { PLAYING } else { RESERVED }, SeqCst);
    }

    /// Whether nothing has been heard of it since the request of media that gave it its slot.
    pub(super) fn is_only_returned(&self) -> bool {
        let since = self.since.load(SeqCst);
        self.phase.load(SeqCst) == PLAYING
            && self.playback.load(SeqCst) == since
            && self.presence.load(SeqCst) <= since
            && self.open.load(SeqCst) == 0
            && !self.is_declared()
    }

    /// Back into competition, without a slot.
    pub(super) fn set_idle(&self, now: Millis) {
        self.since.store(now.0, SeqCst);
        self.phase.store(IDLE, SeqCst);
    }

    pub(super) fn end(&self, now: Millis) {
        self.since.store(now.0, SeqCst);
        self.phase.store(ENDED, SeqCst);
    }

    /// Whether what is still being sent of the stream should stop: it has given way, and what was under way then has had
    /// time to arrive.
    pub fn is_terminated(&self, now: Millis) -> bool {
        self.phase.load(SeqCst) >= SUPERSEDED && now.since(self.since()) >= SUPERSEDE_GRACE
    }

    pub(super) fn is_superseded(&self) -> bool {
        self.phase.load(SeqCst) == SUPERSEDED
    }

    pub(super) fn is_reserved(&self) -> bool {
        self.phase.load(SeqCst) == RESERVED
    }
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}
