//! Session stops.

use axum::extract::{Request, State};
use axum::response::Response;

use crate::control::Control;
use crate::control::session::throttle::Counted;
use crate::streams::Cause;

use super::answer::Answer;
use super::call::Call;
use super::ended::{At, over};
use super::result::EvaluationResult;

/// Stops a session and frees its slot at once.
#[utoipa::path(
    delete,
    path = "/v2/sessions/{idp}/{subject}/{session}",
    tag = "session API, version 2",
    params(
        ("idp" = String, Path, min_length = 1, max_length = 256, description = "The account's identity provider."),
        ("subject" = String, Path, min_length = 1, max_length = 256, description = "The account at that provider."),
        ("session" = String, Path, description = "The session's id."),
    ),
    responses(
        (status = 202, description = "The session is stopped."),
        (status = 400, description = "Malformed.", body = EvaluationResult),
        (status = 401, description = "Unknown application."),
        (status = 403, description = "Another application's session, or identity provider not allowed."),
        (status = 404, description = "No such session was ever started for this account."),
        (status = 410, description = "The session was already over. The body is present if it was killed.", body = Option<EvaluationResult>),
        (status = 429, description = "Too many calls for this session.", headers(
            ("Expires" = String, description = "When the next call is allowed."),
            ("Retry-After" = u64, description = "Seconds until then."),
        )),
    ),
    security(("basic" = [])),
)]
pub(super) async fn stop(State(control): State<Control>, request: Request) -> Response {
    // The body is ignored.
    let call = Call::new(&control, request.into_parts().0);
    let answer = end(&call).await;
    call.answer(answer)
}

async fn end(call: &Call<'_>) -> Result<Answer, Answer> {
    let (table, now) = (&call.control.admission.table, call.now);
    let application = call.application()?;
    let account = call.account(application)?;
    let session = call.session()?;
    let key = account.key();
    let stream = table.find(&key, session);
    if stream.as_ref().is_some_and(|stream| stream.application != application.id) {
        return Err(Answer::FORBIDDEN);
    }
    call.count(Counted::Session(key, session))?;
    if !stream.is_some_and(|stream| stream.holds(&call.settings.streams, now)) {
        return Err(over(call, At::Stop, application, &account, session).await);
    }
    match table.end(&account, session, &Cause::Stopped, now).await {
        Ok(true) => Ok(Answer::ACCEPTED),
        Ok(false) => Err(over(call, At::Stop, application, &account, session).await),
        // It expires anyway without further heartbeats.
        Err(error) => {
            tracing::warn!(%error, stream = %session, "session could not be stopped; it will expire");
            Ok(Answer::ACCEPTED)
        }
    }
}
