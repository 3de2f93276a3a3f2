//! A client that plays one thing at a time is never refused, whatever it does and however its requests overlap.

use std::time::Duration;

use proptest::prelude::*;
use streamgate::model::Millis;
use streamgate::policy::WhenExceeded;
use streamgate::streams::{Cadence, Settings, Signal};

use super::gateway::{DAY, Gateway, Play, Sender};

/// Requests so long after the first media of something else were not under way then.
const UNDER_WAY: Duration = Duration::from_millis(900);
/// Nor were those that come so long after the viewer has left.
const LATE: Duration = Duration::from_secs(5);

#[derive(Clone, Debug)]
enum Step {
    /// It goes to something else, or starts the same again.
    Start { asset: u8, moves: bool, hangs_up: bool },
    /// It asks for media, which takes a while.
    Media { takes: u64 },
    /// It asks for a playlist.
    Poll,
    /// What it has left asks for media once more: it was under way.
    Late { nth: usize },
    /// It waits: between requests, for its buffer to drain, for its viewer to come back.
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..4_u8, prop::bool::weighted(0.1), any::<bool>())
            .prop_map(|(asset, moves, hangs_up)| Step::Start { asset, moves, hangs_up }),
        8 => (10..4_000_u64).prop_map(|takes| Step::Media { takes }),
        2 => Just(Step::Poll),
        3 => (0..8_usize).prop_map(|nth| Step::Late { nth }),
        8 => (1..1_000_u64).prop_map(Step::Wait),
        4 => (1_000..15_000_u64).prop_map(Step::Wait),
        2 => (15_000..200_000_u64).prop_map(Step::Wait),
    ]
}

/// What requests show of the client.
#[derive(Clone, Copy, Debug)]
struct Shows {
    device: bool,
    /// Each start brings another token.
    fresh: bool,
    /// Its application asks for entries, and its player, under another name, for the rest.
    two_agents: bool,
    /// Whether others of the account play all the time, elsewhere and on other devices.
    company: u8,
}

fn shows() -> impl Strategy<Value = Shows> {
    (any::<bool>(), any::<bool>(), any::<bool>(), 0..3_u8).prop_map(|(device, fresh, two_agents, company)| Shows {
        device,
        fresh,
        two_agents,
        company,
    })
}

struct Left {
    play: Play,
    at: Millis,
    /// When something that was started later first asked for media.
    followed: Option<Millis>,
}

struct World {
    gateway: Gateway,
    shows: Shows,
    sender: Sender,
    now: Millis,
    ticked: Millis,
    play: Option<(Play, u8)>,
    has_media: bool,
    /// When the play was last heard of.
    heard: Millis,
    /// The play was silent for so long that the gateway forgot its token and knows only its play session.
    is_forgotten: bool,
    left: Vec<Left>,
    /// When bodies end that are being sent: of what is played, and of what was left.
    bodies: Vec<Millis>,
    company: Vec<(Play, Sender, Millis)>,
    media: u32,
}

/// What an asset is: every other one is live.
fn cadence(asset: u8) -> Cadence {
    let segment = Some(Duration::from_secs(if asset < 2 { 2 } else { 6 }));
    Cadence { live: asset.is_multiple_of(2), segment, longest: segment, ..Cadence::default() }
}

fn path(asset: u8) -> String {
    format!("/{asset}/master")
}

impl World {
    fn new(shows: Shows) -> Self {
        let sender = Sender {
            account: 0,
            device: shows.device.then_some(0),
            network: 7,
            agent: 1,
            token: 100,
            issued: 1_000_000,
        };
        let mut world = Self {
            gateway: Gateway::new(u32::from(shows.company) + 1, WhenExceeded::DenyNewest, &Settings::default()),
            shows,
            sender,
            now: DAY,
            ticked: DAY,
            play: None,
            has_media: false,
            heard: DAY,
            is_forgotten: false,
            left: Vec::new(),
            bodies: Vec::new(),
            company: Vec::new(),
            media: 0,
        };
        for other in 1..=u32::from(shows.company) {
            let device = shows.device.then_some(other as usize);
            let sender = Sender {
                account: 0,
                device,
                network: 7 + other,
                agent: 10 + other,
                token: 200 + other,
                issued: 10_000 * other,
            };
            let play = world.gateway.enter(&sender, "/company/master", world.now).expect("there is room");
            world.gateway.manifest(&play, &cadence(0), world.now);
            world.company.push((play, sender, world.now + Duration::from_millis(300 * u64::from(other))));
        }
        world
    }

    fn agent(&self) -> Sender {
        Sender { agent: if self.shows.two_agents { 2 } else { 1 }, ..self.sender.clone() }
    }

    /// The play is heard of.
    fn hear(&mut self) {
        self.is_forgotten |= self.now.since(self.heard) >= Settings::default().idle_retention;
        self.heard = self.now;
    }

