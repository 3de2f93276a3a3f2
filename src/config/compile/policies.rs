//! Policies and their rules.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::pointer::Pointer;
use crate::config::raw;
use crate::model::ApplicationId;
use crate::policy::{Carrier, Mode, Policy, Rule, WhenExceeded};

use super::context::Context;

pub(super) fn policies(
    context: &mut Context<'_>,
    raw: &BTreeMap<String, raw::Policy>,
    applications: &BTreeMap<String, raw::Application>,
) -> BTreeMap<String, Arc<Policy>> {
    let compiled = raw.iter().map(|(name, policy)| {
        let at = Pointer::default().key("policies").key(name);
        let carriers = applications.iter().filter(|(_, application)| application.policies.contains(name));
        let compiled = Policy::of(
            name.as_str().into(),
            rules(context, &at.key("rules"), &policy.rules, mode(policy.mode)),
            carriers.map(|(id, _)| (ApplicationId(id.as_str().into()), Carrier::default())).collect(),
        );
        (name.clone(), Arc::new(compiled))
    });
    compiled.collect()
}

fn rules(context: &mut Context<'_>, at: &Pointer, raw: &[raw::Rule], mode: Mode) -> Vec<Rule> {
    let mut compiled: Vec<Rule> = Vec::new();
    for (nth, rule) in raw.iter().enumerate() {
        let at = at.item(nth);
        if compiled.iter().any(|other| *other.name == *rule.name) {
            context.say(&at.key("name"), format!("another rule of this policy is called `{}`: rename one", rule.name));
        }
        let when_exceeded = when_exceeded(rule.when_exceeded);
        if rule.limit == 0 && when_exceeded == WhenExceeded::TerminateOldest {
            context.say(
                &at.key("limit"),
                "with a limit of 0 there is no stream to terminate: write 1 or more, or `when_exceeded: deny_newest`",
            );
        }
        compiled.push(Rule { mode, ..Rule::streams(&rule.name, rule.limit, when_exceeded) });
    }
    compiled
}

fn mode(raw: raw::Mode) -> Mode {
    match raw {
        raw::Mode::Enforce => Mode::Enforce,
        raw::Mode::Annotate => Mode::Annotate,
        raw::Mode::Shadow => Mode::Shadow,
    }
}

fn when_exceeded(raw: raw::WhenExceeded) -> WhenExceeded {
    match raw {
        raw::WhenExceeded::DenyNewest => WhenExceeded::DenyNewest,
        raw::WhenExceeded::TerminateOldest => WhenExceeded::TerminateOldest,
    }
}
