//! Whatever players do in whatever order: the table answers as the model does, and the limit holds.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use streamgate::model::{ApplicationId, Attributes, ClientEvidence, Device, Millis, StreamId};
use streamgate::policy::{Policy, WhenExceeded};
use streamgate::streams::{
    AdmissionOutcome, AdmissionRequest, Cadence, Cause, Kill, Refusal, Settings, Signal, Stream, StreamTable,
    TakeoverSettings,
};

use super::model::{Answer, Model, device, subject};
use super::support::{DAY, Gauge, holders, limit, policy, table};

const ACCOUNTS: u8 = 2;
const APPLICATIONS: [&str; 2] = ["tv", "web"];

#[derive(Clone, Debug)]
enum Step {
    /// Somebody asks for an entry manifest, perhaps with a token that names the play session.
    Start { account: u8, application: u8, device: u8, asset: u8, named: Option<u8> },
    /// A play session that this gateway may never have seen arrives.
    Stranger { account: u8, application: u8, device: u8, asset: u8, age: u64 },
    /// An application declares a start, perhaps in place of what others play.
    Declare { account: u8, application: u8, device: u8, asset: u8, kills: Vec<usize> },
    /// An application says that one of its streams plays.
    Alive { player: usize },
    /// A stream is stopped.
    Stop { player: usize },
    /// A request of one of the players.
    Beat { player: usize, signal: Signal },
    /// A body of media that takes its time begins, or ends.
    Body { player: usize },
    /// A manifest says what it is.
    Learn { player: usize, cadence: Cadence },
    /// The origin answers a start with an error.
    RollBack { player: usize },
    /// Seconds go by, each with its tick.
    Wait(u64),
    /// The gateway starts anew.
    Restart { snapshot: bool },
}

/// Half seconds, so that no deadline falls on the whole seconds at which things happen.
fn windows() -> Settings {
    let half = |seconds: u64| Duration::from_millis(seconds * 1000 + 500);
    Settings {
        reserve: half(9),
        idle_min: half(12),
        idle_max: half(45),
        paused_timeout: half(29),
        idle_retention: half(99),
        tombstone: half(39),
        min_tenure: Duration::from_secs(10),
        sharing_overlap: half(30),
        interval: half(20),
        grace: Duration::from_secs(7),
        // Take-overs have a model of their own.
        takeover: TakeoverSettings { verify: Duration::ZERO, ..TakeoverSettings::default() },
        capacity: 1000,
    }
}

fn cadence() -> impl Strategy<Value = Cadence> {
    let live = |segment, low_latency| Cadence {
        live: true,
        low_latency,
        segment: Some(Duration::from_millis(segment)),
        refresh: low_latency.then_some(Duration::from_secs(6)),
        ..Cadence::default()
    };
    let recorded = Cadence { segment: Some(Duration::from_millis(10_100)), ..Cadence::default() };
    prop_oneof![Just(live(3500, false)), Just(live(2500, true)), Just(recorded)]
}

fn step() -> impl Strategy<Value = Step> {
    let who = || (0..ACCOUNTS, 0..2_u8, 0..4_u8, 0..3_u8);
    let signal = prop_oneof![Just(Signal::Playback), Just(Signal::Presence)];
    prop_oneof![
        8 => (who(), prop::option::weighted(0.1, 0..2_u8)).prop_map(|((account, application, device, asset), named)| {
            Step::Start { account, application, device, asset, named }
        }),
        2 => (who(), 0..200_u64).prop_map(|((account, application, device, asset), age)| {
            Step::Stranger { account, application, device, asset, age }
        }),
        5 => (who(), prop::collection::vec(any::<usize>(), 0..3)).prop_map(|((account, application, device, asset), kills)| {
            Step::Declare { account, application, device, asset, kills }
        }),
        4 => any::<usize>().prop_map(|player| Step::Alive { player }),
        1 => any::<usize>().prop_map(|player| Step::Stop { player }),
        10 => (any::<usize>(), signal).prop_map(|(player, signal)| Step::Beat { player, signal }),
        2 => any::<usize>().prop_map(|player| Step::Body { player }),
        3 => (any::<usize>(), cadence()).prop_map(|(player, cadence)| Step::Learn { player, cadence }),
        2 => any::<usize>().prop_map(|player| Step::RollBack { player }),
        5 => prop_oneof![4 => 1..8_u64, 2 => 8..50_u64, 1 => 50..150_u64].prop_map(Step::Wait),
        1 => any::<bool>().prop_map(|snapshot| Step::Restart { snapshot }),
    ]
}

