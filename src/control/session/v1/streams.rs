//! The streams of an account: start and list.

use std::collections::BTreeMap;

use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Serialize;
use utoipa::ToSchema;

use super::activity::{Count, count};
use super::call::{Call, Query};
use super::link::{Link, Links};
use super::problem::Problem;
use super::stream::StreamResource;
use crate::control::Control;
use crate::control::session::MAX_STREAMS;
use crate::control::session::metadata::Metadata;
use crate::control::session::view::{UNKNOWN, metadata};
use crate::model::{Attributes, ClientEvidence, Device};
use crate::streams::{AdmissionOutcome, AdmissionRequest, Stream};
use crate::telemetry::ApiOutcome;

/// A newly declared stream.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = v1::StartedStream)]
pub(super) struct StartedStream {
    #[serde(flatten)]
    stream: StreamResource,
    /// The account's current activity.
    activity: Activity,
}

/// Activity of an account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = v1::Activity)]
struct Activity {
    /// One count: its running streams.
    #[serde(rename = "activeStreams")]
    active_streams: Vec<Count>,
}

/// The running streams of an account that are visible to the application.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = v1::StreamList)]
pub(super) struct StreamList {
    #[serde(rename = "_links")]
    links: Links,
    /// Oldest first.
    streams: Vec<ListedStream>,
}

/// A running stream: the standard fields, and those requested in `fields`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = v1::ListedStream)]
struct ListedStream {
    /// The application that started it.
    application: String,
    /// The account's identity provider.
    mvpd: String,
    /// The account.
    #[serde(rename = "accountId")]
    account_id: String,
    /// The stream.
    #[serde(rename = "streamId")]
    stream_id: String,
    /// When it started, in milliseconds since 1970.
    #[serde(rename = "streamStart")]
    stream_start: u64,
    /// Who started it, if the application sent it.
    #[serde(skip_serializing_if = "Option::is_none")]
    initiator: Option<String>,
    /// The requested fields.
    #[serde(flatten)]
    #[schema(additional_properties = true)]
    fields: BTreeMap<String, String>,
}

/// Declares a stream.
///
/// A stream that violates the policies is answered with `policyCompliant: false` and takes no slot. A retry is another
/// stream.
#[utoipa::path(
    post,
    path = "/{application}/{mvpd}/accounts/{account}/streams",
    operation_id = "v1_start",
    tag = "session API, version 1",
    params(
        ("application" = String, Path, min_length = 1, max_length = 256, description = "The application's id"),
        ("mvpd" = String, Path, min_length = 1, max_length = 256, description = "The account's identity provider"),
        ("account" = String, Path, min_length = 1, max_length = 256, description = "The account"),
    ),
    request_body(
        description = "Attributes of the stream, in addition to the query",
        content((BTreeMap<String, String> = "application/x-www-form-urlencoded"), (BTreeMap<String, String> = "application/json"))
    ),
    responses(
        (status = 201, description = "The stream is declared", body = StartedStream, headers(("Location" = String, description = "URL of the stream"))),
        (status = 400, description = "A name or the metadata are malformed", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The application may not use this identity provider, or the account or device is blocked", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such application", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "The account has too many streams", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The stream store is unavailable", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn start(State(control): State<Control>, request: Request) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let call = Call::parse(&control, &head)?;
    let attributes: Attributes = Metadata::read(&head, body).await?.into();
    let Call { settings, application, account, now, .. } = &call;
    let id = settings.keys.issue(&application.id, &account.key(), call.moment.wall, control.admission.entropy.bytes());
    if call.is_blocked(&control, &attributes, id) {
        return Err(Problem::blocked());
    }
    let asset = attributes.get("assetId").or_else(|| attributes.get("channel")).unwrap_or_default();
    let candidate = AdmissionRequest {
        stream: id,
        account: account.clone(),
        application: application.id.clone(),
        // Without a device name it supersedes nothing: each declaration is its own stream.
        device: Device::Hint(u64::from_be_bytes(id.0.last_chunk().copied().unwrap_or_default())),
        asset: asset.into(),
        started: *now,
        attributes,
        client: ClientEvidence::default(),
    };
    if control.admission.table.streams_of(&account.key()) >= MAX_STREAMS {
        return Err(Problem::too_many());
    }
    let declared =
        control.admission.table.declare(&candidate, &[], true, &application.policies, &settings.streams, *now);
    let (id, started, compliant) = match declared.await? {
        AdmissionOutcome::Admitted { stream, .. } => (stream.id, stream.started, true),
        AdmissionOutcome::Refused(_) => (id, *now, false),
    };
    let record = control.admission.table.record(account, *now).await?;
    let active_streams = count(&call, &record, &[]);
    let stream = StreamResource::new(&call, id, started, compliant);
    let location = HeaderValue::try_from(call.address_of(id)).map_err(|_| Problem::bad("the path is malformed"))?;
    let started = StartedStream { stream, activity: Activity { active_streams } };
    let headers = [(LOCATION, location), (CONTENT_TYPE, HeaderValue::from_static("application/json; charset=UTF-8"))];
    // This version starts streams that violate policies, but counts them as refused.
    let outcome = if compliant { ApiOutcome::Accepted } else { ApiOutcome::Refused };
    Ok((StatusCode::CREATED, headers, Extension(outcome), Json(started)).into_response())
}

/// Lists the running streams of an account that are visible to the application.
#[utoipa::path(
    get,
    path = "/{application}/{mvpd}/accounts/{account}/streams",
    operation_id = "v1_list",
    tag = "session API, version 1",
    params(
        ("application" = String, Path, min_length = 1, max_length = 256, description = "The application's id"),
        ("mvpd" = String, Path, min_length = 1, max_length = 256, description = "The account's identity provider"),
        ("account" = String, Path, min_length = 1, max_length = 256, description = "The account"),
        ("fields" = Option<String>, Query, description = "Additional attributes to return, comma-separated"),
    ),
    responses(
        (status = 200, description = "The streams", body = StreamList),
        (status = 400, description = "A name or the query is malformed", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The application may not use this identity provider", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such application", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The stream store is unavailable", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(State(control): State<Control>, request: Request) -> Result<Response, Problem> {
    let (head, _) = request.into_parts();
    let call = Call::parse(&control, &head)?;
    let names = Query::read(&head).await?.names("fields")?;
    let record = control.admission.table.record(&call.account, call.now).await?;
    let view = call.view();
    let listed = |stream: &Stream| {
        let mut known = metadata(stream);
        let initiator = known.get("initiator").cloned();
        let standard = ["application", "mvpd", "accountId", "streamId", "streamStart", "initiator"];
        let further = names.iter().filter(|name| !standard.contains(&name.as_str()));
        let fields = further.map(|name| (name.clone(), known.remove(name).unwrap_or_else(|| UNKNOWN.to_owned())));
        ListedStream {
            application: stream.application.to_string(),
            mvpd: call.account.idp.to_string(),
            account_id: call.account.subject.to_string(),
            stream_id: stream.id.to_string(),
            stream_start: call.moment.to_wall(stream.started).0,
            initiator,
            fields: fields.collect(),
        }
    };
    let running = view.running(&record).into_iter().filter(|stream| view.sees(&call.application, &stream.application));
    let streams = running.map(|stream| listed(stream)).collect();
    Ok(Json(StreamList { links: Links { this: Link::to(call.address()) }, streams }).into_response())
}

/// CORS preflight.
#[utoipa::path(
    options,
    path = "/{application}/{mvpd}/accounts/{account}/streams",
    operation_id = "v1_streams_preflight",
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
