//! A record as it is written to disk at shutdown and read at start.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::{Account, ApplicationId, Attributes, Device, Millis, StreamId};
use crate::streams::account::{Leaving, Record, Tombstone};
use crate::streams::{Candidate, Cause, Settings, Stream};

/// One account.
#[derive(Debug, Serialize, Deserialize)]
pub struct Kept {
    /// Who.
    pub account: Account,
    /// Its streams.
    pub streams: Vec<KeptStream>,
    /// Its terminated streams that are remembered.
    pub tombstones: Vec<KeptTombstone>,
    /// Its streams that are about to be terminated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leaving: Vec<Leaving>,
}

/// One stream. Its cadence is learned again from the next manifest.
#[derive(Debug, Serialize, Deserialize)]
pub struct KeptStream {
    stream: StreamId,
    application: ApplicationId,
    device: Device,
    asset: Arc<str>,
    started: Millis,
    #[serde(default, skip_serializing_if = "Attributes::is_empty")]
    attributes: Attributes,
    /// Whether its manifest said that it is live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    live: Option<bool>,
    /// Whether an application has declared it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    declared: bool,
    /// Whether none of its media has been asked for here.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    untouched: bool,
    since: Millis,
    seen: Millis,
    holds: bool,
}

/// One tombstone.
#[derive(Debug, Serialize, Deserialize)]
pub struct KeptTombstone {
    stream: KeptStream,
    cause: Cause,
    until: Millis,
    told: bool,
}

impl Kept {
    /// What is worth keeping of a record.
    pub fn of(account: &Account, record: &Record, settings: &Settings, now: Millis) -> Self {
        let streams = record.streams().iter().map(|stream| KeptStream::of(stream, settings, now));
        let tombstones = record.tombstones().iter().map(|tombstone| KeptTombstone {
            stream: KeptStream::of(&tombstone.stream, settings, now),
            cause: tombstone.cause.clone(),
            until: tombstone.until,
            told: tombstone.told,
        });
        Self {
            account: account.clone(),
            streams: streams.collect(),
            tombstones: tombstones.collect(),
            leaving: record.leaving().to_vec(),
        }
    }

    /// Lays everything back into a record.
    pub fn restore_into(self, record: &mut Record, settings: &Settings, now: Millis) {
        for kept in self.streams {
            record.restore(Arc::new(kept.revive(&self.account, settings, now)));
        }
        record.restore_leaving(self.leaving);
        for kept in self.tombstones {
            let stream = Arc::new(kept.stream.revive(&self.account, settings, now));
            record.restore_tombstone(Tombstone { stream, cause: kept.cause, until: kept.until, told: kept.told });
        }
    }
}

impl KeptStream {
    fn of(stream: &Stream, settings: &Settings, now: Millis) -> Self {
        Self {
            stream: stream.id,
            application: stream.application.clone(),
            device: stream.device.clone(),
            asset: stream.asset.clone(),
            started: stream.started,
            attributes: stream.attributes(),
            live: stream.content().map(|content| content == "live"),
            declared: stream.is_declared(),
            untouched: stream.is_declared() && !stream.was_followed(),
            since: stream.since(),
            seen: stream.last_seen(),
            holds: stream.holds(settings, now),
        }
    }

    fn revive(self, account: &Account, settings: &Settings, now: Millis) -> Stream {
        let candidate = Candidate {
            stream: self.stream,
            account: account.clone(),
            application: self.application,
            device: self.device,
            asset: self.asset,
            started: self.started,
            attributes: self.attributes,
        };
        // The time that the gateway was away is not held against the viewer: a stream that held its slot at the end has
        // until the end of its idle window from now.
        let stream = Stream::restored(&candidate, settings, self.since, self.seen, self.holds.then_some(now));
        if self.declared {
            stream.was_declared(if self.holds { now } else { self.seen }, self.untouched);
        }
        if let Some(live) = self.live {
            stream.tell_content(live);
        }
        stream.ask_content();
        stream
    }
}
