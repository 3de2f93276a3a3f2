//! Compiles the `raw` types into [`Settings`] and collects every semantic problem.

mod applications;
mod attribute_sources;
mod context;
mod control;
mod identity;
mod keys;
mod network;
mod policies;
mod rules;
mod sources;
mod times;
mod tokens;

use std::path::Path;
use std::sync::Arc;

use crate::identity::{KeyRing, MAX_BLOCKS, parse_blocks};

use super::application::Application;
use super::effective::{self, Effective};
use super::locate::Document;
use super::pointer::Pointer;
use super::raw;
use super::report::Problem;
use super::secret::read_file;
use super::section_digests::Sections;
use super::settings::{Log, LogFormat, LogLevel, Settings};

use context::Context;

/// Compiles what is left of `document`; `None` if it is incomplete. Adds to `problems`, and sets `shortage`
/// if a file could not be opened for lack of file descriptors.
pub(super) fn compile(
    document: &Document,
    base: &Path,
    problems: &mut Vec<Problem>,
    shortage: &mut bool,
) -> Option<Settings> {
    let raw: raw::Config = match serde_json::from_value(document.value.clone()) {
        Ok(raw) => raw,
        Err(error) => {
            problems.push(document.problem(&Pointer::default(), format!("the configuration cannot be read: {error}")));
            return None;
        }
    };
    let mut context = Context {
        document,
        base,
        environment: &|name| std::env::var_os(name),
        origins: document.names("origins"),
        policies: document.names("policies"),
        sections: Sections::digest(&document.value),
        problems,
        shortage,
        warnings: Vec::new(),
    };
    let root = Pointer::default();

    network::present(&mut context, &raw);
    let listeners = network::listeners(&mut context, &raw.listeners, &raw.control);
    let hops = network::hops(&raw.listeners, raw.trusted_proxies.as_ref(), &mut context);
    let origins = network::origins(&mut context, &raw.origins);
    let policies = policies::policies(&mut context, &raw.policies, &raw.applications);
    let keys = raw.sessions.as_ref().and_then(|sessions| key_ring(&mut context, sessions)).map(Arc::new);
    let applications = applications::applications(&mut context, &raw.applications, &origins, &policies, keys.as_ref());
    let streams = times::streams(&mut context, &raw.streams, &raw.session_api);
    let control = control::control(&mut context, &raw.control);
    let session_api = control::session_api(&mut context, &raw.session_api);
    let webhooks = control::webhooks(&mut context, &raw.webhooks);
    let fetch_ca = raw.fetch.ca.as_ref();
    let fetch_ca = fetch_ca.map(|ca| network::pem(&mut context, &root.key("fetch").key("ca"), ca, "CERTIFICATE-----"));
    let blocks = raw.blocks.as_ref().map(|raw| blocks(&mut context, &raw.file));
    let snapshot = raw.streams.snapshot.as_ref().map(|path| snapshot(&mut context, path));
    let snapshot_interval = snapshot_interval(&mut context, &raw.streams);
    let limits = times::limits(&mut context, &raw.limits);
    let grace =
        times::bounded(&mut context, &root.key("shutdown").key("grace"), &raw.shutdown.grace, times::UP_TO_AN_HOUR);
    let delay =
        times::bounded(&mut context, &root.key("shutdown").key("delay"), &raw.shutdown.delay, times::UP_TO_AN_HOUR);
    let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = raw.threads.unwrap_or_else(cores);
    let reads_paths = |application: &&Arc<Application>| {
        application.identity.as_ref().is_some_and(crate::identity::Identity::reads_paths)
    };
    let path_tokens = applications.by_id.values().filter(reads_paths).cloned().collect();
    Some(Settings {
        assume_https: listeners.iter().any(|listener| listener.assume_https),
        listeners,
        path_tokens,
        control,
        session_api,
        webhooks,
        origins,
        applications: applications.by_id,
        routes: applications.routes,
        key_sources: applications.keys,
        key_files: applications.files,
        callbacks: applications.callbacks,
        fetch_ca,
        blocks,
        trusted_proxies: hops,
        keys: keys?,
        streams,
        snapshot,
        snapshot_interval,
        limits,
        shutdown_delay: delay,
        shutdown_grace: grace,
        effective: effective(&document.value, threads),
        threads,
        log: log(&raw.log),
        sections: context.sections,
        warnings: Problem::sorted(context.warnings),
    })
}

