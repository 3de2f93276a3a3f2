//! What is told of a scenario that was played.

use std::time::Duration;

use streamgate::model::Attributes;
use streamgate::policy::Explanation;
use streamgate::streams::{Cause, Refusal};

use super::event_recorder::{Change, Needed};
use super::scenario_schema::{Content, Outcome};

/// One thing that is told.
pub(super) struct Entry {
    /// Since the beginning.
    pub(super) at: Duration,
    /// The step that it belongs to, by its place in the script; `None` for what happens in between.
    pub(super) step: Option<usize>,
    pub(super) told: Told,
}

/// Players by their place in the script.
pub(super) enum Told {
    /// A stream started.
    Started(usize, Answer),
    /// A stream asked for media.
    Asked(usize, Answer),
    /// Something has become known of a stream.
    Learned(usize, Lesson, Answer),
    /// A viewer went away without a word.
    Silent(usize),
    /// A viewer, or an API, ended the stream.
    Ended(usize, Outcome),
    /// Other policies are in force; so many streams end or will.
    Reloaded(String, usize),
    /// Somebody looks.
    Checked(String),
    /// Something happened to a stream.
    Changed(usize, Change),
}

/// What a stream was told, and why.
pub(super) struct Answer {
    pub(super) outcome: Outcome,
    /// Why the stream was terminated, if its player is told so now.
    pub(super) cause: Option<Cause>,
    /// What the policies said, one after the other where they were asked twice.
    pub(super) explanations: Vec<Explanation>,
}

impl Answer {
    /// Nobody was there to be answered.
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

/// What has become known.
#[derive(Default)]
pub(super) struct Lesson {
    pub(super) content: Option<Content>,
    pub(super) attributes: Option<Attributes>,
    /// Names of attributes that must not change and have not.
    pub(super) frozen: Vec<&'static str>,
}

/// Rules as `POLICY/RULE`, each once, in configuration order.
#[derive(Default)]
pub(super) struct Rules {
    /// Those that the step exceeded, or for which something was missing.
    pub(super) exceeded: Vec<String>,
    /// Those among them that refuse it.
    pub(super) refusing: Vec<String>,
}

/// How things stand after a step.
pub(super) struct After {
    pub(super) outcome: Option<Outcome>,
    pub(super) rules: Rules,
    /// Names of the streams that were terminated since the step before.
    pub(super) ends: Vec<String>,
    pub(super) terminating: Vec<String>,
    pub(super) running: Vec<String>,
}

/// A scenario that was played.
pub(super) struct Timeline {
    pub(super) entries: Vec<Entry>,
    /// How things stood after each step.
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
