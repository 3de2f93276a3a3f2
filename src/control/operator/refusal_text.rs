//! A refusal in plain text.

use std::fmt::{self, Write};

use serde_json::Value;

use super::dto::time;
use crate::model::{Millis, Moment};
use crate::telemetry::{Refused, Verdict};

/// Renders a refusal: the document sent to the viewer, and the evaluation behind it.
pub(super) fn render(
    refused: &Refused,
    problem: Option<&Value>,
    explanation: Option<&Value>,
    moment: Moment,
) -> String {
    let mut out = String::new();
    // Writing to a `String` cannot fail.
    let _ = all(&mut out, refused, problem, explanation, moment);
    out
}

fn all(
    out: &mut String,
    refused: &Refused,
    problem: Option<&Value>,
    explanation: Option<&Value>,
    moment: Moment,
) -> fmt::Result {
    write!(out, "{} ", time(moment.to_wall(refused.at)))?;
    if let Some(application) = &refused.application {
        write!(out, "{application} ")?;
    }
    out.write_str(match refused.verdict {
        Verdict::Refused => "refused ",
        Verdict::WouldRefuse => "would have refused ",
        Verdict::WouldTerminate => "would have terminated other streams for ",
    })?;
    match (&refused.asset, refused.device.as_ref().and_then(|device| device.name())) {
        (Some(asset), Some(device)) => write!(out, "{asset} on {device}")?,
        (Some(asset), None) => write!(out, "{asset}")?,
        (None, _) => write!(out, "a request")?,
    }
    if let Some(account) = &refused.account {
        write!(out, " of {} at {}", account.subject, account.idp)?;
    }
    writeln!(out, " ({}).", refused.reason)?;
    match problem {
        Some(problem) => {
            writeln!(out, "The viewer was told: {}: {}", text(&problem["title"]), text(&problem["detail"]))?;
        }
        None => writeln!(out, "Playback was allowed: no enforced rule refused it.")?,
    }
    let Some(explanation) = explanation else { return Ok(()) };
    let running = list(&explanation["running"]);
    writeln!(out, "\nStreams that held slots: {}", if running.is_empty() { "none" } else { "" })?;
    for stream in running {
        stream_line(out, stream, moment)?;
    }
    writeln!(out, "Evaluated stream:")?;
    stream_line(out, &explanation["candidate"], moment)?;
    for policy in list(&explanation["policies"]) {
        for rule in list(&policy["rules"]) {
            rule_line(out, text(&policy["policy"]), rule)?;
        }
    }
    Ok(())
}

fn stream_line(out: &mut String, stream: &Value, moment: Moment) -> fmt::Result {
    write!(out, "  {} {}", text(&stream["application"]), text(&stream["asset"]))?;
    if let Some(device) = stream["device"].as_str() {
        write!(out, " on {device}")?;
    }
    let started = stream["started"].as_u64().map(Millis).unwrap_or_default();
    write!(out, ", since {}", time(moment.to_wall(started)))?;
    for (name, value) in stream["attributes"].as_array().into_iter().flatten().filter_map(pair) {
        write!(out, ", {name} {value}")?;
    }
    for (name, value) in stream["attributes"].as_object().into_iter().flatten() {
        write!(out, ", {name} {}", text(value))?;
    }
    writeln!(out)
}

fn rule_line(out: &mut String, policy: &str, rule: &Value) -> fmt::Result {
    write!(out, "{policy} / {} ({}): {}", text(&rule["rule"]), text(&rule["mode"]), text(&rule["result"]))?;
    if let Some(lacks) = rule["lacks"].as_str() {
        write!(out, ", missing {lacks}")?;
    }
    if let Some(target) = rule["target"]["expression"].as_str() {
        write!(out, "; {target} is {}", text(&rule["target"]["result"]))?;
    }
    if let Some(count) = rule.get("count").filter(|count| !count.is_null()) {
        write!(out, "; {} of at most {} (", count["with_candidate"], count["limit"])?;
        write!(out, "{}", text(&count["attribute"]))?;
        for (name, value) in list(&count["scope"]).iter().filter_map(pair) {
            write!(out, ", {name} {value}")?;
        }
        write!(out, ")")?;
    }
    if let Some(effect) = rule["effect"].as_str() {
        write!(out, ": {effect}")?;
    }
    writeln!(out)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn pair(value: &Value) -> Option<(&str, &str)> {
    Some((value.get(0)?.as_str()?, value.get(1)?.as_str()?))
}
