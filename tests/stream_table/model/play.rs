//! One stream of the model, with its clocks.

use std::time::Duration;

use streamgate::model::{Attributes, Millis, StreamId};
use streamgate::streams::{AdmissionRequest, Cadence, Settings, Signal};

pub(super) const NEVER: Millis = Millis(0);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Reserved,
    Playing,
    Idle,
    Superseded,
}

#[derive(Clone, Debug)]
pub(super) struct Play {
    pub(super) who: AdmissionRequest,
    pub(super) phase: Phase,
    pub(super) since: Millis,
    pub(super) presence: Millis,
    pub(super) playback: Millis,
    pub(super) entry: Millis,
    pub(super) declared: Millis,
    pub(super) open: u32,
    pub(super) cadence: Cadence,
    pub(super) entry_window: Duration,
    pub(super) refreshes_entry: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Grave {
    pub(super) play: Play,
    pub(super) cause: &'static str,
    /// The stream that it gave way to.
    pub(super) by: Option<StreamId>,
    pub(super) until: Millis,
    /// When it ended.
    pub(super) ended: Millis,
    pub(super) told: bool,
}

impl Play {
    pub(super) fn new(who: &AdmissionRequest, now: Millis) -> Self {
        let cadence = Cadence::default();
        Self {
            who: who.clone(),
            phase: Phase::Reserved,
            since: now,
            presence: NEVER,
            playback: NEVER,
            entry: now,
            declared: NEVER,
            open: 0,
            cadence,
            entry_window: cadence.entry_window(),
            refreshes_entry: false,
        }
    }

    pub(super) fn returning(who: &AdmissionRequest, since: Millis, heard: Millis) -> Self {
        Self { phase: Phase::Playing, since, playback: heard, entry: NEVER, ..Self::new(who, heard) }
    }

    pub(super) fn declaring(who: &AdmissionRequest, now: Millis) -> Self {
        Self { phase: Phase::Playing, entry: NEVER, declared: now, ..Self::new(who, now) }
    }

    pub(super) fn is_declared(&self) -> bool {
        self.declared != NEVER
    }

    /// Its application says that it plays.
    pub(super) fn declare(&mut self, now: Millis) {
        self.declared = now;
        if self.phase == Phase::Reserved {
            self.phase = Phase::Playing;
        }
    }

    pub(super) fn knows(&self, name: &str) -> Option<&str> {
        self.who.attributes.get(name)
    }

    /// Whether both name the same asset.
    pub(super) fn is_of_asset(&self, known: &Attributes) -> bool {
        self.knows("assetId").is_some() && self.knows("assetId") == known.get("assetId")
    }

    pub(super) fn has_slot(&self) -> bool {
        matches!(self.phase, Phase::Reserved | Phase::Playing)
    }

    pub(super) fn last_seen(&self) -> Millis {
        self.presence.max(self.playback).max(self.entry).max(self.declared)
    }

    pub(super) fn is_silent(&self, settings: &Settings, now: Millis) -> bool {
        if self.open > 0 || self.is_declared() && now < self.declared + settings.interval + settings.grace {
            return false;
        }
        if self.phase == Phase::Reserved {
            return now >= self.since + settings.reserve;
        }
        let idle = self.cadence.idle(settings);
        let polls = now < self.presence + idle
            && self.cadence.paused_after().is_none_or(|d| now < self.playback + d + settings.paused_timeout);
        !polls && now >= self.playback + idle
    }

    /// Live, without a slot, and neither media nor the slot asked for since it lost it.
    pub(super) fn only_polls(&self) -> bool {
        self.phase == Phase::Idle && self.cadence.live && self.playback.max(self.declared) < self.since
    }

    pub(super) fn entered(&mut self, now: Millis) {
        self.entry = now;
    }

    pub(super) fn is_same_play(&self, who: &AdmissionRequest, now: Millis) -> bool {
        self.who.application == who.application
            && self.who.device == who.device
            && self.who.asset == who.asset
            && now.since(self.entry) < self.entry_window
    }

    pub(super) fn hear(&mut self, signal: Signal, now: Millis) {
        match signal {
            Signal::Presence => self.presence = now,
            Signal::Playback => self.playback = now,
        }
    }
}
