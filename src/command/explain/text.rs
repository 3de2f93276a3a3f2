//! A timeline as text.

use std::fmt::{self, Write};
use std::time::Duration;

use streamgate::model::StreamId;
use streamgate::policy::{CountExplained, Explanation, RuleExplained, TargetExplained};
use streamgate::streams::Cause;

use super::event_recorder::{Change, Needed};
use super::scenario::{Player, Script};
use super::scenario_schema::Outcome;
use super::timeline::{Answer, Entry, Lesson, Timeline, Told};

/// Width of the time column.
const MARGIN: usize = 9;

/// Renders a timeline.
pub(super) fn render(script: &Script, timeline: &Timeline) -> String {
    let mut page = Page { script, out: String::new() };
    // Writing to a string cannot fail.
    let _ = page.all(timeline);
    page.out
}

struct Page<'a> {
    script: &'a Script,
    out: String,
}

impl Page<'_> {
    fn all(&mut self, timeline: &Timeline) -> fmt::Result {
        if let Some(title) = &self.script.title {
            writeln!(self.out, "{title}")?;
        }
        writeln!(self.out, "The clock starts at {}.\n", self.script.clock)?;
        for entry in &timeline.entries {
            self.entry(entry)?;
        }
        self.needed(&timeline.needed)
    }

    fn entry(&mut self, entry: &Entry) -> fmt::Result {
        let at = time(entry.at);
        let name = |player: &usize| self.script.players.get(*player).map_or("", |player| &player.name);
        write!(self.out, "{at:<MARGIN$}")?;
        match &entry.told {
            Told::Started(player, answer) => {
                let Some(player) = self.script.players.get(*player) else { return Ok(()) };
                let start = start(player);
                writeln!(self.out, "{start}: {}", outcome(answer.outcome))?;
                self.answer(answer)
            }
            Told::Asked(player, answer) => {
                let name = name(player);
                let why = if entry.step.is_some() { "requests media" } else { "continues and is evaluated again" };
                writeln!(self.out, "{name} {why}: {}", outcome(answer.outcome))?;
                self.answer(answer)
            }
            Told::Learned(player, lesson, answer) => {
                let (name, lesson) = (name(player), learned(lesson));
                writeln!(self.out, "{name} {lesson}: {}", outcome(answer.outcome))?;
                self.answer(answer)
            }
            Told::Silent(player) => {
                let name = name(player);
                writeln!(self.out, "{name} stops sending requests; its slot is released after the idle timeout")
            }
            Told::Ended(player, Outcome::Gone) => {
                let name = name(player);
                writeln!(self.out, "{name} cannot be ended: the stream no longer exists")
            }
            Told::Ended(player, _) => {
                let name = name(player);
                writeln!(self.out, "{name} is ended")
            }
            Told::Reloaded(file, 0) => writeln!(self.out, "{file} is in force; all streams continue"),
            Told::Reloaded(file, ended) => {
                writeln!(
                    self.out,
                    "{file} is in force; {ended} stream{}, now or after a grace",
                    if *ended == 1 { " ends" } else { "s end" }
                )
            }
            Told::Checked(words) => writeln!(self.out, "{words}"),
            Told::Changed(player, change) => {
                let (name, change) = (name(player), self.change(change));
                writeln!(self.out, "  {name} {change}")
            }
        }
    }

    fn change(&self, change: &Change) -> String {
        match change {
            Change::Idle => "is idle: its slot is released".to_owned(),
            Change::Superseded => "is superseded by another stream of its device: its slot is released".to_owned(),
            Change::TookOver { taken, reason } => {
                format!("provisionally takes over from {} ({reason})", self.name(*taken))
            }
            Change::TakeoverSettled { taken, result: "both_real" } => {
                format!("and {} both play: the policies decide", self.name(*taken))
            }
            Change::TakeoverSettled { taken, .. } => format!("has replaced {}", self.name(*taken)),
            Change::Leaving(cause) => format!("plays on for its grace and no longer counts: {}", self.cause(cause)),
            Change::Stays => "continues: there is room again".to_owned(),
            Change::Terminated(cause) => format!("is terminated: {}", self.cause(cause)),
            Change::Forgotten => "is removed".to_owned(),
        }
    }

    fn cause(&self, cause: &Cause) -> String {
        match cause {
            Cause::Evicted { policy, rule, by } => format!("{policy}/{rule}, for {}", self.name(*by)),
            Cause::Displaced { policy, rule, by } => {
                format!("{policy}/{rule}, for {}, which came back", self.name(*by))
            }
            Cause::Refused { policy, rule } => format!("{policy}/{rule} no longer admits it"),
            Cause::Stopped => "it was stopped".to_owned(),
            Cause::Killed { reason, .. } => format!("it was killed ({reason})"),
        }
    }

    fn name(&self, stream: StreamId) -> &str {
        let player = self.script.players.iter().find(|player| player.candidate.stream == stream);
        player.map_or("another stream", |player| &player.name)
    }

    fn names(&self, streams: impl Iterator<Item = StreamId>) -> String {
        streams.map(|stream| self.name(stream)).collect::<Vec<_>>().join(", ")
    }

    fn answer(&mut self, answer: &Answer) -> fmt::Result {
        if let Some(cause) = answer.cause.as_ref().filter(|_| answer.explanations.is_empty()) {
            let cause = self.cause(cause);
            writeln!(self.out, "{:MARGIN$}  {cause}", "")?;
        }
        for (nth, explanation) in answer.explanations.iter().enumerate() {
            if nth > 0 {
                let content = explanation.candidate.content;
                let known = if content == "unknown" {
                    "media is requested, and no manifest has shown whether it is live".to_owned()
                } else {
                    format!("the manifest says {content}")
                };
                writeln!(self.out, "{:MARGIN$}  evaluated again: {known}", "")?;
            }
            self.explanation(explanation)?;
        }
        Ok(())
    }

    fn explanation(&mut self, explanation: &Explanation) -> fmt::Result {
        for policy in &explanation.policies {
            for rule in &policy.rules {
                let result = self.result(rule, explanation.outcome);
                writeln!(self.out, "{:MARGIN$}  {}/{}: {result}", "", policy.policy, rule.rule)?;
                if let Some(details) = self.details(rule) {
                    writeln!(self.out, "{:MARGIN$}    {details}", "")?;
                }
            }
        }
        Ok(())
    }

    /// The result of a rule, in short.
    fn result(&self, rule: &RuleExplained, outcome: &str) -> String {
        let counts = rule.count.as_ref().map(count).unwrap_or_default();
        let enforced = rule.mode == "enforce";
        let without_consequence =
            if rule.mode == "annotate" { "annotate: passes with headers" } else { "shadow: passes" };
        match rule.result {
            "unconcerned" => match &rule.target {
                Some(target) => format!("does not apply: {}", told(target)),
                None => "does not apply, as an attribute is missing".to_owned(),
            },
            "deferred" => match &rule.target {
                Some(target) => format!("waits for the manifest: {}", target.expression),
                None => "waits for the manifest".to_owned(),
            },
            "lacks" => {
                let lacks = rule.lacks.as_deref().unwrap_or_default();
                let end = if enforced { "refused" } else { without_consequence };
                format!("{lacks} is missing: {end}")
            }
            "exempt" => format!("{counts}, exempt"),
            "exceeded" => match rule.effect {
                Some("terminate") => {
                    let ends = self.names(rule.terminates.iter().copied());
                    let gives = if rule.terminates.len() == 1 { "is" } else { "are" };
                    match (enforced, outcome) {
                        (true, "refused") => {
                            format!("{counts}, exceeded: {ends} would be terminated if it were not refused")
                        }
                        (true, _) => format!("{counts}, exceeded: {ends} {gives} terminated"),
                        (false, _) => format!("{counts}, exceeded: {ends} would be terminated ({without_consequence})"),
                    }
                }
                _ if enforced => format!("{counts}, exceeded: refused"),
                _ => format!("{counts}, exceeded: would be refused ({without_consequence})"),
            },
            _ => format!("{counts}, within the limit"),
        }
    }

    /// What a rule evaluated.
    fn details(&self, rule: &RuleExplained) -> Option<String> {
        let mut details = Vec::new();
        if let Some(count) = &rule.count {
            details.extend(rule.target.as_ref().map(told));
            if !count.scope.is_empty() {
                let scope = count.scope.iter().map(|(name, value)| format!("{name} {value}"));
                details.push(format!("of {}", scope.collect::<Vec<_>>().join(", ")));
            }
            if !count.counted.is_empty() {
                let counted = count.counted.iter().map(|conflict| match &conflict.value {
                    Some(value) => format!("{} ({value})", self.name(conflict.stream)),
                    None => self.name(conflict.stream).to_owned(),
                });
                details.push(format!("counts {}", counted.collect::<Vec<_>>().join(", ")));
            }
        }
        (!details.is_empty()).then(|| details.join("; "))
    }

    fn needed(&mut self, needed: &Needed) -> fmt::Result {
        if needed.is_empty() {
            return Ok(());
        }
        writeln!(
            self.out,
            "\nThe smallest limit that each start or return needed (streamgate_policy_required_limit):"
        )?;
        for (rule, limits) in needed {
            let all: u32 = limits.values().sum();
            let mut so_far = 0;
            let admitted = limits.iter().map(|(limit, starts)| {
                so_far += starts;
                format!("{limit} admits {so_far}")
            });
            let admitted = admitted.collect::<Vec<_>>().join(", ");
            writeln!(self.out, "  {rule}: of {all}, a limit of {admitted}")?;
        }
        Ok(())
    }
}

