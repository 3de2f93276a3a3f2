//! Which streams end where several rules let streams give way: the fewest that satisfy all of them.

use smallvec::SmallVec;

use crate::model::StreamId;

use super::judge::Claim;

/// Streams among which the fewest are sought.
const MOST: usize = 64;
/// Looks at a set of streams. An account with dozens of streams under contrary rules could make the search long; then the
/// union of what the rules end one by one is good enough, as it satisfies them too.
const LOOKS: u32 = 20_000;

/// A claim, with streams as bits.
struct Mask {
    need: u32,
    units: SmallVec<[u64; 8]>,
}

impl Mask {
    /// How many units are still to go when `gone` have.
    fn deficit(&self, gone: u64) -> u32 {
        let complete = self.units.iter().filter(|unit| **unit & !gone == 0).count();
        self.need.saturating_sub(u32::try_from(complete).unwrap_or(u32::MAX))
    }
}

/// The fewest streams whose end satisfies every claim. Among sets of that size the first one counts, in the order in which
/// the first claim lets them go, then the second one, and so on.
pub(super) fn fewest(claims: &[Claim]) -> Vec<StreamId> {
    if let [claim] = claims {
        return claim.streams();
    }
    let mut streams: Vec<StreamId> = Vec::new();
    for stream in claims.iter().flat_map(|claim| claim.eligible.iter().flatten()) {
        if !streams.contains(stream) {
            streams.push(*stream);
        }
    }
    let mut union: Vec<StreamId> = Vec::new();
    for stream in claims.iter().flat_map(Claim::streams) {
        if !union.contains(&stream) {
            union.push(stream);
        }
    }
    if streams.len() > MOST {
        return union;
    }
    let bit = |stream: &StreamId| streams.iter().position(|known| known == stream).map(|at| 1_u64 << at);
    let masks: Vec<Mask> = claims
        .iter()
        .map(|claim| {
            // A unit that this rule shelters may still go for another rule's sake, and then it counts here as well. One with a
            // stream that no rule may end never goes.
            let units = claim.eligible.iter().chain(&claim.sheltered);
            let units = units.filter_map(|unit| unit.iter().map(bit).try_fold(0, |mask, bit| Some(mask | bit?)));
            Mask { need: u32::try_from(claim.need).unwrap_or(u32::MAX), units: units.collect() }
        })
        .collect();
    let least = masks.iter().map(|mask| mask.need).max().unwrap_or(0) as usize;
    let mut search = Search { masks: &masks, count: streams.len(), looks: 0 };
    for size in least..union.len() {
        match search.extend(0, 0, size) {
            Some(gone) => {
                return streams.iter().enumerate().filter(|(at, _)| gone & (1 << at) != 0).map(|(_, id)| *id).collect();
            }
            None if search.looks > LOOKS => break,
            None => {}
        }
    }
    union
}

struct Search<'a> {
    masks: &'a [Mask],
    count: usize,
    looks: u32,
}

impl Search<'_> {
    /// Adds `more` streams from place `from` on to those in `gone`, in order, so that every claim is satisfied.
    fn extend(&mut self, gone: u64, from: usize, more: usize) -> Option<u64> {
        self.looks += 1;
        // Each stream completes at most one unit of a claim.
        let deficit = self.masks.iter().map(|mask| mask.deficit(gone)).max().unwrap_or(0) as usize;
        if deficit == 0 {
            return Some(gone);
        }
        if deficit > more || self.looks > LOOKS {
            return None;
        }
        (from..self.count).find_map(|at| self.extend(gone | 1 << at, at + 1, more - 1))
    }
}
