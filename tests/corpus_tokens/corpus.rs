//! Reading the vectors.

use std::path::PathBuf;

use serde_json::Value;

/// The vectors of a family; `None`, and a line that says so, where there is no corpus.
pub(crate) fn vectors(family: &str) -> Option<Vec<Value>> {
    let corpus = std::env::var_os("STREAMGATE_CORPUS")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus"), PathBuf::from);
    let file = corpus.join(format!("vectors/{family}.json"));
    match std::fs::read(&file) {
        Ok(text) => Some(serde_json::from_slice::<Value>(&text).unwrap()["vectors"].as_array().unwrap().clone()),
        Err(error) => {
            eprintln!("SKIPPED: no {family} vectors at {} ({error})", file.display());
            None
        }
    }
}

/// A member as text; empty where it is none.
pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}
