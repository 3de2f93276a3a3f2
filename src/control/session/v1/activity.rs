//! Activity of an account across all applications.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::call::{Call, Query};
use super::link::{Link, Links};
use super::problem::Problem;
use crate::control::Control;
use crate::control::session::view::{UNKNOWN, metadata};
use crate::streams::Stream;
use crate::streams::account::AccountState;

/// The name of the count in answers.
const STREAM_COUNT: &str = "streamCount";

/// Activity of an account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = v1::ActivityReport)]
pub(super) struct Report {
    #[serde(rename = "_links")]
    links: Links,
    /// One count, or one per combination of values.
    #[serde(rename = "activeStreams")]
    active_streams: Vec<Count>,
}

/// Number of streams with these values.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = v1::Count)]
pub(super) struct Count {
    /// Values of the dimensions.
    #[serde(flatten)]
    #[schema(additional_properties = true)]
    group: BTreeMap<String, String>,
    /// Number of streams.
    #[serde(rename = "streamCount")]
    streams: usize,
}

/// Counts the account's running streams by these dimensions, ordered by value. Without dimensions there is always one
/// group.
pub(super) fn count(call: &Call, record: &AccountState, dimensions: &[String]) -> Vec<Count> {
    let mut groups: BTreeMap<Vec<String>, usize> = BTreeMap::new();
    if dimensions.is_empty() {
        groups.insert(Vec::new(), 0);
    }
    for stream in call.view().running(record) {
        let known = if dimensions.is_empty() { BTreeMap::new() } else { metadata(stream) };
        let values = dimensions.iter().map(|name| value(call, stream, &known, name)).collect();
        *groups.entry(values).or_default() += 1;
    }
    let named = |values: Vec<String>| dimensions.iter().cloned().zip(values).collect();
    groups.into_iter().map(|(values, streams)| Count { group: named(values), streams }).collect()
}

fn value(call: &Call, stream: &Stream, known: &BTreeMap<String, String>, name: &str) -> String {
    match name {
        "mvpd" | "idp" => call.account.idp.to_string(),
        "accountId" => call.account.subject.to_string(),
        // All streams count, but attributes of other applications are visible only where allowed.
        _ if !call.view().sees(&call.application, &stream.application) => UNKNOWN.to_owned(),
        "application" | "applicationId" => stream.application.as_str().to_owned(),
        "applicationName" => call.view().name_of(&stream.application).to_string(),
        "streamId" => stream.id.to_string(),
        "streamStart" => stream.started.0.to_string(),
        other => known.get(other).cloned().unwrap_or_else(|| UNKNOWN.to_owned()),
    }
}

/// Counts the running streams of an account across all applications.
#[utoipa::path(
    get,
    path = "/{application}/{mvpd}/accounts/{account}/activity",
    operation_id = "v1_activity",
    tag = "session API, version 1",
    params(
        ("application" = String, Path, min_length = 1, max_length = 256, description = "The application's id"),
        ("mvpd" = String, Path, min_length = 1, max_length = 256, description = "The account's identity provider"),
        ("account" = String, Path, min_length = 1, max_length = 256, description = "The account"),
        ("metrics" = String, Query, description = "What to count: `activeStreams`"),
        ("dimensions" = Option<String>, Query, description = "Attributes to group by, comma-separated"),
    ),
    responses(
        (status = 200, description = "The numbers", body = Report),
        (status = 400, description = "A name, the metric or a dimension is malformed", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The application may not use this identity provider", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such application", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The stream store is unavailable", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn show(State(control): State<Control>, request: Request) -> Result<Response, Problem> {
    let (head, _) = request.into_parts();
    let call = Call::parse(&control, &head)?;
    let mut query = Query::read(&head).await?;
    if !query.names("metrics")?.iter().eq(["activeStreams"]) {
        return Err(Problem::bad("metrics must be activeStreams"));
    }
    let dimensions: Vec<String> = query.names("dimensions")?.into_iter().collect();
    if dimensions.iter().any(|name| name == STREAM_COUNT) {
        return Err(Problem::bad("streamCount is the count and cannot be a dimension"));
    }
    let record = control.admission.table.record(&call.account, call.now).await?;
    let active_streams = count(&call, &record, &dimensions);
    Ok(Json(Report { links: Links { this: Link::to(call.address()) }, active_streams }).into_response())
}

/// CORS preflight.
#[utoipa::path(
    options,
    path = "/{application}/{mvpd}/accounts/{account}/activity",
    operation_id = "v1_activity_preflight",
    tag = "session API, version 1",
    params(
        ("application" = String, Path, min_length = 1, max_length = 256, description = "The application's id"),
        ("mvpd" = String, Path, min_length = 1, max_length = 256, description = "The account's identity provider"),
        ("account" = String, Path, min_length = 1, max_length = 256, description = "The account"),
    ),
    responses((status = 204, description = "The headers list what is allowed"))
)]
pub(super) async fn preflight() -> StatusCode {
    StatusCode::NO_CONTENT
}
