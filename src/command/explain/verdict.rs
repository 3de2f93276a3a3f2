//! Compares expectations with what happened.

use std::collections::BTreeSet;

use super::scenario::{Expected, Place, Script};
use super::scenario_schema::Outcome;
use super::timeline::After;

/// Unmet expectations, with their positions.
pub(super) fn mismatches(script: &Script, after: &[After]) -> Vec<(Place, String)> {
    let mut found = Vec::new();
    for (nth, (step, after)) in script.steps.iter().zip(after).enumerate() {
        let at = humantime::format_duration(step.at);
        let mut say = |(place, message): (Place, String)| {
            found.push((place, format!("step {} (at {at}): {message}", nth + 1)));
        };
        let Expected { outcome, rules, refuses, ends, terminating, running } = &step.expected;
        if let Some((place, expected)) = outcome
            && Some(*expected) != after.outcome
        {
            let found = after.outcome.map_or("nothing", Outcome::label);
            say((*place, format!("expected the outcome {}, found {found}", expected.label())));
        }
        let lists =
            [(rules, &after.rules.exceeded, "exceeded rules"), (refuses, &after.rules.refusing, "refusing rules")];
        for (expected, found, what) in lists {
            if let Some((place, expected)) = expected
                && expected != found
            {
                say((*place, differ(what, expected, found)));
            }
        }
        let sets = [
            (ends, &after.ends, "ended streams"),
            (terminating, &after.terminating, "terminating streams"),
            (running, &after.running, "running streams"),
        ];
        for (expected, found, what) in sets {
            set(expected.as_ref(), found, what).into_iter().for_each(&mut say);
        }
    }
    found
}

fn set(expected: Option<&(Place, Vec<String>)>, found: &[String], what: &str) -> Option<(Place, String)> {
    let (place, expected) = expected?;
    let same = expected.iter().collect::<BTreeSet<_>>() == found.iter().collect::<BTreeSet<_>>();
    (!same).then(|| (*place, differ(what, expected, found)))
}

fn differ(what: &str, expected: &[String], found: &[String]) -> String {
    let list = |names: &[String]| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    format!("unexpected {what}: expected {}, found {}", list(expected), list(found))
}