/// Adds the defaults that the schema does not contain.
fn effective(document: &serde_json::Value, threads: usize) -> Effective {
    let mut effective = effective::effective_document(document);
    effective["threads"] = threads.into();
    Effective(effective)
}

fn key_ring(context: &mut Context<'_>, raw: &raw::Sessions) -> Option<KeyRing> {
    let at = Pointer::default().key("sessions");
    let max_age = times::bounded(context, &at.key("max_age"), &raw.max_age, times::SESSION);
    let mut keys: Vec<(u8, Vec<u8>)> = Vec::new();
    let mut whole = true;
    for (nth, key) in raw.keys.iter().enumerate() {
        let at = at.key("keys").item(nth);
        if keys.iter().any(|(id, _)| *id == key.id) {
            context.say(&at.key("id"), format!("another key has the id {}: give each key its own id", key.id));
            whole = false;
            continue;
        }
        let Some(secret) = context.read(&key.secret, &at.key("secret")) else {
            whole = false;
            continue;
        };
        let pair = (key.id, secret.expose().to_vec());
        // Checked one by one, so that each bad key is reported at its own position.
        if let Err(error) = KeyRing::new(vec![pair.clone()], max_age) {
            context.say(&at.key("secret"), error.to_string());
            whole = false;
        }
        keys.push(pair);
    }
    // Missing and cut keys have been reported already.
    if whole { KeyRing::new(keys, max_age).ok() } else { None }
}

/// A missing file of blocks counts as empty. Reports an unreadable one now rather than in the log.
fn blocks(context: &mut Context<'_>, path: &str) -> std::path::PathBuf {
    let file = context.path(path);
    let at = Pointer::default().key("blocks").key("file");
    if !file.exists() {
        return file;
    }
    match read_file(&file, MAX_BLOCKS as u64) {
        Ok(text) => {
            if let Err(error) = parse_blocks(&text) {
                context.say(&at, format!("`{}`: {error}", file.display()));
            }
        }
        Err(error) => context.say_unread(&at, &error),
    }
    file
}

fn snapshot(context: &mut Context<'_>, path: &str) -> std::path::PathBuf {
    let file = context.state_path(path);
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let at = Pointer::default().key("streams").key("snapshot");
    if file.is_dir() {
        context.say(&at, format!("`{}` is a folder: write the path of a file", file.display()));
    } else if folder.exists() && !folder.is_dir() {
        context.say(&at, format!("`{}` is not a folder: write the path of a file in a folder", folder.display()));
    } else if !folder.is_dir() {
        context.say(
            &at,
            format!("folder `{}` does not exist: create it, or write a path in another folder", folder.display()),
        );
    }
    file
}

fn snapshot_interval(context: &mut Context<'_>, raw: &raw::Streams) -> Option<std::time::Duration> {
    let written = raw.snapshot_interval.as_ref()?;
    let at = Pointer::default().key("streams").key("snapshot_interval");
    if raw.snapshot.is_none() {
        context
            .say(&at, "there is no snapshot to write: set `streams.snapshot` to a file, or remove this key".to_owned());
    }
    Some(times::bounded(context, &at, written, times::INTERVAL))
}

fn log(raw: &raw::Log) -> Log {
    let level = match raw.level {
        raw::Level::Error => LogLevel::Error,
        raw::Level::Warn => LogLevel::Warn,
        raw::Level::Info => LogLevel::Info,
        raw::Level::Debug => LogLevel::Debug,
        raw::Level::Trace => LogLevel::Trace,
    };
    let format = match raw.format {
        raw::LogFormat::Json => LogFormat::Json,
        raw::LogFormat::Text => LogFormat::Text,
    };
    Log { level, format, access: raw.access, decisions: raw.decisions }
}
