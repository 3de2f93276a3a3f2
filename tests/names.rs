//! No name that has been replaced by the field's own comes back.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::{Path, PathBuf};

use streamgate::telemetry::Metrics;

/// Keys of the configuration, metrics, labels and problem types that had other names, anywhere in sources and documents.
const WORDS: [&str; 31] = [
    "paused_holds_slot",
    "client_address",
    "behind_tls",
    "unidentified",
    "ripping",
    "ripping_above",
    "retry_for",
    "when_away",
    "policy_needed_limit",
    "response_header_seconds",
    "frozen_attributes_total",
    "failed_attempts_total",
    "shared_total",
    "ripping_total",
    "config_applied_timestamp_seconds",
    "streamgate_orders",
    "callbacks_total",
    "key_fetches_total",
    "in_use",
    "out_of_use",
    "evacuated",
    "too-fast",
    "stream-shared",
    "log.explanations",
    "prefer(EXPR",
    "streams.forget",
    "STRANGERS",
    "FAREWELL",
    "LAST_WORDS",
    "LAST_LOOK",
    "WhileAway",
];

/// Where a word of that list has to stand: what it is called now is said there.
const EXCEPT: [&str; 3] = ["CHANGELOG.md", "src/config/messages.rs", "tests/names.rs"];

/// Names that must not be defined again, by the folder that they were in. Elsewhere some of them mean what they say.
const DEFINITIONS: [(&str, &[&str]); 14] = [
    (
        "admission",
        &[
            "Asked",
            "Weight",
            "From",
            "Told",
            "Belongs",
            "Over",
            "Door",
            "Play",
            "Watch",
            "Questions",
            "Snapshot",
            "asked",
            "told",
            "belongs",
            "over",
            "misuse",
            "judge",
            "respond",
            "carried",
        ],
    ),
    (
        "gateway",
        &[
            "snapshot",
            "sender",
            "outbound",
            "guards",
            "HeaderDeadline",
            "ConnectionGate",
            "Body",
            "Place",
            "Passed",
            "Use",
            "Condition",
        ],
    ),
    (
        "policy",
        &[
            "Standing",
            "Scene",
            "Carrier",
            "Lack",
            "Unconcerned",
            "Demand",
            "Ranks",
            "told",
            "demand",
            "evaluate_but",
            "Word",
            "Look",
            "Fault",
            "Test",
            "Wish",
            "plainly",
        ],
    ),
    ("telemetry", &["decisions", "Happened", "What", "Told", "Heard", "Broken", "Edges", "unheard", "told", "courier"]),
    ("command", &["edges", "house", "parts", "hearing", "form"]),
    ("config", &["words", "sentence", "grammar", "supply", "sections", "From"]),
    (
        "streams",
        &[
            "Record",
            "Law",
            "Leaving",
            "take_leave",
            "settle",
            "bury",
            "told",
            "beat",
            "Candidate",
            "known",
            "Learned",
            "FROZEN",
            "is_over",
            "judged",
            "used",
            "Sharer",
            "Terms",
            "Both",
            "Lately",
            "Kept",
            "kept",
            "reform",
            "Embedded",
            "Cell",
            "gate",
            "GATES",
            "ATTEMPTS",
            "patience",
            "Ignore",
        ],
    ),
    ("identity", &["bounds", "source", "Bare", "Proof", "Question", "Verdicts", "WhileAway", "tilde", "verdicts"]),
    ("key_sources", &["Composed", "UrlPlace", "sentence"]),
    ("overrides", &["Book", "Page", "Whom", "give", "lift"]),
    (
        "control",
        &[
            "House",
            "counted",
            "plainly",
            "shape",
            "nowhere",
            "meaningless",
            "stand_aside",
            "Names",
            "Asked",
            "Wanted",
            "Why",
        ],
    ),
    ("net", &["sentence"]),
    ("media", &["told"]),
    ("model", &["told"]),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.extension().and_then(|extension| extension.to_str()) {
            _ if path.is_dir() && !path.ends_with("node_modules") => files_below(&path, found),
            Some(
                "rs" | "md" | "yaml" | "yml" | "json" | "toml" | "conf" | "cfg" | "lua" | "vcl" | "mjs" | "service",
            ) => {
                found.push(path);
            }
            _ => {}
        }
    }
}

/// Every text that somebody reads, by its path below the project.
fn texts() -> Vec<(String, String)> {
    let mut found = vec![root().join("README.md"), root().join("CHANGELOG.md")];
    for folder in ["src", "conf", "docs", "deploy", "tests"] {
        files_below(&root().join(folder), &mut found);
    }
    let name = |path: &Path| path.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
    found.into_iter().filter_map(|path| Some((name(&path), fs::read_to_string(&path).ok()?))).collect()
}

/// Whether a word stands in a text by itself, and not as a part of a longer one.
fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let ends = |rest: &str| !word.ends_with(is_part) || !rest.starts_with(is_part);
        !text[..at].ends_with(is_part) && ends(&text[at + word.len()..])
    })
}

#[test]
fn no_replaced_key_metric_or_label_stands_anywhere() {
    let mut wrong = Vec::new();
    let texts = texts();
    assert!(texts.len() > 400, "only {} files were read", texts.len());
    for (name, text) in texts.iter().filter(|(name, _)| !EXCEPT.contains(&name.as_str())) {
        for word in WORDS.iter().filter(|word| has_word(text, word)) {
            wrong.push(format!("{name}: {word}"));
        }
    }
    assert!(wrong.is_empty(), "replaced names:\n{}", wrong.join("\n"));
}

#[test]
fn no_replaced_name_is_defined_again_in_its_folder() {
    let mut wrong = Vec::new();
    for (name, text) in texts().iter().filter(|(name, _)| name.starts_with("src/")) {
        for (folder, names) in DEFINITIONS {
            if !name.starts_with(&format!("src/{folder}/")) && *name != format!("src/{folder}.rs") {
                continue;
            }
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
            for old in names {
                let kinds = ["struct", "enum", "trait", "type", "const", "static", "fn", "mod"];
                if !name.ends_with("tests.rs") && kinds.iter().any(|kind| has_word(code, &format!("{kind} {old}"))) {
                    wrong.push(format!("{name}: {old}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "replaced names:\n{}", wrong.join("\n"));
}

#[test]
fn no_metric_has_a_replaced_name() {
    let metrics = Metrics::new().unwrap().render();
    let wrong: Vec<&str> = WORDS.into_iter().filter(|word| has_word(&metrics, word)).collect();
    assert!(wrong.is_empty() && metrics.contains("streamgate_"), "{wrong:?}");
}
