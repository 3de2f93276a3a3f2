//! Running streams, and required attributes.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;

use crate::control::Control;
use crate::control::session::required::required;
use crate::control::session::view::{View, metadata as known};
use crate::model::Millis;
use crate::streams::Stream;

use super::answer::Answer;
use super::call::Call;
use super::result::{EvaluationResult, RunningStream, RunningStreams};

/// Lists the streams of an account.
#[utoipa::path(
    get,
    path = "/v2/runningStreams/{idp}/{subject}",
    tag = "session API, version 2",
    params(
        ("idp" = String, Path, min_length = 1, max_length = 256, description = "The account's identity provider."),
        ("subject" = String, Path, min_length = 1, max_length = 256, description = "The account at that provider."),
    ),
    responses(
        (status = 200, description = "The streams visible to the application, and the number of others.", body = RunningStreams, headers(
            ("Expires" = Option<String>, description = "Earliest heartbeat deadline among them."),
        )),
        (status = 400, description = "Malformed.", body = EvaluationResult),
        (status = 401, description = "Unknown application."),
        (status = 403, description = "Identity provider not allowed."),
        (status = 503, description = "The stream store is unavailable."),
    ),
    security(("basic" = [])),
)]
pub(super) async fn running_streams(State(control): State<Control>, request: Request) -> Response {
    let call = Call::new(&control, request.into_parts().0);
    let answer = list(&call).await;
    call.answer(answer)
}

async fn list(call: &Call<'_>) -> Result<Answer, Answer> {
    let application = call.application()?;
    let account = call.account(application)?;
    let view = call.view(&account);
    let record = call.control.admission.table.record(&account, call.now).await.map_err(|_| Answer::UNAVAILABLE)?;
    let running = view.running(&record);
    let (seen, others): (Vec<_>, Vec<_>) =
        running.into_iter().partition(|stream| view.sees(application, &stream.application));
    let expires = seen.iter().map(|stream| announced(stream, &view)).min();
    let running_streams = seen.iter().map(|stream| shown(stream, &view)).collect();
    let answer = Answer::json(StatusCode::OK, &RunningStreams { running_streams, other_streams: others.len() });
    Ok(match expires {
        Some(expires) => answer.expires(expires),
        None => answer,
    })
}

/// The heartbeat deadline announced to the stream's application. For a stream without one: when it becomes idle.
fn announced(stream: &Stream, view: &View<'_>) -> Millis {
    let settings = &view.settings.streams;
    let declared = stream.declared().map(|declared| declared + settings.interval);
    declared.or_else(|| stream.slot_until(settings, view.now)).unwrap_or(view.now)
}

fn shown(stream: &Stream, view: &View<'_>) -> RunningStream {
    RunningStream {
        session_id: stream.id.to_string(),
        start_time: view.moment.to_wall(stream.started).0,
        application_id: stream.application.to_string(),
        application_name: view.name_of(&stream.application).to_string(),
        termination_code: view.termination_code(stream.id),
        metadata: known(stream),
    }
}

/// Lists the attributes that the application's policies use.
///
/// A start without one of them may be answered with 400.
#[utoipa::path(
    get,
    path = "/v2/metadata",
    tag = "session API, version 2",
    responses(
        (status = 200, description = "Their names, sorted.", body = Vec<String>),
        (status = 401, description = "Unknown application."),
    ),
    security(("basic" = [])),
)]
pub(super) async fn metadata(State(control): State<Control>, request: Request) -> Response {
    let call = Call::new(&control, request.into_parts().0);
    let answer = call.application().map(|application| Answer::json(StatusCode::OK, &required(application)));
    call.answer(answer)
}
