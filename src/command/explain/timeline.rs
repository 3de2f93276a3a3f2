//! The timeline of a scenario.

use std::time::Duration;

use streamgate::model::Attributes;
use streamgate::policy::Explanation;
use streamgate::streams::{Cause, Refusal};

use super::event_recorder::{Change, Needed};
use super::scenario_schema::{Content, Outcome};

/// One entry.
pub(super) struct Entry {
    /// Time since the start.
    pub(super) at: Duration,
    /// Index of its step in the script; `None` between steps.
    pub(super) step: Option<usize>,
    pub(super) told: Told,
}

/// Players by their index in the script.
pub(super) enum Told {
    /// A stream started.
    Started(usize, Answer),
    /// A stream asked for media.
    Asked(usize, Answer),
    /// Attributes of a stream were updated.
    Learned(usize, Lesson, Answer),
    /// A viewer stopped sending requests.
    Silent(usize),
    /// A viewer, or an API, ended the stream.
    Ended(usize, Outcome),
    /// New policies are in force; the number of streams that end, now or after a grace.
    Reloaded(String, usize),
    /// A check.
    Checked(String),
    /// Something happened to a stream.
    Changed(usize, Change),
}

/// The answer to a stream, and why.
pub(super) struct Answer {
    pub(super) outcome: Outcome,
    /// Why the stream was terminated, if the answer says so.
    pub(super) cause: Option<Cause>,
    /// Results of the policies, in order if they were evaluated twice.
    pub(super) explanations: Vec<Explanation>,
}

impl Answer {
    /// For a stream that does not exist.
    pub(super) fn to_nobody() -> Self {
        Self { outcome: Outcome::Gone, cause: None, explanations: Vec::new() }
    }

    pub(super) fn refuse(&mut self, refusal: Refusal) {
        (self.outcome, self.cause) = match refusal {
            Refusal::Policy { .. } => (Outcome::Refused, None),
            Refusal::Terminated(cause) => (Outcome::Terminated, Some(cause)),
        };
    }
}

/// Updated attributes.
#[derive(Default)]
pub(super) struct Lesson {
    pub(super) content: Option<Content>,
    pub(super) attributes: Option<Attributes>,
    /// Immutable attributes that were not changed.
    pub(super) frozen: Vec<&'static str>,
}

/// Rules as `POLICY/RULE`, without duplicates, in configuration order.
#[derive(Default)]
pub(super) struct Rules {
    /// Rules that the step exceeded, or that missed an attribute.
    pub(super) exceeded: Vec<String>,
    /// Those of them that refuse it.
    pub(super) refusing: Vec<String>,
}

/// The state after a step.
pub(super) struct After {
    pub(super) outcome: Option<Outcome>,
    pub(super) rules: Rules,
    /// Names of streams terminated since the previous step.
    pub(super) ends: Vec<String>,
    pub(super) terminating: Vec<String>,
    pub(super) running: Vec<String>,
}

/// The result of a scenario.
pub(super) struct Timeline {
    pub(super) entries: Vec<Entry>,
    /// The state after each step.
    pub(super) after: Vec<After>,
    pub(super) needed: Needed,
}

impl Rules {
    pub(super) fn from_explanations(explanations: &[Explanation]) -> Self {
        let mut rules = Self::default();
        for policy in explanations.iter().flat_map(|explanation| &explanation.policies) {
            for rule in policy.rules.iter().filter(|rule| matches!(rule.result, "exceeded" | "lacks")) {
                let refuses = rule.mode == "enforce" && rule.effect == Some("refuse");
                let lists = [Some(&mut rules.exceeded), refuses.then_some(&mut rules.refusing)];
                for list in lists.into_iter().flatten() {
                    let name = format!("{}/{}", policy.policy, rule.rule);
                    if !list.contains(&name) {
                        list.push(name);
                    }
                }
            }
        }
        rules
    }
}
