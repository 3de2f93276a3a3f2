//! The order of an account's streams is the order of admission, whatever the clock does: it stands still, or is set back and
//! forth.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use streamgate::model::{Attributes, Device, Millis, StreamId};
use streamgate::policy::{Expression, Policy, Rule, Type, WhenExceeded};
use streamgate::streams::account::AccountState;
use streamgate::streams::{AdmissionOutcome, AdmissionRequest, Refusal, Settings, Signal, StreamTable};

use super::support::{DAY, account, candidate, holders, table};

/// How a stream comes.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// An entry manifest is asked for.
    Proxied,
    /// An application declares it.
    Declared,
    /// A token names it, and media is asked for.
    Named,
}

#[derive(Clone, Debug)]
enum Step {
    Start {
        way: Way,
        is_free: bool,
    },
    /// The clock jumps.
    Ahead(u64),
    Back(u64),
    /// The gateway starts anew: with a snapshot, or with the play sessions alone, which return in some order.
    Restart {
        snapshot: bool,
        turn: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let way = prop_oneof![Just(Way::Proxied), Just(Way::Declared), Just(Way::Named)];
    prop_oneof![
        12 => (way, any::<bool>()).prop_map(|(way, is_free)| Step::Start { way, is_free }),
        // Well within the windows, so that nothing falls silent.
        1 => (1..50_u64).prop_map(Step::Ahead),
        1 => (1..7_200_000_u64).prop_map(Step::Back),
        1 => (any::<bool>(), any::<usize>()).prop_map(|(snapshot, turn)| Step::Restart { snapshot, turn }),
    ]
}

fn free_first() -> WhenExceeded {
    WhenExceeded::TerminateFirst(Expression::compile("tier == \"free\"", &[Type::Bool]).expect("an expression"))
}

fn when_exceeded() -> impl Strategy<Value = WhenExceeded> {
    prop_oneof![
        Just(WhenExceeded::DenyNewest),
        Just(WhenExceeded::TerminateOldest),
        Just(WhenExceeded::TerminateIdlest),
        Just(free_first()),
    ]
}

/// One that plays, as the test remembers it.
#[derive(Clone, Debug)]
struct Playing {
    id: StreamId,
    is_free: bool,
    seen: Millis,
    session: AdmissionRequest,
}

struct World {
    settings: Settings,
    policies: Vec<Arc<Policy>>,
    when_exceeded: WhenExceeded,
    limit: usize,
    table: StreamTable,
    /// Oldest first.
    playing: Vec<Playing>,
    minted: u128,
    now: Millis,
    runtime: tokio::runtime::Runtime,
}

impl World {
    fn new(limit: usize, when_exceeded: WhenExceeded) -> Self {
        let settings = Settings { min_tenure: Duration::ZERO, ..Settings::default() };
        let (table, _) = table(&settings);
        let rule = Rule::streams("streams", u32::try_from(limit).expect("a small limit"), when_exceeded.clone());
        let policies = vec![Arc::new(Policy::new("household", vec![rule], &["tv"]))];
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        Self { settings, policies, when_exceeded, limit, table, playing: Vec::new(), minted: 0, now: DAY, runtime }
    }

    /// A start on a device of its own. Names are random, as they are in the field.
    fn mint(&mut self, way: Way, is_free: bool) -> AdmissionRequest {
        self.minted += 1;
        let tier = if is_free { "free" } else { "paid" };
        let device = usize::try_from(self.minted).expect("a small number");
        let who = candidate(0, device, "/live", self.now);
        AdmissionRequest {
            stream: StreamId((self.minted.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)).to_be_bytes()),
            device: if let Way::Declared = way { Device::Hint(device as u64) } else { who.device },
            attributes: [(Arc::from("tier"), Arc::from(tier))].into_iter().collect::<Attributes>(),
            ..who
        }
    }

    /// Who gives way to one more.
    fn gives_way(&self) -> Option<StreamId> {
        let first = |key: &dyn Fn(&Playing) -> Millis| self.playing.iter().min_by_key(|one| key(one)).map(|one| one.id);
        match &self.when_exceeded {
            WhenExceeded::DenyNewest => None,
            WhenExceeded::TerminateOldest => first(&|_| DAY),
            WhenExceeded::TerminateIdlest => first(&|one| one.seen),
            WhenExceeded::TerminateFirst(_) => first(&|one| Millis(u64::from(!one.is_free))),
        }
    }

