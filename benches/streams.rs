//! Cost of the stream table: time of heartbeats, admissions and maintenance, memory of a stream.
//!
//! Each memory figure comes from a separate process, so that it includes nothing else.

#![allow(clippy::expect_used, clippy::panic, reason = "a benchmark that cannot measure has nothing else to say")]

use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::pin::pin;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, SamplingMode};
use streamgate::model::{Account, AccountKey, ApplicationId, Attributes, ClientEvidence, Device, Millis, StreamId};
use streamgate::policy::{Policy, Rule, WhenExceeded};
use streamgate::streams::store::InMemoryStore;
use streamgate::streams::{
    AdmissionOutcome, AdmissionRequest, InForce, NoopObserver, Settings, Signal, Stream, StreamTable,
};
use tokio::runtime::Runtime;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const MILLION: usize = 1_000_000;
const ASSETS: usize = 1_000;
/// Streams in the first hundred accounts of a memory measurement; the variable selects the process of that measurement.
const MEMORY: &str = "STREAMGATE_BENCH_STREAMS_IN_100_ACCOUNTS";
const START: Millis = Millis(1_800_000_000_000);

/// A table with its environment, as in a gateway.
struct World {
    table: StreamTable,
    settings: Settings,
    policies: Vec<Arc<Policy>>,
    application: ApplicationId,
    idp: Arc<str>,
    assets: Vec<Arc<str>>,
    runtime: Runtime,
}

impl World {
    fn new(limit: u32) -> Self {
        let settings = Settings { capacity: 2 * MILLION as u64, ..Settings::default() };
        let application = ApplicationId("tv".into());
        let rule = Rule::streams("streams", limit, WhenExceeded::DenyNewest);
        let policy = Policy::new("household", vec![rule], &[application.as_str()]);
        Self {
            table: StreamTable::new(
                Arc::new(InMemoryStore::new(settings.clone(), Arc::new(NoopObserver))),
                Arc::new(NoopObserver),
            ),
            settings,
            policies: vec![Arc::new(policy)],
            application,
            idp: "https://login.example.com/".into(),
            assets: (0..ASSETS).map(|n| format!("/live/channel-{n:04}/index.m3u8").into()).collect(),
            runtime: tokio::runtime::Builder::new_current_thread().build().expect("a runtime"),
        }
    }

    fn account(&self, n: usize) -> Account {
        Account::new(self.idp.clone(), format!("subscriber-{n:08}"))
    }

    /// The first request of a device of account `n`.
    fn candidate(&self, n: usize, device: usize) -> AdmissionRequest {
        AdmissionRequest {
            stream: stream_id(n, device),
            account: self.account(n),
            application: self.application.clone(),
            device: Device::Named(format!("device-{n:08}-{device:02}").into()),
            asset: self.assets[(n + device) % ASSETS].clone(),
            started: START,
            attributes: Attributes::default(),
            client: ClientEvidence::default(),
        }
    }

    async fn start(&self, candidate: &AdmissionRequest) -> AdmissionOutcome {
        self.table.start(candidate, &self.policies, &self.settings, START).await.expect("an embedded table answers")
    }

    /// Admits one device of account `n`, which then plays.
    async fn play(&self, n: usize, device: usize) -> Arc<Stream> {
        match self.start(&self.candidate(n, device)).await {
            AdmissionOutcome::Admitted { stream, .. } => {
                stream.heartbeat(Signal::Playback, START);
                stream
            }
            AdmissionOutcome::Refused(refusal) => panic!("{refusal:?}"),
        }
    }

    fn timed<F: Future<Output = ()>>(&self, work: impl FnOnce() -> F) -> Duration {
        self.runtime.block_on(async {
            let begin = Instant::now();
            work().await;
            begin.elapsed()
        })
    }
}

fn stream_id(n: usize, device: usize) -> StreamId {
    StreamId(((n as u128) << 32 | device as u128).to_be_bytes())
}

/// Play sessions in an order independent of their start.
fn shuffled(mut sessions: Vec<(AccountKey, StreamId)>) -> Vec<(AccountKey, StreamId)> {
    // The key is a hash.
    sessions.sort_unstable_by_key(|(key, _)| *key);
    sessions
}

fn heartbeats(criterion: &mut Criterion) {
    for accounts in [10_000, MILLION] {
        let world = World::new(2);
        let sessions = world.runtime.block_on(async {
            let mut sessions = Vec::with_capacity(accounts);
            for n in 0..accounts {
                let stream = world.play(n, 0).await;
                sessions.push((world.account(n).key(), stream.id));
            }
            sessions
        });
        world.table.tick(START + Duration::from_secs(1));
        let mut requests = shuffled(sessions).into_iter().cycle();
        criterion.bench_function(&format!("look-up + heartbeat, {accounts} accounts"), |bench| {
            let mut next = || requests.next().expect("a cycle does not end");
            bench.iter_batched(
                &mut next,
                |(key, id)| world.table.find(&key, id).is_some_and(|stream| stream.heartbeat(Signal::Playback, START)),
                BatchSize::SmallInput,
            );
        });
        if accounts == MILLION {
            policy_change(&world, accounts);
            house_keeping(criterion, &world, accounts);
        }
    }
}

