//! What the command line can do.

pub(crate) mod demo;
mod edges;
pub(crate) mod identify;
mod parts;
mod reload;
pub(crate) mod run;

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use streamgate::config::{self, Settings};
use streamgate::model::{ApplicationId, Clock, Entropy, StreamId};

use edges::{SystemClock, SystemEntropy};

/// One sentence for standard error; the program then ends with status 1.
pub(crate) type Outcome = Result<(), String>;

fn load(file: &Path) -> Result<Settings, String> {
    config::load(file).map_err(|report| report.to_string().trim_end().to_owned())
}

/// Reports every problem of a configuration.
pub(crate) fn check(file: &Path) -> Outcome {
    let settings = load(file)?;
    parts::certificates(&settings)?;
    print(&format!(
        "{}: good; {} application{}, {} origin{}\n",
        file.display(),
        settings.applications.len(),
        if settings.applications.len() == 1 { "" } else { "s" },
        settings.origins.len(),
        if settings.origins.len() == 1 { "" } else { "s" },
    ))
}

/// Prints a token for trials.
pub(crate) fn token(
    file: &Path,
    application: &str,
    subject: &str,
    device: Option<&str>,
    lifetime: Duration,
) -> Outcome {
    let settings = load(file)?;
    print(&format!("{}\n", mint(&settings, application, subject, device, lifetime)?))
}

fn mint(
    settings: &Settings,
    application: &str,
    subject: &str,
    device: Option<&str>,
    lifetime: Duration,
) -> Result<String, String> {
    let found = settings.applications.get(&ApplicationId(application.into())).ok_or_else(|| {
        let names: Vec<&str> = settings.applications.keys().map(ApplicationId::as_str).collect();
        format!("no application is called `{application}`; the configuration has: {}", names.join(", "))
    })?;
    let id = StreamId(SystemEntropy.bytes()).to_string();
    found
        .mint(subject, device, lifetime, SystemClock::new().now(), &id)
        .map_err(|error| format!("application `{application}`: {error}"))
}

/// Prints the JSON Schema of the configuration.
pub(crate) fn schema() -> Outcome {
    let text = serde_json::to_string_pretty(&config::schema()).map_err(|error| error.to_string())?;
    print(&format!("{text}\n"))
}

/// Prints to standard output. A reader that has gone (`streamgate schema | head`) is not an error.
fn print(text: &str) -> Outcome {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(format!("standard output: {error}")),
        _ => Ok(()),
    }
}
