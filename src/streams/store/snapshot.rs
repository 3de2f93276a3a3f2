//! Records as written to disk and read at start.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::{Account, ApplicationId, Attributes, ClientEvidence, Device, Millis, StreamId};
use crate::streams::account::{AccountState, PendingTermination, Takeovers, Tombstone};
use crate::streams::{AdmissionRequest, Cause, Settings, Stream};

/// One account.
#[derive(Debug, Serialize, Deserialize)]
pub struct AccountSnapshot {
    /// The account.
    pub account: Account,
    /// Its streams.
    pub streams: Vec<StreamSnapshot>,
    /// Its tombstones.
    pub tombstones: Vec<KeptTombstone>,
    /// Its streams in grace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leaving: Vec<PendingTermination>,
    /// When this was written; zero in files of earlier versions.
    #[serde(default)]
    pub saved: Millis,
    /// True if the gateway continued after this was written, so that more may have happened.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub runs: bool,
    /// Its takeovers.
    #[serde(default, skip_serializing_if = "is_default")]
    pub takeovers: Takeovers,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// One stream. Its cadence comes from the next manifest.
#[derive(Debug, Serialize, Deserialize)]
pub struct StreamSnapshot {
    stream: StreamId,
    application: ApplicationId,
    device: Device,
    asset: Arc<str>,
    started: Millis,
    #[serde(default, skip_serializing_if = "Attributes::is_empty")]
    attributes: Attributes,
    /// True if its manifest was live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    live: Option<bool>,
    /// True if an application declared it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    declared: bool,
    /// True if none of its media was requested here.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    untouched: bool,
    /// Evidence about its client at the start.
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
    /// Captures a record.
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

    /// Shifts every time by this many milliseconds.
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

    /// Restores the record.
    pub fn restore_into(mut self, record: &mut AccountState, settings: &Settings, now: Millis) {
        // The clock may have been set back since. Starts stay unchanged: they are an order.
        self.set_back(self.saved.since(now));
        // After this long, no viewer is still waiting.
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
        // Downtime of the gateway does not count as silence: a stream that held its slot gets a full idle timeout from
        // now.
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
