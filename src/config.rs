//! Turns a configuration file into immutable [`Settings`].
//!
//! YAML text ▸ a value with positions (`locate`) ▸ validated against the JSON Schema of the `raw` types (`check`) ▸
//! compiled into [`Settings`] (`compile`). Every stage reports all problems, with line and column, and an invalid part
//! hides no other problem. Nothing here binds a port or starts a thread.

mod application;
mod change;
mod check;
mod compile;
mod effective;
mod locate;
mod messages;
mod mint;
mod origin;
mod pointer;
mod raw;
mod report;
mod routes;
mod rule_keywords;
mod scalar_formats;
mod scalar_position;
mod schema;
mod secret;
mod section_digests;
mod server;
mod settings;
mod value;

use std::path::Path;

pub use application::{Anonymous, Application, DownloadRate, Sharing, StreamSource};
pub use effective::Effective;
pub use messages::unknown_name;
pub use mint::{MintError, Signing, TokenRequest};
pub use origin::Origin;
pub use report::{Problem, Report};
pub use routes::{Route, RouteError, Routes};
pub use schema::schema;
pub use secret::Secret;
pub use section_digests::Sections;
pub use server::{ParseServerError, Server};
pub use settings::{
    Control, ControlToken, Limits, Listener, Log, LogFormat, LogLevel, Role, SessionApi, Settings, TlsFiles, Webhook,
    WebhookEvent,
};

/// Maximum size of a configuration, in bytes.
const LARGEST: u64 = 4 << 20;

/// Reads, checks and compiles the configuration in `path`. Relative paths start at `path`'s folder.
///
/// # Errors
/// Every problem, with its position and what to write instead.
pub fn load(path: &Path) -> Result<Settings, Report> {
    parse_file(path, &read(path)?)
}

/// The text of the configuration in `path`.
///
/// # Errors
/// The file cannot be read, is too long, or is not UTF-8.
pub fn read(path: &Path) -> Result<String, Report> {
    let wrong = |message| Report::of_the_whole(&path.display().to_string(), message);
    let bytes = secret::read_file(path, LARGEST)
        .map_err(|error| Report { shortage: error.is_shortage(), ..wrong(error.to_string()) })?;
    String::from_utf8(bytes).map_err(|_| wrong("the configuration is not UTF-8 text".to_owned()))
}

/// Checks and compiles the text of `path`. Relative paths start at `path`'s folder.
///
/// # Errors
/// As [`load`].
pub fn parse_file(path: &Path, text: &str) -> Result<Settings, Report> {
    let base = path.parent().unwrap_or(Path::new(""));
    parse(text, base).map_err(|report| Report { file: path.display().to_string(), ..report })
}

/// Checks and compiles a configuration from its text. Relative paths start at `base`.
///
/// # Errors
/// As [`load`]; the report's file is called `configuration`.
pub fn parse(text: &str, base: &Path) -> Result<Settings, Report> {
    let file = "configuration";
    let mut document = locate::read(text).map_err(|problem| Report::new(file, vec![problem]))?;
    let mut problems = check::check(&mut document);
    let mut shortage = false;
    let settings = compile::compile(&document, base, &mut problems, &mut shortage);
    match settings {
        Some(settings) if problems.is_empty() => Ok(settings),
        _ => Err(Report { shortage, ..Report::new(file, problems) }),
    }
}
