//! An evening of viewers who start, zap, pause, jump and leave without a word, in front of a gateway.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use streamgate::model::Millis;
use streamgate::policy::WhenExceeded;
use streamgate::streams::Settings;

use super::gateway::{DAY, Gateway, Play, Refused, Sender};
use super::player::{Content, Next, Player, Wants};
use super::random::Random;
use super::tally::Tally;
use super::truth::Truth;

/// The longest segment of all that is played, in milliseconds. A play is ended at its next request.
pub(crate) const LONGEST_SEGMENT: u64 = 6_000;

/// What tokens say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tokens {
    /// The device, each viewer's own.
    Device,
    /// Only the account; each viewer has one and keeps it.
    Own,
    /// Only the account; a new one for every start.
    Fresh,
    /// Only the account; all its viewers have the same.
    Shared,
}

/// How an evening goes.
#[derive(Clone, Debug)]
pub(crate) struct Evening {
    pub(crate) seed: u64,
    pub(crate) tokens: Tokens,
    pub(crate) accounts: usize,
    pub(crate) viewers_each: usize,
    pub(crate) limit: u32,
    /// How long a start that took another's place is on trial.
    pub(crate) verify: Duration,
    pub(crate) lasts: Duration,
}

impl Evening {
    /// What has come of it.
    pub(crate) fn pass(&self, settings: &Settings) -> Tally {
        let mut world = World::new(self, settings);
        world.run();
        world.tally()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Tick,
    /// A viewer does something else.
    Decide,
    /// A player asks.
    Ask,
    /// A player is answered.
    Answered,
    /// A request that was under way when its viewer went to something else.
    Late,
    /// A connection on which nothing is asked for any more is closed.
    HangUp,
    /// The last that was loaded has been played.
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    Nothing,
    Watching,
    Paused,
    /// It was refused, and may try so often again.
    Refused(u32),
}

struct Viewer {
    sender: Sender,
    /// Whether its player keeps its connection from request to request.
    keeps_connection: bool,
    doing: Doing,
    content: Content,
    asset: String,
    play: Option<Play>,
    player: Option<Player>,
    /// What is going to be asked for.
    wants: Option<(Wants, u64)>,
    /// What was asked for and is being answered.
    awaits: Option<Wants>,
    /// From when to when the play has got media since its last pause.
    served: Option<(u64, u64)>,
    /// A play that was left a moment ago.
    left: Option<(Play, u64)>,
    /// Events of a play that is over mean nothing.
    nth: u64,
}

struct World<'a> {
    evening: &'a Evening,
    settings: &'a Settings,
    gateway: Gateway,
    random: Random,
    viewers: Vec<Viewer>,
    truths: Vec<Truth>,
    events: BinaryHeap<Reverse<(u64, u64, Event, usize, u64)>>,
    scheduled: u64,
    now: u64,
    tokens: u32,
    tally: Tally,
}

impl<'a> World<'a> {
    fn new(evening: &'a Evening, settings: &'a Settings) -> Self {
        let mut random = Random::new(evening.seed);
        let viewers = (0..evening.accounts * evening.viewers_each).map(|nth| Viewer {
            sender: sender(nth, evening, &mut random),
            keeps_connection: random.percent(80),
            doing: Doing::Nothing,
            content: Content::HlsLive { segment: 2_000 },
            asset: String::new(),
            play: None,
            player: None,
            wants: None,
            awaits: None,
            served: None,
            left: None,
            nth: 0,
        });
        let viewers: Vec<Viewer> = viewers.collect();
        let mut world = Self {
            evening,
            settings,
            gateway: Gateway::new(evening.limit, WhenExceeded::DenyNewest, settings),
            truths: (0..evening.accounts).map(|_| Truth::default()).collect(),
            events: BinaryHeap::new(),
            scheduled: 0,
            now: 0,
            tokens: 1_000,
            tally: Tally::default(),
            viewers,
            random,
        };
        for viewer in 0..world.viewers.len() {
            let after = world.random.between(0, 300_000);
            world.at(after, Event::Decide, viewer);
        }
        world.at(1_000, Event::Tick, 0);
        world
    }

    fn clock(&self) -> Millis {
        DAY + Duration::from_millis(self.now)
    }

    fn at(&mut self, after: u64, event: Event, viewer: usize) {
        self.scheduled += 1;
        let nth = self.viewers[viewer].nth;
        self.events.push(Reverse((self.now + after, self.scheduled, event, viewer, nth)));
    }

    fn truth(&mut self, viewer: usize) -> &mut Truth {
        &mut self.truths[self.viewers[viewer].sender.account]
    }

