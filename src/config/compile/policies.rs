//! Policies and their rules.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};

use crate::config::pointer::Pointer;
use crate::config::raw;
use crate::model::ApplicationId;
use crate::policy::{ApplicationBinding, Mode, Policy, Rule};

use super::attribute_sources::Supply;
use super::context::Context;
use super::rules::rule;
use super::sources;

pub(super) fn policies(
    context: &mut Context<'_>,
    raw: &BTreeMap<String, raw::Policy>,
    applications: &BTreeMap<String, raw::Application>,
) -> BTreeMap<String, Arc<Policy>> {
    let supply = Supply::read(context);
    let mut keys = HashSet::new();
    let mut compiled = BTreeMap::new();
    for (name, policy) in raw {
        let at = Pointer::default().key("policies").key(name);
        let carrying = applications.iter().filter(|(_, application)| application.policies.contains(name));
        let mut built = Policy::from_parts(
            name.as_str().into(),
            rules(context, &supply, &at.key("rules"), policy),
            carrying.map(|(id, raw)| (ApplicationId(id.as_str().into()), carrier(raw))).collect(),
        );
        for rule in &mut built.rules {
            rule.key = key(name, &rule.name, &mut keys);
        }
        if built.carriers.is_empty() {
            context.warn_at_key(&at, "no application uses this policy: list it under `policies` of one, or remove it");
        } else if supply.is_whole() {
            sources::check(context, &supply, &at, policy, &built, applications);
        }
        compiled.insert(name.clone(), Arc::new(built));
    }
    compiled
}

fn rules(context: &mut Context<'_>, supply: &Supply, at: &Pointer, policy: &raw::Policy) -> Vec<Rule> {
    let mut compiled: Vec<Rule> = Vec::new();
    for (nth, raw) in policy.rules.iter().enumerate() {
        let at = at.item(nth);
        if compiled.iter().any(|other| *other.name == *raw.name) {
            context.say(&at.key("name"), format!("another rule of this policy is named `{}`: rename one", raw.name));
        }
        compiled.push(rule(context, supply, &at, raw, Mode::from(policy.mode)));
    }
    compiled
}

fn carrier(raw: &raw::Application) -> ApplicationBinding {
    let attributes = raw.identity.iter().flat_map(|identity| &identity.attributes);
    let from_manifest = attributes.filter(|(_, value)| value.is_of_manifest()).map(|(name, _)| name.as_str().into());
    ApplicationBinding { tenant: raw.tenant.as_str().into(), from_manifest: from_manifest.collect() }
}

/// Key of policy and rule in stream records: the first bytes of SHA-256 over both names, so that it is the same after a
/// reload and on every gateway. 0 means none; of two equal keys, the later takes the next free number.
fn key(policy: &str, rule: &str, taken: &mut HashSet<u32>) -> u32 {
    let hash = digest(&SHA256, format!("{policy}\0{rule}").as_bytes());
    let mut key = hash.as_ref().first_chunk().copied().map_or(0, u32::from_be_bytes);
    while key == 0 || !taken.insert(key) {
        key = key.wrapping_add(1);
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_has_one_key_for_ever_and_no_two_rules_have_the_same() {
        let mut taken = HashSet::new();
        let first = key("household", "two-streams", &mut taken);
        assert_eq!(first, 0x6e42_239a);
        assert_eq!(key("household", "two-streams", &mut taken), first + 1);
        assert_eq!(key("household", "two-streams", &mut HashSet::new()), first);
        // The separator between the names counts.
        assert_ne!(key("a", "bc", &mut HashSet::new()), key("ab", "c", &mut HashSet::new()));
    }
}
