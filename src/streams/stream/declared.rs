//! Streams that an application declares through the session API.

use std::sync::atomic::Ordering::SeqCst;

use super::{PLAYING, RESERVED, Stream};
use crate::model::{Attributes, Device, Millis};
use crate::streams::{AdmissionRequest, Settings};

impl Stream {
    /// A declared stream: it plays and holds its slot at once, without a manifest.
    pub fn declare(candidate: &AdmissionRequest, settings: &Settings, now: Millis) -> Self {
        let stream = Self::reserve(candidate, settings, now);
        stream.entry.store(0, SeqCst);
        stream.declared.store(now.0, SeqCst);
        stream.phase.store(PLAYING, SeqCst);
        stream
    }

    /// Restores a declared stream from a snapshot, with the last heartbeat of its application. With `alone`, there were
    /// no player requests, so that no player timeout keeps its slot.
    pub(in crate::streams) fn restore_declared(&self, at: Millis, alone: bool) {
        self.declared.store(at.0, SeqCst);
        if alone {
            self.playback.store(0, SeqCst);
        }
    }

    /// Records a heartbeat of its application. Returns true if it holds its slot; otherwise it must compete or is over.
    pub fn heartbeat_declared(&self, now: Millis) -> bool {
        self.declared.store(now.0, SeqCst);
        // An application's heartbeat equals a media request: an origin error does not roll the start back.
        let _ = self.phase.compare_exchange(RESERVED, PLAYING, SeqCst, SeqCst);
        self.phase.load(SeqCst) <= PLAYING
    }

    /// True if it plays on that device. For declared streams, the device may also be an attribute.
    pub(in crate::streams) fn is_on(&self, device: &Device) -> bool {
        self.device == *device
            || self.is_declared() && device.name().is_some_and(|name| self.attributes().get("deviceId") == Some(name))
    }

    /// True if it plays the asset in `attributes`; if neither has one, the channel.
    pub fn plays_same_content(&self, attributes: &Attributes) -> bool {
        let own = self.attributes();
        let both = |name| (own.get(name), attributes.get(name));
        match both("assetId") {
            (None, None) => matches!(both("channel"), (Some(one), Some(other)) if one == other),
            (one, other) => one.is_some() && one == other,
        }
    }

    /// Records that its application was informed of its end. Returns true if it already was. Independent of its player.
    pub(in crate::streams) fn acknowledge_end(&self) -> bool {
        self.told.swap(true, SeqCst)
    }

    /// True if an application declared it through the session API.
    pub fn is_declared(&self) -> bool {
        self.declared.load(SeqCst) != 0
    }

    /// Last heartbeat of its application, if any.
    pub fn declared(&self) -> Option<Millis> {
        Some(Millis(self.declared.load(SeqCst))).filter(|declared| declared.0 != 0)
    }
}
