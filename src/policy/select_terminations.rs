//! Selects the fewest streams to terminate so that several rules are satisfied.

use smallvec::SmallVec;

use crate::model::StreamId;

use super::rule_evaluation::Claim;

/// Maximum streams for the search.
const MAX_UNITS: usize = 64;
/// Maximum search steps. For dozens of streams under conflicting rules the search could take long. Then the union of
/// each rule's own terminations is used, which also satisfies them all.
const LOOKS: u32 = 5_000;

/// A claim, with streams as bits.
struct Mask {
    need: usize,
    units: SmallVec<[u64; 8]>,
}

impl Mask {
    /// How many streams must end in addition to `gone`, if none before index `from` may; `None` if impossible.
    fn lacking(&self, gone: u64, from: usize) -> Option<usize> {
        let staying = !gone & !u64::MAX.unbounded_shl(u32::try_from(from).unwrap_or(u32::MAX));
        let units = self.units.iter().filter(|unit| **unit & staying == 0);
        let mut lacking: SmallVec<[u32; MAX_UNITS]> = units.map(|unit| (unit & !gone).count_ones()).collect();
        lacking.sort_unstable();
        // The units of a claim are disjoint.
        lacking.get(..self.need).map(|fewest| fewest.iter().sum::<u32>() as usize)
    }
}

/// The streams to terminate so that every claim is satisfied.
///
/// For a single claim: its own streams in its own order, with whole values, however many streams they have. For
/// several: the fewest streams that satisfy all. If the union of each claim's own streams is as small, it is that.
/// Otherwise, among sets of equal size, the first in the order of the first claim, then of the second, and so on.
pub(super) fn fewest(claims: &[&Claim]) -> Vec<StreamId> {
    // A rule that is part of two policies terminates only what it does alone.
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
            // A unit that this rule protects may be terminated by another rule, and then counts here as well. A unit
            // with a stream that no rule may terminate always stays.
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
    /// Minimum number of streams that must end in addition to `gone`.
    fn lacking(&self, gone: u64, from: usize) -> Option<usize> {
        self.masks.iter().try_fold(0, |most, mask| Some(mask.lacking(gone, from)?.max(most)))
    }

    /// Adds `more` streams from index `from` on to `gone`, in order, so that every claim is satisfied.
    fn extend(&mut self, gone: u64, from: usize, more: usize) -> Option<u64> {
        self.looks += 1;
        match self.lacking(gone, from)? {
            0 => Some(gone),
            lacking if lacking > more || self.looks > LOOKS => None,
            _ => (from..self.count).find_map(|at| self.extend(gone | 1 << at, at + 1, more - 1)),
        }
    }
}