/// Both applications share a policy; `web` may carry a second one.
fn policies() -> impl Strategy<Value = [Vec<Arc<Policy>>; 2]> {
    let way = prop_oneof![Just(WhenExceeded::DenyNewest), Just(WhenExceeded::TerminateOldest)];
    (1..4_u32, way, any::<bool>()).prop_map(|(limit, way, second)| {
        let shared = policy("shared", limit, way.clone(), &APPLICATIONS);
        let own = second.then(|| policy("own", 1, WhenExceeded::DenyNewest, &["web"]));
        [vec![shared.clone()], std::iter::once(shared).chain(own).collect()]
    })
}

fn named(pairs: &[(&str, &str)]) -> Attributes {
    pairs.iter().map(|(name, value)| (Arc::from(*name), Arc::from(*value))).collect()
}

struct Player {
    account: u8,
    application: u8,
    session: AdmissionRequest,
    body: Option<Arc<Stream>>,
}

struct World {
    settings: Settings,
    policies: [Vec<Arc<Policy>>; 2],
    table: StreamTable,
    gauge: Arc<Gauge>,
    models: Vec<Model>,
    players: Vec<Player>,
    minted: u128,
    now: Millis,
    runtime: tokio::runtime::Runtime,
}

impl World {
    fn new(policies: [Vec<Arc<Policy>>; 2]) -> Self {
        let settings = windows();
        let (table, gauge) = table(&settings);
        let models = (0..ACCOUNTS).map(|_| Model::new(&settings)).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let (players, minted, now) = (Vec::new(), 0, DAY);
        Self { settings, policies, table, gauge, models, players, minted, now, runtime }
    }

