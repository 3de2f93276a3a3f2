//! Requests at the same instant, on real threads.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use streamgate::model::Millis;
use streamgate::policy::Policy;
use streamgate::streams::{AdmissionOutcome, AdmissionRequest, Settings, Signal, Stream, StreamTable};
use tokio::sync::Barrier as AsyncBarrier;

use super::support::{DAY, at, candidate, holders, household, is_admitted, table};

#[test]
fn of_64_first_requests_at_once_exactly_two_are_admitted_every_time() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().expect("a runtime");
    let settings = Settings::default();
    let (table, gauge) = table(&settings);
    let table = Arc::new(table);
    let policies = household(2);
    for round in 0..200 {
        let barrier = Arc::new(AsyncBarrier::new(64));
        let requests: Vec<_> = (0..64)
            .map(|device| {
                let (table, barrier, policies) = (table.clone(), barrier.clone(), policies.clone());
                let settings = settings.clone();
                runtime.spawn(async move {
                    let who = candidate(round, device, "/live", DAY);
                    barrier.wait().await;
                    table.start(&who, &policies, &settings, DAY).await.is_ok_and(|answer| is_admitted(&answer))
                })
            })
            .collect();
        let answers = requests.into_iter().map(|request| runtime.block_on(request).expect("a request ends"));
        assert_eq!(answers.filter(|admitted| *admitted).count(), 2, "round {round}");
    }
    assert_eq!(gauge.held(), 400);
}

/// Everything that the threads of a race share.
struct Race {
    table: StreamTable,
    policies: Vec<Arc<Policy>>,
    settings: Settings,
    now: AtomicU64,
    line: Barrier,
    /// How many believe that they hold a slot.
    holding: AtomicUsize,
}

const LIMIT: usize = 2;
const PLAYERS: usize = 4;
const ROUNDS: usize = 3_000;

impl Race {
    fn now(&self) -> Millis {
        Millis(self.now.load(SeqCst))
    }

    /// A request of a player that carries its stream, if it has one. Returns the stream that it goes on with.
    fn request(
        &self,
        runtime: &tokio::runtime::Runtime,
        who: &AdmissionRequest,
        carried: Option<Arc<Stream>>,
    ) -> Option<Arc<Stream>> {
        let now = self.now();
        if let Some(stream) = carried.filter(|stream| stream.heartbeat(Signal::Playback, now)) {
            return Some(stream);
        }
        let answer = runtime.block_on(self.table.resume(who, &self.policies, &self.settings, now));
        match answer.expect("an embedded table answers") {
            AdmissionOutcome::Admitted { stream, .. } => stream.heartbeat(Signal::Playback, now).then_some(stream),
            AdmissionOutcome::Refused(_) => None,
        }
    }

    fn run_player(&self, player: usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let who = candidate(0, player, "/live", DAY + Duration::from_millis(player as u64));
        let mut carried = None;
        for round in 0..ROUNDS {
            self.line.wait();
            // Each is silent in some rounds, so that its slot comes free just when it or another one asks.
            if (round / 2 + player).is_multiple_of(3) {
                self.line.wait();
                self.line.wait();
                continue;
            }
            carried = self.request(&runtime, &who, carried);
            self.holding.fetch_add(usize::from(carried.is_some()), SeqCst);
            self.line.wait();
            self.line.wait();
        }
    }

    /// Moves the clock to the deadline of whoever is silent, in the middle of everybody's requests.
    fn run_time(&self, idle: Duration) {
        for round in 0..ROUNDS {
            self.holding.store(0, SeqCst);
            self.now.store((self.now() + idle / 2 + Duration::from_millis(1)).0, SeqCst);
            self.line.wait();
            self.table.tick(self.now());
            self.line.wait();
            let now = self.now();
            let believe = self.holding.load(SeqCst);
            assert!(believe <= LIMIT, "round {round}: {believe} players believe that they hold one of {LIMIT} slots");
            let hold = holders(&self.table, &self.settings, now).len();
            assert!(believe <= hold && hold <= LIMIT, "round {round}: {believe} believe, {hold} hold");
            self.line.wait();
        }
    }
}

#[test]
fn heartbeats_that_race_with_the_idle_deadline_never_make_one_holder_too_many() {
    let idle = Duration::from_secs(20);
    let settings = Settings { idle_min: idle, idle_max: idle, ..Settings::default() };
    let (table, gauge) = table(&settings);
    let race = Race {
        table,
        policies: household(u32::try_from(LIMIT).expect("a small limit")),
        settings,
        now: AtomicU64::new(at(0).0),
        line: Barrier::new(PLAYERS + 1),
        holding: AtomicUsize::new(0),
    };
    std::thread::scope(|threads| {
        for player in 0..PLAYERS {
            let race = &race;
            threads.spawn(move || race.run_player(player));
        }
        race.run_time(idle);
    });
    assert!(gauge.lowest() >= 0);
    assert!(gauge.heard().contains(&"idle"), "slots came free in between");
}

#[test]
fn one_heartbeat_and_one_start_at_the_same_deadline_never_both_get_the_slot() {
    const ROUNDS: usize = 20_000;
    let settings = Settings::default();
    let (table, gauge) = table(&settings);
    let policies = household(1);
    let runtime = || tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let here = runtime();
    let admit = |runtime: &tokio::runtime::Runtime, who: &AdmissionRequest, now| match runtime
        .block_on(table.start(who, &policies, &settings, now))
        .expect("an embedded table answers")
    {
        AdmissionOutcome::Admitted { stream, .. } => Some(stream),
        AdmissionOutcome::Refused(_) => None,
    };
    let streams: Vec<Arc<Stream>> = (0..ROUNDS)
        .map(|round| {
            let stream = admit(&here, &candidate(round, 0, "/live", DAY), DAY).expect("the first is admitted");
            stream.heartbeat(Signal::Playback, DAY);
            stream
        })
        .collect();
    let deadline = streams[0].slot_until(&settings, DAY).expect("it holds a slot");
    // Both spin up to the start, because a wake-up takes longer than what they race for.
    let line = AtomicUsize::new(0);
    let wait = |round: usize| {
        line.fetch_add(1, SeqCst);
        let mut spins = 0_u32;
        while line.load(SeqCst) < 2 * (round + 1) {
            spins += 1;
            // On a busy machine the other one may have no core.
            if spins.is_multiple_of(4096) { std::thread::yield_now() } else { std::hint::spin_loop() }
        }
    };
    let rivals = std::thread::scope(|threads| {
        let starter = threads.spawn(|| {
            let there = runtime();
            let compete = |round| {
                let who = candidate(round, 1, "/live", deadline);
                wait(round);
                admit(&there, &who, deadline).is_some()
            };
            (0..ROUNDS).map(compete).collect::<Vec<bool>>()
        });
        let beats: Vec<bool> = streams
            .iter()
            .enumerate()
            .map(|(round, stream)| {
                wait(round);
                // Sweeps over the time that the start takes to come to its decision.
                for _ in 0..round % 1000 {
                    std::hint::spin_loop();
                }
                stream.heartbeat(Signal::Playback, deadline)
            })
            .collect();
        let starts = starter.join().expect("the other thread ends");
        beats.into_iter().zip(starts).collect::<Vec<_>>()
    });
    assert!(!rivals.contains(&(true, true)), "a heartbeat and a start both got the only slot");
    assert_eq!(holders(&table, &settings, deadline).len(), ROUNDS, "each account has one holder");
    assert_eq!(gauge.held(), ROUNDS);
}
