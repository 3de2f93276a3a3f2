//! The file of blocks: a list in YAML or JSON.
//!
//! ```yaml
//! - account: { idp: "https://id.example", subject: "H-2041" }
//!   until: 2026-12-01T00:00:00Z
//!   reason: Your subscription is paused.
//! - device: { idp: "https://id.example", subject: "H-2041", device: tv-3 }
//!   until: forever
//!   reason: This device was reported as stolen.
//! - token: { application: tv, id: 7f3a }
//!   until: 2026-11-22T06:00:00Z
//!   reason: Please sign in again.
//! - session: 0b3ffb6c-3c5b-4f3b-8a55-6d5a2f1f0b11
//!   until: 2026-11-21T23:00:00Z
//!   reason: This stream was ended by the operator.
//! ```

use std::time::UNIX_EPOCH;

use serde_json::{Map, Value};
use serde_saphyr::Spanned;

use crate::model::{Account, ApplicationId, Millis};

use super::blocks::{Block, Blocked, Blocks};
use super::limits::MAX_ACCOUNT;
use super::token_id::TokenId;

/// Maximum size of a file, in bytes.
pub const MAX_BLOCKS: usize = 16 << 20;
/// Maximum entries of a file.
const MAX_ENTRIES: usize = 100_000;
/// Maximum characters of a reason.
const MAX_REASON: usize = 500;

/// The first problem of a file of blocks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlocksError {
    /// The file is too large.
    #[error("the file is longer than 16 MiB or has more than 100000 entries: remove expired ones")]
    TooLong,
    /// Neither YAML nor JSON, or not a list.
    #[error("line {line}: {problem}")]
    Form {
        /// Line in the file, from 1.
        line: u64,
        /// What is wrong, and what to write.
        problem: String,
    },
    /// A problem of one entry.
    #[error("line {line}, entry {entry}: {problem}")]
    Entry {
        /// Line in the file, from 1.
        line: u64,
        /// Which entry, from 1.
        entry: usize,
        /// What is wrong, and what to write.
        problem: String,
    },
}

/// Reads a file of blocks.
///
/// # Errors
/// The first problem of the file.
pub fn parse(file: &[u8]) -> Result<Blocks, BlocksError> {
    if file.len() > MAX_BLOCKS {
        return Err(BlocksError::TooLong);
    }
    let form = |line, problem: &str| BlocksError::Form { line, problem: problem.to_owned() };
    let text = std::str::from_utf8(file).map_err(|_| form(1, "the file is not UTF-8 text"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let nodes = MAX_ENTRIES * 16;
    let options = serde_saphyr::options! {
        strict_booleans: true,
        with_snippet: false,
        budget: serde_saphyr::budget! {
            max_nodes: nodes,
            max_events: nodes * 4,
            max_total_scalar_bytes: MAX_BLOCKS,
            // A few bytes of aliases can expand to millions of nodes, and no entry needs them.
            max_aliases: 0,
        },
    };
    let entries: Option<Vec<Spanned<Value>>> = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let error = error.without_snippet();
        let line = error.location().map_or(1, |place| place.line());
        let problem = error.render_with_formatter(&serde_saphyr::UserMessageFormatter);
        form(line, &format!("{problem}; write a list of entries, each starting with `- account:`, `- device:`, `- token:` or `- session:`"))
    })?;
    let entries = entries.unwrap_or_default();
    if entries.len() > MAX_ENTRIES {
        return Err(BlocksError::TooLong);
    }
    let read = |(nth, entry): (usize, Spanned<Value>)| {
        let line = entry.defined.line();
        block(&entry.value).map_err(|problem| BlocksError::Entry { line, entry: nth + 1, problem })
    };
    Ok(Blocks::new(entries.into_iter().enumerate().map(read).collect::<Result<Vec<_>, _>>()?))
}

fn block(entry: &Value) -> Result<Block, String> {
    let Value::Object(members) = entry else {
        return Err(
            "an entry is a mapping: write `account:`, `device:`, `token:` or `session:`, then `until:` and `reason:`"
                .to_owned(),
        );
    };
    only(members, &["account", "device", "token", "session", "until", "reason"])?;
    let mut named = ["account", "device", "token", "session"].into_iter().filter(|name| members.contains_key(*name));
    let blocked = match (named.next(), named.next()) {
        (Some(name), None) => blocked(name, members.get(name).unwrap_or(&Value::Null))?,
        (None, _) => {
            return Err(
                "the target of the block is missing: write `account:`, `device:`, `token:` or `session:`".to_owned()
            );
        }
        (Some(one), Some(other)) => return Err(format!("`{one}` and `{other}` in one entry: write two entries")),
    };
    Ok(Block { blocked, until: until(members.get("until"))?, reason: reason(members)?.into() })
}

fn blocked(name: &str, value: &Value) -> Result<Blocked, String> {
    if name == "session" {
        let id = value.as_str().and_then(|id| id.parse().ok());
        return id
            .map(Blocked::Session)
            .ok_or_else(|| "`session` is not a stream id: write it as 8-4-4-4-12 hexadecimal digits".to_owned());
    }
    let parts: &[&str] = match name {
        "account" => &["idp", "subject"],
        "device" => &["idp", "subject", "device"],
        _ => &["application", "id"],
    };
    let Value::Object(members) = value else {
        return Err(format!("`{name}` is not a mapping: write `{name}: {{ {} }}`", parts.join(": …, ") + ": …"));
    };
    only(members, parts)?;
    let text = |part: &str| text(members, part).map_err(|problem| format!("in `{name}`: {problem}"));
    if name == "token" {
        return Ok(Blocked::Token(TokenId::named(&ApplicationId(text("application")?.into()), text("id")?)));
    }
    let (idp, subject) = (text("idp")?, text("subject")?);
    if idp.len().max(subject.len()) > MAX_ACCOUNT {
        return Err(format!("in `{name}`: `idp` and `subject` have at most {MAX_ACCOUNT} bytes"));
    }
    let account = Account::new(idp, subject).key();
    if name == "account" {
        return Ok(Blocked::Account(account));
    }
    Ok(Blocked::device(account, text("device")?))
}

fn until(value: Option<&Value>) -> Result<Option<Millis>, String> {
    const WRITE: &str = "write a time in UTC such as `2026-12-01T00:00:00Z`, or `forever`";
    match value {
        None | Some(Value::Null) => Err(format!("`until` is missing: {WRITE}")),
        Some(Value::String(text)) if text == "forever" => Ok(None),
        Some(value) => {
            let time = value.as_str().and_then(|text| humantime::parse_rfc3339(text).ok());
            let time = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
            time.map(|time| Some(Millis(0) + time)).ok_or_else(|| format!("`until` is not a time: {WRITE}"))
        }
    }
}

fn reason(members: &Map<String, Value>) -> Result<&str, String> {
    let reason = text(members, "reason")?;
    if reason.chars().count() > MAX_REASON || reason.chars().any(char::is_control) {
        return Err(format!("`reason` is shown to viewers: write one line of at most {MAX_REASON} characters"));
    }
    Ok(reason)
}

fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Result<&'a str, String> {
    match members.get(name) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text),
        // 007 and 7 may be different accounts.
        Some(Value::Number(_) | Value::Bool(_)) => Err(format!("`{name}` is not text: put it in quotes")),
        _ => Err(format!("`{name}` is missing: write `{name}:` and a text")),
    }
}

fn only(members: &Map<String, Value>, known: &[&str]) -> Result<(), String> {
    match members.keys().find(|name| !known.contains(&name.as_str())) {
        Some(other) => Err(format!("unknown key {other:?}: write {}", known.join(", "))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
