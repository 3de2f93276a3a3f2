//! Compares required limits with simulations under other limits.

use proptest::prelude::*;

use super::support::{Play, decide, distinct, household, is_quiet, streams, tv};
use crate::policy::required_limit::smallest_with_room;
use crate::policy::{Limit, Mode, RequiredLimits, Rule};

const WORLDS: u32 = 7;

#[test]
fn there_is_room_under_the_smallest_limit_that_has_fewer_streams_than_it_allows() {
    for (taken, expected) in [
        (&[][..], 1),
        (&[1], 2),
        (&[2], 1),
        (&[1, 3], 2),
        (&[3, 2, 1], 4),
        // Streams that run under every limit, even above it.
        (&[1, 1, 1], 4),
        (&[1, 1, 4], 3),
    ] {
        assert_eq!(smallest_with_room(taken.iter().copied()), expected, "{taken:?}");
    }
}

#[derive(Clone, Debug)]
enum Step {
    Start { channel: usize, device: usize, live: bool },
    Stop(usize),
}

const CHANNELS: [&str; 2] = ["news", "kids"];
const DEVICES: [&str; 4] = ["a", "b", "c", "lobby"];

fn history() -> impl Strategy<Value = Vec<Step>> {
    let start = (0..2_usize, 0..4_usize, any::<bool>());
    let start = start.prop_map(|(channel, device, live)| Step::Start { channel, device, live });
    prop::collection::vec(prop_oneof![3 => start, 2 => any::<usize>().prop_map(Step::Stop)], 1..60)
}

/// Results under a rule that refuses nobody, and under each limit.
struct Worlds {
    /// The running streams, with their ranks.
    playing: Vec<Play>,
    /// The ranks of all starts.
    demands: Vec<u16>,
    /// For each limit from 1 on: the running streams, and the number of refused starts.
    limited: Vec<(Vec<Play>, usize)>,
    /// True if a start was admitted under one limit and refused under a greater one.
    smaller_was_kinder: bool,
}

fn play(rule: &Rule, steps: &[Step]) -> Worlds {
    let shadow = household(vec![rule.clone().mode(Mode::Shadow)]);
    let limits = 1..=WORLDS;
    let enforced: Vec<_> =
        limits.map(|limit| household(vec![Rule { limit: Limit::Fixed(limit), ..rule.clone() }])).collect();
    let limited = enforced.iter().map(|_| (Vec::new(), 0)).collect();
    let mut worlds = Worlds { playing: Vec::new(), demands: Vec::new(), limited, smaller_was_kinder: false };
    for (n, step) in (1_u8..).zip(steps) {
        match step {
            Step::Start { channel, device, live } => {
                let genre = if *live { "sports" } else { "films" };
                let candidate = tv(n).channel(CHANNELS[*channel]).device(DEVICES[*device]).with("genre", genre);
                let mut was_admitted = false;
                for (policies, (playing, refused)) in enforced.iter().zip(&mut worlds.limited) {
                    let is_admitted = is_quiet(&decide(policies, playing, &candidate));
                    if is_admitted {
                        playing.push(candidate.clone());
                    } else {
                        *refused += 1;
                    }
                    worlds.smaller_was_kinder |= was_admitted && !is_admitted;
                    was_admitted |= is_admitted;
                }
                let decision = decide(&shadow, &worlds.playing, &candidate);
                worlds.demands.extend(decision.required_limits.iter().map(|demand| demand.limit));
                let ranks: RequiredLimits =
                    decision.required_limits.iter().map(|demand| (demand.key, demand.limit)).collect();
                worlds.playing.push(Play { ranks, ..candidate });
            }
            Step::Stop(which) if !worlds.playing.is_empty() => {
                let gone = worlds.playing.remove(which % worlds.playing.len()).stream;
                for (playing, _) in &mut worlds.limited {
                    playing.retain(|play| play.stream != gone);
                }
            }
            Step::Stop(_) => {}
        }
    }
    worlds
}

impl Worlds {
    /// For each limit from 1 on: how many starts it refused, and how many according to the required limits.
    fn refused(&self) -> Vec<(usize, usize)> {
        let foreseen = |limit: u16| self.demands.iter().filter(|rank| **rank > limit).count();
        (1..).zip(&self.limited).map(|(limit, (_, refused))| (*refused, foreseen(limit))).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn of_rules_that_count_streams_the_demands_say_exactly_what_each_limit_would_have_refused(steps in history()) {
        for rule in [
            streams("all", 1),
            streams("each channel", 1).per(&["channel"]),
            streams("sports", 1).target("genre == 'sports'"),
            streams("but for the lobby", 1).exempt("deviceId == 'lobby'"),
            streams("each channel, but for the lobby", 1).per(&["channel"]).exempt("deviceId == 'lobby'"),
        ] {
            let worlds = play(&rule, &steps);
            for (refused, foreseen) in worlds.refused() {
                prop_assert_eq!(refused, foreseen, "{}", rule.name);
            }
            // The ranks also show which streams would be playing.
            for (limit, (playing, _)) in (1..).zip(&worlds.limited) {
                let would = worlds.playing.iter().filter(|play| play.ranks.get(1) <= limit);
                let would: Vec<_> = would.map(|play| play.stream).collect();
                prop_assert_eq!(would, playing.iter().map(|play| play.stream).collect::<Vec<_>>());
            }
        }
    }
    #[test]
    fn of_rules_that_count_values_too_unless_there_was_room_under_a_smaller_limit_alone(steps in history()) {
        for rule in [distinct("deviceId", "devices", 1), distinct("deviceId", "on a channel", 1).per(&["channel"])] {
            let worlds = play(&rule, &steps);
            let refused = worlds.refused();
            prop_assert_eq!(refused[0].0, refused[0].1, "under limit 1 in any case");
            if !worlds.smaller_was_kinder {
                for (refused, foreseen) in refused {
                    prop_assert_eq!(refused, foreseen, "{}", rule.name);
                }
            }
        }
    }
}

#[test]
fn a_device_that_was_refused_under_a_limit_may_have_a_later_stream_admitted_there() {
    let start = |device| Step::Start { channel: 0, device, live: true };
    // Under limit 1: a plays, b is refused, a stops, b starts again and is admitted.
    let worlds = play(&distinct("deviceId", "devices", 1), &[start(0), start(1), Step::Stop(0), start(1)]);
    assert_eq!(worlds.demands, [1, 2, 1]);
    assert_eq!(worlds.refused()[0], (1, 1));
}

#[test]
fn where_a_smaller_limit_was_kinder_than_a_greater_one_the_greater_ones_refusal_is_not_foreseen() {
    let start = |device| Step::Start { channel: 0, device, live: true };
    // Limit 1 refused b's first stream and c, and is idle when b's second stream has stopped. Under limit 2 both still play.
    let steps = [start(0), start(1), Step::Stop(0), start(1), start(2), Step::Stop(1), start(3)];
    let worlds = play(&distinct("deviceId", "devices", 1), &steps);
    assert!(worlds.smaller_was_kinder);
    assert_eq!(worlds.demands, [1, 2, 1, 2, 1]);
    assert_eq!(worlds.refused()[..3], [(2, 2), (1, 0), (0, 0)]);
}
