//! `streamgate explain`: runs a scenario against the policies of a configuration and shows their decisions.

mod event_recorder;
mod json;
mod replay;
mod scenario;
mod scenario_schema;
mod text;
mod timeline;
mod verdict;

use std::path::Path;
use std::sync::Arc;

use super::{Outcome, print};

/// Prints the timeline of a scenario. Reports unmet expectations and then fails.
pub(crate) fn explain(file: &Path, scenario: &Path, as_json: bool) -> Outcome {
    let settings = Arc::new(super::load(file)?);
    let script = scenario::read(scenario, settings.clone())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    let timeline = runtime.block_on(replay::replay(&script, settings)).map_err(|error| error.to_string())?;
    if as_json {
        print(&json::render(&script, &timeline).map_err(|error| error.to_string())?)?;
    } else {
        print(&text::render(&script, &timeline))?;
    }
    let mismatches = verdict::mismatches(&script, &timeline.after);
    if mismatches.is_empty() {
        return Ok(());
    }
    let lines =
        mismatches.iter().map(|((line, column), message)| format!("{}:{line}:{column}: {message}", scenario.display()));
    Err(lines.collect::<Vec<_>>().join("\n"))
}