    fn mint(&mut self, account: u8, application: u8, on: u8, asset: u8, age: u64) -> AdmissionRequest {
        self.minted += 1;
        AdmissionRequest {
            // In no order that could be taken for that of the starts.
            stream: StreamId(self.minted.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835).to_be_bytes()),
            account: subject(account),
            application: ApplicationId(APPLICATIONS[usize::from(application)].into()),
            device: device(on),
            asset: format!("/asset-{asset}").into(),
            started: self.now - Duration::from_secs(age),
            attributes: named(&[("assetId", &format!("asset-{asset}"))]),
            client: ClientEvidence::default(),
        }
    }

    /// The name of the declared stream has nothing to do with its device.
    fn mint_declared(&mut self, account: u8, application: u8, on: u8, asset: u8) -> AdmissionRequest {
        let who = self.mint(account, application, on, asset, 0);
        let known =
            named(&[("assetId", &format!("asset-{asset}")), ("deviceId", device(on).name().unwrap_or_default())]);
        let device = Device::Hint(1_000_000 + u64::from(on));
        AdmissionRequest { device, asset: format!("asset-{asset}").into(), attributes: known, ..who }
    }

    fn play(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match *step {
            Step::Start { account, application, device, asset, named } => {
                let mut who = self.mint(account, application, device, asset, 0);
                if let Some(name) = named {
                    // Such names are made of the application as well: two of them never share one.
                    who.stream = StreamId([0xf0 | application << 1 | name; 16]);
                }
                let policies = &self.policies[usize::from(application)];
                let given = self.runtime.block_on(self.table.start(&who, policies, &self.settings, self.now));
                let expected = self.models[usize::from(account)].start(&who, policies, self.now);
                let given = self.check(given, &expected, account, application)?;
                let known = self.players.iter().any(|p| p.account == account && p.session.stream == who.stream);
                if given == Answer::Admitted(who.stream, true) && !known {
                    let who = self.as_sealed(who);
                    self.players.push(Player { account, application, session: who, body: None });
                }
            }
            Step::Stranger { account, application, device, asset, age } => {
                let session = self.mint(account, application, device, asset, age);
                self.players.push(Player { account, application, session, body: None });
                self.resume(self.players.len() - 1)?;
            }
            Step::Declare { account, application, device, asset, ref kills } => {
                let who = self.mint_declared(account, application, device, asset);
                let kills: Vec<StreamId> = kills
                    .iter()
                    .filter_map(|player| self.pick(*player))
                    .map(|at| self.players[at].session.stream)
                    .collect();
                let codes: Vec<Kill> = kills.iter().map(|id| (*id, "code".into())).collect();
                let policies = &self.policies[usize::from(application)];
                let given = self.table.declare(&who, &codes, false, policies, &self.settings, self.now);
                let given = self.runtime.block_on(given);
                let expected = self.models[usize::from(account)].declare(&who, &kills, policies, self.now);
                if self.check(given, &expected, account, application)? == Answer::Admitted(who.stream, true) {
                    let who = self.as_sealed(who);
                    self.players.push(Player { account, application, session: who, body: None });
                }
            }
            Step::Alive { player } => {
                if let Some(player) = self.pick(player) {
                    self.alive(player)?;
                }
            }
            Step::Stop { player } => {
                if let Some(player) = self.pick(player) {
                    let Player { account, session, .. } = &self.players[player];
                    let done = self.table.end(&session.account, session.stream, &Cause::Stopped, self.now);
                    let done = self.runtime.block_on(done).expect("an embedded table answers");
                    prop_assert_eq!(done, self.models[usize::from(*account)].stop(session.stream, self.now));
                }
            }
            Step::Beat { player, signal } => {
                if let Some(player) = self.pick(player) {
                    self.beat(player, signal)?;
                }
            }
            Step::Body { player } => {
                if let Some(player) = self.pick(player) {
                    self.body(player)?;
                }
            }
            Step::Learn { player, cadence } => {
                if let Some(player) = self.pick(player) {
                    let Player { account, session, .. } = &self.players[player];
                    let key = session.account.key();
                    if let Some(stream) = self.table.find(&key, session.stream) {
                        stream.learn(&cadence, &self.settings);
                        self.table.reschedule(&key, self.now);
                        self.models[usize::from(*account)].learn(session.stream, cadence);
                    }
                }
            }
            Step::RollBack { player } => {
                if let Some(player) = self.pick(player) {
                    let Player { account, session, .. } = &self.players[player];
                    let done = self.table.roll_back(&session.account, session.stream, self.now);
                    self.runtime.block_on(done).expect("an embedded table answers");
                    self.models[usize::from(*account)].roll_back(session.stream, self.now);
                }
            }
            Step::Wait(seconds) => {
                for _ in 0..seconds {
                    self.now = self.now + Duration::from_secs(1);
                    self.table.tick(self.now);
                    self.models.iter_mut().for_each(|model| model.settle(self.now));
                }
            }
            Step::Restart { snapshot } => self.restart(snapshot),
        }
        Ok(())
    }

    /// What the play session of a start says from now on.
    fn as_sealed(&self, who: AdmissionRequest) -> AdmissionRequest {
        let stream = self.table.find(&who.account.key(), who.stream).expect("it has just started");
        AdmissionRequest { started: stream.started, ..who }
    }

    fn pick(&self, player: usize) -> Option<usize> {
        player.checked_rem(self.players.len())
    }

    /// A request with a play session, as the gateway treats it: a heartbeat, and competition where that is not enough.
    fn beat(&mut self, player: usize, signal: Signal) -> Result<Answer, TestCaseError> {
        let Player { account, session, .. } = &self.players[player];
        let known = self.table.find(&session.account.key(), session.stream);
        let holds = known.map(|stream| stream.heartbeat(signal, self.now));
        let expected = self.models[usize::from(*account)].beat(session.stream, signal, self.now);
        prop_assert_eq!(holds, expected, "a heartbeat of {}", session.stream);
        match holds {
            Some(true) => Ok(Answer::Admitted(session.stream, false)),
            _ => self.resume(player),
        }
    }

    /// A heartbeat of an application, as the session API treats it: for streams that were declared.
    fn alive(&mut self, player: usize) -> Result<(), TestCaseError> {
        let Player { account, application, session, .. } = &self.players[player];
        let (account, application) = (*account, *application);
        let model = &mut self.models[usize::from(account)];
        let known = self.table.find(&session.account.key(), session.stream).filter(|stream| stream.is_declared());
        prop_assert_eq!(known.is_some(), model.is_declared(session.stream), "{} is declared", session.stream);
        let Some(stream) = known else { return Ok(()) };
        let holds = stream.heartbeat_declared(self.now);
        prop_assert_eq!(Some(holds), model.beat_declared(session.stream, self.now), "the word for {}", session.stream);
        if holds {
            return Ok(());
        }
        let policies = &self.policies[usize::from(application)];
        let given = self.table.revive(&session.account, &stream, policies, &self.settings, self.now);
        let given = self.runtime.block_on(given).expect("an embedded table answers");
        let expected = model.revive(session.stream, policies, self.now);
        prop_assert_eq!(given.is_some(), expected.is_some());
        if let (Some(given), Some(expected)) = (given, expected) {
            self.check(Ok::<_, ()>(given), &expected, account, application)?;
        }
        Ok(())
    }

    fn body(&mut self, player: usize) -> Result<(), TestCaseError> {
        let account = usize::from(self.players[player].account);
        let id = self.players[player].session.stream;
        if let Some(body) = self.players[player].body.take() {
            body.closed(Signal::Playback, self.now);
            self.models[account].body(id, false, self.now);
        } else if matches!(self.beat(player, Signal::Playback)?, Answer::Admitted(..)) {
            // A stream that gave way to a start which may still come to nothing passes, and is not in the table.
            let body = self.table.find(&self.players[player].session.account.key(), id);
            if let Some(body) = &body {
                body.opened();
                self.models[account].body(id, true, self.now);
            }
            self.players[player].body = body;
        }
        Ok(())
    }

    fn resume(&mut self, player: usize) -> Result<Answer, TestCaseError> {
        let Player { account, application, session, .. } = &self.players[player];
        let (account, application) = (*account, *application);
        let policies = &self.policies[usize::from(application)];
        let given = self.runtime.block_on(self.table.resume(session, policies, &self.settings, self.now));
        let expected = self.models[usize::from(account)].resume(session, policies, self.now);
        self.check(given, &expected, account, application)
    }

    fn check<E>(
        &self,
        given: Result<AdmissionOutcome, E>,
        expected: &Answer,
        account: u8,
        application: u8,
    ) -> Result<Answer, TestCaseError> {
        let Ok(given) = given else { return Err(TestCaseError::fail("an embedded table answers")) };
        let given = match given {
            AdmissionOutcome::Admitted { stream, created, .. } => Answer::Admitted(stream.id, created),
            AdmissionOutcome::Refused(Refusal::Terminated(cause)) => Answer::Terminated(cause.label()),
            AdmissionOutcome::Refused(Refusal::Policy { holders, .. }) => {
                let mut in_the_way: Vec<StreamId> = holders.iter().map(|stream| stream.id).collect();
                in_the_way.sort_unstable();
                self.a_rule_was_exceeded(account, application)?;
                Answer::Refused(in_the_way)
            }
        };
        prop_assert_eq!(&given, expected);
        Ok(given)
    }

    /// Nobody is refused while fewer than the limit hold a slot.
    fn a_rule_was_exceeded(&self, account: u8, application: u8) -> Result<(), TestCaseError> {
        let holding = self.models[usize::from(account)].holders(self.now);
        let full = self.policies[usize::from(application)].iter().any(|policy| {
            let counted = holding.iter().filter(|who| policy.carriers.contains_key(&who.application));
            counted.count() >= limit(policy)
        });
        prop_assert!(full, "refused while a slot was free");
        Ok(())
    }

    fn restart(&mut self, snapshot: bool) {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("streams.snapshot");
        if snapshot {
            self.table.save(&file, &self.settings, self.now).expect("a snapshot");
        }
        (self.table, self.gauge) = table(&self.settings);
        self.table.restore(&file, self.now).expect("a snapshot or none");
        self.models.iter_mut().for_each(|model| model.restart(snapshot, self.now));
        self.players.iter_mut().for_each(|player| player.body = None);
    }

    /// A stream that was forgotten while a body went on has nothing to do with the one that came back under its name.
    fn leave_forgotten_bodies(&mut self) {
        for Player { session, body, .. } in &mut self.players {
            let current = self.table.find(&session.account.key(), session.stream);
            body.take_if(|body| current.is_some_and(|current| !Arc::ptr_eq(&current, body)));
        }
    }

    fn the_limit_holds(&self) -> Result<(), TestCaseError> {
        let mut expected: Vec<StreamId> = Vec::new();
        for (account, model) in self.models.iter().enumerate() {
            let holding = model.holders(self.now);
            for policy in &self.policies[1] {
                let counted = holding.iter().filter(|who| policy.carriers.contains_key(&who.application)).count();
                prop_assert!(counted <= limit(policy), "account {account} holds {counted} slots");
            }
            for buried in model.buried() {
                prop_assert!(!holding.iter().any(|who| who.stream == buried), "{buried} revived");
            }
            expected.extend(holding.iter().map(|who| who.stream));
        }
        expected.sort_unstable();
        prop_assert_eq!(holders(&self.table, &self.settings, self.now), expected, "who holds a slot");
        prop_assert_eq!(self.gauge.held(), self.models.iter().map(Model::slots).sum::<usize>(), "the gauge");
        prop_assert!(self.gauge.lowest() >= 0, "an end was told twice");
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, max_shrink_iters: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_table_does_what_the_model_does_and_the_limit_holds(
        policies in policies(),
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut world = World::new(policies);
        for step in &steps {
            world.play(step)?;
            world.leave_forgotten_bodies();
            world.the_limit_holds()?;
        }
    }
}
