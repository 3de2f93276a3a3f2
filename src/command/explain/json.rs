//! A timeline as JSON: one object per line.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use streamgate::model::StreamId;
use streamgate::streams::Cause;

use super::event_recorder::Change;
use super::scenario::Script;
use super::timeline::{Answer, Entry, Lesson, Timeline, Told};

/// Renders a timeline.
pub(super) fn render(script: &Script, timeline: &Timeline) -> Result<String, serde_json::Error> {
    let names: BTreeMap<String, &str> =
        script.players.iter().map(|player| (player.candidate.stream.to_string(), &*player.name)).collect();
    let begin = json!({ "event": "begin", "title": script.title, "now": script.begins, "streams": names });
    let mut lines = vec![begin];
    for entry in &timeline.entries {
        lines.push(line(script, entry)?);
    }
    lines.push(json!({ "event": "required_limits", "rules": timeline.needed }));
    let mut out = String::new();
    for line in lines {
        out += &serde_json::to_string(&line)?;
        out.push('\n');
    }
    Ok(out)
}

fn line(script: &Script, entry: &Entry) -> Result<Value, serde_json::Error> {
    let mut line = Map::new();
    line.insert("now".into(), json!(script.begins + entry.at));
    line.insert("seconds".into(), json!(entry.at.as_secs_f64()));
    if let Some(step) = entry.step {
        line.insert("step".into(), json!(step + 1));
    }
    let mut put = |key: &str, value: Value| line.insert(key.to_owned(), value);
    let name = |player: &usize| json!(script.players.get(*player).map(|player| &player.name));
    let mut answered = None;
    match &entry.told {
        Told::Started(player, answer) => {
            put("event", json!("start"));
            put("stream", name(player));
            answered = Some(answer);
        }
        Told::Asked(player, answer) => {
            put("event", json!("heartbeat"));
            put("stream", name(player));
            answered = Some(answer);
        }
        Told::Learned(player, Lesson { content, attributes, frozen }, answer) => {
            put("event", json!("learn"));
            put("stream", name(player));
            put("content", json!(content.map(super::scenario_schema::Content::label)));
            put("attributes", json!(attributes));
            put("frozen", json!(frozen));
            answered = Some(answer);
        }
        Told::Silent(player) => {
            put("event", json!("stop"));
            put("stream", name(player));
        }
        Told::Ended(player, outcome) => {
            put("event", json!("end"));
            put("stream", name(player));
            put("outcome", json!(outcome.label()));
        }
        Told::Reloaded(file, ended) => {
            put("event", json!("reload"));
            put("file", json!(file));
            put("ended", json!(ended));
        }
        Told::Checked(words) => {
            put("event", json!("check"));
            put("words", json!(words));
        }
        Told::Changed(player, change) => {
            put("stream", name(player));
            for (key, value) in changed(script, change)? {
                put(&key, value);
            }
        }
    }
    if let Some(Answer { outcome, explanations, .. }) = answered {
        put("outcome", json!(outcome.label()));
        put("explanations", serde_json::to_value(explanations)?);
    }
    Ok(Value::Object(line))
}

fn changed(script: &Script, change: &Change) -> Result<Map<String, Value>, serde_json::Error> {
    let (event, cause) = match change {
        Change::TookOver { taken, reason } => {
            let fields = json!({ "event": "took_over", "taken": named(script, *taken), "reason": reason });
            let Value::Object(fields) = fields else { return Ok(Map::new()) };
            return Ok(fields);
        }
        Change::TakeoverSettled { taken, result } => {
            let fields = json!({ "event": "takeover_settled", "taken": named(script, *taken), "result": result });
            let Value::Object(fields) = fields else { return Ok(Map::new()) };
            return Ok(fields);
        }
        Change::Idle => ("idle", None),
        Change::Superseded => ("superseded", None),
        Change::Leaving(cause) => ("terminating", Some(cause)),
        Change::Stays => ("stays", None),
        Change::Terminated(cause) => ("terminated", Some(cause)),
        Change::Forgotten => ("expired", None),
    };
    let mut fields = Map::new();
    fields.insert("event".into(), json!(event));
    if let Some(cause) = cause {
        let Value::Object(told) = serde_json::to_value(cause)? else { return Ok(fields) };
        fields.extend(told);
        if let Cause::Evicted { by, .. } | Cause::Displaced { by, .. } = cause {
            fields.insert("by".into(), json!(named(script, *by)));
        }
    }
    Ok(fields)
}

fn named(script: &Script, stream: StreamId) -> Option<&str> {
    script.players.iter().find(|player| player.candidate.stream == stream).map(|player| &*player.name)
}
