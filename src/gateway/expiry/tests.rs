#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc;

use tokio::sync::Notify;
use tokio::time::timeout;

use super::*;
use crate::model::{Account, ApplicationId, Attributes, ClientEvidence, Device, Millis, StreamId};
use crate::streams::store::InMemoryStore;
use crate::streams::{AdmissionRequest, Event, Observer, Settings};

const DAY: Millis = Millis(1_800_000_000_000);
/// Long enough for a busy machine; a passing test never waits this long.
const PATIENCE: Duration = Duration::from_secs(10);

struct Hand(AtomicU64);

impl Clock for Hand {
    fn now(&self) -> Millis {
        Millis(self.0.load(SeqCst))
    }
}

/// Blocks the advance when a stream expires, until the test releases it.
struct Slow {
    began: Notify,
    may_go_on: Mutex<mpsc::Receiver<()>>,
    /// Streams whose end was reported and released.
    told: AtomicUsize,
}

impl Observer for Slow {
    fn observe(&self, _: &Account, event: &Event<'_>) {
        if matches!(event, Event::Idle(_)) {
            self.began.notify_one();
            let is_let_on = self.may_go_on.lock().recv_timeout(PATIENCE).is_ok();
            self.told.fetch_add(usize::from(is_let_on), SeqCst);
        }
    }
}

struct World {
    expiry: Arc<Expiry>,
    observer: Arc<Slow>,
    clock: Arc<Hand>,
    go_on: mpsc::Sender<()>,
}

impl World {
    fn new() -> Self {
        let (go_on, may_go_on) = mpsc::channel();
        let may_go_on = Mutex::new(may_go_on);
        let observer = Arc::new(Slow { began: Notify::new(), may_go_on, told: AtomicUsize::new(0) });
        let clock = Arc::new(Hand(AtomicU64::new(DAY.0)));
        let store = Arc::new(InMemoryStore::new(Settings::default(), observer.clone()));
        let table = Arc::new(StreamTable::new(store, observer.clone()));
        Self { expiry: Arc::new(Expiry::new(table, clock.clone())), observer, clock, go_on }
    }

    /// Starts a stream of a new account without further heartbeats, and advances time by an hour.
    async fn abandon(&self, stream: u8) {
        let start = AdmissionRequest {
            stream: StreamId([stream; 16]),
            account: Account::new("acme", format!("subscriber-{stream}")),
            application: ApplicationId("tv".into()),
            device: Device::Named("tv".into()),
            asset: "/a".into(),
            started: self.clock.now(),
            attributes: Attributes::default(),
            client: ClientEvidence::default(),
        };
        self.expiry.table.start(&start, &[], &Settings::default(), self.clock.now()).await.unwrap();
        self.clock.0.fetch_add(3_600_000, SeqCst);
    }
}

// On a runtime of one thread: an advance on that thread would prevent the test from releasing it.
#[tokio::test]
async fn while_streams_expire_the_threads_of_the_runtime_do_something_else() {
    let world = World::new();
    world.abandon(1).await;
    let expiry = world.expiry.clone();
    let running = tokio::spawn(async move { expiry.run().await });
    timeout(PATIENCE, world.observer.began.notified()).await.unwrap();
    assert_eq!(world.observer.told.load(SeqCst), 0, "it is under way");
    world.go_on.send(()).unwrap();
    let expiry = world.expiry.clone();
    spawn_blocking(move || expiry.finish()).await.unwrap();
    assert_eq!(world.observer.told.load(SeqCst), 1, "the advance waited for the thread that it kept busy");
    running.abort();
}

#[tokio::test]
async fn an_advance_that_is_under_way_at_the_stop_is_completed_and_none_begins_after_it() {
    let world = World::new();
    world.abandon(1).await;
    let expiry = world.expiry.clone();
    let running = tokio::spawn(async move { expiry.run().await });
    timeout(PATIENCE, world.observer.began.notified()).await.unwrap();
    // A stop drops what runs it, and then waits.
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    let expiry = world.expiry.clone();
    let mut finish = spawn_blocking(move || expiry.finish());
    assert!(timeout(Duration::from_millis(100), &mut finish).await.is_err(), "it waits for the advance");
    world.go_on.send(()).unwrap();
    timeout(PATIENCE, finish).await.unwrap().unwrap();
    assert_eq!(world.observer.told.load(SeqCst), 1, "what has expired is told");

    world.abandon(2).await;
    let (expiry, runtime) = (world.expiry.clone(), Handle::current());
    spawn_blocking(move || expiry.advance(&runtime)).await.unwrap();
    assert!(timeout(Duration::ZERO, world.observer.began.notified()).await.is_err(), "one begins after the stop");
}
