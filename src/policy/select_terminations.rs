//! Which streams end where several rules let streams give way: the fewest that satisfy all of them.

use smallvec::SmallVec;

use crate::model::StreamId;

use super::rule_evaluation::Claim;

/// Streams among which the fewest are sought.
const MAX_UNITS: usize = 64;
/// Looks at a set of streams. An account with dozens of streams under contrary rules could make the search long; then the
/// union of what the rules end one by one is good enough, as it satisfies them too.
const LOOKS: u32 = 5_000;

/// A claim, with streams as bits.
struct Mask {
    need: usize,
    units: SmallVec<[u64; 8]>,
}

impl Mask {
    /// How many streams have to go besides `gone`, if none before place `from` does any more; `None`: that cannot be.
    fn lacking(&self, gone: u64, from: usize) -> Option<usize> {
        let staying = !gone & !u64::MAX.unbounded_shl(u32::try_from(from).unwrap_or(u32::MAX));
        let units = self.units.iter().filter(|unit| **unit & staying == 0);
        let mut lacking: SmallVec<[u32; MAX_UNITS]> = units.map(|unit| (unit & !gone).count_ones()).collect();
        lacking.sort_unstable();
        // The units of a claim have no stream in common.
        lacking.get(..self.need).map(|fewest| fewest.iter().sum::<u32>() as usize)
    }
}

/// The streams that end so that every claim is satisfied.
///
/// Of a single claim they are its own, in its own order: whole values, however many streams play on them. Of several they are
/// the fewest streams that satisfy all. If those that the claims end one by one are as few, it is these; else among sets of one
/// size the first one counts, in the order in which the first claim lets streams go, then the second one, and so on.
pub(super) fn fewest(claims: &[&Claim]) -> Vec<StreamId> {
    // One rule that stands in two policies ends what it ends by itself.
    let says_more = |(at, claim): &(usize, &&Claim)| {
        let covers = |(other, by): (usize, &&Claim)| {
            other != *at && claim.is_part_of(by) && (other < *at || !by.is_part_of(claim))
        };
        !claims.iter().enumerate().any(covers)
    };
    let claims: SmallVec<[&Claim; 4]> = claims.iter().enumerate().filter(says_more).map(|(_, claim)| *claim).collect();
    if let [claim] = claims.as_slice() {
        return claim.streams();
    }
    let mut streams: Vec<StreamId> = Vec::new();
    for stream in claims.iter().flat_map(|claim| claim.eligible.iter().flatten()) {
        if !streams.contains(stream) {
            streams.push(*stream);
        }
    }
    let mut union: Vec<StreamId> = Vec::new();
    for stream in claims.iter().flat_map(|claim| claim.streams()) {
        if !union.contains(&stream) {
            union.push(stream);
        }
    }
    if streams.len() > MAX_UNITS {
        return union;
    }
    let bit = |stream: &StreamId| streams.iter().position(|known| known == stream).map(|at| 1_u64 << at);
    let masks: Vec<Mask> = claims
        .iter()
        .map(|claim| {
            // A unit that this rule shelters may still go for another rule's sake, and then it counts here as well. One with a
            // stream that no rule may end never goes.
            let units = claim.eligible.iter().chain(&claim.protected);
            let units = units.filter_map(|unit| unit.iter().map(bit).try_fold(0, |mask, bit| Some(mask | bit?)));
            Mask { need: claim.need, units: units.collect() }
        })
        .collect();
    let mut search = Search { masks: &masks, count: streams.len(), looks: 0 };
    let least = search.lacking(0, 0).unwrap_or(union.len());
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
    /// How many streams at least have to go besides `gone`.
    fn lacking(&self, gone: u64, from: usize) -> Option<usize> {
        self.masks.iter().try_fold(0, |most, mask| Some(mask.lacking(gone, from)?.max(most)))
    }

    /// Adds `more` streams from place `from` on to those in `gone`, in order, so that every claim is satisfied.
    fn extend(&mut self, gone: u64, from: usize, more: usize) -> Option<u64> {
        self.looks += 1;
        match self.lacking(gone, from)? {
            0 => Some(gone),
            lacking if lacking > more || self.looks > LOOKS => None,
            _ => (from..self.count).find_map(|at| self.extend(gone | 1 << at, at + 1, more - 1)),
        }
    }
}
