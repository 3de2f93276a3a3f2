//! The program itself: how it does, what it was told, and telling it something else.

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

/// How the program does.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Status)]
pub(super) struct StatusShown {
    /// The version of the program.
    version: &'static str,
    /// The number of the configuration in force, counted from 1 at the start.
    revision: u64,
    /// When it was applied.
    #[schema(format = DateTime)]
    applied: String,
    /// When the program started.
    #[schema(format = DateTime)]
    started: String,
    /// How long ago, in seconds.
    uptime: u64,
    /// Whether load balancers are told to look elsewhere.
    draining: bool,
    /// Accounts in the table.
    accounts: u64,
    /// Streams by state.
    streams: StreamsByState,
    /// When accounts and streams were counted: at most a few seconds ago.
    #[schema(format = DateTime)]
    counted: String,
    /// Blocks that were ordered and hold.
    blocks: usize,
    /// Exemptions that hold.
    exemptions: usize,
}

/// How many streams there are.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StreamsByState {
    /// Admitted, no media yet.
    reserved: u64,
    /// Playing.
    playing: u64,
    /// Live players that poll without media.
    paused: u64,
    /// Silent, without a slot.
    idle: u64,
    /// Left by their devices.
    superseded: u64,
}

/// What is in force.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Configuration)]
pub(super) struct ConfigShown {
    /// Its number, counted from 1 at the start.
    revision: u64,
    /// When it was applied.
    #[schema(format = DateTime)]
    applied: String,
    /// What is not wrong and yet hardly meant.
    warnings: Vec<String>,
    /// The configuration with all defaults. Secrets are not in it, only where they are read from.
    #[schema(value_type = Object)]
    config: Value,
}

/// What became of reading the configuration again.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Reloaded)]
pub(super) struct ReloadedShown {
    /// `applied` or `unchanged`.
    result: &'static str,
    /// The number of the configuration in force.
    revision: u64,
    /// The sections that differ from those of before.
    changed: Vec<String>,
    /// The keys that take effect at the next start.
    at_next_start: Vec<String>,
}

/// Whether load balancers are told to look elsewhere.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Drain)]
pub(super) struct DrainShown {
    /// They are.
    draining: bool,
}

/// How the program does.
#[utoipa::path(get, path = "/api/status", tag = "program", operation_id = "status", responses(
    (status = 200, description = "The status.", body = StatusShown),
))]
pub(super) async fn status(_: Reader, From(control): From<Control>) -> Answer<StatusShown> {
    let (revision, moment) = (control.house.revision(), control.clock.moment());
    let now = moment.now;
    let counts = control.counted.counts(&control.table, &revision.settings.streams, now).await;
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

/// The configuration in force, with every default filled in and no secret.
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

/// Reads the configuration again, as SIGHUP does, and waits for what comes of it.
#[utoipa::path(post, path = "/api/reload", tag = "program", operation_id = "reload", responses(
    (status = 200, description = "It is in force, or was already.", body = ReloadedShown),
    (status = 409, description = "There is no file to read.", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "It cannot be used, for all of the reasons.", body = Problem,
        content_type = "application/problem+json"),
    (status = 503, description = "The program has no file descriptor left to read it with, and tries again; or it is stopping.", body = Problem, content_type = "application/problem+json"),
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
        Reloaded::NoFile => Err(Problem::conflict("no-file", "The configuration was not read from a file.")),
        Reloaded::Stopping => Err(Problem::unavailable("The gateway is stopping.")),
    }
}

/// From now on `/readyz` tells load balancers to look elsewhere. Requests are still served.
#[utoipa::path(post, path = "/api/drain", tag = "program", operation_id = "drain", responses(
    (status = 200, description = "They are told.", body = DrainShown),
))]
pub(super) async fn drain(operator: Operator, From(control): From<Control>) -> Answer<DrainShown> {
    aside(&operator, &control, true)
}

/// They may come again; unless the program is stopping.
#[utoipa::path(delete, path = "/api/drain", tag = "program", operation_id = "undrain", responses(
    (status = 200, description = "Whether they are still told to look elsewhere.", body = DrainShown),
))]
pub(super) async fn undrain(operator: Operator, From(control): From<Control>) -> Answer<DrainShown> {
    aside(&operator, &control, false)
}

fn aside(operator: &Operator, control: &Control, aside: bool) -> Answer<DrainShown> {
    control.readiness.set_draining(aside);
    operator.did(control, &Action::on_program(if aside { "drain" } else { "undrain" }, &"readiness"));
    Answer(DrainShown { draining: control.readiness.is_draining() })
}