    fn start(&mut self, way: Way, is_free: bool) -> Result<(), TestCaseError> {
        let who = self.mint(way, is_free);
        let (policies, settings, now) = (&self.policies, &self.settings, self.now);
        let answer = self.runtime.block_on(async {
            match way {
                Way::Proxied => self.table.start(&who, policies, settings, now).await,
                Way::Declared => self.table.declare(&who, &[], false, policies, settings, now).await,
                Way::Named => self.table.resume_unsealed(&who, policies, settings, now).await,
            }
        });
        let is_full = self.playing.len() == self.limit;
        let gives_way = if is_full { self.gives_way() } else { None };
        match answer.expect("an embedded table answers") {
            AdmissionOutcome::Admitted { stream, created } => {
                prop_assert!(created && stream.id == who.stream);
                prop_assert!(!is_full || gives_way.is_some(), "one too many");
                stream.heartbeat(Signal::Playback, now);
                self.playing.retain(|one| Some(one.id) != gives_way);
                // What its play session says from now on.
                let session = AdmissionRequest { started: stream.started, ..who };
                self.playing.push(Playing { id: stream.id, is_free, seen: now, session });
            }
            AdmissionOutcome::Refused(Refusal::Policy { holders, .. }) => {
                prop_assert!(is_full && gives_way.is_none(), "{way:?} was refused where {gives_way:?} gives way");
                let named: Vec<StreamId> = holders.iter().map(|stream| stream.id).collect();
                prop_assert_eq!(named, self.order(), "oldest first");
            }
            AdmissionOutcome::Refused(Refusal::Terminated(cause)) => prop_assert!(false, "{cause:?}"),
        }
        Ok(())
    }

    fn restart(&mut self, snapshot: bool, turn: usize) -> Result<(), TestCaseError> {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("streams.snapshot");
        if snapshot {
            self.table.save(&file, &self.settings, self.now).expect("a snapshot");
        }
        (self.table, _) = table(&self.settings);
        self.table.restore(&file, self.now).expect("a snapshot or none");
        let mut returning = self.playing.clone();
        let turn = turn.checked_rem(returning.len()).unwrap_or(0);
        returning.rotate_left(turn);
        if turn % 2 == 1 {
            returning.reverse();
        }
        for one in returning {
            let back = self.table.resume(&one.session, &self.policies, &self.settings, self.now);
            let back = self.runtime.block_on(back).expect("an embedded table answers");
            let AdmissionOutcome::Admitted { stream, .. } = back else {
                return Err(TestCaseError::fail("it was refused"));
            };
            stream.heartbeat(Signal::Playback, self.now);
        }
        self.playing.iter_mut().for_each(|one| one.seen = self.now);
        Ok(())
    }

    fn order(&self) -> Vec<StreamId> {
        self.playing.iter().map(|one| one.id).collect()
    }

    /// The streams that hold slots, in the order of their starts.
    fn starts(&self) -> Vec<StreamId> {
        let (_, record) = self.table.peek(&account(0).key()).unwrap_or_else(|| (account(0), AccountState::default()));
        let holding = holders(&self.table, &self.settings, self.now);
        let mut streams: Vec<_> = record.streams().iter().filter(|stream| holding.contains(&stream.id)).collect();
        streams.sort_by_key(|stream| stream.started);
        streams.iter().map(|stream| stream.id).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, max_shrink_iters: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn who_starts_last_is_the_newest_whatever_the_clock_says(
        limit in 1..4_usize,
        when_exceeded in when_exceeded(),
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut world = World::new(limit, when_exceeded);
        for step in &steps {
            match *step {
                Step::Start { way, is_free } => world.start(way, is_free)?,
                Step::Ahead(millis) => world.now = world.now + Duration::from_millis(millis),
                Step::Back(millis) => world.now = world.now - Duration::from_millis(millis),
                Step::Restart { snapshot, turn } => world.restart(snapshot, turn)?,
            }
            prop_assert_eq!(world.starts(), world.order());
        }
    }
}

#[test]
fn of_channels_that_a_device_leaves_in_the_same_millisecond_only_the_last_ones_may_be_late() {
    let mut world = World::new(1, WhenExceeded::DenyNewest);
    let sessions: Vec<AdmissionRequest> = (0..6)
        .map(|n| {
            let device = Device::Named("tv".into());
            let asset = format!("/channel-{n}").into();
            let who = AdmissionRequest { device, asset, ..world.mint(Way::Proxied, false) };
            let answer = world.table.start(&who, &world.policies, &world.settings, DAY);
            let answer = world.runtime.block_on(answer).expect("an embedded table answers");
            let AdmissionOutcome::Admitted { stream, .. } = answer else { panic!("{answer:?}") };
            stream.heartbeat(Signal::Playback, DAY);
            AdmissionRequest { started: stream.started, ..who }
        })
        .collect();
    let passes = |who: &AdmissionRequest| {
        let answer = world.table.resume(who, &world.policies, &world.settings, DAY);
        matches!(world.runtime.block_on(answer), Ok(AdmissionOutcome::Admitted { .. }))
    };
    let passing: Vec<bool> = sessions.iter().map(passes).collect();
    assert_eq!(passing, [false, false, true, true, true, true], "the one that plays, and the three before it");
}
