//! One stream and the clocks that its heartbeats move.

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
/// Its identity is immutable; its attributes may change (`inputs`). Its clocks are atomics that heartbeats move without
/// a lock. Its phase changes only under the lock of the account's record, with one exception: the first media request
/// turns RESERVED into PLAYING.
///
/// A race between a heartbeat and an expiry is resolved by order: the heartbeat stores its time and *then* reads the
/// phase, the expiry stores IDLE and *then* reads the time again. Whichever is second sees the other (both are
/// sequentially consistent). So a slot is never counted as free while its holder assumes that it has it.
#[derive(Debug)]
pub struct Stream {
    /// The stream's id.
    pub id: StreamId,
    /// When it started, in milliseconds since the epoch. Orders the streams of an account: a new one starts after all
    /// others, if necessary a few milliseconds later than the clock.
    pub started: Millis,
    /// The application that started it.
    pub application: ApplicationId,
    /// The device.
    pub device: Device,
    /// The asset.
    pub asset: Arc<str>,
    /// Evidence about its client at the start.
    pub client: ClientEvidence,
    /// Start of the current phase; for RESERVED and PLAYING, start of the slot.
    since: AtomicU64,
    presence: AtomicU64,
    playback: AtomicU64,
    /// Last request for the entry manifest.
    entry: AtomicU64,
    /// Last heartbeat through the session API; zero if never.
    declared: AtomicU64,
    /// True if its application was informed of its end.
    told: AtomicBool,
    /// Requests in flight.
    open: AtomicU32,
    idle_ms: AtomicU32,
    /// Zero if the content is not live.
    paused_after_ms: AtomicU32,
    entry_window_ms: AtomicU32,
    /// Zero if unknown.
    segment_ms: AtomicU32,
    phase: AtomicU8,
    /// True if the player refreshes the entry manifest itself, as for a live MPD.
    refreshes_entry: AtomicBool,
    /// The violations of annotating policies when it last took its slot.
    annotations: ArcSwapOption<Vec<Violation>>,
    /// Inputs of policies, and their results. Used for decisions, never on the hot path.
    inputs: Mutex<Inputs>,
    /// Why it may need to be evaluated again, as bits.
    pending: AtomicU8,
    /// Content type from the manifest: unknown, live, VOD.
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
    /// A newly admitted stream.
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
        // The play session may come from a clock that was ahead.
        stream.since.store(candidate.started.min(now).0, SeqCst);
        stream.entry.store(0, SeqCst);
        stream.phase.store(PLAYING, SeqCst);
        stream
    }

    /// A stream from a snapshot: in its phase since `since`, with the last heartbeat at `seen`. It holds its slot if
    /// `holds_from` is set, which starts its idle timeout.
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

    /// Records a heartbeat. Returns true if the stream holds its slot; otherwise it must compete before the request may
    /// pass.
    ///
    /// Hot path: one store, one load.
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
                    // If the exchange fails, another thread changed the phase; the load below reads it.
                    let _ = self.phase.compare_exchange(RESERVED, PLAYING, SeqCst, SeqCst);
                }
                self.phase.load(SeqCst) <= PLAYING
            }
            _ => false,
        }
    }

    /// A request of the stream starts. While it is in flight, the stream is not idle.
    pub fn opened(&self) {
        self.open.fetch_add(1, SeqCst);
    }

    /// The request has ended, which counts as a heartbeat of that kind.
    pub fn closed(&self, signal: Signal, now: Millis) {
        match signal {
            Signal::Playback => self.playback.store(now.0, SeqCst),
            Signal::Presence => self.presence.store(now.0, SeqCst),
        }
        self.open.fetch_sub(1, SeqCst);
    }

    /// The request failed; its end is not a heartbeat.
    pub fn abandoned(&self) {
        self.open.fetch_sub(1, SeqCst);
    }

    /// Applies a manifest's cadence. Returns true if that changed anything.
    pub fn learn(&self, cadence: &Cadence, settings: &Settings) -> bool {
        self.set_content(cadence.live);
        let idle = self.idle_ms.swap(millis(cadence.idle(settings)), SeqCst);
        let paused = self.paused_after_ms.swap(cadence.paused_after().map_or(0, millis), SeqCst);
        self.entry_window_ms.fetch_max(millis(cadence.entry_window()), SeqCst);
        // A target duration may be far above the actual segment durations, which would make every viewer look like a
        // ripper.
        if let Some(segment) = cadence.longest.or(cadence.segment) {
            self.segment_ms.store(millis(segment), SeqCst);
        }
        if cadence.refresh.is_some() {
            self.refreshes_entry.store(true, SeqCst);
        }
        idle != self.idle_ms.load(SeqCst) || paused != self.paused_after_ms.load(SeqCst)
    }

    /// True if a manifest was live.
    pub fn is_live(&self) -> bool {
        self.paused_after_ms.load(SeqCst) != 0
    }

    /// The last heartbeat of any kind.
    pub fn last_seen(&self) -> Millis {
        self.last_request().max(Millis(self.declared.load(SeqCst)))
    }

    /// The player's last request. Session API heartbeats are excluded: they do not come from the player's network.
    fn last_request(&self) -> Millis {
        let heard = self.presence.load(SeqCst).max(self.playback.load(SeqCst));
        Millis(heard.max(self.entry.load(SeqCst)))
    }

    /// Start of the current phase; for a stream with a slot, start of the slot.
    pub fn since(&self) -> Millis {
        Millis(self.since.load(SeqCst))
    }

    /// True if a request has followed the entry manifest.
    pub fn was_followed(&self) -> bool {
        self.presence.load(SeqCst) != 0 || self.playback.load(SeqCst) != 0
    }

    /// True if a request for the same entry manifest by the same device continues this stream.
    pub fn continues_from_entry(&self, now: Millis) -> bool {
        let window = Duration::from_millis(u64::from(self.entry_window_ms.load(SeqCst)));
        now.since(Millis(self.entry.load(SeqCst))) < window
    }

    /// Records a request for the entry manifest.
    pub fn entered(&self, now: Millis) {
        self.entry.store(now.0, SeqCst);
    }

    /// True if its player refreshes the entry manifest by itself.
    pub fn refreshes_entry(&self) -> bool {
        self.refreshes_entry.load(SeqCst)
    }

    /// Records that its player returned to the entry manifest, for manifests that do not show it.
    pub fn returned_to_entry(&self) {
        if !self.refreshes_entry() {
            self.refreshes_entry.store(true, SeqCst);
        }
    }

    /// Until when the stream holds its slot without further heartbeats. `None` if it holds none.
    pub fn slot_until(&self, settings: &Settings, now: Millis) -> Option<Millis> {
        let phase = self.phase.load(SeqCst);
        (phase <= PLAYING).then(|| self.silent_from(phase, settings, now))
    }

    /// When a stream in `phase` becomes idle, by its current clocks. Requests of its player and heartbeats of its
    /// application both keep it.
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

    /// True in the phase PLAYING, as for nearly every stream.
    pub fn is_playing(&self) -> bool {
        self.phase.load(SeqCst) == PLAYING
    }

    /// True if expiry has not taken its slot. In an up-to-date record this is authoritative, whatever the clocks show.
    pub(super) fn has_slot(&self) -> bool {
        self.phase.load(SeqCst) <= PLAYING
    }

    /// True if a live player has requested no media since its slot was freed, and its application has sent no
    /// heartbeat.
    pub(super) fn is_idle_without_media(&self) -> bool {
        let wanted = self.playback.load(SeqCst).max(self.declared.load(SeqCst));
        self.phase.load(SeqCst) == IDLE && self.is_live() && wanted < self.since.load(SeqCst)
    }

    /// True if the stream holds a slot now.
    pub fn holds(&self, settings: &Settings, now: Millis) -> bool {
        self.slot_until(settings, now).is_some_and(|until| now < until)
    }

    /// The state for users.
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

    /// Frees the slot if the stream is idle. Returns true if it did so now.
    pub(super) fn expire(&self, settings: &Settings, now: Millis) -> bool {
        let before = self.phase.load(SeqCst);
        if before > PLAYING || self.holds(settings, now) {
            return false;
        }
        self.phase.store(IDLE, SeqCst);
        // A heartbeat between the check and the store read the old phase; its time is visible here. Media requests and
        // heartbeats of an application would have ended RESERVED.
        let reserved = before == RESERVED && self.playback.load(SeqCst) == 0 && !self.is_declared();
        let phase = if reserved { RESERVED } else { PLAYING };
        if now < self.silent_from(phase, settings, now) {
            self.phase.store(phase, SeqCst);
            return false;
        }
        self.since.store(now.0, SeqCst);
        true
    }

    /// The stream has taken a slot again.
    pub(super) fn resume(&self, now: Millis) {
        self.since.store(now.0, SeqCst);
        // After a heartbeat of its application, media playback is unknown.
        if self.declared.load(SeqCst) != now.0 {
            self.playback.store(now.0, SeqCst);
        }
        self.phase.store(PLAYING, SeqCst);
    }

    pub(super) fn supersede(&self, now: Millis) {
        self.since.store(now.0, SeqCst);
        self.phase.store(SUPERSEDED, SeqCst);
    }

    /// Undoes superseding: the start that superseded it was rolled back.
    pub(super) fn restore(&self) {
        let followed = self.playback.load(SeqCst) != 0 || self.is_declared();
        self.since.store(self.started.0, SeqCst);
        self.phase.store(if followed { PLAYING } else { RESERVED }, SeqCst);
    }

    /// True if there was no heartbeat since the media request that took the slot.
    pub(super) fn is_only_returned(&self) -> bool {
        let since = self.since.load(SeqCst);
        self.phase.load(SeqCst) == PLAYING
            && self.playback.load(SeqCst) == since
            && self.presence.load(SeqCst) <= since
            && self.open.load(SeqCst) == 0
            && !self.is_declared()
    }

    /// Makes it compete again, without a slot.
    pub(super) fn set_idle(&self, now: Millis) {
        self.since.store(now.0, SeqCst);
        self.phase.store(IDLE, SeqCst);
    }

    pub(super) fn end(&self, now: Millis) {
        self.since.store(now.0, SeqCst);
        self.phase.store(ENDED, SeqCst);
    }

    /// True if responses in flight should stop: it has lost its place, and requests that were in flight then have had
    /// time to finish.
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
