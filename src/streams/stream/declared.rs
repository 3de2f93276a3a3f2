//! Streams that an application declares through the session API.

use std::sync::atomic::Ordering::SeqCst;

use super::{PLAYING, RESERVED, Stream};
use crate::model::{Attributes, Device, Millis};
use crate::streams::{AdmissionRequest, Settings};

impl Stream {
    /// A stream that an application declares: it plays and holds its slot from now on, and no manifest is waited for.
    pub fn declare(candidate: &AdmissionRequest, settings: &Settings, now: Millis) -> Self {
        let stream = Self::reserve(candidate, settings, now);
        stream.entry.store(0, SeqCst);
        stream.declared.store(now.0, SeqCst);
        stream.phase.store(PLAYING, SeqCst);
        stream
    }

    /// A stream that a snapshot has kept was declared, and its application last heard of then; with `alone`, nothing else was
    /// heard of it, and no window of a player's keeps its slot.
    pub(in crate::streams) fn restore_declared(&self, at: Millis, alone: bool) {
        self.declared.store(at.0, SeqCst);
        if alone {
            self.playback.store(0, SeqCst);
        }
    }

    /// Its application says that it plays. Returns whether it holds its slot; if not, it has to compete or is over.
    pub fn heartbeat_declared(&self, now: Millis) -> bool {
        self.declared.store(now.0, SeqCst);
        // An application's word is worth as much as media: no origin's error takes the start back.
        let _ = self.phase.compare_exchange(RESERVED, PLAYING, SeqCst, SeqCst);
        self.phase.load(SeqCst) <= PLAYING
    }

    /// Whether it plays on that device. Of a declared stream the application says on which, among what else is known of it.
    pub(in crate::streams) fn is_on(&self, device: &Device) -> bool {
        self.device == *device
            || self.is_declared() && device.name().is_some_and(|name| self.attributes().get("deviceId") == Some(name))
    }

    /// Whether it plays the asset that these name; where neither names one, the channel.
    pub fn plays_same_content(&self, attributes: &Attributes) -> bool {
        let own = self.attributes();
        let both = |name| (own.get(name), attributes.get(name));
        match both("assetId") {
            (None, None) => matches!(both("channel"), (Some(one), Some(other)) if one == other),
            (one, other) => one.is_some() && one == other,
        }
    }

    /// Its application is told of its end. Returns whether it has been told before: what its player is told is another matter.
    pub(in crate::streams) fn acknowledge_end(&self) -> bool {
        self.told.swap(true, SeqCst)
    }

    /// Whether an application has declared it through the session API.
    pub fn is_declared(&self) -> bool {
        self.declared.load(SeqCst) != 0
    }

    /// When its application last said that it plays; `None` where it never did.
    pub fn declared(&self) -> Option<Millis> {
        Some(Millis(self.declared.load(SeqCst))).filter(|declared| declared.0 != 0)
    }
}
