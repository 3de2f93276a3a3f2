//! The commands of the command line.

mod bootstrap;
pub(crate) mod demo;
pub(crate) mod explain;
pub(crate) mod identify;
mod preflight;
mod reload;
pub(crate) mod run;
mod runtime_handle;
mod shutdown;
mod snapshots;
mod system;

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use streamgate::config::{self, Problem, Settings, TokenRequest};
use streamgate::model::{ApplicationId, Clock, Entropy, StreamId};

use preflight::Finding;
use system::{SystemClock, SystemEntropy};

/// The error is one sentence for standard error, or empty if everything was printed. The program exits with status 1.
pub(crate) type Outcome = Result<(), String>;

fn load(file: &Path) -> Result<Settings, String> {
    config::load(file).map_err(|report| report.to_string().trim_end().to_owned())
}

/// Output format of `check`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum CheckFormat {
    /// One line per problem.
    Text,
    /// One JSON object.
    Json,
}

/// Reports every problem and warning of a configuration.
pub(crate) fn check(file: &Path, format: CheckFormat) -> Outcome {
    match format {
        CheckFormat::Text => check_as_text(file),
        CheckFormat::Json => check_as_json(file),
    }
}

/// The same as one JSON object on standard output.
fn check_as_json(file: &Path) -> Outcome {
    let shown = |Problem { line, column, path, message }: &Problem| json!({ "line": line, "column": column, "path": path, "message": message });
    // Without a position: findings about the machine, and about files that the configuration names.
    let of_the_machine =
        |Finding { path, message }: &Finding| json!({ "line": null, "column": null, "path": path, "message": message });
    let elsewhere = |message: &str| json!({ "line": null, "column": null, "path": "", "message": message });
    let (mut problems, mut warnings, mut counts) = (Vec::new(), Vec::new(), (0, 0));
    match config::load(file) {
        Ok(settings) => {
            warnings.extend(settings.warnings.iter().map(shown));
            warnings.extend(machine_warnings(&settings, file).iter().map(of_the_machine));
            problems.extend(preflight::problems(&settings).iter().map(of_the_machine));
            counts = (settings.applications.len(), settings.origins.len());
            if let Err(failure) = bootstrap::certificates(&settings) {
                problems.extend(failure.reasons.iter().map(|reason| elsewhere(reason)));
            }
        }
        Err(report) => problems.extend(report.problems.iter().map(shown)),
    }
    let valid = problems.is_empty();
    let report = json!({
        "file": file.display().to_string(), "valid": valid, "applications": counts.0, "origins": counts.1,
        "problems": problems, "warnings": warnings,
    });
    print(&format!("{report}\n"))?;
    // Everything has been printed.
    if valid { Ok(()) } else { Err(String::new()) }
}

fn check_as_text(file: &Path) -> Outcome {
    let settings = load(file)?;
    let name = file.display().to_string();
    let mut problems: Vec<String> =
        preflight::problems(&settings).iter().map(|problem| format!("{name}: {}", problem.line())).collect();
    if let Err(failure) = bootstrap::certificates(&settings) {
        problems.extend(failure.reasons);
    }
    if !problems.is_empty() {
        return Err(problems.join("\n"));
    }
    for warning in &settings.warnings {
        eprintln!("{}", warning.as_warning(&name));
    }
    let of_the_machine = machine_warnings(&settings, file);
    for warning in &of_the_machine {
        eprintln!("{name}: warning: {}", warning.line());
    }
    let number = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let warnings = match settings.warnings.len() + of_the_machine.len() {
        0 => String::new(),
        count => format!(", {}", number(count, "warning")),
    };
    let (applications, origins) = (settings.applications.len(), settings.origins.len());
    print(&format!("{name}: good; {}, {}{warnings}\n", number(applications, "application"), number(origins, "origin")))
}

/// What the machine currently lacks for a configuration.
fn machine_warnings(settings: &Settings, file: &Path) -> Vec<Finding> {
    preflight::warnings(settings).into_iter().chain(preflight::taken_ports(settings, file)).collect()
}

/// Logs the warnings of a configuration, and what the machine lacks for it.
pub(crate) fn log_warnings(settings: &Settings) {
    for warning in &settings.warnings {
        let config::Problem { line, column, path, message } = warning;
        tracing::warn!(line, column, path, "configuration: {message}");
    }
    for Finding { path, message } in preflight::warnings(settings) {
        tracing::warn!(path, "{message}");
    }
}

/// Prints a test token.
pub(crate) fn token(
    file: &Path,
    application: &str,
    (subject, device): (&str, Option<&str>),
    claims: &[(String, Value)],
    lifetime: Duration,
) -> Outcome {
    let settings = load(file)?;
    print(&format!("{}\n", mint(&settings, application, (subject, device), claims, lifetime)?))
}

/// Parses a claim, `NAME=VALUE`. A value that is valid JSON is used as JSON, any other as text.
pub(crate) fn claim(text: &str) -> Result<(String, Value), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => {
            Ok((name.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| value.into())))
        }
        _ => Err("write NAME=VALUE, such as plan=premium".to_owned()),
    }
}

fn mint(
    settings: &Settings,
    application: &str,
    (subject, device): (&str, Option<&str>),
    claims: &[(String, Value)],
    lifetime: Duration,
) -> Result<String, String> {
    let found = settings.applications.get(&ApplicationId(application.into())).ok_or_else(|| {
        let names: Vec<&str> = settings.applications.keys().map(ApplicationId::as_str).collect();
        format!("there is no application `{application}`: write one of {}", names.join(", "))
    })?;
    let id = StreamId(SystemEntropy.bytes()).to_string();
    let request = TokenRequest { subject, device, claims, lifetime, id: &id };
    found.mint(&request, SystemClock::new().wall()).map_err(|error| format!("application `{application}`: {error}"))
}

/// Prints the JSON Schema of the configuration.
pub(crate) fn schema() -> Outcome {
    let text = serde_json::to_string_pretty(&config::schema()).map_err(|error| error.to_string())?;
    print(&format!("{text}\n"))
}

/// Prints to standard output. A closed pipe (`streamgate schema | head`) is not an error.
fn print(text: &str) -> Outcome {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(format!("standard output: {error}")),
        _ => Ok(()),
    }
}
