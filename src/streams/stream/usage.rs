//! Sharing and download rate of a stream.

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use super::Stream;
use crate::model::Millis;
use crate::streams::sharing::{SharingParams, SharingVerdict};
use crate::streams::{Client, Settings};

impl Stream {
    /// Classifies the client. Call it before the request's heartbeat, for the stream named by the play session, never
    /// for a split one. `media` returns the [`media_hash`](super::media_hash) of a playback request, `None` for others;
    /// it is called only if the stream has other users.
    ///
    /// Hot path: one load while the stream is used from one network.
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

    /// Records a full segment request. Returns true if the download rate exceeds `multiple` times real time for too
    /// long. Always false if the segment duration is unknown.
    pub fn record_download(&self, multiple: u32, now: Millis) -> bool {
        match self.segment_ms.load(SeqCst) {
            0 => false,
            segment => self.pace.add(Duration::from_millis(u64::from(segment)), multiple, now),
        }
    }

    /// True while the download rate is exceeded.
    pub fn exceeds_download_rate(&self, multiple: u32, now: Millis) -> bool {
        self.pace.exceeds(multiple, now)
    }

    /// True on the first call: each stream is counted once.
    pub fn first_download_rate_excess(&self) -> bool {
        self.pace.is_news()
    }
}
