//! What another limit would do: for each rule, under which limits a start would have been admitted.
//!
//! Under limit N exactly those streams would be playing whose *rank* is at most N, where a stream's rank is the smallest
//! limit under which its start would have been admitted. A start is refused under N if N streams or more would be playing, so
//! that its own rank is the smallest N for which there are fewer. One number per stream and rule thus says what every limit
//! would have done, and a histogram of ranks is the answer for all admissions: those above N would have been refused.
//!
//! It is exact for rules that count streams, as long as what really is refused or ended is refused or ended under the other
//! limits too: in shadow mode always, else for limits up to the one in force. (Whoever is refused is taken not to come again.
//! Where streams give way to starts, one that has ended takes its rank with it: what it says of such a rule is what refusing
//! the newest instead would have done.) Streams without a rank play under every limit: those
//! that are exempt, and those that were there before the rule.
//!
//! For rules that count different values it is exact for limit 1, and above that but for one case: once in a while there is
//! room for a value under a small limit, because others were refused there, and none under a greater one, where those play.
//! A rank cannot say that, and the refusal under the greater limit is left out.

use smallvec::SmallVec;

/// The ranks of a stream: of rules by key, those above 1. What is not listed has rank 1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequiredLimits(SmallVec<[(u32, u16); 2]>);

impl RequiredLimits {
    /// The rank under the rule of that key.
    pub fn get(&self, rule: u32) -> u16 {
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

impl FromIterator<(u32, u16)> for RequiredLimits {
    fn from_iter<I: IntoIterator<Item = (u32, u16)>>(pairs: I) -> Self {
        Self(pairs.into_iter().filter(|(_, rank)| *rank > 1).collect())
    }
}

/// The smallest limit under which there is room: fewer than that many of `taken` have a rank up to it. Where each rank is taken
/// once, it is the smallest one that is free.
pub(super) fn smallest_with_room(taken: impl Iterator<Item = u16>) -> u16 {
    let mut taken: SmallVec<[u16; 16]> = taken.collect();
    taken.sort_unstable();
    // Under limit N there is no room if the first N of them are all at most N.
    let full = taken.iter().zip(1..=u16::MAX).take_while(|(rank, limit)| *rank <= limit).count();
    u16::try_from(full).unwrap_or(u16::MAX).saturating_add(1)
}
