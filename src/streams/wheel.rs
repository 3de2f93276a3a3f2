//! A timer wheel: a ring of one-second slots.

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use parking_lot::Mutex;

use crate::model::Millis;

const SLOTS: Tick = 1024;
/// Lanes per slot: streams that start in the same second are due in the same second, and must not contend.
const LANES: usize = 8;

/// A second of the wheel. Zero means "not scheduled". 32 bits, because a million entries keep one: sufficient until
/// 2106.
pub(super) type Tick = u32;

type Lane<T> = Mutex<Vec<(Tick, T)>>;

/// Scheduled items.
pub(super) struct Wheel<T> {
    slots: Box<[[Lane<T>; LANES]]>,
    /// The last second that was taken out.
    done: AtomicU32,
}

impl<T> Wheel<T> {
    pub(super) fn new() -> Self {
        let slots = (0..SLOTS).map(|_| std::array::from_fn(|_| Lane::default())).collect();
        Self { slots, done: AtomicU32::new(0) }
    }

    /// The second in which something due at `deadline` is visited: the first that begins after it.
    pub(super) fn tick_for(deadline: Millis) -> Tick {
        second(deadline).saturating_add(1)
    }

    /// Schedules `item` for `tick`, or for the next second if that was already taken out: requests bring their own,
    /// possibly late, time. Returns the second in which it comes out. Items of different `lane`s do not contend.
    pub(super) fn schedule(&self, tick: Tick, lane: u8, item: T) -> Tick {
        loop {
            let tick = tick.max(self.done.load(SeqCst).saturating_add(1));
            let lanes = self.slots.get(slot_of(tick));
            let Some(lane) = lanes.and_then(|lanes| lanes.get(usize::from(lane) % LANES)) else { return tick };
            let mut lane = lane.lock();
            // The taker announces a second before it reads the lanes.
            if self.done.load(SeqCst) < tick {
                lane.push((tick, item));
                return tick;
            }
        }
    }

    /// Everything scheduled up to `now`. Items beyond the ring's range stay for a later turn.
    pub(super) fn take_due(&self, now: Millis) -> Vec<T> {
        let present = second(now);
        let done = self.done.fetch_max(present, SeqCst);
        // After a long sleep one turn visits every slot.
        let first = done.saturating_add(1).max(present.saturating_sub(SLOTS - 1));
        let mut due = Vec::new();
        for lane in (first..=present).filter_map(|tick| self.slots.get(slot_of(tick))).flatten() {
            let mut lane = lane.lock();
            let (now_due, later) = std::mem::take(&mut *lane).into_iter().partition(|(at, _)| *at <= present);
            *lane = later;
            drop(lane);
            due.extend(Vec::into_iter(now_due).map(|(_, item)| item));
        }
        due
    }
}

/// The second that contains `time`.
pub(super) fn second(time: Millis) -> Tick {
    Tick::try_from(time.seconds()).unwrap_or(Tick::MAX)
}

fn slot_of(tick: Tick) -> usize {
    (tick % SLOTS) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Millis {
        Millis(seconds * 1000)
    }

    fn schedule(wheel: &Wheel<&'static str>, deadline: u64, item: &'static str) {
        wheel.schedule(Wheel::<&str>::tick_for(at(deadline)), deadline.to_le_bytes()[0], item);
    }

    #[test]
    fn things_come_out_in_their_second_and_once() {
        let wheel = Wheel::new();
        wheel.take_due(at(1000));
        schedule(&wheel, 1005, "five");
        assert!(wheel.take_due(at(1005)).is_empty(), "a deadline has passed only after its second");
        assert_eq!(wheel.take_due(at(1006)), ["five"]);
        assert!(wheel.take_due(at(3000)).is_empty());
    }

    #[test]
    fn what_is_scheduled_before_the_first_tick_waits_for_its_second() {
        let wheel = Wheel::new();
        schedule(&wheel, 1005, "five");
        assert!(wheel.take_due(at(1000)).is_empty());
        assert_eq!(wheel.take_due(at(1006)), ["five"]);
    }

    #[test]
    fn a_second_that_has_been_taken_out_is_put_off_to_the_next() {
        let wheel = Wheel::new();
        wheel.take_due(at(1000));
        schedule(&wheel, 990, "late");
        assert_eq!(wheel.take_due(at(1001)), ["late"]);
    }

    #[test]
    fn what_lies_further_ahead_than_the_ring_reaches_stays_for_its_turn() {
        let wheel = Wheel::new();
        wheel.take_due(at(1000));
        schedule(&wheel, 4999, "far");
        assert!((1001..5000).all(|second| wheel.take_due(at(second)).is_empty()));
        assert_eq!(wheel.take_due(at(5000)), ["far"]);
    }

    #[test]
    fn what_is_scheduled_while_a_second_is_taken_out_comes_out_once() {
        const ITEMS: u32 = 20_000;
        let wheel = Wheel::new();
        let mut all = std::thread::scope(|threads| {
            let schedule = |from: u32| {
                let wheel = &wheel;
                move || {
                    for item in from..from + ITEMS {
                        wheel.schedule(1 + item % 50, item.to_le_bytes()[0], item);
                    }
                }
            };
            let scheduling = [threads.spawn(schedule(0)), threads.spawn(schedule(ITEMS))];
            let mut taken = Vec::new();
            let mut second = 0;
            while scheduling.iter().any(|thread| !thread.is_finished()) {
                second += 1;
                taken.extend(wheel.take_due(at(second)));
            }
            taken.extend(wheel.take_due(at(second + 100)));
            taken
        });
        all.sort_unstable();
        assert!(all.iter().copied().eq(0..2 * ITEMS));
    }

    #[test]
    fn a_long_sleep_loses_nothing() {
        let wheel = Wheel::new();
        wheel.take_due(at(1000));
        schedule(&wheel, 1500, "a");
        schedule(&wheel, 999_999, "far");
        assert_eq!(wheel.take_due(at(50_000)), ["a"]);
        assert_eq!(wheel.take_due(at(2_000_000)), ["far"]);
    }
}
