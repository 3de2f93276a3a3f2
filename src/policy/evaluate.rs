//! The decision.

use std::sync::Arc;
use std::time::Duration;

use super::rule::{Mode, Policy, Rule, WhenExceeded};
use crate::model::{ApplicationId, Millis, StreamId};

/// What a policy sees of a stream: one that holds a slot, or the candidate for one.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'a> {
    /// Which stream.
    pub stream: StreamId,
    /// The application that started it.
    pub application: &'a ApplicationId,
    /// When it started; this orders the streams of an account.
    pub started: Millis,
    /// Since when it has held its slot; what minimum tenure is measured from.
    pub tenure: Millis,
}

/// What a violated rule asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The candidate must not start.
    Refuse,
    /// These must end so that it may, oldest first.
    Terminate(Vec<StreamId>),
}

/// One rule that admitting the candidate would exceed.
#[derive(Clone, Debug)]
pub struct Violation {
    /// The policy that the rule belongs to.
    pub policy: Arc<str>,
    /// The rule.
    pub rule: Arc<str>,
    /// The policy's mode: only `Enforce` has consequences.
    pub mode: Mode,
    /// The highest allowed count.
    pub threshold: u32,
    /// The streams that hold the slots, oldest first.
    pub conflicts: Vec<StreamId>,
    /// What the rule asks for.
    pub effect: Effect,
}

/// The answer of the policies to one candidate.
#[derive(Clone, Debug, Default)]
pub struct Decision {
    /// Every violated rule of every mode, in configuration order.
    pub violations: Vec<Violation>,
}

impl Decision {
    /// Whether an enforced rule refuses the candidate.
    pub fn refuses(&self) -> bool {
        self.enforced().any(|violation| violation.effect == Effect::Refuse)
    }

    /// The violations that have consequences.
    pub fn enforced(&self) -> impl Iterator<Item = &Violation> {
        self.violations.iter().filter(|violation| violation.mode == Mode::Enforce)
    }

    /// The streams to terminate if the candidate is admitted, each once, with the rule that asks for it. Empty when it is
    /// refused: a refused start changes nothing.
    pub fn terminations(&self) -> Vec<(StreamId, &Violation)> {
        let mut ending: Vec<(StreamId, &Violation)> = Vec::new();
        if self.refuses() {
            return ending;
        }
        for violation in self.enforced() {
            if let Effect::Terminate(streams) = &violation.effect {
                for stream in streams {
                    if !ending.iter().any(|(known, _)| known == stream) {
                        ending.push((*stream, violation));
                    }
                }
            }
        }
        ending
    }
}

/// Judges `candidate` against `policies`, given the account's other streams that hold a slot.
///
/// `running` may be in any order and must not contain the candidate. A stream is only terminated after it has held its
/// slot for `min_tenure`; and the oldest is the oldest of all, so a candidate that returns with an early start time may
/// itself be the one that gives way.
pub fn evaluate(
    policies: &[Arc<Policy>],
    running: &[Standing<'_>],
    candidate: &Standing<'_>,
    min_tenure: Duration,
    now: Millis,
) -> Decision {
    let mut oldest_first: Vec<&Standing<'_>> = running.iter().collect();
    oldest_first.sort_by_key(|standing| (standing.started, standing.stream));
    // What earlier rules end counts for later ones, so that two rules do not end two streams where one is enough.
    let mut ending: Vec<StreamId> = Vec::new();
    let mut violations = Vec::new();
    for policy in policies {
        let relevant: Vec<&Standing<'_>> = oldest_first
            .iter()
            .copied()
            .filter(|standing| policy.applications.contains(standing.application))
            .collect();
        for rule in &policy.rules {
            if relevant.len() < rule.limit as usize {
                continue;
            }
            let effect = effect(rule, &relevant, &ending, candidate, min_tenure, now);
            if let (Mode::Enforce, Effect::Terminate(streams)) = (policy.mode, &effect) {
                ending.extend(streams.iter().filter(|stream| !ending.contains(stream)).copied().collect::<Vec<_>>());
            }
            violations.push(Violation {
                policy: policy.name.clone(),
                rule: rule.name.clone(),
                mode: policy.mode,
                threshold: rule.limit,
                conflicts: relevant.iter().map(|standing| standing.stream).collect(),
                effect,
            });
        }
    }
    Decision { violations }
}

fn effect(
    rule: &Rule,
    relevant: &[&Standing<'_>],
    ending: &[StreamId],
    candidate: &Standing<'_>,
    min_tenure: Duration,
    now: Millis,
) -> Effect {
    if rule.when_exceeded == WhenExceeded::DenyNewest {
        return Effect::Refuse;
    }
    let needed = (relevant.len() + 1).saturating_sub(rule.limit as usize);
    let mut chosen: Vec<StreamId> =
        relevant.iter().map(|standing| standing.stream).filter(|stream| ending.contains(stream)).take(needed).collect();
    for standing in relevant {
        if chosen.len() == needed {
            break;
        }
        let older = (standing.started, standing.stream) < (candidate.started, candidate.stream);
        if older && now.since(standing.tenure) >= min_tenure && !chosen.contains(&standing.stream) {
            chosen.push(standing.stream);
        }
    }
    if chosen.len() < needed { Effect::Refuse } else { Effect::Terminate(chosen) }
}

#[cfg(test)]
mod tests;
