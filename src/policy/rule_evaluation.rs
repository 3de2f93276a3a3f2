//! Evaluates one rule for one candidate: whether it applies, what it counts, whether it is exceeded.

use smallvec::SmallVec;

use crate::model::{Millis, StreamId};

use super::expression::Truth;
use super::field::{Field, Found, Missing};
use super::required_limit::smallest_with_room;
use super::rule::{Count, Limit, Policy, Rule, WhenExceeded};
use super::stream_view::{ApplicationBinding, EvalContext, StreamView};

/// A stream with its application's binding to the policy.
#[derive(Clone, Copy)]
pub(super) struct Member<'a> {
    pub(super) standing: &'a StreamView<'a>,
    pub(super) carrier: &'a ApplicationBinding,
}

impl Member<'_> {
    fn age(&self) -> (Millis, StreamId) {
        (self.standing.started, self.standing.stream)
    }
}

/// Result of a rule for a candidate.
#[allow(clippy::large_enum_variant, reason = "short-lived on the stack; a box would cost more than a copy")]
pub(super) enum RuleResult<'a> {
    /// The rule does not apply.
    NotApplicable,
    /// Depends on the manifest, which is not known yet.
    Deferred,
    /// Refused: this attribute is required.
    Lacks(&'a Field),
    /// The rule applies.
    Counted(RuleCount<'a>),
}

/// The count of a rule.
pub(super) struct RuleCount<'a> {
    /// The candidate's values of the attributes that the rule counts by.
    pub(super) scope: SmallVec<[(&'a Field, &'a str); 2]>,
    /// The limit.
    pub(super) limit: u32,
    /// The counted streams, oldest first, with their values of what is counted.
    pub(super) counted: SmallVec<[(Member<'a>, &'a str); 8]>,
    /// The candidate's value of what is counted.
    pub(super) own: &'a str,
    /// True if the candidate is exempt from the rule.
    pub(super) exempt: bool,
    /// The count without the candidate.
    pub(super) without: u32,
    /// The count with the candidate.
    pub(super) with: u32,
    /// The smallest limit that would admit the candidate, had that limit always been in force.
    pub(super) rank: u16,
}

impl RuleCount<'_> {
    /// True if the candidate would exceed the rule and is not exempt.
    pub(super) fn is_exceeded(&self) -> bool {
        self.with > self.limit && !self.exempt
    }
}

/// Why a value is not available.
enum Gap<'a> {
    Pending,
    Lacks(&'a Field),
}

impl<'a> Gap<'a> {
    /// The result for the candidate.
    fn judged(self, missing: &Missing) -> RuleResult<'a> {
        match self {
            Self::Pending => RuleResult::Deferred,
            Self::Lacks(field) if *missing == Missing::Refuse => RuleResult::Lacks(field),
            Self::Lacks(_) => RuleResult::NotApplicable,
        }
    }
}

/// A field's value, or its replacement by `missing`.
fn value<'a>(
    field: &'a Field,
    member: Member<'a>,
    scene: &'a EvalContext<'a>,
    missing: &'a Missing,
) -> Result<&'a str, Gap<'a>> {
    match (field.resolve(member.standing, member.carrier, scene), missing) {
        (Found::Known(value), _) => Ok(value),
        (Found::Pending, _) => Err(Gap::Pending),
        (Found::Missing, Missing::Unknown) => Ok("Unknown"),
        (Found::Missing, Missing::TreatAs(value)) => Ok(value),
        (Found::Missing, Missing::IgnoreRule | Missing::Refuse) => Err(Gap::Lacks(field)),
    }
}

fn limit<'a>(rule: &'a Rule, member: Member<'a>, scene: &'a EvalContext<'a>) -> Result<u32, Gap<'a>> {
    let number = |text: &str| text.parse::<u32>().ok();
    match &rule.limit {
        Limit::Fixed(limit) => Ok(*limit),
        Limit::Attribute { field, otherwise } => match field.resolve(member.standing, member.carrier, scene) {
            Found::Pending => Err(Gap::Pending),
            // A value that is not a number counts as missing.
            found => {
                let found = if let Found::Known(text) = found { number(text) } else { None };
                let treated = if let Missing::TreatAs(text) = &rule.missing { number(text) } else { None };
                found.or(*otherwise).or(treated).ok_or(Gap::Lacks(field))
            }
        },
        Limit::ByValue { field, values, otherwise } => match value(field, member, scene, &rule.missing) {
            Ok(value) => values.get(value).copied().or(*otherwise).ok_or(Gap::Lacks(field)),
            Err(Gap::Lacks(field)) => otherwise.ok_or(Gap::Lacks(field)),
            Err(awaited @ Gap::Pending) => Err(awaited),
        },
    }
}