fn told(target: &TargetExplained) -> String {
    let TargetExplained { expression, result } = target;
    let is = if result.starts_with("lacks") { "" } else { "is " };
    format!("target {expression} {is}{result}")
}

fn time(at: Duration) -> String {
    if at.is_zero() { "0s".to_owned() } else { humantime::format_duration(at).to_string().replace(' ', "") }
}

fn start(player: &Player) -> String {
    let Player { name, candidate, content, idle } = player;
    let mut facts = vec![format!("on {}", candidate.application)];
    facts.extend(candidate.device.name().map(|device| format!("device {device}")));
    facts.extend(candidate.attributes.iter().map(|(name, value)| format!("{name} {value}")));
    facts.extend(content.map(|content| format!("manifest {}", content.label())));
    facts.extend(idle.then(|| "no media yet".to_owned()));
    format!("{name} starts {} ({})", candidate.asset, facts.join(", "))
}

fn learned(lesson: &Lesson) -> String {
    let mut facts: Vec<String> = Vec::new();
    facts.extend(lesson.content.map(|content| format!("has a manifest that says {}", content.label())));
    if let Some(attributes) = &lesson.attributes {
        let all = attributes.iter().map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(", ");
        facts.push(format!("now has {all}"));
    }
    facts.extend(lesson.frozen.iter().map(|name| format!("cannot change its {name}")));
    if facts.is_empty() { "changes nothing".to_owned() } else { facts.join(", ") }
}

fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "passes without a slot",
        Outcome::Gone => "no such stream",
        other => other.label(),
    }
}

fn count(count: &CountExplained) -> String {
    let CountExplained { with_candidate, limit, attribute, .. } = count;
    let what = match &**attribute {
        "streamId" => format!("stream{}", if *limit == 1 { "" } else { "s" }),
        attribute => format!("different {attribute}"),
    };
    format!("{with_candidate} of at most {limit} {what}")
}
