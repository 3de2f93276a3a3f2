//! What is due when: a ring of one-second slots, each with the things to look at in that second.

use parking_lot::Mutex;

use crate::model::Millis;

const SLOTS: usize = 1024;

/// A second of the wheel. Zero means "not scheduled".
pub(super) type Tick = u64;

/// Things to look at later.
pub(super) struct Wheel<T> {
    slots: Vec<Mutex<Vec<T>>>,
    /// The last second that was taken out.
    done: Mutex<Tick>,
}

impl<T> Wheel<T> {
    pub(super) fn new() -> Self {
        Self { slots: (0..SLOTS).map(|_| Mutex::new(Vec::new())).collect(), done: Mutex::new(0) }
    }

    /// The second in which something due at `deadline` is looked at. What lies further ahead than the ring reaches is
    /// looked at early, and scheduled again then.
    pub(super) fn tick_for(deadline: Millis, now: Millis) -> Tick {
        let furthest = now.seconds() + SLOTS as Tick - 2;
        (deadline.seconds() + 1).clamp(now.seconds() + 1, furthest)
    }

    pub(super) fn schedule(&self, tick: Tick, item: T) {
        if let Some(slot) = self.slots.get(slot_of(tick)) {
            slot.lock().push(item);
        }
    }

    /// Everything that was scheduled up to `now`, with the second it was scheduled for.
    pub(super) fn take_due(&self, now: Millis) -> Vec<(Tick, Vec<T>)> {
        let mut done = self.done.lock();
        let present = now.seconds();
        // After a long sleep one turn of the ring empties it.
        let first = (*done + 1).max((present + 1).saturating_sub(SLOTS as Tick));
        let due = (first..=present)
            .filter_map(|tick| {
                let items = std::mem::take(&mut *self.slots.get(slot_of(tick))?.lock());
                (!items.is_empty()).then_some((tick, items))
            })
            .collect();
        *done = (*done).max(present);
        due
    }
}

#[allow(clippy::cast_possible_truncation)] // reduced modulo a small number first
fn slot_of(tick: Tick) -> usize {
    (tick % SLOTS as Tick) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Millis {
        Millis(seconds * 1000)
    }

    #[test]
    fn things_come_out_in_their_second_and_once() {
        let wheel = Wheel::new();
        wheel.take_due(at(1000));
        wheel.schedule(Wheel::<&str>::tick_for(at(1005), at(1000)), "five");
        assert!(wheel.take_due(at(1005)).is_empty(), "a deadline has passed only after its second");
        assert_eq!(wheel.take_due(at(1006)), [(1006, vec!["five"])]);
        assert!(wheel.take_due(at(3000)).is_empty());
    }

    #[test]
    fn a_long_sleep_loses_nothing() {
        let wheel = Wheel::new();
        wheel.take_due(at(1000));
        wheel.schedule(Wheel::<&str>::tick_for(at(1500), at(1000)), "a");
        wheel.schedule(Wheel::<&str>::tick_for(at(999_999), at(1000)), "far");
        let due: Vec<_> = wheel.take_due(at(50_000)).into_iter().flat_map(|(_, items)| items).collect();
        assert_eq!(due.len(), 2);
    }
}
