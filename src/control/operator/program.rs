//! Status, configuration, reload and drain of the process.

use axum::extract::State as From;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::audit::Action;
use super::dto::time;
use super::guard::{Operator, Reader};
use super::problem::{Answer, Problem};
use crate::control::{Control, Reloaded};
use crate::overrides::Kind;

/// Status of the process.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Status)]
pub(super) struct StatusShown {
    /// Version.
    version: &'static str,
    /// Revision of the configuration in force, counted from 1 at the start.
    revision: u64,
    /// When the configuration was applied.
    #[schema(format = DateTime)]
    applied: String,
    /// When the process started.
    #[schema(format = DateTime)]
    started: String,
    /// Time since the start, in seconds.
    uptime: u64,
    /// True if `/readyz` reports that the process is draining.
    draining: bool,
    /// Accounts in the table.
    accounts: u64,
    /// Streams by state.
    streams: StreamsByState,
    /// When accounts and streams were counted: at most a few seconds ago.
    #[schema(format = DateTime)]
    counted: String,
    /// Active blocks set through the API.
    blocks: usize,
    /// Active exemptions.
    exemptions: usize,
}

/// Number of streams by state.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StreamsByState {
    /// Admitted, no media requested yet.
    reserved: u64,
    /// Playing.
    playing: u64,
    /// Live players that refresh their playlist without requesting media.
    paused: u64,
    /// No heartbeat; no slot.
    idle: u64,
    /// Replaced by another stream of the same device.
    superseded: u64,
}

/// The configuration in force.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Configuration)]
pub(super) struct ConfigShown {
    /// Its revision, counted from 1 at the start.
    revision: u64,
    /// When it was applied.
    #[schema(format = DateTime)]
    applied: String,
    /// Settings that are valid but probably not intended.
    warnings: Vec<String>,
    /// The configuration with all defaults. Secrets are replaced by where they are read from.
    #[schema(value_type = Object)]
    config: Value,
}

/// Result of a reload.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Reloaded)]
pub(super) struct ReloadedShown {
    /// `applied` or `unchanged`.
    result: &'static str,
    /// Revision of the configuration in force.
    revision: u64,
    /// The sections that changed.
    changed: Vec<String>,
    /// The keys that take effect only after a restart.
    at_next_start: Vec<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Drain)]
pub(super) struct DrainShown {
    /// True if `/readyz` reports that the process is draining.
    draining: bool,
}

/// Shows the status of the process.
#[utoipa::path(get, path = "/api/status", tag = "program", operation_id = "status", responses(
    (status = 200, description = "The status.", body = StatusShown),
))]
pub(super) async fn status(_: Reader, From(control): From<Control>) -> Answer<StatusShown> {
    let (revision, moment) = (control.house.revision(), control.admission.clock.moment());
    let now = moment.now;
    let counts = control.counted.counts(&control.admission.table, &revision.settings.streams, now).await;
    Answer(StatusShown {
        version: env!("CARGO_PKG_VERSION"),
        revision: revision.number,
        applied: time(revision.applied),
        started: time(moment.to_wall(control.started)),
        uptime: now.since(control.started).as_secs(),
        draining: control.readiness.is_draining(),
        accounts: counts.accounts,
        streams: StreamsByState {
            reserved: counts.reserved,
            playing: counts.playing,
            paused: counts.paused,
            idle: counts.idle,
            superseded: counts.superseded,
        },
        counted: time(moment.to_wall(counts.at)),
        blocks: control.orders.count(Kind::Block, moment.wall),
        exemptions: control.orders.count(Kind::Exemption, moment.wall),
    })
}

/// Shows the configuration in force, with all defaults and without secrets.
#[utoipa::path(get, path = "/api/config", tag = "program", operation_id = "config", responses(
    (status = 200, description = "The configuration.", body = ConfigShown),
))]
pub(super) async fn config(_: Reader, From(control): From<Control>) -> Answer<ConfigShown> {
    let revision = control.house.revision();
    Answer(ConfigShown {
        revision: revision.number,
        applied: time(revision.applied),
        warnings: revision.settings.warnings.iter().map(|warning| warning.message.clone()).collect(),
        config: revision.settings.effective.value().clone(),
    })
}

/// Reloads the configuration, as SIGHUP does, and waits for the result.
#[utoipa::path(post, path = "/api/reload", tag = "program", operation_id = "reload", responses(
    (status = 200, description = "The configuration is in force.", body = ReloadedShown),
    (status = 409, description = "The configuration was not read from a file.", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "The configuration is refused; the previous one stays in force.", body = Problem,
        content_type = "application/problem+json"),
    (status = 503, description = "No file descriptors are left to read the file (retried automatically), or the process is stopping.", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn reload(operator: Operator, From(control): From<Control>) -> Result<Answer<ReloadedShown>, Problem> {
    operator.did(&control, &Action::on_program("reload", &"configuration"));
    match control.house.reload().await {
        Reloaded::Applied { revision, changed, fixed } => {
            Ok(Answer(ReloadedShown { result: "applied", revision, changed, at_next_start: fixed }))
        }
        Reloaded::Unchanged => {
            let revision = control.house.revision().number;
            Ok(Answer(ReloadedShown { result: "unchanged", revision, changed: Vec::new(), at_next_start: Vec::new() }))
        }
        Reloaded::Refused(reasons) => Err(Problem::refused_configuration(reasons)),
        Reloaded::Shortage(reasons) => Err(Problem::out_of_descriptors(reasons)),
        Reloaded::NoFile => Err(Problem::conflict(
            "no-file",
            "The configuration was not read from a file, so there is nothing to reload.",
        )),
        Reloaded::Stopping => Err(Problem::unavailable("The gateway is stopping.")),
    }
}

/// Makes `/readyz` answer 503, so that load balancers send requests elsewhere. Requests are still served.
#[utoipa::path(post, path = "/api/drain", tag = "program", operation_id = "drain", responses(
    (status = 200, description = "The process is draining.", body = DrainShown),
))]
pub(super) async fn drain(operator: Operator, From(control): From<Control>) -> Answer<DrainShown> {
    aside(&operator, &control, true)
}

/// Ends draining, unless the process is stopping.
#[utoipa::path(delete, path = "/api/drain", tag = "program", operation_id = "undrain", responses(
    (status = 200, description = "Whether the process is still draining.", body = DrainShown),
))]
pub(super) async fn undrain(operator: Operator, From(control): From<Control>) -> Answer<DrainShown> {
    aside(&operator, &control, false)
}

fn aside(operator: &Operator, control: &Control, aside: bool) -> Answer<DrainShown> {
    control.readiness.set_draining(aside);
    operator.did(control, &Action::on_program(if aside { "drain" } else { "undrain" }, &"readiness"));
    Answer(DrainShown { draining: control.readiness.is_draining() })
}
