//! What another limit would do: for each rule, under which limits a start would have been admitted.
//!
//! Under limit N exactly those streams would be playing whose *rank* is at most N, where a stream's rank is the smallest
//! limit under which its start would have been admitted. A start is refused under N if all of the ranks 1 to N are taken,
//! so that its own rank is the smallest number that is free. One number per stream and rule thus says what every limit
//! would have done, and a histogram of ranks is the answer for all admissions: those above N would have been refused.
//! (Whoever is refused is taken not to come again. Where streams give way to a start, it says how often that would be.)

use smallvec::SmallVec;

/// The ranks of a stream: of rules by key, those above 1. What is not listed has rank 1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranks(SmallVec<[(u32, u16); 2]>);

impl Ranks {
    /// The rank under the rule of that key.
    pub fn of(&self, rule: u32) -> u16 {
        self.0.iter().find(|(key, _)| *key == rule).map_or(1, |(_, rank)| *rank)
    }

    /// All of them, those of rank 1 as well, so that [`has`](Self::has) can tell which rules have spoken.
    pub fn complete(pairs: impl Iterator<Item = (u32, u16)>) -> Self {
        Self(pairs.collect())
    }

    /// Whether the rule of that key is listed.
    pub fn has(&self, rule: u32) -> bool {
        self.0.iter().any(|(key, _)| *key == rule)
    }

    /// Whether none is listed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(u32, u16)> for Ranks {
    fn from_iter<I: IntoIterator<Item = (u32, u16)>>(pairs: I) -> Self {
        Self(pairs.into_iter().filter(|(_, rank)| *rank > 1).collect())
    }
}

/// The smallest rank that none of `taken` has.
pub(super) fn smallest_free(taken: impl Iterator<Item = u16>) -> u16 {
    let mut taken: SmallVec<[u16; 16]> = taken.collect();
    taken.sort_unstable();
    let mut free = 1;
    for rank in taken {
        if rank == free {
            free = free.saturating_add(1);
        }
    }
    free
}