/// A policy change that ends no stream: how long it blocks its thread at a time, and in total.
fn policy_change(world: &World, accounts: usize) {
    let rule = Rule::streams("streams", 3, WhenExceeded::DenyNewest);
    let policy = Policy::new("household", vec![rule], &[world.application.as_str()]);
    let in_force = InForce::from([(world.application.clone(), vec![Arc::new(policy)])]);
    let mut change = pin!(world.table.apply_policy_change(world.settings.clone(), in_force, START));
    let (mut turns, mut longest, mut all) = (0, Duration::ZERO, Duration::ZERO);
    world.runtime.block_on(poll_fn(|context| {
        let begin = Instant::now();
        let polled = change.as_mut().poll(context);
        let turn = begin.elapsed();
        (turns, longest, all) = (turns + 1, longest.max(turn), all + turn);
        polled
    }));
    println!("change of policies, {accounts} accounts: {turns} turns, the longest {longest:?}, together {all:?}");
}

/// A minute of a full table: every stream has a body in flight and is checked once, at its idle timeout.
fn house_keeping(criterion: &mut Criterion, world: &World, accounts: usize) {
    for n in 0..accounts {
        if let Some(stream) = world.table.find(&world.account(n).key(), stream_id(n, 0)) {
            stream.opened();
        }
    }
    let mut now = START;
    let mut group = criterion.benchmark_group("ticks");
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    group.bench_function(format!("60 ticks, {accounts} accounts playing"), |bench| {
        bench.iter(|| {
            for _ in 0..60 {
                now = now + Duration::from_secs(1);
                world.table.tick(now);
            }
        });
    });
    group.finish();
}

fn carried(criterion: &mut Criterion) {
    let world = World::new(2);
    let stream = world.runtime.block_on(world.play(0, 0));
    criterion.bench_function("heartbeat of a carried stream", |bench| {
        bench.iter(|| black_box(&stream).heartbeat(Signal::Playback, black_box(START)));
    });
}

fn admissions(criterion: &mut Criterion) {
    let world = World::new(2);
    let mut newcomer = 0;
    criterion.bench_function("admission, new account", |bench| {
        bench.iter_custom(|rounds| {
            let first = newcomer;
            newcomer += usize::try_from(rounds).expect("few rounds");
            let candidates: Vec<AdmissionRequest> = (first..newcomer).map(|n| world.candidate(n, 0)).collect();
            world.timed(|| async {
                for candidate in &candidates {
                    black_box(world.start(candidate).await);
                }
            })
        });
    });

    let world = World::new(3);
    let third = world.candidate(0, 2);
    world.runtime.block_on(async {
        world.play(0, 0).await;
        world.play(0, 1).await;
    });
    criterion.bench_function("admission and roll-back, account with 2 streams", |bench| {
        bench.iter_custom(|rounds| {
            world.timed(|| async {
                for _ in 0..rounds {
                    black_box(world.start(&third).await);
                    world
                        .table
                        .roll_back(&third.account, third.stream, START)
                        .await
                        .expect("an embedded table answers");
                }
            })
        });
    });

    let world = World::new(2);
    world.runtime.block_on(async {
        world.play(0, 0).await;
        world.play(0, 1).await;
    });
    let third = world.candidate(0, 2);
    criterion.bench_function("refusal, account with 2 streams", |bench| {
        bench.iter_custom(|rounds| {
            world.timed(|| async {
                for _ in 0..rounds {
                    black_box(world.start(&third).await);
                }
            })
        });
    });
}

/// Resident bytes of this process.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: usize =
        statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("the second number of statm");
    pages * 4096
}

/// Fills a table with a million streams and prints the bytes per stream, including its account's share.
fn weigh(streams_in_100_accounts: usize) {
    let world = World::new(2);
    world.runtime.block_on(world.play(usize::MAX, 0));
    let before = resident();
    let seconds = streams_in_100_accounts - 100;
    let mut streams = 0;
    world.runtime.block_on(async {
        for n in 0.. {
            for device in 0..if n % 100 < seconds { 2 } else { 1 } {
                world.play(n, device).await;
                streams += 1;
            }
            if streams >= MILLION {
                break;
            }
        }
    });
    world.table.tick(START);
    let bytes = (resident() - before) / streams;
    println!("memory, 1000000 streams, {streams_in_100_accounts} in 100 accounts: {bytes} bytes per stream");
}

fn main() {
    if let Some(streams) = std::env::var(MEMORY).ok().and_then(|streams| streams.parse().ok()) {
        weigh(streams);
        return;
    }
    for streams in ["100", "133"] {
        let myself = std::env::current_exe().expect("the path of this benchmark");
        let status = Command::new(myself).env(MEMORY, streams).status().expect("this benchmark starts again");
        assert!(status.success(), "the measurement of memory ended with {status}");
    }
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3))
        .configure_from_args();
    carried(&mut criterion);
    admissions(&mut criterion);
    heartbeats(&mut criterion);
    criterion.final_summary();
}
