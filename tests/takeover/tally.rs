//! What has happened in an evening, counted.

use std::fmt;
use std::ops::AddAssign;

/// Counts of one evening, or of several.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) starts: u64,
    /// Starts refused while as many others as the account may have really watched.
    pub(crate) refused: u64,
    /// Starts refused while fewer did: for the sake of streams that had already fallen silent.
    pub(crate) refused_for_silent: u64,
    /// Plays ended, or not let go on, while more than the limit watched.
    pub(crate) ended: u64,
    /// Plays ended although the account watched no more than its limit.
    pub(crate) ended_wrongly: u64,
    /// How often more plays than the limit got media at the same time.
    pub(crate) too_many: u64,
    /// For how long, in milliseconds.
    pub(crate) too_many_for: u64,
    pub(crate) too_many_at_most: u64,
    /// Requests in all.
    pub(crate) requests: u64,
    /// A few words on each of the first things that went wrong.
    pub(crate) traces: Vec<String>,
}

impl Tally {
    /// In a thousand starts, those refused for the sake of streams that had fallen silent.
    pub(crate) fn refused_for_silent_of_thousand(&self) -> u64 {
        self.refused_for_silent * 1000 / self.starts.max(1)
    }
}

impl AddAssign<&Self> for Tally {
    fn add_assign(&mut self, other: &Self) {
        self.starts += other.starts;
        self.refused += other.refused;
        self.refused_for_silent += other.refused_for_silent;
        self.ended += other.ended;
        self.ended_wrongly += other.ended_wrongly;
        self.too_many += other.too_many;
        self.too_many_for += other.too_many_for;
        self.too_many_at_most = self.too_many_at_most.max(other.too_many_at_most);
        self.requests += other.requests;
        self.traces.extend(other.traces.iter().cloned());
        // What must not be at all comes before what must be rare.
        self.traces.sort_by_key(|trace| trace.contains("start of"));
        self.traces.truncate(12);
    }
}

/// The head of the table whose rows are tallies.
pub(crate) const HEAD: &str =
    "  starts  refused  for silent      ‰   ended  wrongly  too many  seconds  at most  requests";

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        #[allow(clippy::cast_precision_loss, reason = "for people")]
        let seconds = |millis: u64| millis as f64 / 1000.0;
        write!(
            f,
            "{:8} {:8} {:11} {:6} {:7} {:8} {:9} {:8.1} {:8.1} {:9}",
            self.starts,
            self.refused,
            self.refused_for_silent,
            self.refused_for_silent_of_thousand(),
            self.ended,
            self.ended_wrongly,
            self.too_many,
            seconds(self.too_many_for),
            seconds(self.too_many_at_most),
            self.requests,
        )
    }
}
