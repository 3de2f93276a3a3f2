//! Who wants to play what, what a request says of it, and where a stream is in its life.

use std::sync::Arc;

use crate::model::{Account, ApplicationId, Attributes, ClientEvidence, Device, Millis, StreamId};

/// Who wants to play what: everything a stream is born with.
#[derive(Clone, Debug)]
pub struct AdmissionRequest {
    /// The stream's name.
    pub stream: StreamId,
    /// Whose limit it counts against.
    pub account: Account,
    /// Which application started it.
    pub application: ApplicationId,
    /// On which device.
    pub device: Device,
    /// What is played: the path of the entry manifest.
    pub asset: Arc<str>,
    /// When it wants to start. It starts later if others of its account have not started earlier. A stream that comes back keeps
    /// its start, and with it its place in the order.
    pub started: Millis,
    /// What is known of it when it starts.
    pub attributes: Attributes,
    /// What the request shows of its client, where it comes from a viewer.
    pub client: ClientEvidence,
}

/// What an observed request says about its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// A playlist or MPD refresh.
    Presence,
    /// Media bytes asked for, or still being sent.
    Playback,
}

/// Where a stream is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Admitted, no media yet. Holds a slot.
    Reserved,
    /// Holds a slot.
    Playing,
    /// A live player that polls without media. Holds a slot for a time.
    Paused,
    /// Silent. Holds no slot; a request lets it compete again.
    Idle,
    /// The same device started something else. Holds no slot; late requests pass for a moment.
    Superseded,
    /// Out of the record.
    Ended,
}

impl State {
    /// The word in metrics and listings.
    pub fn label(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Playing => "playing",
            Self::Paused => "paused",
            Self::Idle => "idle",
            Self::Superseded => "superseded",
            Self::Ended => "ended",
        }
    }
}
