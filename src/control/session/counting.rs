//! Counts calls by version, operation and outcome.

use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;

use crate::control::Control;
use crate::telemetry::{ApiOperation, ApiOutcome, ApiVersion};

/// Counts a call once it is answered. A handler may override operation and outcome through extensions of its answer.
pub(in crate::control) async fn count(State(control): State<Control>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let version = if path == "/v1" || path.starts_with("/v1/") { ApiVersion::V1 } else { ApiVersion::V2 };
    let operation = operation(version, request.method(), path, request.uri().query().unwrap_or_default());
    let response = next.run(request).await;
    let told = response.extensions();
    let operation = told.get::<ApiOperation>().copied().unwrap_or(operation);
    let outcome = told.get::<ApiOutcome>().copied();
    let outcome = outcome.unwrap_or_else(|| ApiOutcome::of_status(response.status().as_u16()));
    control.admission.metrics.api_call(version, operation, outcome);
    response
}

/// The operation, as far as path, method and query show it.
#[allow(clippy::match_same_arms, reason = "a row for each resource")]
fn operation(version: ApiVersion, method: &Method, path: &str, query: &str) -> ApiOperation {
    if *method == Method::OPTIONS {
        return ApiOperation::Preflight;
    }
    let reads = *method == Method::GET || *method == Method::HEAD;
    let posts = *method == Method::POST;
    let segments: Vec<&str> = path.split('/').skip(2).take(8).collect();
    match (version, segments.as_slice()) {
        (ApiVersion::V1, [_, _, "accounts", _, "streams"]) if posts => ApiOperation::Start,
        (ApiVersion::V1, [_, _, "accounts", _, "streams"]) if reads => ApiOperation::List,
        (ApiVersion::V1, [_, _, "accounts", _, "streams", _]) if posts => {
            let stops = query.split('&').any(|parameter| parameter == "event=stop");
            if stops { ApiOperation::Stop } else { ApiOperation::Heartbeat }
        }
        (ApiVersion::V1, [_, _, "accounts", _, "streams", _]) if reads => ApiOperation::Show,
        (ApiVersion::V1, [_, _, "accounts", _, "activity"]) if reads => ApiOperation::Activity,
        (ApiVersion::V2, ["sessions", _, _]) if posts => ApiOperation::Start,
        (ApiVersion::V2, ["sessions", _, _, _]) if posts => ApiOperation::Heartbeat,
        (ApiVersion::V2, ["sessions", _, _, _]) if *method == Method::DELETE => ApiOperation::Stop,
        (ApiVersion::V2, ["runningStreams", _, _]) if reads => ApiOperation::List,
        (ApiVersion::V2, ["metadata"]) if reads => ApiOperation::Metadata,
        _ => ApiOperation::Other,
    }
}