    fn run(&mut self) {
        let end = u64::try_from(self.evening.lasts.as_millis()).expect("an evening");
        while let Some(Reverse((at, _, event, viewer, nth))) = self.events.pop() {
            if at > end {
                break;
            }
            self.now = at;
            match event {
                Event::Tick => {
                    self.gateway.tick(self.clock());
                    self.at(1_000, Event::Tick, 0);
                }
                Event::Late => self.late(viewer),
                Event::HangUp => self.hang_up(viewer, nth),
                _ if nth != self.viewers[viewer].nth => {}
                Event::Decide => self.decide(viewer),
                Event::Ask => self.ask(viewer),
                Event::Answered => self.answered(viewer),
                Event::End => {
                    if self.random.percent(40) {
                        self.start(viewer, 3, false);
                    } else {
                        self.stop(viewer);
                    }
                }
            }
        }
        for viewer in 0..self.viewers.len() {
            self.note_served(viewer);
        }
    }

    /// A viewer decides what comes next.
    fn decide(&mut self, viewer: usize) {
        match self.viewers[viewer].doing {
            Doing::Nothing => self.start(viewer, 3, false),
            Doing::Refused(tries) => self.start(viewer, tries, true),
            Doing::Watching => match self.random.between(0, 100) {
                0..35 => self.start(viewer, 3, false),
                35..60 => self.stop(viewer),
                60..85 => self.pause(viewer),
                _ => {
                    let now = self.now;
                    if let Some(player) = &mut self.viewers[viewer].player {
                        player.seek(now);
                    }
                    self.plan_anew(viewer);
                    self.decide_later(viewer);
                }
            },
            Doing::Paused if self.random.percent(15) => self.stop(viewer),
            Doing::Paused => self.go_on(viewer),
        }
    }

    fn decide_later(&mut self, viewer: usize) {
        let after = match self.random.between(0, 10) {
            0..=3 => self.random.between(5_000, 60_000),
            4..=7 => self.random.between(60_000, 600_000),
            _ => self.random.between(600_000, 1_800_000),
        };
        self.at(after, Event::Decide, viewer);
    }

    /// The viewer chooses something, or tries the same again.
    fn start(&mut self, viewer: usize, tries: u32, again: bool) {
        self.leave(viewer);
        if !again {
            let content = Content::any(&mut self.random);
            // A few things are watched by many.
            let number = self.random.between(0, 12);
            self.viewers[viewer].content = content;
            self.viewers[viewer].asset = format!("/{}/{number}/master", content.segment());
        }
        if self.evening.tokens == Tokens::Fresh {
            self.tokens += 1;
            let issued = 1_000_000 + u32::try_from(self.now / 1_000).expect("an evening");
            let sender = &mut self.viewers[viewer].sender;
            (sender.token, sender.issued) = (self.tokens, issued);
        }
        self.tally.starts += 1;
        let now = self.clock();
        let (sender, asset, content) =
            (self.viewers[viewer].sender.clone(), self.viewers[viewer].asset.clone(), self.viewers[viewer].content);
        self.tally.requests += 1;
        match self.gateway.enter(&sender, &asset, now) {
            Ok(play) => {
                if content.is_told_at_entry() {
                    self.gateway.manifest(&play, &content.cadence(), now);
                }
                let player = Player::new(content, &mut self.random, self.now);
                let it = &mut self.viewers[viewer];
                (it.play, it.player, it.doing) = (Some(play), Some(player), Doing::Watching);
                let at = self.now;
                self.truth(viewer).watches(viewer, at);
                self.at(0, Event::Answered, viewer);
                self.decide_later(viewer);
            }
            Err(refused) => {
                let (at, paused) = (self.now, millis(self.settings.paused_timeout));
                let others = self.truth(viewer).others(viewer, paused, at);
                if others < self.evening.limit as usize {
                    self.tally.refused_for_silent += 1;
                    self.trace(viewer, &format!("start of {asset} refused ({refused:?}) while {others} others watch"));
                } else {
                    self.tally.refused += 1;
                }
                self.truth(viewer).leaves(viewer, at);
                self.try_again(viewer, tries);
            }
        }
    }

    /// Who is refused tries a few times, and then does something else for a while.
    fn try_again(&mut self, viewer: usize, tries: u32) {
        let again = tries > 0 && self.random.percent(60);
        let it = &mut self.viewers[viewer];
        it.doing = if again { Doing::Refused(tries - 1) } else { Doing::Nothing };
        let after = if again { self.random.between(2_000, 30_000) } else { self.random.between(120_000, 900_000) };
        self.at(after, Event::Decide, viewer);
    }

