//! What is due when: a ring of one-second slots, each with the things to look at in that second.

use parking_lot::Mutex;

use crate::model::Millis;

const SLOTS: Tick = 1024;

/// A second of the wheel. Zero means "not scheduled". Narrow, because a million cells keep one: it lasts until 2106.
pub(super) type Tick = u32;

/// Things to look at later.
pub(super) struct Wheel<T> {
    ring: Mutex<Ring<T>>,
}

struct Ring<T> {
    slots: Vec<Vec<(Tick, T)>>,
    /// The last second that was taken out.
    done: Tick,
}

impl<T> Wheel<T> {
    pub(super) fn new() -> Self {
        Self { ring: Mutex::new(Ring { slots: (0..SLOTS).map(|_| Vec::new()).collect(), done: 0 }) }
    }

    /// The second in which something due at `deadline` is looked at: the first that begins after it.
    pub(super) fn tick_for(deadline: Millis) -> Tick {
        second(deadline).saturating_add(1)
    }

    /// Puts `item` up for `tick`, or for the next second if that one has been taken out already: requests bring their own
    /// time along, which may be a little late. Returns the second in which it comes out.
    pub(super) fn schedule(&self, tick: Tick, item: T) -> Tick {
        let mut ring = self.ring.lock();
        let tick = tick.max(ring.done.saturating_add(1));
        if let Some(slot) = ring.slots.get_mut(slot_of(tick)) {
            slot.push((tick, item));
        }
        tick
    }

    /// Everything that was scheduled up to `now`. What lies further ahead than the ring reaches stays for its turn.
    pub(super) fn take_due(&self, now: Millis) -> Vec<T> {
        let mut ring = self.ring.lock();
        let present = second(now);
        // After a long sleep one turn visits every slot.
        let first = ring.done.saturating_add(1).max(present.saturating_sub(SLOTS - 1));
        let mut due = Vec::new();
        for tick in first..=present {
            if let Some(slot) = ring.slots.get_mut(slot_of(tick)) {
                let (now_due, later) = std::mem::take(slot).into_iter().partition(|(at, _)| *at <= present);
                *slot = later;
                due.extend(Vec::into_iter(now_due).map(|(_, item)| item));
            }
        }
        ring.done = ring.done.max(present);
        due
    }
}

/// The second in which `time` lies.
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
        wheel.schedule(Wheel::<&str>::tick_for(at(deadline)), item);
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
    fn a_long_sleep_loses_nothing() {
        let wheel = Wheel::new();
        wheel.take_due(at(1000));
        schedule(&wheel, 1500, "a");
        schedule(&wheel, 999_999, "far");
        assert_eq!(wheel.take_due(at(50_000)), ["a"]);
        assert_eq!(wheel.take_due(at(2_000_000)), ["far"]);
    }
}
