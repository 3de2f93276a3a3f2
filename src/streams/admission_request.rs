//! Admission requests, heartbeats and states of streams.

use std::sync::Arc;

use crate::model::{Account, ApplicationId, Attributes, ClientEvidence, Device, Millis, StreamId};

/// A request to start or resume a stream.
#[derive(Clone, Debug)]
pub struct AdmissionRequest {
    /// The stream's id.
    pub stream: StreamId,
    /// The account whose limits apply.
    pub account: Account,
    /// The application that started it.
    pub application: ApplicationId,
    /// The device.
    pub device: Device,
    /// The asset: path of the entry manifest.
    pub asset: Arc<str>,
    /// The requested start. It is later if other streams of the account started at the same time. A returning stream
    /// keeps its start, and so its place in the order.
    pub started: Millis,
    /// Attributes at the start.
    pub attributes: Attributes,
    /// Evidence about the client, for requests from viewers.
    pub client: ClientEvidence,
}

/// Kind of a heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// A playlist or MPD refresh.
    Presence,
    /// Media bytes requested, or still being sent.
    Playback,
}

/// State of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Admitted, no media requested yet. Holds a slot.
    Reserved,
    /// Playing. Holds a slot.
    Playing,
    /// A live player that refreshes its playlist without requesting media. Holds a slot for a time.
    Paused,
    /// No heartbeat. Holds no slot; a request makes it compete again.
    Idle,
    /// The same device started another stream. Holds no slot; late requests pass for a short time.
    Superseded,
    /// Terminated or removed.
    Ended,
}

impl State {
    /// The label in metrics and listings.
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
