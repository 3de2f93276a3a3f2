//! Checks that the applications of a policy supply the attributes of its rules.

use std::collections::BTreeMap;

use crate::config::pointer::Pointer;
use crate::config::raw;
use crate::model::ApplicationId;
use crate::policy::{Count, Expression, Field, Limit, Policy, Rule, WhenExceeded};

use super::attribute_sources::Supply;
use super::context::Context;
use super::rules::PLACES;

/// Maximum warnings per application and policy.
const TOLD: usize = 32;
/// Maximum rules named in one warning.
const NAMED: usize = 3;

/// An attribute that a rule uses.
struct Need<'a> {
    rule: &'a Rule,
    field: Field,
    /// How the rule uses it, such as `counts by`.
    verb: &'static str,
    /// Position of its name.
    at: Pointer,
    /// What happens to a stream without it.
    without: Without,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Without {
    /// The rule still applies, with an unintended result.
    Pointless,
    /// The rule may not apply.
    Silent,
    /// `missing` applies.
    Said,
    /// Another limit applies.
    OtherLimit,
    /// Its placeholder in the message shows `Unknown`.
    Unread,
}

/// Reports attributes that `policy` lacks.
pub(super) fn check(
    context: &mut Context<'_>,
    supply: &Supply,
    at: &Pointer,
    raw: &raw::Policy,
    policy: &Policy,
    applications: &BTreeMap<String, raw::Application>,
) {
    let rules = policy.rules.iter().zip(&raw.rules).enumerate();
    let needs = rules.flat_map(|(nth, (rule, raw))| needs(&at.key("rules").item(nth), rule, raw));
    // Unknown names have been reported.
    let needs: Vec<Need<'_>> = needs.filter(|need| supply.unknown(need.field.name(), &[]).is_none()).collect();
    let mut lacking: BTreeMap<&str, Vec<Lack<'_>>> = BTreeMap::new();
    for need in &needs {
        let without = policy.carriers.keys().map(ApplicationId::as_str);
        let without: Vec<&str> = without.filter(|carrier| !supply.has(carrier, &need.field)).collect();
        let nobody = without.len() == policy.carriers.len() && !without.iter().any(|carrier| supply.declares(carrier));
        let told = || format!("no application that uses this policy supplies `{}`", need.field);
        let remedy = remedy(&need.field);
        match need.without {
            Without::Pointless if nobody => {
                let message = format!("{}: {remedy}, or set `missing:` for streams without it", told());
                context.say(&need.at, message);
            }
            Without::Said if nobody => {
                context.warn(&need.at, format!("{}, so `missing` applies to every stream: {remedy}", told()));
            }
            Without::OtherLimit if nobody => {
                context.warn(&need.at, format!("{}, so everybody has the same limit: {remedy}", told()));
            }
            Without::Unread if nobody => {
                context.warn(&need.at, format!("{}, so viewers see `Unknown`: {remedy}", told()));
            }
            Without::Said | Without::OtherLimit | Without::Unread => {}
            Without::Pointless | Without::Silent => {
                for application in without {
                    let lacks = lacking.entry(application).or_default();
                    let full = lacks.len() >= TOLD;
                    match lacks.iter_mut().find(|lack| lack.need.field == need.field) {
                        Some(lack) if lack.rules.contains(&&*need.rule.name) => {}
                        Some(lack) => lack.rules.push(&need.rule.name),
                        None if full => {}
                        None => lacks.push(Lack { need, rules: vec![&need.rule.name] }),
                    }
                }
            }
        }
    }
    for (application, lacks) in lacking {
        let carried = applications.get(application).map(|raw| &raw.policies);
        let listed = carried.and_then(|carried| carried.iter().position(|name| **name == *policy.name)).unwrap_or(0);
        let at = Pointer::default().key("applications").key(application).key("policies").item(listed);
        for lack in lacks {
            let (field, name) = (&lack.need.field, &policy.name);
            let (needed, their) = lack.needed(name);
            let remedy = remedy(field);
            let message = format!(
                "application `{application}` supplies no `{field}`, which {needed}: {remedy}, or say what happens without it \
                 with {their} `missing:`"
            );
            context.warn(&at, message);
        }
    }
}

/// An attribute missing in an application, and the rules that need it.
struct Lack<'a> {
    /// The first rule's need.
    need: &'a Need<'a>,
    rules: Vec<&'a str>,
}

impl Lack<'_> {
    /// Text for the rules that need it, and for whose `missing` to set.
    fn needed(&self, policy: &str) -> (String, &'static str) {
        match self.rules.as_slice() {
            [] | [_] => {
                let Need { rule, verb, .. } = self.need;
                (format!("rule `{}` of policy `{policy}` {verb}", rule.name), "the rule's")
            }
            several => {
                let named = several.iter().take(NAMED).map(|rule| format!("`{rule}`")).collect::<Vec<_>>().join(", ");
                let more = several.len().saturating_sub(NAMED);
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                (format!("the rules {named}{more} of policy `{policy}` need"), "the rules'")
            }
        }
    }
}

fn remedy(field: &Field) -> &'static str {
    if *field == Field::DeviceId { "map it as `identity.device`" } else { "map it under `identity.attributes`" }
}

fn needs<'a>(at: &Pointer, rule: &'a Rule, raw: &raw::Rule) -> Vec<Need<'a>> {
    let said = raw.missing.is_some();
    let mut needs = Vec::new();
    for name in rule.message.iter().flat_map(|message| message.places()).filter(|name| !PLACES.contains(name)) {
        let (field, at) = (Field::named(name), at.key("message"));
        needs.push(Need { rule, field, verb: "shows", at, without: Without::Unread });
    }
    let mut need = |field: &Field, verb, at: Pointer, without| {
        let (field, without) = (field.clone(), if said { Without::Said } else { without });
        needs.push(Need { rule, field, verb, at, without });
    };
    if let Count::Distinct(field) = &rule.count {
        need(field, "counts", at.key("count"), Without::Pointless);
    }
    for (nth, field) in rule.per.iter().enumerate() {
        need(field, "counts by", at.key("per").item(nth), Without::Pointless);
    }
    let key = if raw.limit_attribute.is_some() { "limit_attribute" } else { "limits" };
    match &rule.limit {
        Limit::Fixed(_) => {}
        Limit::Attribute { field, otherwise: Some(_) } | Limit::ByValue { field, .. } => {
            need(field, "takes its limit from", at.key(key), Without::OtherLimit);
        }
        Limit::Attribute { field, otherwise: None } => {
            need(field, "takes its limit from", at.key(key), Without::Silent);
        }
    }
    let mut asked = |expression: Option<&Expression>, verb, key: &str| {
        for field in expression.into_iter().flat_map(Expression::fields) {
            need(field, verb, at.key(key), Without::Silent);
        }
    };
    asked(rule.target.as_ref(), "asks for", "target");
    asked(rule.exempt.as_ref(), "asks for", "exempt");
    if let WhenExceeded::TerminateFirst(expression) = &rule.when_exceeded {
        asked(Some(expression), "orders streams by", "when_exceeded");
    }
    needs
}