    fn wait(&mut self, millis: u64) -> Result<(), TestCaseError> {
        let until = self.now + Duration::from_millis(millis);
        loop {
            let tick = self.ticked + Duration::from_secs(1);
            let company = self.company.iter().map(|(_, _, next)| *next).min();
            let next = company.map_or(tick, |company| company.min(tick)).min(until);
            self.now = next;
            self.end_bodies();
            if next == tick {
                self.gateway.tick(next);
                self.ticked = next;
            }
            for (play, sender, due) in &mut self.company {
                if *due <= next {
                    self.media += 1;
                    let answer = self.gateway.ask(play, sender, Signal::Playback, self.media, next);
                    prop_assert_eq!(answer, Ok(()), "somebody else is refused");
                    self.gateway.answered(play, next);
                    *due = next + Duration::from_secs(2);
                }
            }
            if next == until {
                return Ok(());
            }
        }
    }

    /// What has been sent by now has arrived.
    fn end_bodies(&mut self) {
        let due = self.bodies.iter().filter(|end| **end <= self.now).count();
        self.bodies.retain(|end| *end > self.now);
        for _ in 0..due {
            let (now, gateway) = (self.now, &self.gateway);
            // Bodies of what was left end first.
            match self.left.iter_mut().find(|left| left.play.is_loading()) {
                Some(left) => gateway.answered(&mut left.play, now),
                None => {
                    if let Some((play, _)) = &mut self.play {
                        gateway.answered(play, now);
                    }
                }
            }
        }
    }

    fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        let now = self.now;
        match *step {
            Step::Wait(millis) => self.wait(millis)?,
            Step::Start { asset, moves, hangs_up } => {
                // A client that shows neither token nor device again, from elsewhere, cannot be told from another. Nor can one whose
                // stream came back from its play session alone.
                let shows_token = !self.shows.fresh && !self.is_forgotten;
                if moves && (self.shows.device || shows_token) {
                    self.sender.network += 100;
                }
                if self.shows.fresh {
                    self.sender.token += 1;
                    self.sender.issued = u32::try_from(now.since(DAY).as_secs()).expect("soon") + 1_000_000;
                }
                let entered = self.gateway.enter(&self.sender, &path(asset), now);
                prop_assert!(entered.is_ok(), "a start is refused: {:?}", entered.err());
                let Ok(play) = entered else { return Ok(()) };
                self.gateway.manifest(&play, &cadence(asset), now);
                if let Some((mut before, _)) = self.play.replace((play, asset)) {
                    if hangs_up {
                        Gateway::hung_up(&mut before);
                    }
                    self.left.push(Left { play: before, at: now, followed: None });
                }
                self.has_media = false;
                self.hear();
                let goes_on = self
                    .left
                    .last()
                    .zip(self.play.as_ref())
                    .is_some_and(|(left, (play, _))| play.is_of_stream_of(&left.play));
                self.is_forgotten &= goes_on;
            }
            Step::Media { takes } => {
                let sender = self.agent();
                self.hear();
                let Some((play, _)) = &mut self.play else { return Ok(()) };
                self.media += 1;
                let answer = self.gateway.ask(play, &sender, Signal::Playback, self.media, now);
                prop_assert_eq!(answer, Ok(()), "media is refused");
                self.bodies.push(now + Duration::from_millis(takes));
                if !std::mem::replace(&mut self.has_media, true) {
                    self.left.iter_mut().for_each(|left| left.followed = left.followed.or(Some(now)));
                }
            }
            Step::Poll => {
                let sender = self.agent();
                self.hear();
                let Some((play, asset)) = &mut self.play else { return Ok(()) };
                let answer = self.gateway.ask(play, &sender, Signal::Presence, 0, now);
                prop_assert_eq!(answer, Ok(()), "a playlist is refused");
                self.gateway.manifest(play, &cadence(*asset), now);
            }
            Step::Late { nth } => {
                let sender = self.agent();
                let under_way = |left: &&mut Left| {
                    now.since(left.at) < LATE && left.followed.is_none_or(|at| now.since(at) < UNDER_WAY)
                };
                let Some(left) = self.left.iter_mut().filter(under_way).nth(nth) else { return Ok(()) };
                self.media += 1;
                // It may be refused: nobody waits for it.
                if self.gateway.ask(&mut left.play, &sender, Signal::Playback, self.media, now).is_ok() {
                    self.gateway.answered(&mut left.play, now);
                }
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, max_shrink_iters: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_client_that_plays_one_thing_at_a_time_is_never_refused(
        shows in shows(),
        steps in prop::collection::vec(step(), 1..100),
    ) {
        let mut world = World::new(shows);
        for step in &steps {
            world.step(step)?;
        }
    }
}

#[test]
fn what_was_zapped_through_without_media_takes_no_slot_again() {
    let shows = Shows { device: false, fresh: true, two_agents: false, company: 0 };
    for late in [None, Some(2)] {
        let mut world = World::new(shows);
        let start = Step::Start { asset: 0, moves: false, hangs_up: false };
        let mut steps = vec![start.clone(), start.clone(), start.clone(), start.clone()];
        steps.extend(late.map(|nth| Step::Late { nth }));
        steps.extend([Step::Media { takes: 10 }, Step::Wait(10_000), start]);
        for step in &steps {
            world.step(step).expect("it is not refused");
        }
    }
}
