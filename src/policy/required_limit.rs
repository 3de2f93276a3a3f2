//! The effect of other limits: for each rule, the limits that would have admitted a start.
//!
//! A stream's *rank* is the smallest limit that would have admitted its start. With limit N, exactly the streams with
//! rank at most N would be playing, and a start is refused if there are N or more of them. So the rank of a start is
//! the smallest N with fewer than N such streams. One number per stream and rule thus describes the effect of every
//! limit. In a histogram of ranks, those above N would have been refused with limit N.
//!
//! Exact for rules that count streams, if whatever is actually refused or terminated would be so under the other limits
//! too: in shadow mode always, otherwise for limits up to the one in force. Assumptions: a refused viewer does not
//! retry; with terminating rules, a terminated stream takes its rank along, so that the result is that of refusing the
//! newest instead. Streams without a rank, which are exempt or older than the rule, play under every limit.
//!
//! For rules that count distinct values, exact for limit 1. Above that there is one exception: occasionally a value is
//! admitted under a small limit, because others were refused there, but not under a greater one, where those play. A
//! rank cannot express this; the refusal under the greater limit is missing.

use smallvec::SmallVec;

/// The ranks of a stream above 1, by rule key. Rules not listed have rank 1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequiredLimits(SmallVec<[(u32, u16); 2]>);

impl RequiredLimits {
    /// The rank for the rule with that key.
    pub fn get(&self, rule: u32) -> u16 {
        self.0.iter().find(|(key, _)| *key == rule).map_or(1, |(_, rank)| *rank)
    }

    /// Keeps all ranks, including rank 1, so that [`has`](Self::has) shows which rules applied.
    pub fn complete(pairs: impl Iterator<Item = (u32, u16)>) -> Self {
        Self(pairs.collect())
    }

    /// True if the rule with that key is listed.
    pub fn has(&self, rule: u32) -> bool {
        self.0.iter().any(|(key, _)| *key == rule)
    }

    /// True if no rule is listed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(u32, u16)> for RequiredLimits {
    fn from_iter<I: IntoIterator<Item = (u32, u16)>>(pairs: I) -> Self {
        Self(pairs.into_iter().filter(|(_, rank)| *rank > 1).collect())
    }
}

/// The smallest limit with room: fewer than that many of `taken` have a rank up to it. If each rank is taken once, this
/// is the smallest free one.
pub(super) fn smallest_with_room(taken: impl Iterator<Item = u16>) -> u16 {
    let mut taken: SmallVec<[u16; 16]> = taken.collect();
    taken.sort_unstable();
    // With limit N there is no room if the first N of them are all at most N.
    let full = taken.iter().zip(1..=u16::MAX).take_while(|(rank, limit)| *rank <= limit).count();
    u16::try_from(full).unwrap_or(u16::MAX).saturating_add(1)
}
