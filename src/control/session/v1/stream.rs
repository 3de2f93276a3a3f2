//! One stream: its heartbeats and its compliance.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Serialize;
use utoipa::ToSchema;

use super::call::Call;
use super::link::Link;
use super::problem::Problem;
use crate::control::Control;
use crate::control::session::metadata::Metadata;
use crate::model::{Millis, StreamId};
use crate::streams::{Cause, StreamTable};
use crate::telemetry::ApiOperation;

/// A stream.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = v1::Stream)]
pub(super) struct StreamResource {
    #[serde(rename = "_links")]
    links: StreamLinks,
    #[serde(rename = "streamId")]
    id: String,
    /// When it started, in milliseconds since 1970.
    #[serde(rename = "streamStart")]
    started: u64,
    /// True if the stream complies with the policies.
    #[serde(rename = "policyCompliant")]
    compliant: bool,
}

/// Links of a stream.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = v1::StreamLinks)]
struct StreamLinks {
    #[serde(rename = "self")]
    this: Link,
    heartbeat: Link,
}

impl StreamResource {
    pub(super) fn new(call: &Call, id: StreamId, started: Millis, compliant: bool) -> Self {
        let address = call.address_of(id);
        let heartbeat = Link::heartbeat(&address);
        let links = StreamLinks { this: Link::to(address), heartbeat };
        Self { links, id: id.to_string(), started: call.moment.to_wall(started).0, compliant }
    }
}

/// Sends a heartbeat, or stops the stream.
///
/// After too long without a heartbeat, the stream goes through admission again. A stream that was refused, evicted,
/// killed or stopped stays so.
#[utoipa::path(
    post,
    path = "/{application}/{mvpd}/accounts/{account}/streams/{stream}",
    operation_id = "v1_heartbeat",
    tag = "session API, version 1",
    params(
        ("application" = String, Path, min_length = 1, max_length = 256, description = "The application's id"),
        ("mvpd" = String, Path, min_length = 1, max_length = 256, description = "The account's identity provider"),
        ("account" = String, Path, min_length = 1, max_length = 256, description = "The account"),
        ("stream" = String, Path, description = "The stream's id"),
        ("event" = Option<String>, Query, description = "`alive` (default) or `stop`"),
    ),
    responses(
        (status = 202, description = "Accepted"),
        (status = 400, description = "A name, the event or the body is malformed", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The application may not use this identity provider, or the stream is blocked", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such application, or no such stream", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The stream store is unavailable", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn heartbeat(State(control): State<Control>, request: Request) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let call = Call::parse(&control, &head)?;
    let event = Metadata::read(&head, body).await?.remove("event");
    let Call { settings, application, account, now, .. } = &call;
    let stops = match event.as_deref() {
        None | Some("alive") => false,
        Some("stop") => true,
        Some(_) => return Err(Problem::bad("event must be alive or stop")),
    };
    let done = || (Extension(if stops { ApiOperation::Stop } else { ApiOperation::Heartbeat }), StatusCode::ACCEPTED);
    let id = call.stream.ok_or_else(Problem::no_stream)?;
    let Some(stream) = control.admission.table.find(&account.key(), id).filter(|stream| call.owns(stream)) else {
        ended(&control, &call, id).await?;
        return Ok(done().into_response());
    };
    if !stops && call.is_blocked(&control, &stream.attributes(), id) {
        return Err(Problem::blocked());
    }
    if stops {
        control.admission.table.end(account, id, &Cause::Stopped, *now).await?;
    } else if !(stream.holds(&settings.streams, *now) && stream.heartbeat_declared(*now)) {
        control.admission.table.revive(account, &stream, &application.policies, &settings.streams, *now).await?;
    }
    Ok(done().into_response())
}

/// Shows whether a stream complies with the policies.
#[utoipa::path(
    get,
    path = "/{application}/{mvpd}/accounts/{account}/streams/{stream}",
    operation_id = "v1_stream",
    tag = "session API, version 1",
    params(
        ("application" = String, Path, min_length = 1, max_length = 256, description = "The application's id"),
        ("mvpd" = String, Path, min_length = 1, max_length = 256, description = "The account's identity provider"),
        ("account" = String, Path, min_length = 1, max_length = 256, description = "The account"),
        ("stream" = String, Path, description = "The stream's id"),
    ),
    responses(
        (status = 200, description = "The stream", body = StreamResource),
        (status = 400, description = "A name is malformed", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The application may not use this identity provider", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such application, or no such stream", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The stream store is unavailable", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn show(State(control): State<Control>, request: Request) -> Result<Response, Problem> {
    let (head, _) = request.into_parts();
    let call = Call::parse(&control, &head)?;
    let Call { settings, application, account, now, .. } = &call;
    let id = call.stream.ok_or_else(Problem::no_stream)?;
    let record = control.admission.table.record(account, *now).await?;
    let resource = match record.find(id).filter(|stream| call.owns(stream)) {
        Some(stream) => {
            let law = control.admission.table.law(account, &application.policies, &settings.streams, *now);
            let compliant = StreamTable::keeps_policies(&record, stream, &law, *now);
            StreamResource::new(&call, id, stream.started, compliant)
        }
        None => StreamResource::new(&call, id, ended(&control, &call, id).await?, false),
    };
    Ok(Json(resource).into_response())
}

/// When a terminated stream started. Renews its tombstone.
async fn ended(control: &Control, call: &Call, id: StreamId) -> Result<Millis, Problem> {
    let ended = control.admission.table.ended(&call.account, id, call.now).await?;
    let ended = ended.filter(|ended| call.owns(&ended.stream)).ok_or_else(Problem::no_stream)?;
    Ok(ended.stream.started)
}

/// CORS preflight.
#[utoipa::path(
    options,
    path = "/{application}/{mvpd}/accounts/{account}/streams/{stream}",
    operation_id = "v1_stream_preflight",
    tag = "session API, version 1",
    params(
        ("application" = String, Path, min_length = 1, max_length = 256, description = "The application's id"),
        ("mvpd" = String, Path, min_length = 1, max_length = 256, description = "The account's identity provider"),
        ("account" = String, Path, min_length = 1, max_length = 256, description = "The account"),
        ("stream" = String, Path, description = "The stream's id"),
    ),
    responses((status = 204, description = "The headers list what is allowed"))
)]
pub(super) async fn preflight() -> StatusCode {
    StatusCode::NO_CONTENT
}