/// Evaluates `rule` for `candidate`, given the relevant activity of its policy without the candidate, oldest first.
pub(super) fn judge<'a>(
    rule: &'a Rule,
    relevant: &[Member<'a>],
    candidate: Member<'a>,
    scene: &'a EvalContext<'a>,
) -> RuleResult<'a> {
    let truth = |expression: &'a super::Expression, member: Member<'a>| {
        expression.truth(member.standing, member.carrier, scene, &rule.missing)
    };
    let exempt = || rule.exempt.as_ref().map_or(Truth::No, |exempt| truth(exempt, candidate));
    // An exempt candidate is not refused for a missing attribute either.
    let judged = |gap: Gap<'a>| match (gap.judged(&rule.missing), exempt()) {
        (RuleResult::Lacks(_), Truth::Yes) => RuleResult::NotApplicable,
        (RuleResult::Lacks(_), Truth::Pending) => RuleResult::Deferred,
        (judgement, _) => judgement,
    };
    match rule.target.as_ref().map_or(Truth::Yes, |target| truth(target, candidate)) {
        Truth::Yes => {}
        Truth::No => return RuleResult::NotApplicable,
        Truth::Pending => return RuleResult::Deferred,
        Truth::Lacks(field) => return judged(Gap::Lacks(field)),
    }
    let mut scope: SmallVec<[(&'a Field, &'a str); 2]> = SmallVec::new();
    for field in &rule.per {
        match value(field, candidate, scene, &rule.missing) {
            Ok(value) => scope.push((field, value)),
            Err(gap) => return judged(gap),
        }
    }
    let counted_value = |member| match &rule.count {
        Count::Streams => Ok(""),
        Count::Distinct(field) => value(field, member, scene, &rule.missing),
    };
    let own = match counted_value(candidate) {
        Ok(own) => own,
        Err(gap) => return judged(gap),
    };
    let limit = match limit(rule, candidate, scene) {
        Ok(limit) => limit,
        Err(gap) => return judged(gap),
    };
    let exempt = match exempt() {
        Truth::Pending => return RuleResult::Deferred,
        exempt => exempt == Truth::Yes,
    };
    let counts = |member: Member<'a>| -> Option<(Member<'a>, &'a str)> {
        if rule.target.as_ref().is_some_and(|target| truth(target, member) != Truth::Yes) {
            return None;
        }
        for (field, wanted) in &scope {
            if value(field, member, scene, &rule.missing).ok()? != *wanted {
                return None;
            }
        }
        counted_value(member).ok().map(|value| (member, value))
    };
    let counted: SmallVec<[(Member<'a>, &'a str); 8]> = relevant.iter().filter_map(|member| counts(*member)).collect();
    let rank_of = |member: &Member<'_>| member.standing.ranks.get(rule.key);
    let (without, with, rank) = match &rule.count {
        Count::Streams => {
            let rank = smallest_with_room(counted.iter().map(|(member, _)| rank_of(member)));
            (counted.len(), counted.len() + 1, rank)
        }
        Count::Distinct(_) => {
            // Each value once, with the lowest rank of its streams.
            let mut values: SmallVec<[(&str, u16); 8]> = SmallVec::new();
            for (member, value) in &counted {
                let rank = rank_of(member);
                match values.iter_mut().find(|(known, _)| known == value) {
                    Some((_, best)) => *best = (*best).min(rank),
                    None => values.push((value, rank)),
                }
            }
            let known = values.iter().find(|(value, _)| *value == own).map(|(_, rank)| *rank);
            // With a smaller limit its value may not be playing, but there may be room for it again.
            let rank = smallest_with_room(values.iter().map(|(_, rank)| *rank)).min(known.unwrap_or(u16::MAX));
            (values.len(), values.len() + usize::from(known.is_none()), rank)
        }
    };
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    RuleResult::Counted(RuleCount {
        scope,
        limit,
        counted,
        own,
        exempt,
        without: number(without),
        with: number(with),
        rank,
    })
}

/// The streams of a policy's relevant activity, in the order of `running`.
pub(super) fn relevant<'a>(policy: &'a Policy, running: &[&'a StreamView<'a>]) -> SmallVec<[Member<'a>; 8]> {
    let member = |standing: &&'a StreamView<'a>| {
        let carrier = policy.carriers.get(standing.application)?;
        Some(Member { standing, carrier })
    };
    running.iter().filter_map(member).collect()
}

