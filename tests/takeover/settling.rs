//! One or two clients too many, who all really play, settle at the limit within the time of the trial, and stay there.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use streamgate::model::Millis;
use streamgate::policy::WhenExceeded;
use streamgate::streams::{Cadence, Settings, Signal};

use super::gateway::{DAY, Gateway, Play, Sender};

const VERIFY: Duration = Duration::from_secs(10);
/// Until when they go on: within the time for which a pair that was found to be two is not helped again.
const LASTS: Duration = Duration::from_secs(175);

#[derive(Clone, Debug)]
struct Case {
    limit: u32,
    more: u32,
    when_exceeded: WhenExceeded,
    /// What requests show: the device, one token for all, one network and user agent for all.
    device: bool,
    one_token: bool,
    one_client: bool,
    one_asset: bool,
    live: bool,
    segment: u64,
    /// How many segments are fetched at once, before the player is silent until they have been played.
    burst: u64,
    /// Milliseconds between the starts.
    gaps: Vec<u64>,
    /// Who is refused goes on asking, and starts again so many milliseconds later.
    again: Option<u64>,
}

fn case() -> impl Strategy<Value = Case> {
    let shows = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let again = prop::option::of(3_000..12_000_u64);
    (1..4_u32, 1..3_u32, any::<bool>(), shows, any::<bool>(), 1..4_u64, prop::collection::vec(0..20_000_u64, 6), again)
        .prop_map(|(limit, more, oldest, (device, one_token, one_client, one_asset), live, segment, gaps, again)| {
            Case {
                limit,
                more,
                when_exceeded: if oldest { WhenExceeded::TerminateOldest } else { WhenExceeded::DenyNewest },
                device,
                one_token,
                one_client,
                one_asset,
                live,
                segment: segment * 2_000,
                burst: 1,
                gaps,
                // Two who oust each other in turn are another matter.
                again: again.filter(|_| !oldest),
            }
        })
}

impl Case {
    /// Two starts of one asset with one token within a few seconds are one.
    fn least_gap(&self) -> u64 {
        if self.one_token && self.one_client && self.one_asset && !self.device { 6_000 } else { 0 }
    }
}

struct Watcher {
    sender: Sender,
    asset: String,
    play: Option<Play>,
    /// When it asks next.
    due: u64,
    /// Whether it asks for the entry then.
    starts: bool,
    first_media: Option<u64>,
    got: u64,
    refused: u32,
}

struct Run<'a> {
    case: &'a Case,
    gateway: Gateway,
    watchers: Vec<Watcher>,
    now: u64,
    /// Who got media when.
    served: Vec<(u64, usize)>,
    media: u32,
}

impl<'a> Run<'a> {
    fn new(case: &'a Case) -> Self {
        // A viewer who is about to be ousted has had the time that is promised.
        let settings = Settings { min_tenure: Duration::ZERO, ..Settings::default() };
        let mut due = 0;
        let watchers = (0..case.limit + case.more).map(|nth| {
            due += case.gaps.get(nth as usize).copied().unwrap_or(0) + case.least_gap();
            let own = |one: bool| if one { 0 } else { nth };
            Watcher {
                sender: Sender {
                    account: 0,
                    device: case.device.then_some(nth as usize),
                    network: 7 + own(case.one_client),
                    agent: 1 + own(case.one_client),
                    token: 100 + own(case.one_token),
                    issued: 10_000 * (1 + own(case.one_token)),
                },
                asset: format!("/{}/master", own(case.one_asset)),
                play: None,
                due,
                starts: true,
                first_media: None,
                got: 0,
                refused: 0,
            }
        });
        let watchers = watchers.collect();
        let gateway = Gateway::new(case.limit, case.when_exceeded.clone(), &settings);
        Self { case, gateway, watchers, now: 0, served: Vec::new(), media: 0 }
    }

    fn clock(&self) -> Millis {
        DAY + Duration::from_millis(self.now)
    }

    fn run(&mut self, until: u64) {
        let mut tick = 1_000;
        loop {
            let next = self.watchers.iter().map(|watcher| watcher.due).min().unwrap_or(u64::MAX).min(tick);
            if next > until {
                return;
            }
            self.now = next;
            if next == tick {
                self.gateway.tick(self.clock());
                tick += 1_000;
            }
            for nth in 0..self.watchers.len() {
                if self.watchers[nth].due <= next {
                    self.asks(nth);
                }
            }
        }
    }