    /// The viewer leaves, without a word.
    fn stop(&mut self, viewer: usize) {
        self.leave(viewer);
        let at = self.now;
        self.truth(viewer).leaves(viewer, at);
        self.viewers[viewer].doing = Doing::Nothing;
        self.hand_over(viewer);
        let after = if self.random.percent(50) {
            self.random.between(5_000, 120_000)
        } else {
            self.random.between(120_000, 1_200_000)
        };
        self.at(after, Event::Decide, viewer);
    }

    /// Where one stops, another of the household has often waited for it.
    fn hand_over(&mut self, viewer: usize) {
        let home = viewer / self.evening.viewers_each * self.evening.viewers_each;
        let waits =
            |nth: &usize| *nth != viewer && !matches!(self.viewers[*nth].doing, Doing::Watching | Doing::Paused);
        let next = (home..home + self.evening.viewers_each).find(waits);
        if let Some(next) = next.filter(|_| self.random.percent(40)) {
            self.viewers[next].nth += 1;
            let after = self.random.between(2_000, 45_000);
            self.at(after, Event::Decide, next);
        }
    }

    /// What is played is played no more.
    fn leave(&mut self, viewer: usize) {
        self.note_served(viewer);
        let now = self.clock();
        let it = &mut self.viewers[viewer];
        it.nth += 1;
        it.player = None;
        (it.wants, it.awaits) = (None, None);
        let nth = it.nth;
        let Some(mut play) = it.play.take() else { return };
        self.gateway.given_up(&mut play, now);
        if let Some((before, _)) = &mut self.viewers[viewer].left {
            Gateway::hung_up(before);
        }
        self.viewers[viewer].left = Some((play, nth));
        if self.random.percent(30) {
            let after = self.random.between(0, 700);
            self.at(after, Event::Late, viewer);
        }
        // Whoever closes the application closes its connections; others are kept for a while.
        let after = if self.random.percent(50) { self.random.between(0, 300) } else { 30_000 };
        self.at(after, Event::HangUp, viewer);
    }

    /// A request that was on its way when the viewer left. Whatever it is answered, nobody sees it.
    fn late(&mut self, viewer: usize) {
        let (sender, now) = (self.viewers[viewer].sender.clone(), self.clock());
        if let Some((play, _)) = &mut self.viewers[viewer].left {
            let _ = self.gateway.ask(play, &sender, Wants::Media.signal(), 0, now);
            self.gateway.given_up(play, now);
        }
    }

    fn hang_up(&mut self, viewer: usize, nth: u64) {
        if let Some((mut play, _)) = self.viewers[viewer].left.take_if(|(_, left)| *left == nth) {
            Gateway::hung_up(&mut play);
        }
    }

    fn pause(&mut self, viewer: usize) {
        self.note_served(viewer);
        let at = self.now;
        self.truth(viewer).pauses(viewer, at);
        let it = &mut self.viewers[viewer];
        it.doing = Doing::Paused;
        if let Some(player) = &mut it.player {
            player.pause(true, at);
        }
        self.plan_anew(viewer);
        let after = match self.random.between(0, 3) {
            0 => self.random.between(2_000, 30_000),
            1 => self.random.between(30_000, 120_000),
            _ => self.random.between(120_000, 600_000),
        };
        self.at(after, Event::Decide, viewer);
    }

    fn go_on(&mut self, viewer: usize) {
        let at = self.now;
        self.truth(viewer).watches(viewer, at);
        let it = &mut self.viewers[viewer];
        it.doing = Doing::Watching;
        if let Some(player) = &mut it.player {
            player.pause(false, at);
        }
        self.plan_anew(viewer);
        self.decide_later(viewer);
    }

    /// A request that is under way leads to the next. One that was only planned is planned anew.
    fn plan_anew(&mut self, viewer: usize) {
        let it = &mut self.viewers[viewer];
        if it.awaits.is_none() {
            it.nth += 1;
            it.wants = None;
            self.at(0, Event::Answered, viewer);
        }
    }

