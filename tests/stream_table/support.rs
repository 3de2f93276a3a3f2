//! What the tests of the stream table share: policies, candidates, and an observer that keeps the gauge a listener would.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use parking_lot::Mutex;
use streamgate::model::{Account, ApplicationId, Attributes, ClientEvidence, Device, Millis, StreamId};
use streamgate::policy::{Limit, Policy, Rule, WhenExceeded};
use streamgate::streams::store::InMemoryStore;
use streamgate::streams::{AdmissionOutcome, AdmissionRequest, Event, InForce, Observer, Settings, StreamTable};

/// Some day, in whole seconds.
pub(crate) const DAY: Millis = Millis(1_800_000_000_000);

pub(crate) fn at(seconds: u64) -> Millis {
    DAY + Duration::from_secs(seconds)
}

pub(crate) fn policy(name: &str, limit: u32, when_exceeded: WhenExceeded, applications: &[&str]) -> Arc<Policy> {
    Arc::new(Policy::new(name, vec![Rule::streams("streams", limit, when_exceeded)], applications))
}

/// The limit of the policy's one rule.
pub(crate) fn limit(policy: &Policy) -> usize {
    match policy.rules[0].limit {
        Limit::Fixed(limit) => limit as usize,
        ref other => panic!("{other:?} is not of these tests"),
    }
}

/// At most `limit` streams of the application `tv`; the newest gives way.
pub(crate) fn household(limit: u32) -> Vec<Arc<Policy>> {
    vec![policy("household", limit, WhenExceeded::DenyNewest, &["tv"])]
}

/// A policy of these rules for the application `tv`.
pub(crate) fn policies(rules: Vec<Rule>) -> Vec<Arc<Policy>> {
    vec![Arc::new(Policy::new("household", rules, &["tv"]))]
}

/// These policies are in force for the application `tv`.
pub(crate) fn in_force(policies: &[Arc<Policy>]) -> InForce {
    BTreeMap::from([(ApplicationId("tv".into()), policies.to_vec())])
}

pub(crate) fn account(n: usize) -> Account {
    Account::new("acme", format!("subscriber-{n}"))
}

fn checksum(asset: &str) -> u128 {
    asset.bytes().fold(0, |sum, byte| (sum * 31 + u128::from(byte)) % 0xffff_ffff)
}

/// A start on a named device. The stream's name is made of account, device and asset, so that no two of them share one.
pub(crate) fn candidate(subject: usize, device: usize, asset: &str, now: Millis) -> AdmissionRequest {
    AdmissionRequest {
        stream: StreamId(((subject as u128) << 64 | (device as u128) << 32 | checksum(asset)).to_be_bytes()),
        account: account(subject),
        application: ApplicationId("tv".into()),
        device: Device::Named(format!("device-{device}").into()),
        asset: asset.into(),
        started: now,
        attributes: Attributes::default(),
        client: ClientEvidence::default(),
    }
}

pub(crate) fn is_admitted(admission: &AdmissionOutcome) -> bool {
    matches!(admission, AdmissionOutcome::Admitted { .. })
}

/// Keeps the gauge of slots that are held, going by events alone, and the words for what happened.
#[derive(Default)]
pub(crate) struct Gauge {
    held: AtomicI64,
    lowest: AtomicI64,
    capacity_evicted: AtomicUsize,
    unaccounted: AtomicUsize,
    heard: Mutex<Vec<&'static str>>,
    demanded: Mutex<Vec<(String, u16)>>,
    attempts: Mutex<Vec<(usize, bool)>>,
}

impl Gauge {
    /// How many slots the events say are held.
    pub(crate) fn held(&self) -> usize {
        usize::try_from(self.held.load(SeqCst)).expect("no end is told twice")
    }

    /// The lowest value that the gauge ever had; below zero if an end was told twice.
    pub(crate) fn lowest(&self) -> i64 {
        self.lowest.load(SeqCst)
    }

    /// What admissions have needed of each rule, in order.
    pub(crate) fn demanded(&self) -> Vec<(String, u16)> {
        self.demanded.lock().clone()
    }

    /// How many streams would have held a slot after each attempt, and whether it was admitted.
    pub(crate) fn attempts(&self) -> Vec<(usize, bool)> {
        self.attempts.lock().clone()
    }

    /// How many streams without a slot were given up because the table was full.
    pub(crate) fn capacity_evicted(&self) -> usize {
        self.capacity_evicted.load(SeqCst)
    }

    /// How many starts and returns found no room.
    pub(crate) fn unaccounted(&self) -> usize {
        self.unaccounted.load(SeqCst)
    }

    /// What was heard since the last call.
    pub(crate) fn heard(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.heard.lock())
    }
}

impl Observer for Gauge {
    fn observe(&self, _: &Account, event: &Event<'_>) {
        let (word, step) = match event {
            Event::Admitted(_) => ("admitted", 1),
            Event::Resumed(_) => ("resumed", 1),
            Event::Idle(_) => ("idle", -1),
            Event::Superseded(_) => ("superseded", -1),
            Event::RolledBack(_) => ("rolled back", -1),
            Event::Terminated(..) => ("terminated", -1),
            Event::TerminatedIdle(..) => ("barred", 0),
            Event::CapacityEvicted(_) => ("capacity evicted", 0),
            Event::CapacityExceeded(_) => ("unaccounted", 0),
            Event::Expired(_) => ("forgotten", 0),
            Event::Refused(..) => ("refused", 0),
            Event::Violated(_) => ("violated", 0),
            Event::MissingAttribute(_) => ("lacked", 0),
            Event::RequiredLimit(demand) => {
                self.demanded.lock().push((demand.rule.to_string(), demand.limit));
                return;
            }
            Event::AdmissionAttempt { level, admitted, .. } => {
                self.attempts.lock().push((*level, *admitted));
                return;
            }
            Event::Explained(..) => ("explained", 0),
            Event::Unenforced { .. } => ("unenforced", 0),
            Event::Terminating(..) => ("leaving", 0),
            Event::TakenOver { .. } => ("taken over", 0),
            Event::TakeoverSettled { .. } => ("takeover settled", 0),
            Event::Unavailable => ("unavailable", 0),
        };
        let held = self.held.fetch_add(step, SeqCst) + step;
        self.lowest.fetch_min(held, SeqCst);
        self.capacity_evicted.fetch_add(usize::from(word == "capacity evicted"), SeqCst);
        self.unaccounted.fetch_add(usize::from(word == "unaccounted"), SeqCst);
        self.heard.lock().push(word);
    }
}

/// An embedded table and the gauge that listens to it.
pub(crate) fn table(settings: &Settings) -> (StreamTable, Arc<Gauge>) {
    let gauge = Arc::new(Gauge::default());
    let store = InMemoryStore::new(settings.clone(), gauge.clone());
    (StreamTable::new(Arc::new(store), gauge.clone()), gauge)
}

/// The streams that hold a slot now.
pub(crate) fn holders(table: &StreamTable, settings: &Settings, now: Millis) -> Vec<StreamId> {
    let mut holding = Vec::new();
    table.each(&mut |_, record| {
        holding.extend(record.streams().iter().filter(|stream| stream.holds(settings, now)).map(|stream| stream.id));
    });
    holding.sort_unstable();
    holding
}
