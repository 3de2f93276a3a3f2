//! A record as it is written to disk and read at start.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::{Account, ApplicationId, Attributes, ClientEvidence, Device, Millis, StreamId};
use crate::streams::account::{AccountState, PendingTermination, Takeovers, Tombstone};
use crate::streams::{AdmissionRequest, Cause, Settings, Stream};

/// One account.
#[derive(Debug, Serialize, Deserialize)]
pub struct AccountSnapshot {
    /// Who.
    pub account: Account,
    /// Its streams.
    pub streams: Vec<StreamSnapshot>,
    /// Its terminated streams that are remembered.
    pub tombstones: Vec<KeptTombstone>,
    /// Its streams that are about to be terminated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leaving: Vec<PendingTermination>,
    /// When this was written; zero in files of earlier versions.
    #[serde(default)]
    pub saved: Millis,
    /// Whether the gateway went on after this was written, so that more may have happened since.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub runs: bool,
    /// Its take-overs.
    #[serde(default, skip_serializing_if = "is_default")]
    pub takeovers: Takeovers,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// One stream. Its cadence is learned again from the next manifest.
#[derive(Debug, Serialize, Deserialize)]
pub struct StreamSnapshot {
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
    /// What its start showed of its client.
    #[serde(default, skip_serializing_if = "is_default")]
    client: ClientEvidence,
    since: Millis,
    seen: Millis,
    holds: bool,
}

/// One tombstone.
#[derive(Debug, Serialize, Deserialize)]
pub struct KeptTombstone {
    stream: StreamSnapshot,
    cause: Cause,
    until: Millis,
    told: bool,
}

impl AccountSnapshot {
    /// What is worth keeping of a record.
    pub fn capture(account: &Account, record: &AccountState, settings: &Settings, now: Millis) -> Self {
        let streams = record.streams().iter().map(|stream| StreamSnapshot::capture(stream, settings, now));
        let tombstones = record.tombstones().iter().map(|tombstone| KeptTombstone {
            stream: StreamSnapshot::capture(&tombstone.stream, settings, now),
            cause: tombstone.cause.clone(),
            until: tombstone.until,
            told: tombstone.told,
        });
        Self {
            account: account.clone(),
            streams: streams.collect(),
            tombstones: tombstones.collect(),
            leaving: record.leaving().to_vec(),
            saved: now,
            runs: false,
            takeovers: record.kept_takeovers(),
        }
    }

    /// The same with every time so many milliseconds later.
    #[must_use]
    pub fn shifted(mut self, by: i64) -> Self {
        if self.saved != Millis(0) {
            self.saved = self.saved.shifted(by);
        }
        self.streams = self.streams.into_iter().map(|stream| stream.shifted(by)).collect();
        for leaving in &mut self.leaving {
            leaving.due = leaving.due.shifted(by);
        }
        for tombstone in &mut self.tombstones {
            tombstone.until = tombstone.until.shifted(by);
        }
        self.takeovers = self.takeovers.shifted(by);
        let tombstones = self.tombstones.into_iter();
        self.tombstones = tombstones.map(|kept| KeptTombstone { stream: kept.stream.shifted(by), ..kept }).collect();
        self
    }

    /// Lays everything back into a record.
    pub fn restore_into(mut self, record: &mut AccountState, settings: &Settings, now: Millis) {
        // The clock may have been set back since. Starts stay as they are: they are an order.
        self.set_back(self.saved.since(now));
        // After so long nobody waits for the gateway any more.
        let is_late = self.saved != Millis(0) && now.since(self.saved) >= settings.idle_retention;
        for mut kept in self.streams {
            kept.holds &= !is_late;
            record.restore(Arc::new(kept.revive(&self.account, settings, now)));
        }
        record.restore_leaving(self.leaving);
        record.restore_takeovers(self.takeovers, now);
        for kept in self.tombstones {
            let stream = Arc::new(kept.stream.revive(&self.account, settings, now));
            record.restore_tombstone(Tombstone { stream, cause: kept.cause, until: kept.until, told: kept.told });
        }
    }
}

impl AccountSnapshot {
    fn set_back(&mut self, by: Duration) {
        if by.is_zero() {
            return;
        }
        let back = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.takeovers = std::mem::take(&mut self.takeovers).shifted(-back);
        let ended = self.tombstones.iter_mut().map(|tombstone| {
            tombstone.until = tombstone.until - by;
            &mut tombstone.stream
        });
        for stream in self.streams.iter_mut().chain(ended) {
            stream.since = stream.since - by;
            stream.seen = stream.seen - by;
        }
        for leaving in &mut self.leaving {
            leaving.due = leaving.due - by;
        }
    }
}

impl StreamSnapshot {
    fn shifted(self, by: i64) -> Self {
        let [started, since, seen] = [self.started, self.since, self.seen].map(|at| at.shifted(by));
        Self { started, since, seen, ..self }
    }

    fn capture(stream: &Stream, settings: &Settings, now: Millis) -> Self {
        Self {
            stream: stream.id,
            application: stream.application.clone(),
            device: stream.device.clone(),
            asset: stream.asset.clone(),
            started: stream.started,
            attributes: stream.attributes(),
            client: stream.client,
            live: stream.content().map(|content| content == "live"),
            declared: stream.is_declared(),
            untouched: stream.is_declared() && !stream.was_followed(),
            since: stream.since(),
            seen: stream.last_seen(),
            holds: stream.holds(settings, now),
        }
    }

    fn revive(self, account: &Account, settings: &Settings, now: Millis) -> Stream {
        let candidate = AdmissionRequest {
            stream: self.stream,
            account: account.clone(),
            application: self.application,
            device: self.device,
            asset: self.asset,
            started: self.started,
            attributes: self.attributes,
            client: self.client,
        };
        // The time that the gateway was away is not held against the viewer: a stream that held its slot at the end has
        // until the end of its idle window from now.
        let stream = Stream::restored(&candidate, settings, self.since, self.seen, self.holds.then_some(now));
        if self.declared {
            stream.restore_declared(if self.holds { now } else { self.seen }, self.untouched);
        }
        if let Some(live) = self.live {
            stream.set_content(live);
        }
        stream.watch_content();
        stream
    }
}