    fn ask(&mut self, viewer: usize) {
        let now = self.clock();
        let it = &mut self.viewers[viewer];
        let (Some((what, takes)), Some(play)) = (it.wants.take(), &mut it.play) else { return };
        self.tally.requests += 1;
        let answer = match what {
            Wants::Entry => {
                let entered = self.gateway.enter(&it.sender, &it.asset, now);
                entered.map(|again| Gateway::hung_up(&mut std::mem::replace(play, again)))
            }
            _ => {
                let media = u32::try_from(self.now % 1_000_003).expect("a small number");
                self.gateway.ask(play, &it.sender, what.signal(), media, now)
            }
        };
        match answer {
            Ok(()) => {
                it.awaits = Some(what);
                if what == Wants::Media && it.doing == Doing::Watching {
                    let from = it.served.map_or(self.now, |(from, _)| from);
                    it.served = Some((from, self.now));
                }
                self.at(takes, Event::Answered, viewer);
            }
            Err(refused) => self.ended(viewer, &refused),
        }
    }

    fn answered(&mut self, viewer: usize) {
        let (now, content) = (self.clock(), self.viewers[viewer].content);
        let it = &mut self.viewers[viewer];
        let (Some(play), Some(player)) = (&mut it.play, &mut it.player) else { return };
        if let Some(what) = it.awaits.take() {
            match what {
                Wants::Media => self.gateway.answered(play, now),
                Wants::Manifest | Wants::Entry => self.gateway.manifest(play, &content.cadence(), now),
            }
            player.got(what, self.now);
            if !it.keeps_connection {
                Gateway::hung_up(play);
            }
        }
        match player.next(&mut self.random, self.now) {
            Next::Ask { after, what, takes } => {
                it.wants = Some((what, takes));
                self.at(after, Event::Ask, viewer);
            }
            Next::Silent => {}
            Next::Ends { after } => self.at(after, Event::End, viewer),
        }
    }

    /// A play that was admitted is refused.
    fn ended(&mut self, viewer: usize, refused: &Refused) {
        let at = self.now;
        let on_trial = millis(self.evening.verify) + self.viewers[viewer].content.segment() + 1_000;
        let most = self.truth(viewer).most_since(at.saturating_sub(on_trial));
        if most <= self.evening.limit as usize {
            self.tally.ended_wrongly += 1;
            self.tally.traces.retain(|trace| trace.contains("was ended"));
            self.trace(viewer, &format!("a play was ended ({refused:?}) while {most} watched at most"));
        } else {
            self.tally.ended += 1;
        }
        self.leave(viewer);
        self.truth(viewer).leaves(viewer, at);
        self.try_again(viewer, 2);
    }

    fn note_served(&mut self, viewer: usize) {
        if let Some((from, to)) = self.viewers[viewer].served.take() {
            self.truth(viewer).was_served(viewer, from, to);
        }
    }

    fn trace(&mut self, viewer: usize, what: &str) {
        if self.tally.traces.len() < 6 {
            let Viewer { sender, content, .. } = &self.viewers[viewer];
            let account = sender.account;
            let others = self.viewers.iter().enumerate().filter(|(_, other)| other.sender.account == account);
            let others: Vec<String> =
                others.map(|(nth, other)| format!("{nth}: {:?} {:?}", other.doing, other.content)).collect();
            self.tally.traces.push(format!(
                "seed {} at {} s, viewer {viewer} ({content:?}): {what}\n      {}",
                self.evening.seed,
                self.now / 1_000,
                others.join("\n      ")
            ));
        }
    }

    fn tally(mut self) -> Tally {
        for truth in &self.truths {
            for (from, to) in truth.too_many(self.evening.limit as usize) {
                self.tally.too_many += 1;
                self.tally.too_many_for += to - from;
                self.tally.too_many_at_most = self.tally.too_many_at_most.max(to - from);
                if to - from > millis(self.evening.verify) + LONGEST_SEGMENT {
                    let (seed, served) = (self.evening.seed, truth.served_in(from, to));
                    let trace = format!("seed {seed}: too many got media from {from} to {to} ms: {served:?}");
                    self.tally.traces.insert(0, trace);
                }
            }
        }
        self.tally
    }
}

/// A viewer at home, or on the way, with one of a few kinds of device.
fn sender(nth: usize, evening: &Evening, random: &mut Random) -> Sender {
    let account = nth / evening.viewers_each;
    let (home, viewer) = (u32::try_from(account).expect("few"), u32::try_from(nth).expect("few"));
    let network = if random.percent(70) { 0x0a00_0000 + home } else { 0x0b00_0000 + viewer };
    let token = if evening.tokens == Tokens::Shared { 500 + home } else { 1 + viewer };
    Sender {
        account,
        device: (evening.tokens == Tokens::Device).then_some(nth),
        network,
        agent: u32::try_from(random.between(0, 4)).expect("few"),
        token,
        // Hours apart.
        issued: 10_000 * token,
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).expect("short")
}