/// Streams that a rule terminates together or not at all: one stream, or all with one value.
pub(super) type Unit = SmallVec<[StreamId; 2]>;

/// What an exceeded rule would terminate.
pub(super) struct Claim {
    /// Number of units to terminate.
    pub(super) need: usize,
    /// Units that may be terminated, in order.
    pub(super) eligible: Vec<Unit>,
    /// Units that count but may not be terminated by this rule.
    pub(super) protected: Vec<Unit>,
}

/// A unit under construction.
struct Group<'a> {
    value: &'a str,
    /// Sort key: smaller goes first.
    place: i64,
    may_end: bool,
    unit: Unit,
}

impl Claim {
    /// The claim of an exceeded rule. `None` if the rule terminates no streams, or too few of them may be terminated,
    /// so that the newest is refused.
    pub(super) fn for_rule(
        rule: &Rule,
        tally: &RuleCount<'_>,
        candidate: Member<'_>,
        scene: &EvalContext<'_>,
    ) -> Option<Self> {
        if !rule.when_exceeded.terminates() {
            return None;
        }
        let need = tally.with.saturating_sub(tally.limit) as usize;
        // A stream that may turn out to be exempt is protected until that is known.
        let is_exempt = |member: &Member<'_>| {
            rule.exempt.as_ref().is_some_and(|exempt| {
                let truth = exempt.truth(member.standing, member.carrier, scene, &rule.missing);
                matches!(truth, Truth::Yes | Truth::Pending)
            })
        };
        let may_end = |member: &Member<'_>| {
            // Only older streams: a returning candidate may itself be the one to be terminated.
            member.age() < candidate.age()
                && scene.now.since(member.standing.tenure) >= scene.min_tenure
                && !is_exempt(member)
        };
        let place = |member: &Member<'_>| match &rule.when_exceeded {
            WhenExceeded::DenyNewest | WhenExceeded::TerminateOldest => 0,
            WhenExceeded::TerminateIdlest => i64::try_from(member.standing.seen.0).unwrap_or(i64::MAX),
            WhenExceeded::TerminateFirst(expression) => {
                let weight = expression.weight(member.standing, member.carrier, scene, &rule.missing);
                weight.checked_neg().unwrap_or(i64::MAX)
            }
        };
        let distinct = matches!(rule.count, Count::Distinct(_));
        let mut groups: SmallVec<[Group<'_>; 8]> = SmallVec::new();
        for (member, value) in &tally.counted {
            // Terminating streams with the candidate's own value would not make room.
            if distinct && *value == tally.own {
                continue;
            }
            let (place, may_end) = (place(member), may_end(member));
            let known = if distinct { groups.iter_mut().find(|group| group.value == *value) } else { None };
            if let Some(group) = known {
                // A value's last heartbeat is that of its most recent stream; its weight is that of its highest stream.
                let idlest = matches!(rule.when_exceeded, WhenExceeded::TerminateIdlest);
                group.place = if idlest { group.place.max(place) } else { group.place.min(place) };
                group.may_end &= may_end;
                group.unit.push(member.standing.stream);
            } else {
                let unit = Unit::from_slice(&[member.standing.stream]);
                groups.push(Group { value, place, may_end, unit });
            }
        }
        // Stable sort: the counted streams come oldest first, so equals do too.
        groups.sort_by_key(|group| group.place);
        let (eligible, sheltered): (Vec<Group<'_>>, Vec<Group<'_>>) =
            groups.into_iter().partition(|group| group.may_end);
        let units = |groups: Vec<Group<'_>>| groups.into_iter().map(|group| group.unit).collect();
        (eligible.len() >= need).then(|| Self { need, eligible: units(eligible), protected: units(sheltered) })
    }

    /// The streams that this rule alone terminates.
    pub(super) fn streams(&self) -> Vec<StreamId> {
        self.eligible.iter().take(self.need).flatten().copied().collect()
    }

    /// True if this rule may terminate the stream.
    pub(super) fn may_end(&self, stream: StreamId) -> bool {
        self.eligible.iter().flatten().any(|known| *known == stream)
    }

    /// True if everything that satisfies `other` satisfies this claim.
    pub(super) fn is_part_of(&self, other: &Self) -> bool {
        self.need <= other.need && self.eligible == other.eligible && self.protected == other.protected
    }
}
