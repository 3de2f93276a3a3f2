//! By whom a stream is used, and how fast.

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use super::Stream;
use crate::model::Millis;
use crate::streams::sharing::{SharingParams, SharingVerdict};
use crate::streams::{Client, Settings};

impl Stream {
    /// What the client is to this stream. To be asked before the request's heartbeat, and of the stream that its play session
    /// names, never of one that was split off. `media` gives the [`media_hash`](super::media_hash) of a request that counts
    /// as playback, `None` for all others; it is called only if somebody else uses the stream too.
    ///
    /// This is the hot path: one load, as long as the stream is used from one network.
    #[inline]
    pub fn classify_client(
        &self,
        client: Client,
        media: impl FnOnce() -> Option<u32>,
        settings: &Settings,
        now: Millis,
    ) -> SharingVerdict {
        if self.sharing.is_alone(client) {
            return SharingVerdict::Owner;
        }
        let terms = SharingParams {
            stream: self.id,
            playback: Millis(self.playback.load(SeqCst)),
            seen: self.last_request(),
            idle: Duration::from_millis(u64::from(self.idle_ms.load(SeqCst))),
            overlap: settings.sharing_overlap,
            idle_retention: settings.idle_retention,
        };
        self.sharing.ask(client, media(), &terms, now)
    }

    /// A whole segment was asked for and is being sent. Returns whether the stream's media is pulled faster than `multiple`
    /// times real time, for too long. Never, where no manifest has told the duration of a segment.
    pub fn record_download(&self, multiple: u32, now: Millis) -> bool {
        match self.segment_ms.load(SeqCst) {
            0 => false,
            segment => self.pace.add(Duration::from_millis(u64::from(segment)), multiple, now),
        }
    }

    /// Whether the stream's media has been pulled too fast, and real time has not caught up yet.
    pub fn exceeds_download_rate(&self, multiple: u32, now: Millis) -> bool {
        self.pace.exceeds(multiple, now)
    }

    /// Whether that is told for the first time: a stream that is pulled too fast is counted once.
    pub fn first_download_rate_excess(&self) -> bool {
        self.pace.is_news()
    }
}