    fn asks(&mut self, nth: usize) {
        let (now, case) = (self.clock(), self.case);
        let segment = Some(Duration::from_millis(case.segment));
        let cadence = Cadence { live: case.live, segment, longest: segment, ..Cadence::default() };
        let watcher = &mut self.watchers[nth];
        if watcher.starts {
            match self.gateway.enter(&watcher.sender, &watcher.asset, now) {
                Ok(play) => {
                    self.gateway.manifest(&play, &cadence, now);
                    (watcher.play, watcher.starts, watcher.due) = (Some(play), false, self.now + 300);
                }
                Err(_) => watcher.is_refused(self.now, case),
            }
            return;
        }
        let Some(play) = &mut watcher.play else { return };
        self.media += 1;
        match self.gateway.ask(play, &watcher.sender, Signal::Playback, self.media, now) {
            Ok(()) => {
                self.gateway.answered(play, now);
                self.served.push((self.now, nth));
                watcher.first_media.get_or_insert(self.now);
                watcher.got += 1;
                let pause = if watcher.got.is_multiple_of(case.burst) {
                    case.burst * case.segment - (case.burst - 1) * 200
                } else {
                    200
                };
                // A little out of step.
                watcher.due = self.now + pause + u64::from(self.media % 7) * 10;
            }
            Err(_) => watcher.is_refused(self.now, case),
        }
    }

    fn served_since(&self, since: u64) -> BTreeSet<usize> {
        self.served.iter().filter(|(at, _)| *at >= since).map(|(_, who)| *who).collect()
    }
}

impl Watcher {
    fn is_refused(&mut self, now: u64, case: &Case) {
        self.refused += 1;
        match case.again {
            // Some players ask on for a while before somebody presses the button again.
            Some(_) if self.play.is_some() && !self.refused.is_multiple_of(3) => self.due = now + 1_000,
            Some(again) => (self.play, self.starts, self.due) = (None, true, now + again),
            None => self.due = u64::MAX,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, max_shrink_iters: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn clients_who_are_too_many_settle_at_the_limit_and_stay_there(case in case()) {
        let mut run = Run::new(&case);
        let clients = (case.limit + case.more) as usize;
        let started = case.gaps.iter().take(clients).map(|gap| gap + case.least_gap()).sum::<u64>();
        let on_trial = u64::try_from(VERIFY.as_millis()).expect("short") + case.segment + 1_000;
        // Each who starts again may be on trial once in the place of each who plays.
        let trials = if case.again.is_some() { u64::from(case.limit * case.more) } else { 1 };
        let settled = started + (on_trial + case.again.unwrap_or(0)) * trials + 1_000;
        let end = u64::try_from(LASTS.as_millis()).expect("short");
        prop_assume!(settled + 30_000 < end);
        run.run(end);
        let playing = run.served_since(settled);
        prop_assert_eq!(playing.len(), case.limit as usize, "these play in the end: {:?}", playing);
        let first: BTreeSet<usize> = (0..case.limit as usize).collect();
        if matches!(case.when_exceeded, WhenExceeded::DenyNewest) {
            prop_assert_eq!(&playing, &first, "those who came first play");
            let refused = run.watchers.iter().take(case.limit as usize).map(|watcher| watcher.refused);
            prop_assert_eq!(refused.sum::<u32>(), 0, "and were never refused");
        } else {
            let last = (case.more as usize..(case.limit + case.more) as usize).collect();
            prop_assert_eq!(playing, last, "those who came last play");
        }
    }
}

#[test]
fn two_who_fetch_in_bursts_settle_at_one() {
    let case = Case {
        limit: 1,
        more: 1,
        when_exceeded: WhenExceeded::DenyNewest,
        device: false,
        one_token: false,
        one_client: true,
        one_asset: false,
        live: false,
        segment: 6_000,
        burst: 5,
        gaps: vec![0, 105_000],
        again: None,
    };
    let mut run = Run::new(&case);
    // Each is silent for longer than a trial lasts, and so has to be heard twice.
    run.run(105_000 + 400_000);
    let settled = 105_000 + 3 * 30_000;
    assert_eq!(run.served_since(settled).len(), 1, "{:?}", run.served);
}

#[test]
fn of_two_newcomers_within_a_second_neither_stays() {
    let case = Case {
        limit: 2,
        more: 2,
        when_exceeded: WhenExceeded::DenyNewest,
        device: false,
        one_token: true,
        one_client: false,
        one_asset: false,
        live: false,
        segment: 2_000,
        burst: 1,
        gaps: vec![0, 4_821, 240, 1_051],
        again: None,
    };
    let mut run = Run::new(&case);
    run.run(60_000);
    assert_eq!(run.served_since(30_000), BTreeSet::from([0, 1]), "{:?}", run.served);
}
