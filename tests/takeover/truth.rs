//! What viewers really do, whatever the gateway makes of it, and what follows from that for its answers.

use std::collections::BTreeMap;

/// Who really watches on one account, over time.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    /// The viewers who watch, and since when they are paused, where they are.
    watching: BTreeMap<usize, Option<u64>>,
    /// How many there were from when on.
    history: Vec<(u64, usize)>,
    /// When each viewer's plays got media: without pauses, and until they got the last.
    served: Vec<(u64, u64, usize)>,
}

impl Truth {
    /// A viewer watches from now on, or goes on after a pause.
    pub(crate) fn watches(&mut self, viewer: usize, now: u64) {
        self.watching.insert(viewer, None);
        self.note(now);
    }

    pub(crate) fn pauses(&mut self, viewer: usize, now: u64) {
        self.watching.insert(viewer, Some(now));
        self.note(now);
    }

    pub(crate) fn leaves(&mut self, viewer: usize, now: u64) {
        self.watching.remove(&viewer);
        self.note(now);
    }

    fn note(&mut self, now: u64) {
        self.history.push((now, self.watching.len()));
    }

    /// How many others watch. A pause counts for as long as it is promised to hold a slot.
    pub(crate) fn others(&self, viewer: usize, paused_timeout: u64, now: u64) -> usize {
        let watches = |since: Option<u64>| since.is_none_or(|since| now - since <= paused_timeout);
        self.watching.iter().filter(|(other, since)| **other != viewer && watches(**since)).count()
    }

    /// The most that watched at the same time since then.
    pub(crate) fn most_since(&self, since: u64) -> usize {
        let begun = self.history.iter().rposition(|(at, _)| *at < since).unwrap_or(0);
        self.history.get(begun..).into_iter().flatten().map(|(_, watching)| *watching).max().unwrap_or(0)
    }

    /// A play of the viewer got media all that time.
    pub(crate) fn was_served(&mut self, viewer: usize, from: u64, to: u64) {
        self.served.push((from, to, viewer));
    }

    /// From when to when who got media, as far as it touches that time.
    pub(crate) fn served_in(&self, from: u64, to: u64) -> Vec<(u64, u64, usize)> {
        self.served.iter().filter(|(since, until, _)| *since < to && *until > from).copied().collect()
    }

    /// The times during which more than `limit` plays got media.
    pub(crate) fn too_many(&self, limit: usize) -> Vec<(u64, u64)> {
        let starts = self.served.iter().map(|(from, ..)| (*from, 1_i64));
        let mut steps: Vec<(u64, i64)> = starts.chain(self.served.iter().map(|(_, to, _)| (*to, -1))).collect();
        // Of one moment, ends come first: nothing is too many for no time at all.
        steps.sort_unstable();
        let (mut at_once, mut since, mut times) = (0, None, Vec::new());
        for (at, step) in steps {
            at_once += step;
            let over = usize::try_from(at_once).is_ok_and(|at_once| at_once > limit);
            match since {
                None if over => since = Some(at),
                Some(from) if !over => {
                    times.push((from, at));
                    since = None;
                }
                _ => {}
            }
        }
        times
    }
}
